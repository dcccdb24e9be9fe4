package host

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/hosttest"
)

// Whatever the moment a process dies at, with refused outputs, two workers and a
// partition for each: the dependent's records come once to the handler that is
// not bound, in order, and none that is ahead of the weather by more than the
// threshold is passed while it is down; the bound handler gets every record once
// and some again; at the end nothing is held.
func TestCheckpointsWhateverHappens(t *testing.T) {
	for _, seed := range schedules(t, 60) {
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("SLIPHOST_SEED=%d", seed)
				}
			}()
			checkpointSchedule(t, seed)
		})
	}
}

func checkpointSchedule(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	recovery := []checkpoint.OnRecovery{checkpoint.Resume, checkpoint.SeekHealthy, checkpoint.SeekDetected}[rnd.IntN(3)]
	a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: recovery}, rnd.IntN(2) == 0)
	parts := 1 + rnd.IntN(2)
	a.b = hosttest.NewBroker(map[string]int{"weather": parts, "activity": parts, "out": 1, "app-control": 1})
	refusals := rnd.IntN(4)
	chance := newSeeded(seed, 6)
	a.b.Refuse = func(r hosttest.Record) error {
		if refusals > 0 && r.Topic == "out" && chance.IntN(5) == 0 {
			refusals--
			return errNo
		}
		return nil
	}
	const rounds = 12
	produce := func(topic string, round int) {
		for p := range parts {
			ts := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(round) * 30 * time.Minute)
			if _, err := a.b.Produce(hosttest.Record{Topic: topic, Partition: int32(p), Timestamp: ts.UnixMilli(), Value: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	run := func() { go func() { done <- a.host(t, "h", parts).Run(ctx) }() }
	run()
	for weather, activity := 0, 0; weather < rounds || activity < rounds; {
		if weather < rounds && rnd.IntN(2) == 0 {
			produce("weather", weather)
			weather++
		} else if activity < rounds {
			produce("activity", activity)
			activity++
		}
		time.Sleep(time.Duration(rnd.IntN(120)) * time.Millisecond)
		if rnd.IntN(5) == 0 {
			cancel()
			<-done
			ctx, cancel = context.WithCancel(context.Background())
			run()
		}
	}
	produce("weather", rounds+10)
	time.Sleep(5 * time.Minute)
	cancel()
	<-done
	once := map[string]int{}
	last := ""
	for _, r := range a.b.Records("out") {
		v := string(r.Value)
		once[v]++
		if v[:5] == "other" && parts == 1 {
			if v <= last {
				t.Errorf("%q comes behind %q", v, last)
			}
			last = v
		}
	}
	for round := range rounds {
		clock := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(round) * 30 * time.Minute).Format("15:04")
		if n := once["other "+clock]; n != parts {
			t.Errorf("other %s came out %d times, want %d", clock, n, parts)
		}
		n := once["bound "+clock]
		if n < parts || recovery == checkpoint.Resume && n != parts {
			t.Errorf("bound %s came out %d times, want %d (recovery %d)", clock, n, parts, recovery)
		}
	}
	h := a.host(t, "h", parts)
	end := start(h)
	time.Sleep(time.Minute)
	for _, w := range h.Status().Workers {
		for _, p := range w.Partitions {
			if p.Held != "" {
				t.Error(p.Held)
			}
		}
	}
	drained(t, h, end)
}
