package connector

import (
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/cron"
)

// Missed says what becomes of ticks that passed while nobody ran the timer.
type Missed uint8

// What becomes of missed ticks.
const (
	// MissedOnce makes up for all of them with the latest one.
	MissedOnce Missed = iota
	// MissedSkip waits for the next one.
	MissedSkip
)

// TimerConfig says when a timer ticks.
type TimerConfig struct {
	// Interval is the distance of ticks, which are at its multiples since 1970
	// (UTC), so that hosts agree on them and a restart does not shift them.
	Interval time.Duration
	// Cron, where Interval is 0, are the times on the wall of Zone; nil is UTC.
	Cron cron.Schedule
	Zone *time.Location
	// Missed is about ticks behind the one that Resume was told of.
	Missed Missed
	Topic  int32
	Clock  Clock
}

// Timer delivers a record for each tick. Timestamp and offset are the time of
// the tick in milliseconds since 1970, not that at which it was noticed; key
// and value are null.
//
// Ticks are not queued: if several passed while the handler was busy, only the
// latest is delivered. A timer without a past begins with the next tick. One
// that the clock went back over does not come again.
//
// It belongs to one goroutine.
type Timer struct {
	cfg TimerConfig
	// last is the last tick that is not due any more, next the one after it.
	last, next time.Time
}

// minInterval keeps a mistyped unit from turning into a busy loop.
const minInterval = 10 * time.Millisecond

// NewTimer opens a timer. An interval is of whole milliseconds, ten at least.
func NewTimer(cfg TimerConfig) (*Timer, error) {
	if cfg.Interval != 0 && (cfg.Interval < minInterval || cfg.Interval%time.Millisecond != 0) {
		return nil, fmt.Errorf("timer interval %s: want whole milliseconds, at least %s", cfg.Interval, minInterval)
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	t := &Timer{cfg: cfg}
	t.passed(t.now())
	return t, nil
}

func (t *Timer) now() time.Time { return t.cfg.Clock.Now().In(t.cfg.Zone) }

// passed moves the timer behind a tick, or behind any time without one.
func (t *Timer) passed(tick time.Time) { t.last, t.next = tick, t.after(tick) }

// never stands for the time of a tick that does not come.
const never = 1 << 62

// after is the first tick after a time.
func (t *Timer) after(from time.Time) time.Time {
	if t.cfg.Interval > 0 {
		ms, every := from.UnixMilli(), t.cfg.Interval.Milliseconds()
		n := ms / every
		if ms%every < 0 {
			n--
		}
		return time.UnixMilli((n + 1) * every).In(t.cfg.Zone)
	}
	if next := t.cfg.Cron.Next(from); !next.IsZero() {
		return next
	}
	return from.Add(never)
}

// Resume says which tick was the last that was handled, in milliseconds since
// 1970. It comes before the first Poll.
func (t *Timer) Resume(last int64) {
	tick := time.UnixMilli(last).In(t.cfg.Zone)
	if t.cfg.Missed == MissedOnce || tick.After(t.last) {
		t.passed(tick)
	}
}

// Due is when the next tick is.
func (t *Timer) Due() time.Time { return t.next }

// Poll empties b and fills it with the latest tick, if one has passed since
// the last. eof is never true; whoever waits for inputs to end does not wait
// for a timer.
func (t *Timer) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	b.Reset()
	now := t.now()
	if now.Before(t.next) {
		return false, nil
	}
	due := t.next
	if t.cfg.Interval > 0 {
		due = t.after(now).Add(-t.cfg.Interval)
	} else {
		due = t.latest(due, now)
	}
	at := due.UnixMilli()
	out := newBatch(b, t.cfg.Topic, at, at)
	out.add(nil)
	out.finish()
	t.passed(due)
	return false, nil
}

// latest is the last tick of a cron schedule that is not after now, where tick
// is one. A host may have been away for years.
func (t *Timer) latest(tick, now time.Time) time.Time {
	for back := time.Hour; now.Add(-back).After(tick); back *= 2 {
		// The first tick in the piece before now, if there is one.
		if first := t.after(now.Add(-back)); !first.After(now) {
			tick = first
			break
		}
	}
	for next := t.after(tick); !next.After(now); next = t.after(next) {
		tick = next
	}
	return tick
}

// Ready never delivers: Due says when.
func (t *Timer) Ready() <-chan struct{} { return nil }

// Commit keeps nothing: the last tick is known to whoever has it committed.
func (t *Timer) Commit(int64) error { return nil }

// Close ends the timer.
func (t *Timer) Close() error { return nil }
