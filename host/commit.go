package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// commit makes everything done so far final: outputs first, positions after
// the outputs are acknowledged, never the other way round. A crash in between
// repeats outputs and loses none.
func (w *worker) commit(ctx context.Context) error {
	w.lastCommit = w.backends.Clock.Now()
	if err := w.flush(ctx); err != nil {
		return err
	}
	if w.consumer == nil && len(w.topics) > 0 {
		return nil // between two memberships: nothing is owned
	}
	var offsets []abi.TopicOffset
	for part, t := range w.tasks {
		if t.next != t.committed {
			offsets = append(offsets, abi.TopicOffset{TopicPartition: part, Offset: t.next})
		}
	}
	if len(offsets) > 0 {
		if err := w.consumer.Commit(ctx, offsets); err != nil {
			return w.commitFailed(ctx, err)
		}
		for _, o := range offsets {
			w.tasks[o.TopicPartition].committed = o.Offset
		}
	}
	for _, t := range w.connectors {
		if t.next == t.committed {
			continue
		}
		if err := t.connector.Commit(t.next); err != nil {
			return fmt.Errorf("source %q: store the position: %w", w.plan.Sources[t.source].ID, err)
		}
		t.committed = t.next
	}
	w.uncommitted = false
	w.retryCommit, w.givenUp, w.restarts = 0, 0, 0
	w.stats.commits.Add(1)
	w.publish()
	return nil
}

// commitFailed decides about positions the group did not take. The outputs
// are acknowledged, so waiting costs nothing but repetition after a crash. A
// member that is no longer one learns of it in its next poll.
func (w *worker) commitFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if isFatal(err) {
		return err
	}
	w.retryCommit++
	w.log.Warn("positions not committed; trying again", "error", err, "tries", w.retryCommit)
	w.uncommitted = true
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
	w.stats.rewinds.Add(1)
	w.givenUp++
	wait := min(backoff(time.Second, w.givenUp), maxStopped)
	w.log.Error("going back to the last commit", "error", err, "wait", wait)
	for part, t := range w.tasks {
		paused := t.paused
		t.paused = false
		offset := t.rewind()
		if err := w.consumer.Seek(part, offset); err != nil {
			return fmt.Errorf("seek %s[%d] to %d: %w", w.plan.Sources[t.source].Topic, part.Partition, offset, err)
		}
		if paused {
			if err := w.consumer.Resume([]abi.TopicPartition{part}); err != nil {
				return err
			}
		}
	}
	for _, o := range w.outputs {
		if o != nil {
			o.dirty, o.staged = false, false
		}
	}
	w.uncommitted = false
	return w.pause(ctx, wait)
}

// canRewind says whether all that is not committed can be had again: files and
// standard input cannot, except by a new start of the host.
func (w *worker) canRewind() bool {
	for _, t := range w.connectors {
		if t.next != t.committed {
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
	w.uncommitted, w.fatal = false, nil
	w.closeClients()
	clear(w.tasks)
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

// consumerError decides about an error of a poll.
func (w *worker) consumerError(err error) error {
	var known interface{ Fatal() bool }
	if errors.As(err, &known) && !known.Fatal() {
		w.log.Warn("consumer", "error", err)
		return nil
	}
	return fmt.Errorf("consume from cluster %q: %w", w.plan.Clusters[w.cluster], err)
}

// publish shows the partitions to Status.
func (w *worker) publish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Partitions = w.status.Partitions[:0]
	for _, t := range w.allTasks() {
		s := &w.plan.Sources[t.source]
		p := PartitionStatus{Source: s.ID, Topic: s.Topic, Partition: t.partition, Next: t.next, Committed: t.committed}
		for _, r := range t.backlog.runs {
			p.Waiting += int64(r.Count)
		}
		if t.stopped != nil {
			p.Stopped = t.stopped.Error()
		}
		w.status.Partitions = append(w.status.Partitions, p)
	}
}
