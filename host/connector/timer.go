package connector

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// Timer delivers a record each time the clock passes a multiple of the
// interval since 1970 (UTC), so that hosts agree on the ticks and a restart
// does not shift them. The timestamp is the time of the tick, not the time it
// was noticed, the offset is the number of the tick (time divided by
// interval), key and value are null.
//
// Ticks are not queued: if several passed while the handler was busy, only the
// latest is delivered, and the gap in the offsets tells how many there were.
// Neither the time before the source was opened nor one that the clock went
// back over gives a tick.
//
// All methods but Ready belong to one goroutine.
type Timer struct {
	interval int64 // milliseconds
	topic    int32
	clock    Clock
	last     int64 // number of the last tick that is not due any more

	ready chan struct{}
	next  chan int64  // the tick the goroutine is to wait for
	fired atomic.Bool // it has signalled and waits for next
	stop  chan struct{}
	done  sync.WaitGroup
}

const (
	// minInterval keeps a mistyped unit from turning into a busy loop.
	minInterval = 10 * time.Millisecond
	// maxSleep bounds how late a tick comes when the wall clock is set, or the
	// machine suspended, while the goroutine sleeps.
	maxSleep = 10 * time.Second
)

// ParseInterval reads the interval of a source "timer:1m": a duration of
// whole milliseconds, at least 10ms.
func ParseInterval(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("timer interval %q: want a duration such as 500ms, 30s, 1m or 24h", s)
	}
	if d < minInterval || d%time.Millisecond != 0 {
		return 0, fmt.Errorf("timer interval %q: want whole milliseconds, at least %s", s, minInterval)
	}
	return d, nil
}

// NewTimer opens a timer whose first tick is the next multiple of interval,
// which must be one that ParseInterval accepts.
func NewTimer(interval time.Duration, topic int32, clock Clock) (*Timer, error) {
	if _, err := ParseInterval(interval.String()); err != nil {
		return nil, err
	}
	t := &Timer{
		interval: interval.Milliseconds(), topic: topic, clock: clock,
		ready: make(chan struct{}, 1), next: make(chan int64, 1), stop: make(chan struct{}),
	}
	t.last = t.due()
	t.arm()
	t.done.Go(t.run)
	return t, nil
}

// due is the number of the latest tick that has passed.
func (t *Timer) due() int64 {
	now := t.clock.Now().UnixMilli()
	n := now / t.interval
	if now%t.interval < 0 {
		n--
	}
	return n
}

// Poll empties b and fills it with the latest tick, if one has passed since
// the last. eof is never true; whoever waits for inputs to end does not wait
// for a timer.
func (t *Timer) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	due := t.due()
	if due <= t.last {
		b.Reset()
		if t.fired.Load() {
			t.arm() // the clock was set back after the signal
		}
		return false, nil
	}
	out := newBatch(b, t.topic, due, due*t.interval)
	out.add(nil)
	out.finish()
	t.last = due
	t.arm()
	return false, nil
}

// arm lets the goroutine wait for the tick after the last one.
func (t *Timer) arm() {
	t.fired.Store(false)
	select {
	case <-t.next:
	default:
	}
	t.next <- t.last + 1
}

// run waits for ticks.
func (t *Timer) run() {
	var next int64
	for {
		select {
		case next = <-t.next:
		case <-t.stop:
			return
		}
		for {
			left := time.Duration(next*t.interval)*time.Millisecond - time.Duration(t.clock.Now().UnixNano())
			if left <= 0 {
				t.fired.Store(true)
				signal(t.ready)
				break
			}
			tick, cancel := t.clock.NewTimer(min(left, maxSleep))
			select {
			case <-tick:
			case next = <-t.next:
				cancel()
			case <-t.stop:
				cancel()
				return
			}
		}
	}
}

// Ready delivers when a tick is due.
func (t *Timer) Ready() <-chan struct{} { return t.ready }

// Commit keeps nothing: a tick that was not handled is not made up for.
func (t *Timer) Commit(int64) error { return nil }

// Close ends the timer.
func (t *Timer) Close() error {
	close(t.stop)
	t.done.Wait()
	return nil
}
