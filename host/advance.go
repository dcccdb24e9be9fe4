package host

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// Stream time is a task's, and moves by the records of all its inputs: a
// handler that closes windows by it may get none of them. So before a commit,
// inside its transaction, each handler that takes kind advance and does not
// know the stream time yet is told, and once with final where a run ends by
// itself.
//
// Such a call goes the way of a batch of one without a record. Its failure is
// the policy's: what would skip a record or send it to dead letters skips the
// call; what would wait holds the whole task, which has no record to go on with
// before.

// place is where stream time moves: a task, or a connector, which has one of its
// own. in is its first input.
type place struct {
	t  *task
	in *input
	// source stands for the call in the plan; round is when it is told that
	// nothing follows.
	source, round int
}

// places lists the places of this worker with handlers that take advance, in an
// order of their own.
func (w *worker) places() []place {
	w.found = w.found[:0]
	if len(w.plan.Advances) == 0 {
		return nil
	}
	for _, t := range w.tasks {
		if len(t.inputs) == 0 {
			continue
		}
		first := slices.MinFunc(t.inputs, func(a, b *input) int { return cmp.Compare(a.source, b.source) })
		w.place(t, first)
	}
	for _, in := range w.connectors {
		w.place(in.task, in)
	}
	slices.SortFunc(w.found, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.in.partition, b.in.partition), cmp.Compare(a.in.source, b.in.source))
	})
	return w.found
}

func (w *worker) place(t *task, in *input) {
	sub := w.plan.Sources[in.source].Sub
	for i, source := range w.plan.Advances {
		if w.plan.Sources[source].Sub == sub {
			w.found = append(w.found, place{t, in, source, w.host.rounds[i]})
			return
		}
	}
}

// advance tells handlers the stream time that they do not know. It comes right
// before a commit.
func (w *worker) advance(ctx context.Context) error {
	if w.suspended != nil || w.refused != nil || w.aborted != nil {
		return nil
	}
	for _, p := range w.places() {
		if !p.t.ready() || p.t.streamTime < 0 || w.all(p, func(handler int) bool { return p.t.knows(handler) }) {
			continue
		}
		if err := w.tell(ctx, p, false); err != nil {
			return err
		}
	}
	return nil
}

// retryAdvances goes on with the tasks that wait because a handler failed on an
// advance.
func (w *worker) retryAdvances(ctx context.Context, now time.Time) error {
	for _, p := range w.places() {
		if p.t.stuck && p.t.settled() && w.suspended == nil && !now.Before(p.in.due) {
			if err := w.tell(ctx, p, p.t.last); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish tells the handlers whose turn it is that no record follows.
func (w *worker) finish(ctx context.Context) error {
	if w.suspended != nil || w.refused != nil || w.aborted != nil || w.drain.Load() {
		return nil
	}
	for _, p := range w.unfinished() {
		if !p.t.ready() {
			continue
		}
		if err := w.tell(ctx, p, true); err != nil {
			return err
		}
	}
	return nil
}

// unfinished lists the places whose handlers are still to be told that no
// record follows, those aside that stand still: there records do follow.
func (w *worker) unfinished() []place {
	round := int(w.host.round.Load())
	if round == 0 {
		return nil
	}
	return slices.DeleteFunc(w.places(), func(p place) bool {
		stands := p.in.stopped != nil || slices.ContainsFunc(p.t.inputs, func(in *input) bool { return in.stopped != nil })
		return p.round > round || p.t.finished || stands
	})
}

// all says whether f holds for every handler of a place.
func (w *worker) all(p place, f func(handler int) bool) bool {
	return !slices.ContainsFunc(w.plan.Sources[p.source].Handlers, func(hs HandlerSource) bool { return !f(hs.Handler) })
}

// tell calls the handlers of a place that do not know its stream time, or all
// of them if nothing follows.
func (w *worker) tell(ctx context.Context, p place, final bool) error {
	t, in := p.t, p.in
	w.asking = &asking{source: p.source, advance: &abi.Advance{Partition: in.partition, StreamTime: t.streamTime, Final: final}}
	head := abi.BatchHeader{
		Kind: abi.KindAdvance, Partition: in.partition, BaseOffset: max(in.next, 0), BaseTimestamp: t.streamTime, Count: 1,
	}
	w.busy()
	done, h, err := w.dispatch(ctx, in, head, abi.AppendRecord(nil, 0, 0, nil, nil, nil))
	w.asking = nil
	if err != nil {
		return err
	}
	w.uncommitted, t.changed = true, true
	if done == 0 {
		if h != nil {
			w.hold(p, h, final)
		}
		return nil
	}
	for _, hs := range w.plan.Sources[p.source].Handlers {
		t.know(hs.Handler, t.streamTime)
	}
	t.finished = t.finished || final
	for key := range in.attempts {
		if key.source == &w.plan.Sources[p.source] {
			delete(in.attempts, key)
		}
	}
	if t.stuck {
		t.stuck = false
		for _, in := range w.inputsOf(p) {
			in.due, in.stopped, in.tries = time.Time{}, nil, 0
		}
		w.publish()
	}
	return nil
}

// hold makes a task wait for its handler.
func (w *worker) hold(p place, h *hold, final bool) {
	p.t.stuck, p.t.last = true, final
	w.holdInput(p.in, h)
	for _, in := range w.inputsOf(p) {
		in.due, in.stopped = p.in.due, p.in.stopped
	}
	w.publish()
}

func (w *worker) inputsOf(p place) []*input {
	if p.in.connector != nil {
		return []*input{p.in}
	}
	return p.t.inputs
}

// stuck says that a task waits for a handler, not for ever.
func (w *worker) stuck() bool {
	return slices.ContainsFunc(w.places(), func(p place) bool { return p.t.stuck && p.in.stopped == nil })
}

// knows says whether a handler has been told the stream time of t, or got a
// record that says so.
func (t *task) knows(handler int) bool {
	return handler < len(t.known) && t.known[handler] >= t.streamTime
}

func (t *task) know(handler int, streamTime int64) {
	for len(t.known) <= handler {
		t.known = append(t.known, -1)
	}
	t.known[handler] = max(t.known[handler], streamTime)
}

// forgetTimes forgets what handlers know: it was rolled back.
func (t *task) forgetTimes() {
	t.known, t.finished, t.stuck = t.known[:0], false, false
}

// know notes which handlers have seen the stream time of the last record that
// they took in this run. A record that failed says nothing: what the handler
// made of it is gone.
func (r *run) know() {
	if len(r.w.plan.Advances) == 0 || r.letter != nil || r.w.asking != nil || r.limit == 0 {
		return
	}
	r.knowOf(r.root)
	for _, p := range r.w.reach[r.source] {
		if b := r.w.batches[p]; r.ran(b) {
			r.knowOf(b)
		}
	}
}

func (r *run) knowOf(b *batch) {
	last := b.until(0, r.limit) - 1
	if last < 0 {
		return
	}
	for i, hs := range b.source.Handlers {
		if r.w.advancing[hs.Handler] && !b.calls[i].failedOn(last) {
			r.in.task.know(hs.Handler, r.streamTime(b.root(last)))
		}
	}
}

// failedOn says whether a policy settled a failure of record pos.
func (c *call) failedOn(pos int) bool {
	for i := len(c.effects) - 1; i >= 0 && c.effects[i].pos >= pos; i-- {
		if c.effects[i].pos == pos && c.effects[i].settled != nil {
			return true
		}
	}
	return false
}

// skips says that the call under way is not for a handler: it knows already.
func (r *run) skips(handler int) bool {
	a := r.w.asking
	return a != nil && a.advance != nil && !a.advance.Final && r.in.task.knows(handler)
}

// finalRounds says, for each of Plan.Advances, when its handlers are told that
// nothing follows: after those whose outputs come to them by a topic.
func (p *Plan) finalRounds() (rounds []int, last int) {
	depth := make([]int, len(p.Subs))
	for i := range depth {
		depth[i] = 1
	}
	for range p.Subs { // no way is longer, except in a circle
		for i := range p.Sources {
			for _, from := range p.writersOf(&p.Sources[i]) {
				if to := p.Sources[i].Sub; from != to && from < len(depth) && to < len(depth) {
					depth[to] = min(max(depth[to], depth[from]+1), len(depth))
				}
			}
		}
	}
	for _, source := range p.Advances {
		round := 1
		if sub := p.Sources[source].Sub; sub < len(depth) {
			round = depth[sub]
		}
		rounds = append(rounds, round)
		last = max(last, round)
	}
	return rounds, last
}

// writersOf lists the sub-topologies whose handlers write to the topic of a
// source.
func (p *Plan) writersOf(src *Source) (subs []int) {
	if src.Kind != SourceTopic {
		return nil
	}
	for i := range p.Sources {
		for _, hs := range p.Sources[i].Handlers {
			for _, s := range p.Handlers[hs.Handler].Sinks {
				if s.Kind == SinkTopic && s.Cluster == src.Cluster && s.Topic == src.Topic {
					subs = append(subs, p.Sources[i].Sub)
				}
			}
		}
	}
	return subs
}
