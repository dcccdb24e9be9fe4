package host

import "time"

// progressEvery is the time between two lines about a restore that takes long.
const progressEvery = 5 * time.Second

// progress tells now and then how far a restore is. It belongs to the
// restorer's goroutine.
type progress struct {
	last    time.Time
	applied uint64
}

// tell logs a line if it is time for one. What takes less than the time
// between two lines is not told.
func (p *progress) tell(r *restorer) {
	now, applied := r.backends.Clock.Now(), r.applied.Load()
	if p.last.IsZero() {
		p.last, p.applied = now, applied
		return
	}
	took := now.Sub(p.last)
	if took < progressEvery {
		return
	}
	r.mu.Lock()
	tasks := len(r.tasks)
	r.mu.Unlock()
	rate := float64(applied-p.applied) / took.Seconds()
	r.log.Info("restoring caches from their changelogs", "tasks", tasks, "remaining", max(r.remaining.Load(), 0), "restored", applied, "records_per_second", int64(rate))
	p.last, p.applied = now, applied
}
