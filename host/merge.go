package host

import (
	"context"
	"math"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// takeRuns takes what a poll has brought through the handlers. Inputs that
// share a task take turns by their records' timestamps, the smallest first;
// nothing is waited for. left says that runs were left over.
func (w *worker) takeRuns(ctx context.Context) (left bool, err error) {
	for i := range w.packed.Runs {
		run := &w.packed.Runs[i]
		if run.Count == 0 {
			continue // merged already
		}
		in := w.inputs[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]
		switch {
		case in == nil: // revoked in this very poll
		case w.merges(in.task):
			err = w.merge(ctx, in.task, i)
		default:
			err = w.accept(ctx, in, *run, w.packed.Buf[run.Start:run.End])
		}
		if err != nil {
			return false, err
		}
		if w.drain.Load() || w.full {
			return w.keepRuns(i + 1)
		}
	}
	return false, nil
}

// merges says whether records of t's inputs are taken by their timestamps.
func (w *worker) merges(t *task) bool { return len(t.inputs) > 1 && w.stateful(t.sub) }

// keepRuns puts the runs from i on into the backlogs of their inputs, because
// the worker has something else to do first. When it drains they are left.
func (w *worker) keepRuns(i int) (left bool, err error) {
	if w.drain.Load() {
		return true, nil
	}
	for ; i < len(w.packed.Runs); i++ {
		run := &w.packed.Runs[i]
		in := w.inputs[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]
		if in == nil || run.Count == 0 {
			continue
		}
		in.delivered = run.LastOffset + 1
		in.backlog.add(*run, w.packed.Buf[run.Start:run.End])
		if err := w.throttle(in); err != nil {
			return false, err
		}
	}
	return false, nil
}

// merge takes the runs of one task from run first on, by timestamp.
func (w *worker) merge(ctx context.Context, t *task, first int) error {
	heads := w.merging[:0]
	for i := first; i < len(w.packed.Runs); i++ {
		run := &w.packed.Runs[i]
		in := w.inputs[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]
		if in == nil || in.task != t {
			continue
		}
		heads = append(heads, head{in: in, run: *run, wire: w.packed.Buf[run.Start:run.End]})
		run.Count = 0
	}
	w.merging = heads
	for {
		best, second := -1, int64(math.MaxInt64)
		for i := range heads {
			if heads[i].run.Count == 0 || slices.ContainsFunc(heads[:i], func(h head) bool { return h.in == heads[i].in && h.run.Count > 0 }) {
				continue
			}
			switch ts := heads[i].time(); {
			case best < 0:
				best = i
			case ts < heads[best].time():
				best, second = i, heads[best].time()
			default:
				second = min(second, ts)
			}
		}
		if best < 0 {
			return nil
		}
		run, wire := heads[best].take(0, second)
		if err := w.accept(ctx, heads[best].in, run, wire); err != nil {
			return err
		}
	}
}

// head is what is left of one run.
type head struct {
	in   *input
	run  abi.Run
	wire []byte
}

// time is the first record's timestamp.
func (h *head) time() int64 { return h.run.BaseTimestamp + timestampDelta(h.wire) }

// take cuts off the records up to the first one later than until, one at least,
// and most at most unless that is 0.
func (h *head) take(most int, until int64) (abi.Run, []byte) {
	n, at := int(h.run.Count), len(h.wire)
	if most > 0 && most < n || until < math.MaxInt64 {
		if most <= 0 {
			most = n
		}
		for n, at = 0, 0; n < min(most, int(h.run.Count)) && (n == 0 || h.run.BaseTimestamp+timestampDelta(h.wire[at:]) <= until); n++ {
			at += abi.RecordPrefix + recordLen(h.wire[at:])
		}
	}
	run, wire := h.run, h.wire[:at]
	run.LastOffset = nextOffset(&h.run, h.wire, n) - 1
	run.Count = int32(n)
	h.run.Count -= int32(n)
	h.wire = h.wire[at:]
	return run, wire
}
