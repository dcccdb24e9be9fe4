package host

import (
	"context"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/crashpoint"
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
	crashpoint.At("assigned")
	starts := make([]int64, len(parts))
	inputs := make([]*input, len(parts))
	for tries := 1; ; tries++ {
		err := w.positions(ctx, parts, inputs)
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
		in := inputs[i]
		starts[i] = in.next
		w.inputs[p] = in
		in.task = w.taskFor(in.source, p.Partition)
		in.task.inputs = append(in.task.inputs, in)
		t := in.task
		t.committedTime = max(t.committedTime, in.meta.streamTime)
		t.streamTime = max(t.streamTime, t.committedTime)
		in.restoreAttempts(w.plan)
		t.restoreTicks(&in.meta)
		in.restoreReplay(w.plan)
		if w.checkpoints != nil {
			if err := w.checkpoints.enter(in, in.barrier); err != nil && w.fatal == nil {
				w.fatal = err
			}
		}
		w.log.Debug("partition assigned", "topic", w.plan.Sources[in.source].Topic, "partition", p.Partition, "offset", in.next)
	}
	w.relist()
	if w.checkpoints != nil {
		w.checkpoints.sortGuards()
		w.checkpoints.version = 0
	}
	w.entering = true
	// The position of a partition without one is committed as well: otherwise
	// a crash before the first commit would choose another "latest".
	w.uncommitted = true
	w.idle.Store(false)
	w.publish()
	return starts
}

// positions fills inputs with where each partition begins: the committed
// offset, or what a policy says where the surroundings changed.
func (w *worker) positions(ctx context.Context, parts []abi.TopicPartition, inputs []*input) error {
	ctx, cancel := context.WithTimeout(ctx, assignTimeout)
	defer cancel()
	offsets := make([]abi.TopicOffset, len(parts))
	for i, p := range parts {
		offsets[i].TopicPartition = p
	}
	if err := w.consumer.Committed(ctx, offsets); err != nil {
		return err
	}
	barrier, err := w.barrierFor(ctx, parts)
	if err != nil {
		return err
	}
	bounds, err := w.consumer.Bounds(ctx, parts)
	if err != nil {
		return err
	}
	for i, p := range parts {
		src := &w.plan.Sources[w.topics[p.Topic]]
		if b := bounds[i]; b.Low < 0 || b.LastStable < b.Low || b.High < b.LastStable {
			return fmt.Errorf("%s[%d]: the broker tells no ends of the log that can be true: first %d, last stable %d, end %d", src.Topic, p.Partition, b.Low, b.LastStable, b.High)
		}
		in := &input{source: w.topics[p.Topic], partition: p.Partition, kafka: p, committed: abi.OffsetNone, hadOffset: offsets[i].Offset != abi.OffsetNone}
		at, err := w.position(ctx, in, offsets[i], bounds[i])
		if err != nil {
			return err
		}
		in.next, in.start, in.delivered = at, at, at
		in.barrier = barrier
		inputs[i] = in
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
// done is committed first, so that the next owner repeats nothing. Where that
// cannot be, nothing that is not committed may stay: the worker goes back to
// its last commit, also in the partitions that it keeps.
func (w *worker) revoked(ctx context.Context, parts []abi.TopicPartition, lost bool) {
	crashpoint.At("revoked")
	switch {
	case lost && (w.uncommitted || w.inTransaction):
		w.goBack(ctx, errMembershipLost)
	case w.uncommitted && w.aborted == nil:
		ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
		defer cancel()
		err := w.commit(ctx)
		if err == nil && w.retryCommit > 0 && w.overlay != nil {
			err = errNotCommitted // the changelogs have what its next owner does again
		}
		if err != nil {
			w.log.Error("commit before giving partitions up; their next owner repeats records", "error", err)
			w.goBack(ctx, err)
		}
	}
	if len(w.mending.undone) > 0 && !lost {
		ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
		defer cancel()
		if err := w.mend(ctx); err != nil {
			w.log.Error("changelogs keep entries of calls that were taken back", "error", err)
		}
	}
	for _, p := range parts {
		if lost {
			w.log.Warn("partition lost", "topic", w.plan.Sources[w.topics[p.Topic]].Topic, "partition", p.Partition)
		}
		w.drop(p)
	}
	w.publish()
}

// goBack ends the transaction inside a callback; the partitions that are kept
// go back to their committed positions when the callback has returned.
func (w *worker) goBack(ctx context.Context, why error) {
	if !w.plan.ExactlyOnce && w.overlay == nil {
		return // what was sent stands, and may be repeated
	}
	if err := w.rollback(ctx, why); err != nil {
		w.fail(err)
		return
	}
	w.fail(why)
}

// fail makes the worker go back, or start over, at the end of this step.
func (w *worker) fail(err error) {
	switch {
	case isFatal(err):
		if w.fatal == nil {
			w.fatal = err
		}
	case w.aborted == nil:
		w.aborted = err
	}
}
