package metrics

import (
	"math"
	"sync"
)

// LateRecords is the counter by which the SDKs' windows tell of records that
// came too late. It is shown as the host's own.
const LateRecords = "slip_late_records"

// Store is what a worker tells of its tasks and of the caches it keeps.
type Store struct {
	// Tasks counts the tasks in each phase. All phases are there.
	Tasks map[string]int
	// Suspended says that nothing is processed, because the store cannot be
	// written.
	Suspended bool
	// Staged and Unwritten are bytes: of the commit under way, and committed but
	// not on disk.
	Staged, Unwritten int64
	// RestoreRemaining is in changelog offsets, Restored in records.
	RestoreRemaining int64
	Restored         uint64
	// CacheHits are reads answered from memory, CacheMisses those from disk.
	CacheHits, CacheMisses uint64
}

func (s *scrape) store(w *Worker, id string) {
	for phase, n := range w.Store.Tasks {
		s.put(workerTasks, float64(n), id, w.Cluster, phase)
	}
	s.put(storeSuspended, truth(w.Store.Suspended), id, w.Cluster)
	s.put(storeStaged, float64(w.Store.Staged), id, w.Cluster)
	s.put(storeUnwritten, float64(w.Store.Unwritten), id, w.Cluster)
	s.put(restoreRemaining, float64(w.Store.RestoreRemaining), id, w.Cluster)
	s.put(restoredRecords, float64(w.Store.Restored), id, w.Cluster)
	s.put(cacheReads, float64(w.Store.CacheHits), id, w.Cluster, "hit")
	s.put(cacheReads, float64(w.Store.CacheMisses), id, w.Cluster, "miss")
}

// lateCounts counts late records by handler.
type lateCounts struct {
	mu sync.Mutex
	by map[string]float64
}

// add takes a call of the counter; what no counter takes it leaves to others.
func (l *lateCounts) add(handler string, n float64) bool {
	if n < 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by[handler] += n
	return true
}

func (s *scrape) late(l *lateCounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for handler, n := range l.by {
		s.put(handlerLate, n, handler)
	}
}
