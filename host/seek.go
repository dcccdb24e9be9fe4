package host

import (
	"context"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/crashpoint"
)

// replay says which records of an input come again after a seek: those below
// until, for the handlers of each checkpoint from the offset it went back to.
type replay struct {
	until int64
	from  []replayFrom
}

type replayFrom struct {
	checkpoint int
	offset     int64
}

func (p *replay) clone() replay { return replay{p.until, slices.Clone(p.from)} }

// at returns the checkpoints whose handlers get the record at an offset again,
// and where that changes; again is false if it is no record of before.
func (p *replay) at(offset int64, dst []int) (active []int, border int64, again bool) {
	if offset >= p.until {
		return dst, 0, false
	}
	border = p.until
	for _, f := range p.from {
		if f.offset <= offset {
			dst = append(dst, f.checkpoint)
		} else {
			border = min(border, f.offset)
		}
	}
	return dst, border, true
}

// seekInput sends an input to an offset on behalf of a checkpoint. Records that
// were handled before come again to the handlers of that checkpoint alone.
func (w *worker) seekInput(ctx context.Context, g *guard, offset int64) error {
	in := g.in
	src := &w.plan.Sources[in.source]
	if in.connector != nil || in.task == nil {
		return nil
	}
	bounds, err := w.consumer.Bounds(ctx, []abi.TopicPartition{in.kafka})
	if err != nil {
		return fmt.Errorf("seek in %s[%d]: %w", src.Topic, in.partition, &abortable{err.Error()})
	}
	b := bounds[0]
	front := max(in.next, in.replay.until) // everything below was processed
	switch {
	case offset == abi.OffsetBeginning:
		offset = b.Low
	case offset == abi.OffsetEnd || offset > b.High:
		offset = b.LastStable
	case offset < b.Low:
		if offset < front {
			w.replayCut(in, g.checkpoint, offset, front, b)
		}
		offset = b.Low
		if front < b.Low { // and so are some that nobody has processed
			attempts := in.meta.attempts
			offset, err = w.recordsGone(in, front, b)
			in.meta.attempts = attempts
			if err != nil {
				return err
			}
		}
	}
	crashpoint.At("checkpoint-before-seek")
	w.log.Info("going back", "checkpoint", w.plan.Checkpoints[g.checkpoint].Spec.Name, "topic", src.Topic, "partition", in.partition, "from", in.next, "to", offset)
	next := in.next
	in.replay = in.replay.clone()
	if next >= in.replay.until {
		in.replay.from = nil
	}
	for i := range in.replay.from {
		in.replay.from[i].offset = max(in.replay.from[i].offset, next)
	}
	in.replay.from = slices.DeleteFunc(in.replay.from, func(f replayFrom) bool { return f.checkpoint == g.checkpoint })
	if len(in.replay.from) > 0 {
		next = min(next, offset)
	} else {
		next = offset
	}
	if offset < front {
		in.replay.from = append(in.replay.from, replayFrom{g.checkpoint, offset})
		in.replay.until = front
	} else if len(in.replay.from) == 0 {
		in.replay.until = 0
	}
	if err := w.consumer.Seek(in.kafka, next); err != nil {
		return fmt.Errorf("seek in %s[%d]: %w", src.Topic, in.partition, &abortable{err.Error()})
	}
	in.next, in.delivered, in.end = next, next, 0
	in.backlog.clear()
	in.task.changed, w.uncommitted = true, true
	w.stats.checkpoints[g.checkpoint].seeks.Add(1)
	return nil
}

// replayCut says that records which a checkpoint goes back to, from an offset
// to front, were deleted, all or some of them. That is no error: they were
// processed before, and only come again.
func (w *worker) replayCut(in *input, checkpoint int, from, front int64, b abi.Bounds) {
	w.log.Warn("records that a checkpoint goes back to were deleted (retention); they were processed before and do not come again",
		"checkpoint", w.plan.Checkpoints[checkpoint].Spec.Name, "topic", w.plan.Sources[in.source].Topic, "partition", in.partition,
		"from", from, "to", min(front, b.Low)-1, "going on at", b.Low)
}

// again prepares a run for records that came before: it ends where other
// handlers get them.
func (r *run) replays() {
	r.replayed = false
	if r.letter != nil || r.w.asking != nil || r.in.replay.until == 0 {
		return
	}
	var border int64
	r.active, border, r.replayed = r.in.replay.at(r.offset(r.root, 0), r.active[:0])
	if !r.replayed {
		return
	}
	r.root.head.Kind = abi.KindReplayed
	for pos := 0; pos < r.limit; pos++ {
		if r.offset(r.root, pos) >= border {
			r.limit = pos
			return
		}
	}
}

// gets says whether a handler gets the records of the run: those that come
// again are for some.
func (r *run) gets(b *batch, handler int) bool {
	if !r.replayed || b != r.root {
		return true
	}
	for _, c := range r.active {
		if slices.Contains(r.w.plan.Checkpoints[c].Bound, handler) {
			return true
		}
	}
	return false
}
