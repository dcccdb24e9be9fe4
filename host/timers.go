package host

import (
	"context"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// A timer's ticks are records like others: what they cause and that they were
// handled is one commit. Who runs a timer follows from who has a partition, so
// that the group's protocol alone makes sure that only one worker of one process
// does: where the handler reads a topic as well, each partition of that has ticks
// of its own; others go with partition 0 of some topic of the plan. The last tick
// handled travels in the metadata of that partition's offsets, as the positions of caches do: the next owner
// has it with the partition, exactly as of the last commit.

// timerKey names a timer that runs: its source and partition.
type timerKey struct {
	source    int
	partition int32
}

// timerHash names a timer across processes and versions of a manifest.
func (p *Plan) timerHash(source int) uint32 {
	s := &p.Sources[source]
	return nameHash(p.Handlers[s.Handlers[0].Handler].ID + " " + s.ID)
}

// matchTimers starts the timers that are this worker's.
func (w *worker) matchTimers(ctx context.Context) error {
	for i := range w.plan.Sources {
		src := &w.plan.Sources[i]
		if src.Timer <= TimerOfProcess {
			continue
		}
		for _, in := range w.inputs {
			if in.source != src.Home || in.partition > 0 && src.Timer == TimerOfGroup || !in.task.ready() {
				continue
			}
			if err := w.startTimer(ctx, timerKey{i, in.partition}, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// startTimer begins to run a timer, unless it does already.
func (w *worker) startTimer(ctx context.Context, key timerKey, home *input) error {
	if w.timers[key] != nil {
		return nil
	}
	src := &w.plan.Sources[key.source]
	c, err := w.backends.Source(ctx, key.source)
	if err != nil {
		return fmt.Errorf("source %q: %w", src.ID, err)
	}
	in := newConnector(key.source, c)
	in.partition, in.home, in.carrier = key.partition, home, home.task
	if src.Timer == TimerOfTask {
		in.task = home.task
	}
	if last, ok := home.task.ticks[w.plan.timerHash(key.source)]; ok {
		in.next, in.committed = last+1, last+1
		if t, ok := c.(Ticking); ok {
			t.Resume(last)
		}
	}
	w.timers[key] = in
	w.connectors = append(w.connectors, in)
	in.carrier.timers = append(in.carrier.timers, in)
	w.relist()
	return nil
}

// endTimers ends the timers that another worker runs from now on, because an
// input has gone there.
func (w *worker) endTimers(gone *input) {
	for key, in := range w.timers {
		if in.home != gone {
			continue
		}
		delete(w.timers, key)
		is := func(other *input) bool { return other == in }
		w.connectors = slices.DeleteFunc(w.connectors, is)
		w.listed = slices.DeleteFunc(w.listed, is)
		in.carrier.timers = slices.DeleteFunc(in.carrier.timers, is)
		w.closeConnector(in)
	}
}

// ticks appends the ticks that a commit of t makes final.
func (w *worker) ticks(all []savedTick, t *task) []savedTick {
	for i := range w.plan.Sources {
		if w.plan.Sources[i].Timer <= TimerOfProcess {
			continue
		}
		hash := w.plan.timerHash(i)
		last, ok := t.ticks[hash]
		for _, in := range t.timers {
			if in.source == i && in.next != abi.OffsetNone {
				last, ok = in.next-1, true
			}
		}
		if ok {
			all = append(all, savedTick{hash, last})
		}
	}
	return all
}

// restoreTicks takes over what an earlier owner committed.
func (t *task) restoreTicks(m *offsetMeta) {
	for _, tick := range m.ticks {
		t.tick(tick.timer, tick.last)
	}
}

// tick notes that a tick is final.
func (t *task) tick(timer uint32, last int64) {
	if t.ticks == nil {
		t.ticks = map[uint32]int64{}
	}
	t.ticks[timer] = max(t.ticks[timer], last)
}
