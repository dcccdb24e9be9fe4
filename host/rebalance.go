package host

import (
	"context"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// assignTimeout bounds one attempt to learn the positions of new partitions.
const assignTimeout = 10 * time.Second

// revokeTimeout bounds the commit in front of a hand-over: well below the
// time after which the group gives a silent member up.
const revokeTimeout = 30 * time.Second

// assigned takes partitions over: it finds where each begins and returns
// these offsets. It runs inside Poll and tries until it knows, since an
// unknown position is never the same as none.
func (w *worker) assigned(ctx context.Context, parts []abi.TopicPartition) []int64 {
	starts := make([]int64, len(parts))
	for tries := 1; ; tries++ {
		err := w.positions(ctx, parts, starts)
		if err == nil {
			break
		}
		if isFatal(err) && w.fatal == nil {
			w.fatal = err
		}
		if ctx.Err() != nil || w.drain.Load() || w.fatal != nil {
			for i := range starts {
				starts[i] = abi.OffsetNone
			}
			return starts
		}
		w.log.Warn("positions of new partitions are not known yet; trying again", "error", err, "tries", tries)
		_ = w.pause(ctx, min(backoff(100*time.Millisecond, tries), 5*time.Second)) // the loop looks at ctx
	}
	for i, p := range parts {
		source := w.topics[p.Topic]
		in := &input{source: source, partition: p.Partition, kafka: p, next: starts[i], start: starts[i], delivered: starts[i], committed: abi.OffsetNone}
		w.inputs[p] = in
		w.log.Debug("partition assigned", "topic", w.plan.Sources[source].Topic, "partition", p.Partition, "offset", starts[i])
	}
	// The position of a partition without one is committed as well: otherwise
	// a crash before the first commit would choose another "latest".
	w.uncommitted = true
	w.idle.Store(false)
	w.publish()
	return starts
}

// positions fills starts with where each partition begins: the committed
// offset, or what the topic's start policy says.
func (w *worker) positions(ctx context.Context, parts []abi.TopicPartition, starts []int64) error {
	ctx, cancel := context.WithTimeout(ctx, assignTimeout)
	defer cancel()
	offsets := make([]abi.TopicOffset, len(parts))
	for i, p := range parts {
		offsets[i].TopicPartition = p
	}
	if err := w.consumer.Committed(ctx, offsets); err != nil {
		return err
	}
	bounds, err := w.consumer.Bounds(ctx, parts)
	if err != nil {
		return err
	}
	for i, p := range parts {
		src := &w.plan.Sources[w.topics[p.Topic]]
		at := offsets[i].Offset
		if b := bounds[i]; b.Low < 0 || b.LastStable < b.Low || b.High < b.LastStable {
			return fmt.Errorf("%s[%d]: the broker tells no ends of the log that can be true: first %d, last stable %d, end %d", src.Topic, p.Partition, b.Low, b.LastStable, b.High)
		}
		switch {
		case at == abi.OffsetNone:
			if at, err = w.startOffset(ctx, src, p, bounds[i]); err != nil {
				return err
			}
		case at < bounds[i].Low:
			w.log.Error("records were deleted before they were processed (retention); going on with the oldest",
				"topic", src.Topic, "partition", p.Partition, "committed", at, "oldest", bounds[i].Low)
			at = bounds[i].Low
		case at > bounds[i].High:
			w.log.Error("the committed offset lies behind the end: the topic was recreated or cut; starting over with the oldest record",
				"topic", src.Topic, "partition", p.Partition, "committed", at, "end", bounds[i].High)
			at = bounds[i].Low
		}
		starts[i] = at
	}
	return nil
}

func (w *worker) startOffset(ctx context.Context, src *Source, p abi.TopicPartition, b abi.Bounds) (int64, error) {
	switch src.Start.Policy {
	case StartLatest:
		return b.LastStable, nil // an open transaction's records are yet to come
	case StartTime:
		at, err := w.consumer.OffsetsForTime(ctx, []abi.TopicPartition{p}, src.Start.Time)
		if err != nil {
			return 0, err
		}
		if at[0] < 0 { // no record is that young
			return b.LastStable, nil
		}
		return at[0], nil
	case StartError:
		w.fatal = fmt.Errorf("topic %q partition %d has no committed offset in group %q and start = \"error\"; set start to \"earliest\" or \"latest\" for the first run", src.Topic, p.Partition, w.plan.App)
		return 0, w.fatal
	}
	return b.Low, nil
}

// revoked gives partitions up. Unless the membership is lost already, what is
// done is committed first, so that the next owner repeats nothing.
func (w *worker) revoked(ctx context.Context, parts []abi.TopicPartition, lost bool) {
	if !lost && w.uncommitted {
		ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
		defer cancel()
		if err := w.commit(ctx); err != nil {
			w.log.Error("commit before giving partitions up; their next owner repeats records", "error", err)
		}
	}
	for _, p := range parts {
		if lost {
			w.log.Warn("partition lost", "topic", w.plan.Sources[w.topics[p.Topic]].Topic, "partition", p.Partition)
		}
		delete(w.inputs, p)
	}
	w.publish()
}
