package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/crashpoint"
	"github.com/sliphost/sliphost/state"
)

// commit makes everything done so far final. Exactly-once: changelog records,
// acknowledgements of all records, positions, the end of the transaction, and
// then what was staged counts. At-least-once: the same without a transaction,
// outputs first, then changelogs, then positions, each after the
// acknowledgement of what comes before; a crash in between repeats outputs and
// loses none. In both the store on disk comes last, so that it is never ahead.
//
// A client tells of a refused output once. So the refusal is remembered, and
// nothing is committed until the worker has gone back.
func (w *worker) commit(ctx context.Context) error {
	began := w.backends.Clock.Now()
	w.lastCommit = began
	if w.refused != nil {
		return w.refused
	}
	if !w.plan.ExactlyOnce && (w.overlay != nil || w.plan.controlOf(w.cluster) != "") {
		// A changelog takes nothing back, nor does a control topic: of a record whose
		// output is refused, they must not hold anything.
		if err := w.mend(ctx); err != nil {
			return err
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if err := w.stageChangelogs(); err != nil {
		return err
	}
	if err := w.stagePositions(); err != nil {
		return err
	}
	w.checkpoints.stage()
	if err := w.sendControl(); err != nil {
		return err
	}
	crashpoint.At("commit-before-flush")
	if err := w.flush(ctx); err != nil {
		return err
	}
	crashpoint.At("commit-after-flush")
	w.collectOffsets()
	var err error
	if w.plan.ExactlyOnce {
		if err := w.commitTransaction(ctx); err != nil {
			return err
		}
	} else {
		err = w.commitOffsets(ctx)
	}
	if err == nil {
		w.committed()
	}
	if cerr := w.commitConnectors(); cerr != nil {
		return cerr
	}
	if err != nil {
		return w.commitFailed(ctx, err)
	}
	w.uncommitted, w.full = false, false
	w.retryCommit, w.givenUp, w.restarts, w.vain = 0, 0, 0, 0
	w.stats.commits.Add(1)
	w.stats.commitTimes.Observe(w.backends.Clock.Now().Sub(began))
	w.publish()
	return nil
}

// stageChangelogs appends the last value of every key written since the last
// commit to the changelogs.
func (w *worker) stageChangelogs() error {
	w.touched = w.touched[:0]
	if w.overlay == nil {
		return nil
	}
	w.stats.staged.Store(w.overlay.Staged())
	for _, t := range w.tasks {
		if t.changed && t.phase == taskRunning {
			if err := w.sweep(t); err != nil {
				return err
			}
		}
	}
	var last *state.Partition
	err := w.overlay.Changes(func(p *state.Partition, key, value []byte) error {
		if p != last {
			last = p
			w.touched = append(w.touched, p)
		}
		out := w.changelogs[p.Cache()]
		out.append(p.Partition(), key, value, nil, -1)
		w.mending.sent = !w.plan.ExactlyOnce
		if w.run.careful {
			out.producer.sent = append(out.producer.sent, w.writer)
		}
		return nil
	})
	return w.storeError(err)
}

// sweepMost bounds the expired entries that one commit removes from a cache's
// partition.
const sweepMost = 1024

// sweep stages the removal of expired entries.
func (w *worker) sweep(t *task) error {
	for _, p := range t.caches {
		if p == nil {
			continue
		}
		if _, err := w.overlay.Sweep(p, t.streamTime, sweepMost); err != nil {
			return w.storeError(err)
		}
	}
	w.overlay.Forget()
	return nil
}

// collectOffsets lists what is committed: every input of every task of which
// something changed, with the metadata that a new owner needs.
func (w *worker) collectOffsets() {
	w.offsets, w.sending = w.offsets[:0], w.sending[:0]
	clear(w.moved)
	for _, p := range w.touched {
		next := w.changelogs[p.Cache()].delivered(p.Partition())
		w.moved[p] = state.Position{Next: next, Log: w.plan.Caches[p.Cache()].Log}
	}
	for _, t := range w.tasks {
		if t.phase != taskRunning {
			continue // its metadata would not know the caches' positions
		}
		changed := t.changed
		for _, in := range t.inputs {
			changed = changed || in.next != in.committed
		}
		if !changed {
			continue
		}
		for _, in := range t.inputs {
			if in.next < 0 {
				continue
			}
			w.sending = append(w.sending, in)
			w.offsets = append(w.offsets, abi.TopicOffset{TopicPartition: in.kafka, Offset: in.next, Metadata: w.metadata(in)})
		}
	}
}

// metadata is what is committed beside the position of an input.
func (w *worker) metadata(in *input) string {
	t := in.task
	m := &w.meta
	m.streamTime = t.streamTime
	m.inputs = m.inputs[:0]
	for _, other := range t.inputs {
		src := &w.plan.Sources[other.source]
		m.inputs = append(m.inputs, inputIdentity{nameHash(src.Topic), src.Identity})
	}
	m.logs, m.attempts = m.logs[:0], m.attempts[:0]
	for c, p := range t.caches {
		if p == nil || w.plan.Caches[c].Kind != state.KV {
			continue
		}
		pos, moved := w.moved[p]
		if !moved {
			pos = p.Position()
		}
		m.logs = append(m.logs, cachePosition{nameHash(w.plan.Caches[c].ID), pos})
	}
	m.ticks = w.ticks(m.ticks[:0], t)
	m.until, m.replays = 0, m.replays[:0]
	if in.replay.until > in.next {
		m.until = in.replay.until
		for _, f := range in.replay.from {
			m.replays = append(m.replays, savedReplay{nameHash(w.plan.Checkpoints[f.checkpoint].Spec.Name), f.offset})
		}
	}
	for key, n := range in.attempts {
		m.attempts = append(m.attempts, savedAttempt{nameHash(key.handler.ID), nameHash(key.source.ID), key.nth, n})
	}
	slices.SortFunc(m.attempts, func(a, b savedAttempt) int {
		return cmp.Or(cmp.Compare(a.handler, b.handler), cmp.Compare(a.source, b.source), cmp.Compare(a.nth, b.nth))
	})
	return m.encode()
}

// commitOffsets stores the positions of topics in the group.
func (w *worker) commitOffsets(ctx context.Context) error {
	if w.consumer == nil || len(w.offsets) == 0 {
		return nil
	}
	return w.consumer.Commit(ctx, w.offsets)
}

// committed takes note of a commit that the group has.
func (w *worker) committed() {
	for i, in := range w.sending {
		in.committed = w.offsets[i].Offset
		if in.committed >= in.suspect {
			in.refused = 0
		}
		in.keepTries()
		t := in.task
		t.changed, t.unsettled, t.committedTime = false, false, t.streamTime
	}
	if w.overlay != nil {
		for p, pos := range w.moved {
			p.SetPosition(pos)
		}
		w.overlay.Commit()
		w.mending.sent = false
		w.stats.staged.Store(0)
	}
	for _, in := range w.sending {
		if in.next >= in.replay.until {
			in.replay = replay{}
		}
		in.committedReplay = in.replay.clone()
	}
	w.checkpoints.keep()
	w.keepControl()
	w.purge()
}

// commitConnectors tells connectors what is final.
func (w *worker) commitConnectors() error {
	for _, in := range w.connectors {
		if in.next == in.committed {
			continue
		}
		if err := in.connector.Commit(in.next); err != nil {
			return fmt.Errorf("source %q: store the position: %w", w.plan.Sources[in.source].ID, err)
		}
		in.committed = in.next
		in.kept.forget(in.next)
		if in.carrier != nil {
			in.carrier.tick(w.plan.timerHash(in.source), in.next-1)
		}
		if in.committed >= in.suspect {
			in.refused = 0
		}
		in.keepTries()
		in.task.committedTime = max(in.task.committedTime, in.task.streamTime)
	}
	return nil
}

// commitFailed decides about positions the group did not take. The outputs
// are acknowledged, so waiting costs nothing but repetition after a crash. A
// member that is no longer one learns of it in its next poll.
func (w *worker) commitFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil || w.final || isFatal(err) {
		return err
	}
	w.retryCommit++
	wait := min(backoff(w.opts.CommitInterval, w.retryCommit), 10*time.Second)
	w.lastCommit = w.backends.Clock.Now().Add(wait - w.opts.CommitInterval)
	w.log.Warn("positions not committed; trying again", "error", err, "tries", w.retryCommit, "wait", wait)
	return nil
}

// giveUp goes back to the last commit after outputs were refused: everything
// since is processed again.
func (w *worker) giveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil || w.drain.Load() {
		return err
	}
	if errors.Is(err, errStore) {
		return w.storeBroke(ctx, err)
	}
	if isFatal(err) {
		return err
	}
	w.stats.rewinds.Add(1)
	var refused *refusedError
	if errors.As(err, &refused) {
		for _, in := range w.listed {
			in.suspected(refused.conn != nil && refused.record() >= 0)
		}
		w.checkpoints.suspected()
	}
	wait := w.rewindWait(err)
	w.log.Error("going back to the last commit", "error", err, "wait", wait)
	if err := w.rollback(ctx, err); err != nil {
		return w.restart(ctx, err)
	}
	lost := w.consumer != nil && w.consumer.Lost()
	for part, in := range w.inputs {
		at := in.rewind()
		in.task.streamTime = in.task.committedTime
		w.uncommitted = w.uncommitted || at != in.committed // a start is to be committed, too
		if lost {
			continue // the next poll takes it away, before anything is delivered
		}
		err := w.consumer.Seek(part, at)
		if err == nil {
			err = w.throttle(in)
		}
		if err != nil {
			return w.restart(ctx, fmt.Errorf("go back on %s[%d]: %w", w.plan.Sources[in.source].Topic, part.Partition, err))
		}
	}
	w.rewindConnectors()
	w.publish()
	return w.pause(ctx, wait)
}

// isFatal says that a client cannot be used any more.
func isFatal(err error) bool {
	var fatal interface{ Fatal() bool }
	return errors.As(err, &fatal) && fatal.Fatal()
}

// maxRestarts bounds how often clients are made anew without a commit. Where a
// broker is only away, there is no bound: a worker tries again until it is back,
// with waits that grow to maxStopped.
const maxRestarts = 8

// restart makes all clients of the worker anew after one of them failed for
// good. What is not committed is processed again, by whoever gets the
// partitions.
func (w *worker) restart(ctx context.Context, err error) error {
	if !w.canRestart() {
		return err
	}
	w.restarts++
	if !unreachable(err) {
		w.vain++
	}
	wait := min(backoff(100*time.Millisecond, w.restarts), maxStopped)
	w.log.Error("starting over from the last commit with new clients", "error", err, "wait", wait, "tries", w.restarts)
	w.stats.rewinds.Add(1)
	w.stats.abort(abortRestart)
	if err := w.forgetStaged(); err != nil {
		w.log.Warn("changelogs keep entries of calls that were taken back", "error", err)
	}
	w.fatal, w.refused, w.aborted = nil, nil, nil
	w.inTransaction = false
	w.idle.Store(false)
	w.closeClients()
	w.dropAll()
	w.rewindConnectors()
	w.publish()
	if err := w.pause(ctx, wait); err != nil || w.drain.Load() {
		return err
	}
	if err = w.openOutlets(ctx); err == nil {
		err = w.checkpoints.reenter()
	}
	if err == nil {
		err = w.join(ctx)
	}
	if err != nil {
		return &reopenError{err}
	}
	return nil
}

// canRestart says whether the clients may be made anew once more.
func (w *worker) canRestart() bool { return w.vain < maxRestarts }

// unreachable says that a broker is only away: err may be tried again, and was,
// or its time ran out.
func unreachable(err error) bool {
	var known interface{ Retriable() bool }
	return errors.As(err, &known) && known.Retriable() || errors.Is(err, context.DeadlineExceeded)
}

// reopenError says that new clients could not be made, which is tried again.
type reopenError struct{ err error }

func (e *reopenError) Error() string { return e.err.Error() }
func (e *reopenError) Unwrap() error { return e.err }

// Fatal is true.
func (e *reopenError) Fatal() bool { return true }

// closeClients leaves the group and gives the clients back.
func (w *worker) closeClients() {
	if w.consumer != nil {
		if err := w.consumer.Close(); err != nil {
			w.log.Error("close the consumer", "error", err)
		}
		w.consumer = nil
	}
	for _, o := range w.outputs {
		if o == nil {
			continue
		}
		if err := o.Close(); err != nil {
			w.log.Error("close the producer", "cluster", o.cluster, "error", err)
		}
	}
	w.outputs = nil
}

// pause waits, or returns early when the worker is told to drain.
func (w *worker) pause(ctx context.Context, d time.Duration) error {
	until := w.backends.Clock.Now().Add(d)
	for !w.drain.Load() {
		left := until.Sub(w.backends.Clock.Now())
		if left <= 0 {
			return nil
		}
		timer, stop := w.backends.Clock.NewTimer(min(left, pollWait))
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-timer:
		}
	}
	return nil
}

// publish shows the partitions to Status.
func (w *worker) publish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = false
	w.status.Partitions = w.status.Partitions[:0]
	for _, in := range w.listed {
		s := &w.plan.Sources[in.source]
		p := PartitionStatus{Source: s.ID, Topic: s.Topic, Partition: in.partition, Next: in.next, Committed: in.committed}
		for _, r := range in.backlog.runs {
			p.Waiting += int64(r.Count)
		}
		if err := cmp.Or(in.stopped, in.waitedTooLong()); err != nil {
			p.Stopped = err.Error()
		}
		if err := in.heldBy(); err != nil {
			p.Held = err.Error()
		}
		w.status.Partitions = append(w.status.Partitions, p)
	}
	w.publishTasks()
}
