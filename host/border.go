package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/crashpoint"
)

// asking is a call into handlers for which no record comes.
type asking struct {
	g      *guard
	source int
	action checkpoint.Action
	// careful says that outputs were refused before.
	careful bool
	// advance is what handlers are told if the call is about stream time and no
	// checkpoint.
	advance *abi.Advance
}

// guestSeek is a seek that a handler asked for.
type guestSeek struct {
	g      *guard
	offset int64
}

// border carries out what the machines have decided, between two transactions:
// first their own checks are answered, then one action after the other. What is
// done is staged and committed with what it caused.
func (w *worker) border(ctx context.Context, now time.Time) error {
	cs := w.checkpoints
	if cs == nil || w.drain.Load() || w.refused != nil || w.aborted != nil {
		return nil
	}
	for _, g := range cs.guards {
		if !g.loaded || !g.machine.Due() || now.Before(g.in.due) {
			continue
		}
		if err := w.check(ctx, g, now); err != nil {
			return err
		}
		if _, waits := g.machine.Next(); !waits {
			continue
		}
		if w.uncommitted {
			w.full = true // the batch that led here stands by itself
			return nil
		}
		g.in.due = time.Time{}
		crashpoint.At("checkpoint-before-action")
		carry := w.act
		if g.refused >= carefulAfter {
			carry = w.actCarefully
		}
		if err := carry(ctx, g, now); err != nil {
			return err
		}
		if err := w.throttle(g.in); err != nil {
			return err
		}
		w.busy()
		w.publish()
		crashpoint.At("checkpoint-after-action")
	}
	return nil
}

// afterRun answers the checks that the records of a run have opened, and asks
// for a commit if a machine has something to do.
func (w *worker) afterRun(ctx context.Context) error {
	if w.checkpoints == nil {
		return nil
	}
	for _, g := range w.checkpoints.guards {
		if !g.machine.Due() || !g.in.due.IsZero() {
			continue
		}
		if err := w.check(ctx, g, w.backends.Clock.Now()); err != nil {
			return err
		}
		if _, waits := g.machine.Next(); waits {
			w.full = true
		}
	}
	return nil
}

// act carries out the actions of one machine, as far as handlers allow.
func (w *worker) act(ctx context.Context, g *guard, now time.Time) error {
	g.acted = true
	w.uncommitted, w.full, g.in.task.changed = true, true, true
	spec := g.machine.Spec()
	plan := &w.plan.Checkpoints[g.checkpoint]
	careful := g.refused >= carefulAfter
	for {
		next, ok := g.machine.Next()
		if !ok {
			return nil
		}
		a := *next
		log := w.log.With("checkpoint", spec.Name, "partition", g.in.partition)
		if a.Dependency >= 0 {
			log = log.With("dependency", spec.Dependencies[a.Dependency].Name)
		}
		switch a.Kind {
		case checkpoint.ActionPause:
			g.since = now
			w.stats.checkpoints[g.checkpoint].pauses.Add(1)
		case checkpoint.ActionResume:
			w.stats.checkpoints[g.checkpoint].paused.Add(int64(now.Sub(g.since)))
			g.tooLong = nil
			if a.Everyone {
				for _, other := range g.in.guards {
					other.machine.Open()
				}
			}
			log.Info("the dependent goes on", "next", g.in.next)
		case checkpoint.ActionDowntime:
			log.Warn("a dependency is down", "behind", time.Duration(a.DowntimeMs)*time.Millisecond, "marker", markerText(a.DependencyMarker), "dependent", markerText(a.DependentMarker), "paused", g.machine.Held())
			done, failed, err := w.call(ctx, g, plan.Downtime, a)
			if err != nil || !done {
				g.acted = false
				return err
			}
			w.stats.checkpoints[g.checkpoint].downtimes.Add(1)
			if failed {
				g.machine.Failed()
				if careful {
					return nil
				}
				continue
			}
		case checkpoint.ActionRecovery:
			log.Info("a dependency has recovered", "marker", markerText(a.DependencyMarker), "dependent", markerText(a.DependentMarker))
			if a.Call {
				crashpoint.At("checkpoint-before-recovery")
				if done, _, err := w.call(ctx, g, plan.Recovery, a); err != nil || !done {
					g.acted = false
					return err
				}
			}
			w.stats.checkpoints[g.checkpoint].recoveries.Add(1)
		case checkpoint.ActionSeek:
			for _, p := range a.Positions {
				if p.Partition != g.in.partition {
					continue
				}
				if err := w.seekInput(ctx, g, p.Offset); err != nil {
					return err
				}
			}
		case checkpoint.ActionMaxPause:
			held := time.Duration(a.HeldMs) * time.Millisecond
			if spec.MaxPausePolicy == checkpoint.PauseFail {
				g.tooLong = fmt.Errorf("%w; it has waited for %s, max_pause is %s", g.held(), held, spec.MaxPause)
				log.Error("partition stopped", "error", g.tooLong)
			} else {
				log.Warn("the dependent has waited for max_pause and goes on without its dependencies", "waited", held)
			}
		}
		g.machine.Done()
		if careful && (a.Kind == checkpoint.ActionDowntime || a.Kind == checkpoint.ActionRecovery) {
			return nil // each call is a commit's only one
		}
	}
}

// actCarefully carries the actions of one machine out in a commit of their own,
// because outputs of them were refused: so the call is known that they are of,
// and its handler's policy acts. Nothing else is uncommitted.
func (w *worker) actCarefully(ctx context.Context, g *guard, now time.Time) error {
	in := g.in
	refusals := map[callKey]string{}
	stopped, tries := in.stopped, in.tries
	for try := 1; ; try++ {
		if err := w.act(ctx, g, now); err != nil {
			return err
		}
		err := w.settleAlone(ctx)
		if err == nil || ctx.Err() != nil || isFatal(err) {
			return err
		}
		key, known := w.guilty(err)
		if err := w.rollback(ctx, err); err != nil {
			return err
		}
		at := in.rewind()
		in.stopped, in.tries = stopped, tries
		if in.connector != nil {
			in.backlog.copyFrom(&in.kept)
		} else if err := w.consumer.Seek(in.kafka, at); err != nil {
			return err
		}
		if !known || try == carefulTries {
			w.holdInput(in, &hold{reason: err, stopped: true})
			return nil
		}
		refusals[key] = err.Error()
		in.refusals = maps.Clone(refusals)
	}
}

// call hands an action to the handlers that take it; done is false when one of
// them has to be asked again, failed says that one did and its policy goes on.
func (w *worker) call(ctx context.Context, g *guard, source int, a checkpoint.Action) (done, failed bool, err error) {
	if source < 0 {
		return true, false, nil
	}
	in := g.in
	w.asking = &asking{g: g, source: source, action: a, careful: g.refused >= carefulAfter}
	w.checkpoints.seeks = w.checkpoints.seeks[:0]
	head := abi.BatchHeader{
		Kind: w.plan.Sources[source].Batch, Partition: in.partition,
		BaseOffset: max(in.next, 0), BaseTimestamp: max(in.task.streamTime, 0), Count: 1,
	}
	n, h, err := w.dispatch(ctx, in, head, abi.AppendRecord(nil, 0, 0, nil, nil, nil))
	w.asking = nil
	if err != nil {
		return false, false, err
	}
	if h != nil {
		w.holdInput(in, h)
	}
	if n == 0 {
		return false, false, nil
	}
	for i := range w.plan.Sources[source].Handlers {
		failed = failed || slices.ContainsFunc(w.batches[source].calls[i].effects, func(e effect) bool { return e.settled != nil })
	}
	w.passed(in)
	for _, s := range slices.Clone(w.checkpoints.seeks) {
		if err := w.seekInput(ctx, s.g, s.offset); err != nil {
			return false, false, err
		}
		s.g.machine.Rewind(abi.Position{Source: int32(in.source), Partition: in.partition, Offset: in.next})
	}
	w.checkpoints.seeks = w.checkpoints.seeks[:0]
	return true, failed, nil
}

// message is what a handler is told about the call under way, nil if it is not
// asked.
func (w *worker) message(dst []byte, handler *Handler) []byte {
	a := w.asking
	if a.advance != nil {
		return abi.AppendAdvance(dst, a.advance)
	}
	at := int32(slices.Index(handler.Checkpoints, a.g.checkpoint))
	dep := a.g.machine.Spec().Dependencies[a.action.Dependency].Name
	if w.plan.Sources[a.source].Batch == abi.KindDowntime {
		return abi.AppendDowntime(dst, &abi.Downtime{
			Checkpoint: at, Dependency: dep, DependentMarker: a.action.DependentMarker, DependencyMarker: a.action.DependencyMarker,
			DowntimeMs: a.action.DowntimeMs, State: a.action.State,
		})
	}
	return abi.AppendRecovery(dst, &abi.Recovery{
		Checkpoint: at, Dependency: dep, DependentMarker: a.action.DependentMarker, DependencyMarker: a.action.DependencyMarker,
		State: a.action.State, Healthy: w.positionsFor(handler, a.action.Healthy), Detected: w.positionsFor(handler, a.action.Detected),
	})
}

// positionsFor names sources as a handler does.
func (w *worker) positionsFor(handler *Handler, list []abi.Position) []abi.Position {
	out := slices.Clone(list)
	for i := range out {
		out[i].Source = w.bindingOf(handler, int(out[i].Source))
	}
	return out
}

// bindingOf is the position of a source in a handler's binding, -1 if it does
// not read it itself.
func (w *worker) bindingOf(handler *Handler, source int) int32 {
	if source < 0 || source >= len(w.plan.Sources) {
		return -1
	}
	for _, hs := range w.plan.Sources[source].Handlers {
		if &w.plan.Handlers[hs.Handler] == handler {
			return int32(hs.Position)
		}
	}
	return -1
}

// check answers the open checks of a machine by asking the handler.
func (w *worker) check(ctx context.Context, g *guard, now time.Time) error {
	plan := &w.plan.Checkpoints[g.checkpoint]
	for {
		c, open := g.machine.Check()
		if !open {
			return nil
		}
		value, err := w.askCheck(ctx, plan, g, &c)
		if err != nil {
			return err
		}
		r := abi.NewReader(value)
		if c.Which == abi.CheckDowntime {
			ms := int64(0)
			if value != nil {
				ms = r.Int()
			}
			if r.Err() != nil {
				ms = 0
			}
			g.machine.AnswerDowntime(c.Dependency, ms, now.UnixMilli())
		} else {
			up := value != nil && r.Bool() && r.Err() == nil
			g.machine.AnswerRecovery(c.Dependency, up)
		}
	}
}

// askCheck asks a handler; nil for an answer that was none, which counts as up
// for a downtime and as not recovered for a recovery.
func (w *worker) askCheck(ctx context.Context, plan *Checkpoint, g *guard, c *checkpoint.Check) ([]byte, error) {
	if plan.Check < 0 {
		return nil, nil
	}
	h := &w.plan.Handlers[plan.Check]
	dep := plan.Spec.Dependencies[c.Dependency].Name
	msg := abi.AppendCheck(nil, &abi.Check{
		Checkpoint: int32(slices.Index(h.Checkpoints, g.checkpoint)), Which: c.Which, Dependency: dep,
		DependentMarker: c.DependentMarker, DependencyMarker: c.DependencyMarker, ThresholdMs: c.ThresholdMs,
	})
	reply, _, err := w.invokers[h.Module].Process(ctx, int32(h.Binding), 1, msg, nil)
	why := ""
	if err == nil {
		var a abi.Answer
		r := abi.NewReader(reply)
		abi.ReadAnswer(&r, &a)
		switch {
		case r.Err() != nil:
			why = r.Err().Error()
		case a.Status == abi.StatusError:
			why = string(a.Message)
		default:
			return slices.Clone(a.Value), nil
		}
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	} else {
		why = err.Error()
	}
	w.log.Error("a check of a handler's own failed", "handler", h.ID, "checkpoint", plan.Spec.Name, "dependency", dep, "error", why)
	return nil, nil
}
