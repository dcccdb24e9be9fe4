package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// consumerError decides about an error of a poll.
func (w *worker) consumerError(ctx context.Context, err error) error {
	var known interface{ Fatal() bool }
	if !errors.As(err, &known) || known.Fatal() {
		return fmt.Errorf("consume from cluster %q: %w", w.plan.Clusters[w.cluster], err)
	}
	if t := w.taskOf(err); t != nil {
		w.readerStopped(ctx, t, err)
		return nil
	}
	w.log.Warn("consumer", "error", err)
	return w.pause(ctx, 10*time.Millisecond) // an error that repeats must not spin
}

// taskOf finds the task of the partition that an error is about.
func (w *worker) taskOf(err error) *task {
	var where interface{ Where() (string, int32) }
	if !errors.As(err, &where) {
		return nil
	}
	topic, partition := where.Where()
	for _, t := range w.tasks {
		if w.plan.Sources[t.source].Topic == topic && t.partition == partition {
			return t
		}
	}
	return nil
}

// readerStopped gets the reading of a partition going again. Where the log has
// lost what is to be read next, it goes on with the oldest record; anything
// else is tried again after a wait, and the partition stands still meanwhile.
func (w *worker) readerStopped(ctx context.Context, t *task, err error) {
	src := &w.plan.Sources[t.source]
	bctx, cancel := context.WithTimeout(ctx, assignTimeout)
	bounds, berr := w.consumer.Bounds(bctx, []abi.TopicPartition{t.kafka})
	cancel()
	if berr == nil && t.delivered < bounds[0].Low {
		w.log.Error("records were deleted before they were processed (retention); going on with the oldest",
			"topic", src.Topic, "partition", t.partition, "next", t.delivered, "oldest", bounds[0].Low)
		t.delivered = bounds[0].Low
		if t.backlog.empty() {
			t.next = t.delivered
			w.uncommitted = true
		}
		if err = w.consumer.Seek(t.kafka, t.delivered); err == nil {
			return
		}
	}
	t.tries++
	wait := min(backoff(time.Second, t.tries), maxStopped)
	t.reseek = w.backends.Clock.Now().Add(wait)
	if t.stopped == nil {
		t.stopped = fmt.Errorf("%s[%d] cannot be read: %w", src.Topic, t.partition, err)
	}
	w.log.Error("partition cannot be read; trying again after a wait", "topic", src.Topic, "partition", t.partition,
		"error", err, "wait", wait, "tries", t.tries)
	w.publish()
}
