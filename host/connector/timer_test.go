package connector

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
)

func TestTimerTicksAtMultiples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(17*time.Second + 300*time.Millisecond)
		tm, err := NewTimer(time.Minute, 5, clock{})
		if err != nil {
			t.Fatal(err)
		}
		defer tm.Close()
		if n, _ := drain(t, tm); len(n) != 0 {
			t.Fatal("a tick before the first minute is over")
		}
		start := time.Now().Truncate(time.Minute)
		var b abi.Packed
		for i := range 5 {
			<-tm.Ready()
			want := start.Add(time.Duration(i+1) * time.Minute)
			if now := time.Now(); !now.Equal(want) {
				t.Errorf("tick %d came at %v, want %v", i, now, want)
			}
			if eof, err := tm.Poll(&b, 10, 1000); eof || err != nil {
				t.Fatal(eof, err)
			}
			got := records(t, &b)
			if len(got) != 1 || got[0] != "<nil>" || b.Runs[0].BaseTimestamp != want.UnixMilli() ||
				b.Runs[0].BaseOffset != want.Unix()/60 || b.Runs[0].Topic != 5 {
				t.Errorf("tick %d: %q, %+v", i, got, b.Runs)
			}
			if got, _ := drain(t, tm); len(got) != 0 {
				t.Errorf("tick %d came twice", i)
			}
		}
	})
}

func TestTimerDropsAllButTheLatestTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm, err := NewTimer(time.Second, 0, clock{})
		if err != nil {
			t.Fatal(err)
		}
		defer tm.Close()
		time.Sleep(5*time.Second + 500*time.Millisecond)
		var b abi.Packed
		if _, err := tm.Poll(&b, 10, 1000); err != nil {
			t.Fatal(err)
		}
		tick := time.Now().Truncate(time.Second)
		if got := records(t, &b); len(got) != 1 || b.Runs[0].BaseTimestamp != tick.UnixMilli() {
			t.Errorf("%q at %d", got, b.Runs[0].BaseTimestamp)
		}
		// The signal of the tick that was missed may be left; the next tick has its own.
		for {
			<-tm.Ready()
			if got, _ := drain(t, tm); len(got) == 1 {
				break
			}
		}
		if d := time.Since(tick); d != time.Second {
			t.Errorf("the next tick came %v after the last", d)
		}
	})
}

// shifted is a clock whose wall time can be set.
type shifted struct {
	clock
	by chan time.Duration // holds one value
}

func (s shifted) Now() time.Time {
	by := <-s.by
	s.by <- by
	return time.Now().Add(by)
}

func (s shifted) set(by time.Duration) {
	<-s.by
	s.by <- by
}

func TestTimerFollowsAClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shifted{by: make(chan time.Duration, 1)}
		c.by <- 0
		tm, err := NewTimer(time.Hour, 0, c)
		if err != nil {
			t.Fatal(err)
		}
		defer tm.Close()
		synctest.Wait()
		// Forward over a tick: noticed within maxSleep.
		start := time.Now()
		c.set(time.Hour)
		<-tm.Ready()
		if d := time.Since(start); d > maxSleep {
			t.Errorf("noticed after %v", d)
		}
		// Back before it is polled: no tick now, and the hour is not lost.
		c.set(0)
		if got, _ := drain(t, tm); len(got) != 0 {
			t.Error("a tick that has not come")
		}
		<-tm.Ready()
		if got, _ := drain(t, tm); len(got) != 1 {
			t.Error("no tick after an hour")
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("the tick came after %v", d)
		}
	})
}

func TestParseInterval(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1m": time.Minute, "10ms": 10 * time.Millisecond, "1h30m": 90 * time.Minute,
		"": 0, "1": 0, "5ms": 0, "-1m": 0, "10.5ms": 0, "100us": 0, "1m ": 0, "0": 0,
	} {
		if got, err := ParseInterval(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := NewTimer(0, 0, clock{}); err == nil {
		t.Error("a timer of 0 was accepted")
	}
}
