package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/state"
)

// task is one partition of a sub-topology in one worker: the inputs with that
// partition number, the cache partitions they share, and their stream time. It
// runs once all of its inputs are here and its caches are restored.
type task struct {
	taskKey
	name   string
	inputs []*input
	// caches holds the attached partitions by the plan's ids; nil where the
	// sub-topology has no such cache, and as a whole without any.
	caches []*state.Partition
	// streamTime is the largest timestamp seen, in milliseconds, -1 for none;
	// committedTime is what it was at the last commit.
	streamTime, committedTime int64
	phase                     taskPhase
	// targets are what the caches must be restored to.
	targets []target
	// clear lists the caches that are to be emptied before the first record,
	// because a policy wants it; rewrite those that go into a new changelog.
	clear, rewrite []int
	// unsettled says that the first commit has to come before the first record:
	// the committed offsets do not name the caches' positions yet, or a policy has
	// changed these. Without it a crash would leave records in a changelog, aborted
	// ones at least, that look as if offsets had been set from outside.
	unsettled bool
	// changed says that a position or a cache was, since the last commit.
	changed bool
	// ticks are the committed ones of the timers that go with the task: their
	// positions travel with its inputs'. timers are those that run.
	ticks  map[uint32]int64
	timers []*input
	// known is the stream time that each handler with kind advance knows of, by
	// its position in the plan. finished says that they were told that no record
	// follows; stuck that one of them failed on an advance (the last one, if last
	// is set) and the task waits.
	known                 []int64
	finished, stuck, last bool
}

type taskKey struct {
	sub       int
	partition int32
}

type taskPhase uint8

const (
	// taskWaiting: an input is missing, or positions are not compared yet.
	taskWaiting taskPhase = iota
	// taskRestoring: changelogs are being read.
	taskRestoring
	// taskRunning: records are processed.
	taskRunning
)

// target is where a cache's partition has to be before its task runs.
type target struct {
	cache int
	pos   state.Position
	// from is where reading the changelog begins.
	from int64
}

// taskFor returns the task that an input belongs to, made if there is none.
func (w *worker) taskFor(source int, partition int32) *task {
	sub := w.plan.Sources[source].Sub
	key := taskKey{sub, partition}
	t := w.tasks[key]
	if t == nil {
		t = &task{taskKey: key, streamTime: -1, committedTime: -1}
		if sub < len(w.plan.Subs) {
			t.name = w.plan.Subs[sub].Name
		}
		if !w.stateful(sub) {
			t.phase = taskRunning
		}
		w.tasks[key] = t
	}
	return t
}

// stateful says whether a sub-topology has caches of its own.
func (w *worker) stateful(sub int) bool {
	return sub < len(w.plan.Subs) && len(w.plan.Subs[sub].Caches) > 0
}

// complete says that every input of the task is here.
func (w *worker) complete(t *task) bool {
	return len(t.inputs) == len(w.plan.Subs[t.sub].Inputs)
}

// attach makes the restored caches of t usable.
func (w *worker) attach(t *task) error {
	t.caches = make([]*state.Partition, len(w.plan.Caches))
	for _, c := range w.plan.Subs[t.sub].Caches {
		p, err := w.overlay.Attach(c, t.partition)
		if err != nil {
			return fmt.Errorf("cache %q partition %d: %w", w.plan.Caches[c].ID, t.partition, err)
		}
		t.caches[c] = p
		if w.plan.Caches[c].Updates != nil {
			p.Observe()
		}
		if pos := p.Position(); pos.Log != w.plan.Caches[c].Log && !slices.Contains(t.rewrite, c) {
			p.SetPosition(state.Position{Log: w.plan.Caches[c].Log})
		}
	}
	return w.clearCaches(t)
}

// clearCaches stages the removal of everything in the caches that a policy
// wants to be empty.
func (w *worker) clearCaches(t *task) error {
	for _, c := range t.clear {
		if err := t.caches[c].DeleteRange(nil, nil, -1); err != nil {
			return fmt.Errorf("empty cache %q: %w", w.plan.Caches[c].ID, err)
		}
	}
	w.overlay.Forget()
	return nil
}

// rewriteStep is how many bytes of a changelog are written anew between two
// commits.
const rewriteStep = 8 << 20

// detach lets go of what t has; nothing of it may be staged any more.
func (w *worker) detach(t *task) {
	if t.phase == taskRestoring {
		w.restorer.cancel(t)
	}
	for _, p := range t.caches {
		if p == nil {
			continue
		}
		w.mending.forget(p)
		w.overlay.Detach(p)
		if w.plan.Caches[p.Cache()].Kind != state.Local {
			continue
		}
		if err := w.backends.Store.Wipe(p.Cache(), t.partition); err != nil {
			w.log.Warn("a local cache is not emptied", "cache", w.plan.Caches[p.Cache()].ID, "partition", t.partition, "error", err)
		}
	}
	t.caches = nil
	t.phase, t.unsettled = taskWaiting, false
}

// ready says that records of t may be processed.
func (t *task) ready() bool { return t.settled() && !t.stuck }

// settled says that handlers of t may be called.
func (t *task) settled() bool { return t.phase == taskRunning && !t.unsettled }

// drop removes an input from the worker and from its task; a task that has
// lost one of its inputs waits.
func (w *worker) drop(part abi.TopicPartition) {
	in := w.inputs[part]
	if in == nil {
		return
	}
	delete(w.inputs, part)
	w.checkpoints.leave(in)
	w.listed = slices.DeleteFunc(w.listed, func(other *input) bool { return other == in })
	t := in.task
	for i, other := range t.inputs {
		if other == in {
			t.inputs = append(t.inputs[:i], t.inputs[i+1:]...)
			break
		}
	}
	if w.stateful(t.sub) {
		w.detach(t)
	}
	if len(t.inputs) == 0 {
		delete(w.tasks, t.taskKey)
	}
	w.endTimers(in)
}

// dropAll forgets every input and task.
func (w *worker) dropAll() {
	for part := range w.inputs {
		w.drop(part)
	}
}

// errStore is what a call of a handler ends with when the store failed.
var errStore = errors.New("the state store failed")

// see moves the stream time of t over count records.
func (t *task) see(base int64, wire []byte, count int) {
	at := 0
	for range count {
		if ts := base + timestampDelta(wire[at:]); ts > t.streamTime {
			t.streamTime = ts
		}
		at += abi.RecordPrefix + recordLen(wire[at:])
	}
}

// timestampDelta reads the second element of a record that this host packed.
func timestampDelta(b []byte) int64 {
	r := abi.NewReader(b[abi.RecordPrefix:])
	r.ArrayMin(5, "a record")
	r.Int()
	return r.Int()
}
