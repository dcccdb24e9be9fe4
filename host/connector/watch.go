package connector

import (
	"os"
	"sync"
	"time"
)

// watchInterval is how often a followed file is looked at while its reader
// waits for more. It asks the file system rather than subscribing to changes:
// that works on every file system, network ones included, and costs 10 calls
// a second of a few microseconds each.
const watchInterval = 100 * time.Millisecond

// watcher tells a reader that has reached the end of a file that the file has
// changed. It has one goroutine, which sleeps until the reader waits.
type watcher struct {
	path  string
	clock Clock
	ready chan struct{}
	seen  chan seen // where the reader waits; the latest counts
	stop  chan struct{}
	done  sync.WaitGroup
}

// seen is what a reader knows of the file it waits for.
type seen struct {
	size int64
	file os.FileInfo
	gone bool // nothing was at the path
	open *os.File
	// until is when the reader goes on even if nothing changes; zero is never.
	until time.Time
}

func watch(path string, clock Clock) *watcher {
	w := &watcher{path: path, clock: clock, ready: make(chan struct{}, 1), seen: make(chan seen, 1), stop: make(chan struct{})}
	w.done.Go(w.run)
	return w
}

// wait asks for a signal once the file is not what was seen any more: it has
// another size, is another file or is gone, or s.until has come. It does not block.
func (w *watcher) wait(s seen) {
	select {
	case <-w.seen:
	default:
	}
	// Only the reader's goroutine sends, so there is room now.
	w.seen <- s
}

func (w *watcher) close() {
	close(w.stop)
	w.done.Wait()
}

func (w *watcher) run() {
	for {
		select {
		case <-w.stop:
			return
		case s := <-w.seen:
			if !w.changed(s) {
				return
			}
			signal(w.ready)
		}
	}
}

// changed waits until the file differs from what was seen; it reports false
// when it was stopped instead.
func (w *watcher) changed(s seen) bool {
	for {
		tick, cancel := w.clock.NewTimer(watchInterval)
		select {
		case <-w.stop:
			cancel()
			return false
		case s = <-w.seen:
			cancel()
		case <-tick:
		}
		info, err := os.Stat(w.path)
		switch {
		case !s.until.IsZero() && !w.clock.Now().Before(s.until):
			return true
		case err != nil && s.gone && os.IsNotExist(err):
			// The old file may still grow, until there is a new one.
			if old, lerr := s.open.Stat(); lerr == nil && old.Size() != s.size {
				return true
			}
		case err != nil || info.Size() != s.size || !os.SameFile(s.file, info):
			return true
		}
	}
}
