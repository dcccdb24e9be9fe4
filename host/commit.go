package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// commit makes everything done so far final: outputs first, positions after
// the outputs are acknowledged, never the other way round. A crash in between
// repeats outputs and loses none.
//
// A client tells of a refused output once. So the refusal is remembered, and
// nothing is committed until the worker has gone back.
func (w *worker) commit(ctx context.Context) error {
	w.lastCommit = w.backends.Clock.Now()
	if w.refused != nil {
		return w.refused
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	err := w.commitOffsets(ctx)
	if cerr := w.commitConnectors(); cerr != nil {
		return cerr
	}
	if err != nil {
		return w.commitFailed(ctx, err)
	}
	w.uncommitted = false
	w.retryCommit, w.givenUp, w.restarts = 0, 0, 0
	w.stats.commits.Add(1)
	w.publish()
	return nil
}

// commitOffsets stores the positions of topics in the group.
func (w *worker) commitOffsets(ctx context.Context) error {
	if w.consumer == nil {
		return nil
	}
	var offsets []abi.TopicOffset
	for part, in := range w.inputs {
		if in.next != in.committed {
			offsets = append(offsets, abi.TopicOffset{TopicPartition: part, Offset: in.next})
		}
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := w.consumer.Commit(ctx, offsets); err != nil {
		return err
	}
	for _, o := range offsets {
		w.inputs[o.TopicPartition].committed = o.Offset
	}
	return nil
}

// commitConnectors stores the positions of files.
func (w *worker) commitConnectors() error {
	for _, in := range w.connectors {
		if in.next == in.committed {
			continue
		}
		if err := in.connector.Commit(in.next); err != nil {
			return fmt.Errorf("source %q: store the position: %w", w.plan.Sources[in.source].ID, err)
		}
		in.committed = in.next
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
// since is processed again. What cannot go back ends the host.
func (w *worker) giveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil || w.drain.Load() {
		return err
	}
	if isFatal(err) || !w.canRewind() {
		return err
	}
	w.refused = nil
	w.stats.rewinds.Add(1)
	w.givenUp++
	wait := min(backoff(time.Second, w.givenUp), maxStopped)
	w.log.Error("going back to the last commit", "error", err, "wait", wait)
	w.discard()
	w.uncommitted = false // also if going back fails
	// What is under way may be refused as well. Told later, that would be taken
	// for a refusal of what is sent from here on.
	_ = w.settle(ctx)
	for part, in := range w.inputs {
		if w.givenUp >= carefulAfter {
			in.careful = max(in.careful, in.next)
		}
		paused := in.paused
		in.paused = false
		err := w.consumer.Seek(part, in.rewind())
		if err == nil && paused {
			err = w.consumer.Resume([]abi.TopicPartition{part})
		}
		if err != nil {
			return w.restart(ctx, fmt.Errorf("go back on %s[%d]: %w", w.plan.Sources[in.source].Topic, part.Partition, err))
		}
	}
	w.publish()
	return w.pause(ctx, wait)
}

// canRewind says whether all that is not committed can be had again: files and
// standard input cannot, except by a new start of the host.
func (w *worker) canRewind() bool {
	for _, in := range w.connectors {
		if in.next != in.committed {
			return false
		}
	}
	return true
}

// isFatal says that a client cannot be used any more.
func isFatal(err error) bool {
	var fatal interface{ Fatal() bool }
	return errors.As(err, &fatal) && fatal.Fatal()
}

// maxRestarts bounds how often clients are made anew without a commit.
const maxRestarts = 8

// restart makes all clients of the worker anew after one of them failed for
// good. What is not committed is processed again, by whoever gets the
// partitions.
func (w *worker) restart(ctx context.Context, err error) error {
	if w.restarts++; w.restarts > maxRestarts || !w.canRewind() {
		return err
	}
	wait := min(backoff(time.Second, w.restarts), maxStopped)
	w.log.Error("a Kafka client failed for good; starting over from the last commit with new ones", "error", err, "wait", wait)
	w.stats.rewinds.Add(1)
	w.uncommitted, w.fatal, w.refused = false, nil, nil
	w.idle.Store(false)
	w.closeClients()
	clear(w.inputs)
	w.publish()
	if err := w.pause(ctx, wait); err != nil || w.drain.Load() {
		return err
	}
	if err := w.openOutlets(ctx); err != nil {
		return err
	}
	return w.join(ctx)
}

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
	w.status.Partitions = w.status.Partitions[:0]
	all := w.allInputs(nil)
	slices.SortFunc(all, func(a, b *input) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.partition, b.partition))
	})
	for _, in := range all {
		s := &w.plan.Sources[in.source]
		p := PartitionStatus{Source: s.ID, Topic: s.Topic, Partition: in.partition, Next: in.next, Committed: in.committed}
		for _, r := range in.backlog.runs {
			p.Waiting += int64(r.Count)
		}
		if in.stopped != nil {
			p.Stopped = in.stopped.Error()
		}
		w.status.Partitions = append(w.status.Partitions, p)
	}
}
