package connector

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/cron"
)

// ticks polls once and returns the times of what came, as text in UTC.
func ticks(t *testing.T, tm *Timer) string {
	t.Helper()
	var b abi.Packed
	if eof, err := tm.Poll(&b, 10, 1000); eof || err != nil {
		t.Fatal(eof, err)
	}
	got := records(t, &b)
	switch {
	case len(got) == 0:
		return ""
	case len(got) != 1 || got[0] != "<nil>" || b.Runs[0].BaseOffset != b.Runs[0].BaseTimestamp || b.Runs[0].Topic != tm.cfg.Topic:
		t.Fatalf("%q, %+v", got, b.Runs)
	}
	return time.UnixMilli(b.Runs[0].BaseTimestamp).UTC().Format("2006-01-02 15:04:05.999")
}

func newTimer(t *testing.T, cfg TimerConfig) *Timer {
	t.Helper()
	cfg.Clock = clock{}
	tm, err := NewTimer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

func crontab(t *testing.T, expr string) cron.Schedule {
	t.Helper()
	s, err := cron.Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Time in a bubble begins at 2000-01-01 00:00 UTC.
func TestTimerTicksAtMultiples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(17*time.Second + 300*time.Millisecond)
		tm := newTimer(t, TimerConfig{Interval: time.Minute, Topic: 5})
		for _, want := range []string{"2000-01-01 00:01:00", "2000-01-01 00:02:00", "2000-01-01 00:03:00"} {
			if got := ticks(t, tm); got != "" {
				t.Fatalf("a tick at %s came early", got)
			}
			time.Sleep(time.Until(tm.Due()) - time.Nanosecond)
			if got := ticks(t, tm); got != "" {
				t.Fatalf("a tick at %s came a nanosecond early", got)
			}
			time.Sleep(time.Nanosecond)
			if got := ticks(t, tm); got != want {
				t.Errorf("tick at %s, want %s", got, want)
			}
		}
	})
}

func TestTimerDropsAllButTheLatestTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTimer(t, TimerConfig{Interval: time.Second})
		time.Sleep(5*time.Second + 500*time.Millisecond)
		if got := ticks(t, tm); got != "2000-01-01 00:00:05" {
			t.Error(got)
		}
		if d := time.Until(tm.Due()); d != 500*time.Millisecond {
			t.Errorf("the next one is due in %s", d)
		}
	})
}

func TestTimerByCron(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		tm := newTimer(t, TimerConfig{Cron: crontab(t, "30 6 * * *"), Zone: berlin})
		time.Sleep(time.Until(tm.Due()))
		if got := ticks(t, tm); got != "2000-01-01 05:30:00" {
			t.Error(got)
		}
		time.Sleep(200 * 24 * time.Hour) // summer time, and many ticks later
		if got := ticks(t, tm); got != "2000-07-19 04:30:00" {
			t.Error(got)
		}
		if got := ticks(t, tm); got != "" {
			t.Errorf("another at %s", got)
		}
	})
}

func TestMissedTicks(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    TimerConfig
		last   string
		first  string // delivered at once
		second string
	}{
		{"once", TimerConfig{Interval: time.Minute}, "1999-12-31 22:59:00", "2000-01-01 00:00:00", "2000-01-01 00:01:00"},
		{"once, cron", TimerConfig{Cron: crontab(t, "*/7 * * * *")}, "1989-12-31 22:59:00", "2000-01-01 00:00:00", "2000-01-01 00:07:00"},
		{"once, nothing missed", TimerConfig{Interval: time.Minute}, "2000-01-01 00:00:00", "", "2000-01-01 00:01:00"},
		{"skip", TimerConfig{Interval: time.Minute, Missed: MissedSkip}, "1999-12-31 22:59:00", "", "2000-01-01 00:01:00"},
		// Another host, whose clock is ahead, has handled it.
		{"skip, from ahead", TimerConfig{Interval: time.Minute, Missed: MissedSkip}, "2000-01-01 00:01:00", "", "2000-01-01 00:02:00"},
		{"once, from ahead", TimerConfig{Interval: time.Minute}, "2000-01-01 00:01:00", "", "2000-01-01 00:02:00"},
	} {
		synctest.Test(t, func(t *testing.T) {
			tm := newTimer(t, c.cfg)
			last, err := time.Parse("2006-01-02 15:04:05", c.last)
			if err != nil {
				t.Fatal(err)
			}
			tm.Resume(last.UnixMilli())
			if got := ticks(t, tm); got != c.first {
				t.Errorf("%s: %q at once, want %q", c.name, got, c.first)
			}
			time.Sleep(time.Until(tm.Due()))
			if got := ticks(t, tm); got != c.second {
				t.Errorf("%s: then %q, want %q", c.name, got, c.second)
			}
		})
	}
}

// shifted is a clock whose wall time can be set.
type shifted struct {
	clock
	by *time.Duration
}

func (s shifted) Now() time.Time { return time.Now().Add(*s.by) }

func TestTimerFollowsAClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var by time.Duration
		tm, err := NewTimer(TimerConfig{Interval: time.Hour, Clock: shifted{by: &by}})
		if err != nil {
			t.Fatal(err)
		}
		by = time.Hour
		if got := ticks(t, tm); got != "2000-01-01 01:00:00" {
			t.Errorf("forward: %q", got)
		}
		by = 0
		if got := ticks(t, tm); got != "" {
			t.Errorf("back: %q", got)
		}
		time.Sleep(2*time.Hour - time.Nanosecond)
		if got := ticks(t, tm); got != "" {
			t.Errorf("the hour that was there already came again as %q", got)
		}
	})
}

func TestIntervalsThatNoTimerHas(t *testing.T) {
	for _, d := range []time.Duration{time.Millisecond, -time.Minute, 10*time.Millisecond + time.Microsecond} {
		if _, err := NewTimer(TimerConfig{Interval: d, Clock: clock{}}); err == nil {
			t.Errorf("%s was accepted", d)
		}
	}
}
