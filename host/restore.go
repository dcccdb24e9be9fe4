package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/crashpoint"
	"github.com/sliphost/sliphost/state"
)

// restorer reads changelogs into the store for the tasks of one worker, on a
// goroutine of its own, so that the worker's other partitions go on and its
// membership is kept. A task's partitions are read up to its targets; then the
// worker takes the task over.
//
// The worker calls add, cancel, finished and close; mu guards what both sides
// touch.
type restorer struct {
	cluster  int
	plan     *Plan
	backends *Backends
	log      *slog.Logger
	// topics are the changelogs of the cluster, ids their positions by cache.
	topics []string
	ids    map[int]int32

	mu    sync.Mutex
	wake  *sync.Cond
	tasks map[*task]*restore
	done  []*restore
	// busy says that a pack is being written: cancel waits for its end.
	busy      bool
	closed    bool
	ended     sync.WaitGroup
	cancelAll context.CancelFunc

	remaining atomic.Int64
	applied   atomic.Uint64
}

// restore is one task's.
type restore struct {
	task *task
	open map[abi.TopicPartition]*target
	err  error
}

func newRestorer(w *worker) *restorer {
	r := &restorer{cluster: w.cluster, plan: w.plan, backends: w.backends, log: w.log, tasks: map[*task]*restore{}, ids: map[int]int32{}}
	for i := range w.plan.Caches {
		if c := &w.plan.Caches[i]; c.Kind == state.KV && c.Cluster == w.cluster {
			r.ids[i] = int32(len(r.topics))
			r.topics = append(r.topics, c.Topic)
		}
	}
	r.wake = sync.NewCond(&r.mu)
	return r
}

// add begins to restore a task.
func (r *restorer) add(ctx context.Context, t *task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &restore{task: t, open: map[abi.TopicPartition]*target{}}
	for i := range t.targets {
		g := &t.targets[i]
		s.open[abi.TopicPartition{Topic: r.ids[g.cache], Partition: t.partition}] = g
		r.remaining.Add(g.pos.Next - g.from)
	}
	r.tasks[t] = s
	if r.cancelAll == nil {
		ctx, r.cancelAll = context.WithCancel(ctx)
		r.ended.Add(1)
		go r.loop(ctx)
	}
	r.wake.Broadcast()
}

// cancel ends the restore of a task; nothing of it is written afterwards. What
// was written stays, with its position.
func (r *restorer) cancel(t *task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.tasks[t]; s != nil {
		for _, g := range s.open {
			r.remaining.Add(g.from - g.pos.Next)
		}
	}
	delete(r.tasks, t)
	for i, s := range r.done {
		if s.task == t {
			r.done = append(r.done[:i], r.done[i+1:]...)
			break
		}
	}
	for r.busy {
		r.wake.Wait()
	}
}

// finished returns a task that is restored, or failed to be; nil without one.
func (r *restorer) finished() *restore {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.done) == 0 {
		return nil
	}
	done := r.done[0]
	r.done = r.done[1:]
	return done
}

// pending says whether tasks are being restored.
func (r *restorer) pending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tasks) > 0 || len(r.done) > 0
}

func (r *restorer) close() {
	r.mu.Lock()
	r.closed = true
	if r.cancelAll != nil {
		r.cancelAll()
	}
	r.wake.Broadcast()
	r.mu.Unlock()
	r.ended.Wait()
}

// loop restores until close. A reader that fails is made anew.
func (r *restorer) loop(ctx context.Context) {
	defer r.ended.Done()
	for tries := 1; ; tries++ {
		err := r.session(ctx)
		if ctx.Err() != nil {
			return
		}
		var store *storeFailure
		if errors.As(err, &store) {
			r.failAll(fmt.Errorf("%w: %w", errStore, err))
			tries = 0
			continue
		}
		if tries%readTries == 0 {
			// What is asked for may not be there any more: the worker compares anew.
			r.failAll(&unansweredError{err})
			continue
		}
		wait := min(backoff(100*time.Millisecond, tries), 10*time.Second)
		r.log.Warn("reading changelogs failed; trying again", "error", err, "wait", wait)
		timer, stop := r.backends.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-timer:
		}
	}
}

// readTries is how often reading fails before the tasks are handed back.
const readTries = 3

// storeFailure is an error of the store, not of the broker.
type storeFailure struct{ err error }

func (e *storeFailure) Error() string { return e.err.Error() }
func (e *storeFailure) Unwrap() error { return e.err }

// failAll hands every task back with an error.
func (r *restorer) failAll(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, s := range r.tasks {
		s.err = err
		r.done = append(r.done, s)
		delete(r.tasks, t)
	}
	r.remaining.Store(0)
}

// await blocks until there is something to restore.
func (r *restorer) await() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.tasks) == 0 && !r.closed {
		r.wake.Wait()
	}
	return !r.closed
}

// readWait bounds one wait for records of changelogs.
const readWait = 50 * time.Millisecond

// session reads with one reader until it fails.
func (r *restorer) session(ctx context.Context) (err error) {
	if !r.await() {
		return nil
	}
	reader, err := r.backends.LogReader(ctx, r.cluster)
	if err != nil {
		return fmt.Errorf("open a reader of changelogs: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if err := reader.Open(ctx, r.topics); err != nil {
		return err
	}
	s := &restoreSession{r: r, reader: reader, load: r.backends.Store.Load(), reading: map[abi.TopicPartition]*target{}}
	var packed abi.Packed
	var p progress
	for r.await() && ctx.Err() == nil {
		if len(s.reading) == 0 {
			p = progress{} // nothing was under way: the wait is no part of it
		}
		if err := s.follow(); err != nil {
			return err
		}
		if err := reader.Poll(&packed, 65536, 8<<20, readWait); err != nil {
			return err
		}
		if err := s.take(&packed); err != nil {
			return err
		}
		p.tell(r)
	}
	return ctx.Err()
}

// restoreSession is the life of one reader.
type restoreSession struct {
	r       *restorer
	reader  LogReader
	load    *state.Load
	reading map[abi.TopicPartition]*target
}

// follow adds to the reader what is to be read and drops what is not any more.
func (s *restoreSession) follow() error {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	wanted := map[abi.TopicPartition]*target{}
	for t, one := range s.r.tasks {
		for p, g := range one.open {
			if g.from < g.pos.Next {
				wanted[p] = g
				continue
			}
			delete(one.open, p)
		}
		s.r.finish(t, one)
	}
	for p, g := range s.reading {
		if wanted[p] != g {
			if err := s.reader.Drop(p); err != nil {
				return err
			}
			delete(s.reading, p)
		}
	}
	for p, g := range wanted {
		if s.reading[p] == nil {
			if err := s.reader.Add(p, g.from); err != nil {
				return err
			}
			s.reading[p] = g
		}
	}
	return nil
}

// finish hands a task over when nothing of it is left to be read.
func (r *restorer) finish(t *task, one *restore) {
	if len(one.open) == 0 && r.tasks[t] == one {
		delete(r.tasks, t)
		r.done = append(r.done, one)
	}
}

// take applies one pack, in one batch of the store.
func (s *restoreSession) take(packed *abi.Packed) error {
	r := s.r
	r.mu.Lock()
	r.busy = true
	live := map[abi.TopicPartition]*target{}
	for _, one := range r.tasks {
		for p, g := range one.open {
			if s.reading[p] == g {
				live[p] = g
			}
		}
	}
	r.mu.Unlock()
	reached := map[*target]int64{}
	for i := range packed.Runs {
		run := &packed.Runs[i]
		if g := live[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]; g != nil {
			s.apply(g, run, packed.Buf[run.Start:run.End])
			reached[g] = min(run.LastOffset+1, g.pos.Next)
		}
	}
	for _, end := range packed.Ends {
		// What lies between the last record and the end was aborted or compacted.
		if g := live[end.TopicPartition]; g != nil && end.Offset >= g.pos.Next {
			reached[g] = g.pos.Next
		}
	}
	for g, next := range reached {
		s.load.SetPosition(g.cache, s.partition(live, g), state.Position{Next: next, Log: g.pos.Log})
	}
	var err error
	if len(reached) > 0 {
		err = s.load.Write()
		crashpoint.At("restore-after-write")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	r.wake.Broadcast()
	if err != nil {
		return &storeFailure{err}
	}
	for t, one := range r.tasks {
		for p, g := range one.open {
			if next, ok := reached[g]; ok {
				r.remaining.Add(g.from - next)
				g.from = next
			}
			if g.from >= g.pos.Next {
				delete(one.open, p)
			}
		}
		r.finish(t, one)
	}
	return nil
}

func (s *restoreSession) partition(live map[abi.TopicPartition]*target, g *target) int32 {
	for p, other := range live {
		if other == g {
			return p.Partition
		}
	}
	return 0
}

// apply stages the records of one run that lie before the target.
func (s *restoreSession) apply(g *target, run *abi.Run, wire []byte) {
	rd := abi.NewReader(wire)
	n := uint64(0)
	for range run.Count {
		var rec abi.Record
		abi.ReadRecord(&rd, &rec)
		if rd.Err() != nil || run.BaseOffset+rec.OffsetDelta >= g.pos.Next {
			break
		}
		s.load.Put(g.cache, run.Partition, rec.Key, rec.Value)
		n++
	}
	s.r.applied.Add(n)
}
