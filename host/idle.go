package host

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// idleEvery is how often a worker asks the broker whether all is done.
const idleEvery = 100 * time.Millisecond

// idleTimeout bounds one such question: while a rebalance waits for another
// member the group answers nobody, and the worker has to poll meanwhile.
const idleTimeout = 2 * time.Second

// checkIdle sets idle when nothing is left to do: every connector is at its
// end and committed, no record waits, and the group's committed offset of
// every partition of every input is its end. The last is asked for all
// partitions, own or not, so it also covers what other workers and processes
// of the group still do.
func (w *worker) checkIdle(ctx context.Context, now time.Time) {
	if !w.opts.UntilIdle || w.uncommitted || len(w.packed.Runs) > 0 || now.Sub(w.lastIdle) < idleEvery {
		return
	}
	w.lastIdle = now
	seen := w.host.activity()
	for _, in := range w.listed {
		if in.stopped != nil {
			continue // it will not go on by waiting; the run ends with its error
		}
		if in.pending() {
			return
		}
		if in.heldBy() != nil {
			continue // as one that is stopped
		}
		if in.connector != nil && !in.eof {
			if w.plan.Sources[in.source].Batch != abi.KindTimer {
				return
			}
			continue
		}
		if !in.backlog.empty() {
			return
		}
	}
	if w.stuck() || len(w.unfinished()) > 0 {
		return
	}
	if w.consumer != nil {
		ctx, cancel := context.WithTimeout(ctx, idleTimeout)
		defer cancel()
		defer context.AfterFunc(w.host.draining, cancel)()
		drained, err := w.drained(ctx)
		if err != nil && w.host.draining.Err() == nil {
			level := slog.LevelWarn
			if errors.Is(err, context.DeadlineExceeded) {
				level = slog.LevelDebug // while a rebalance waits for another member
			}
			w.log.Log(ctx, level, "cannot tell whether the inputs are drained; trying again", "error", err)
		}
		if err != nil || !drained {
			return
		}
		known, err := w.checkpoints.settled(ctx, now)
		if err != nil && w.host.draining.Err() == nil {
			w.log.Warn("cannot tell whether the control topic is read; trying again", "error", err)
		}
		if err != nil || !known {
			return
		}
	}
	w.publish()
	w.stood = w.standing()
	w.idleAt.Store(seen)
	w.idle.Store(true)
	select {
	case w.host.idled <- struct{}{}:
	default:
	}
}

// drained says whether the group is at the end of every partition, those
// aside that stand still in this process.
func (w *worker) drained(ctx context.Context) (bool, error) {
	counts, err := w.consumer.Partitions(ctx)
	if err != nil {
		return false, err
	}
	standing := w.host.standing()
	var parts []abi.TopicPartition
	var offsets []abi.TopicOffset
	for topic, n := range counts {
		for p := range n {
			part := abi.TopicPartition{Topic: int32(topic), Partition: p}
			if standing[sourcePartition{w.plan.Sources[w.topics[topic]].ID, p}] {
				continue
			}
			parts = append(parts, part)
			offsets = append(offsets, abi.TopicOffset{TopicPartition: part})
		}
	}
	if len(parts) == 0 {
		return true, nil
	}
	if err := w.consumer.Committed(ctx, offsets); err != nil {
		return false, err
	}
	bounds, err := w.consumer.Bounds(ctx, parts)
	if err != nil {
		return false, err
	}
	for i := range parts {
		if bounds[i].High < 0 || bounds[i].High != bounds[i].LastStable || offsets[i].Offset < bounds[i].High {
			return false, nil
		}
	}
	return true, nil
}

// standing returns why a partition of this worker stands still, or nil.
func (w *worker) standing() error {
	for _, in := range w.listed {
		if err := cmp.Or(in.stopped, in.heldBy()); err != nil {
			return err
		}
	}
	return nil
}
