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
	if in := w.inputOf(err); in != nil {
		w.readerStopped(ctx, in, err)
		return nil
	}
	w.log.Warn("consumer", "error", err)
	return w.pause(ctx, 10*time.Millisecond) // an error that repeats must not spin
}

// inputOf finds the task of the partition that an error is about.
func (w *worker) inputOf(err error) *input {
	var where interface{ Where() (string, int32) }
	if !errors.As(err, &where) {
		return nil
	}
	topic, partition := where.Where()
	for _, in := range w.inputs {
		if w.plan.Sources[in.source].Topic == topic && in.partition == partition {
			return in
		}
	}
	return nil
}

// readerStopped gets the reading of a partition going again. Where the log has
// lost what is to be read next, a policy decides; anything else is tried again after a wait, and the partition stands still meanwhile.
func (w *worker) readerStopped(ctx context.Context, in *input, err error) {
	src := &w.plan.Sources[in.source]
	bctx, cancel := context.WithTimeout(ctx, assignTimeout)
	bounds, berr := w.consumer.Bounds(bctx, []abi.TopicPartition{in.kafka})
	cancel()
	if berr == nil && in.delivered < bounds[0].Low {
		to, gone := w.recordsGone(in, in.delivered, bounds[0])
		if gone != nil {
			return // it ends the run
		}
		in.delivered = to
		if in.backlog.empty() {
			in.next = in.delivered
			w.uncommitted = true
		}
		if err = w.consumer.Seek(in.kafka, in.delivered); err == nil {
			return
		}
	}
	in.tries++
	wait := min(backoff(time.Second, in.tries), maxStopped)
	in.reseek = w.backends.Clock.Now().Add(wait)
	if in.stopped == nil {
		in.stopped = fmt.Errorf("%s[%d] cannot be read: %w", src.Topic, in.partition, err)
	}
	w.log.Error("partition cannot be read; trying again after a wait", "topic", src.Topic, "partition", in.partition,
		"error", err, "wait", wait, "tries", in.tries)
	w.publish()
}
