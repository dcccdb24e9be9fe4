package host

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// WorkerState is what a worker tells about tasks and caches.
type WorkerState struct {
	// Tasks are those of the worker, as of its last change.
	Tasks []TaskStatus `json:"tasks"`
	// Suspended says why nothing is processed while the state store cannot be
	// written.
	Suspended string `json:"suspended,omitempty"`
	// RestoreRemaining is the number of changelog offsets left to read before all
	// tasks run, Restored the records read into the store since the start.
	RestoreRemaining int64  `json:"restore_remaining"`
	Restored         uint64 `json:"restored"`
	// Staged is the bytes of cache writes that the commit under way carries;
	// Unwritten those committed and not on disk yet, as of the last commit.
	Staged    int64 `json:"staged_bytes"`
	Unwritten int64 `json:"unwritten_bytes"`
	// CacheHits counts reads answered from memory, CacheMisses those that asked
	// the disk, as of the last commit.
	CacheHits   uint64 `json:"cache_hits"`
	CacheMisses uint64 `json:"cache_misses"`
}

// TaskStatus is one partition of a sub-topology.
type TaskStatus struct {
	// Sub is the sub-topology's first handler.
	Sub       string `json:"sub"`
	Partition int32  `json:"partition"`
	// Phase is one of TaskPhases.
	Phase string `json:"phase"`
}

var phaseNames = [...]string{taskWaiting: "waiting", taskRestoring: "restoring", taskRunning: "running"}

// TaskPhases are the phases that a task can be in, in the order in which it
// passes them: waiting for inputs, restoring its caches, running.
func TaskPhases() []string { return phaseNames[:] }

// publishTasks shows tasks and the store to Status; mu is held.
func (w *worker) publishTasks() {
	w.status.Tasks = w.status.Tasks[:0]
	for _, t := range w.tasks {
		w.status.Tasks = append(w.status.Tasks, TaskStatus{Sub: t.name, Partition: t.partition, Phase: phaseNames[t.phase]})
	}
	slices.SortFunc(w.status.Tasks, func(a, b TaskStatus) int {
		return cmp.Or(cmp.Compare(a.Sub, b.Sub), cmp.Compare(a.Partition, b.Partition))
	})
	w.status.Suspended = ""
	if w.suspended != nil {
		w.status.Suspended = w.suspended.Error()
	}
	if w.overlay != nil {
		w.stats.store.unwritten.Store(w.overlay.Unwritten())
		hits, misses := w.overlay.Hits()
		w.stats.store.hits.Store(hits)
		w.stats.store.misses.Store(misses)
	}
}

// storeStats are what publish has seen of the worker's overlay.
type storeStats struct {
	unwritten    atomic.Int64
	hits, misses atomic.Uint64
}

// measured fills in what moves between two looks of publish. Any goroutine may
// call it.
func (w *worker) measured(s *WorkerState) {
	s.RestoreRemaining = max(w.restorer.remaining.Load(), 0)
	s.Restored = w.restorer.applied.Load()
	s.Staged = w.stats.staged.Load()
	s.Unwritten = w.stats.store.unwritten.Load()
	s.CacheHits, s.CacheMisses = w.stats.store.hits.Load(), w.stats.store.misses.Load()
}

// CommitTimes returns each worker's histogram of the time that a commit takes,
// flushes included.
func (h *Host) CommitTimes() []*Histogram {
	var all []*Histogram
	for _, w := range h.workers {
		all = append(all, &w.stats.commitTimes)
	}
	return all
}

// abortsTo adds the worker's aborts to a sum by reason, made if it is nil and
// there is something to add.
func (s *stats) abortsTo(sum map[string]uint64) map[string]uint64 {
	for i := range s.aborts {
		n := s.aborts[i].Load()
		if n == 0 {
			continue
		}
		if sum == nil {
			sum = map[string]uint64{}
		}
		sum[AbortReasons[i]] += n
	}
	return sum
}

// letterCounts counts dead letters by code. Each is an event of its own, which
// costs more than the lock.
type letterCounts struct {
	mu sync.Mutex
	by map[string]uint64
}

func (l *letterCounts) add(code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]uint64{}
	}
	l.by[code]++
}

// addTo adds the counts to a sum, made if it is nil and there is something to
// add.
func (l *letterCounts) addTo(sum map[string]uint64) map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for code, n := range l.by {
		if sum == nil {
			sum = map[string]uint64{}
		}
		sum[code] += n
	}
	return sum
}
