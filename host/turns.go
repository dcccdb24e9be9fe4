package host

import (
	"context"
	"math"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// takeRuns takes what a poll has brought through the handlers. What belongs to
// inputs that take turns goes by way of their backlogs, where earliest chooses.
// left says that runs were left over.
func (w *worker) takeRuns(ctx context.Context) (left bool, err error) {
	queued := false
	for i := range w.packed.Runs {
		run := &w.packed.Runs[i]
		in := w.inputs[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]
		wire := w.packed.Buf[run.Start:run.End]
		switch {
		case in == nil: // revoked in this very poll
		case w.takesTurns(in):
			in.queue(*run, wire)
			queued = true
		default:
			err = w.accept(ctx, in, *run, wire)
		}
		if err != nil {
			return false, err
		}
		if w.drain.Load() || w.full {
			return w.keepRuns(i + 1)
		}
	}
	if queued {
		err = w.retries(ctx, w.backends.Clock.Now())
	}
	return false, err
}

// keepRuns puts the runs from i on into the backlogs of their inputs, because
// the worker has something else to do first. When it drains they are left.
func (w *worker) keepRuns(i int) (left bool, err error) {
	if w.drain.Load() {
		return true, nil
	}
	for ; i < len(w.packed.Runs); i++ {
		run := &w.packed.Runs[i]
		in := w.inputs[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]
		if in == nil {
			continue
		}
		in.queue(*run, w.packed.Buf[run.Start:run.End])
		if err := w.throttle(in); err != nil {
			return false, err
		}
	}
	return false, nil
}

// takesTurns says whether an input shares caches with others, so that their
// records go by timestamp. Letters that come back do not: their time is long
// past.
func (w *worker) takesTurns(in *input) bool {
	if in.connector != nil || !w.stateful(in.task.sub) || w.replays(in) {
		return false
	}
	n := 0
	for _, other := range in.task.inputs {
		if !w.replays(other) {
			n++
		}
	}
	return n > 1
}

// replays says that an input brings dead letters back.
func (w *worker) replays(in *input) bool { return len(w.plan.Sources[in.source].Replays) > 0 }

// earliest chooses what goes on next of in and, where inputs take turns, of the
// others of its task: by the timestamp of the first record that waits, each
// input in its own order. Records later than until are another's turn.
func (w *worker) earliest(in *input, now time.Time) (next *input, until int64) {
	until = math.MaxInt64
	if w.suspended != nil || w.refused != nil || w.aborted != nil || w.full || w.drain.Load() {
		return nil, until
	}
	waits := func(in *input) bool { return !in.backlog.empty() && !now.Before(in.due) && !in.guarded() }
	if !w.takesTurns(in) {
		if waits(in) {
			next = in
		}
		return next, until
	}
	first := int64(0)
	for _, other := range in.task.inputs {
		if !waits(other) || w.replays(other) {
			continue
		}
		switch ts := other.backlog.time(); {
		case next == nil:
			next, first = other, ts
		case ts < first:
			next, first, until = other, ts, first
		default:
			until = min(until, ts)
		}
	}
	return next, until
}
