package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

// statusOf is what a status line asks about a running host.
type statusOf interface {
	Status() host.Status
	BatchTimes() []*host.Histogram
	Lags() []metrics.Lag
}

// statusLine keeps one line up to date below what is written through it. It is
// for terminals. Its methods are safe for concurrent use.
type statusLine struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool
	text  string

	end  chan struct{}
	done chan struct{}
}

func newStatusLine(w io.Writer) *statusLine {
	return &statusLine{w: w, end: make(chan struct{}), done: make(chan struct{})}
}

// Write puts whole lines above the status line.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	n, err := l.w.Write(p)
	l.draw()
	return n, err
}

func (l *statusLine) clear() {
	if l.shown {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = false
	}
}

func (l *statusLine) draw() {
	if l.text != "" {
		fmt.Fprint(l.w, l.text)
		l.shown = true
	}
}

// statusEvery is the time between two redraws.
const statusEvery = 500 * time.Millisecond

// start begins to draw; stop ends it.
func (l *statusLine) start(s statusOf) {
	go func() {
		defer close(l.done)
		tick := time.NewTicker(statusEvery)
		defer tick.Stop()
		m := meter{at: time.Now()}
		for {
			select {
			case <-l.end:
				return
			case now := <-tick.C:
				l.set(clip(m.line(s.Status(), s.BatchTimes(), s.Lags(), now), width(l.w)))
			}
		}
	}()
}

// stop removes the line. It returns when nothing is drawn any more.
func (l *statusLine) stop() {
	close(l.end)
	<-l.done
	l.set("")
}

func (l *statusLine) set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	l.text = text
	l.draw()
}

// width is the terminal's, less one so that the line never wraps.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 1 {
			return n - 1
		}
	}
	return 79
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// meter turns counters into rates.
type meter struct {
	at      time.Time
	records uint64
	counts  [64]uint64
}

// line describes the time since the last call.
func (m *meter) line(s host.Status, times []*host.Histogram, lags []metrics.Lag, now time.Time) string {
	rate := float64(s.Records-m.records) / max(now.Sub(m.at).Seconds(), 1e-3)
	m.at, m.records = now, s.Records
	var failed, dead uint64
	for _, h := range s.Handlers {
		failed += h.Failed
		dead += h.DeadLetters
	}
	stopped, held := 0, 0
	for _, w := range s.Workers {
		for _, p := range w.Partitions {
			switch {
			case p.Stopped != "":
				stopped++
			case p.Held != "":
				held++
			}
		}
	}
	behind := "?" // the clients tell it every few seconds
	if len(lags) > 0 {
		var sum int64
		for _, l := range lags {
			sum += l.Records
		}
		behind = strconv.FormatInt(sum, 10)
	}
	text := fmt.Sprintf("%s: %.0f records/s, lag %s, p99 %s, errors %d", s.State, rate, behind, m.p99(times), failed)
	if dead > 0 {
		text += fmt.Sprintf(", dead letters %d", dead)
	}
	if held > 0 {
		text += fmt.Sprintf(", held %d", held)
	}
	if stopped > 0 {
		text += fmt.Sprintf(", STOPPED %d", stopped)
	}
	return fmt.Sprintf("%s, %d records", text, s.Records)
}

// p99 is an upper bound of the batch time that 99 of 100 batches since the
// last call stayed below.
func (m *meter) p99(times []*host.Histogram) string {
	var fresh [64]uint64
	var bounds [64]time.Duration
	var total uint64
	n := 0
	for _, h := range times {
		i := 0
		h.Buckets(func(below time.Duration, count uint64) {
			fresh[i] += count
			bounds[i] = below
			i++
		})
		n = max(n, i)
	}
	for i := range n {
		fresh[i], m.counts[i] = fresh[i]-m.counts[i], fresh[i]
		total += fresh[i]
	}
	if total == 0 {
		return "-"
	}
	var seen uint64
	for i := range n {
		if seen += fresh[i]; seen*100 >= total*99 {
			return "<" + short(bounds[i])
		}
	}
	return "-"
}

// short writes a duration with three digits at most.
func short(d time.Duration) string {
	for unit := time.Second; unit >= time.Microsecond; unit /= 1000 {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}
