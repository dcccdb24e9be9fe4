package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// cpStep is one thing that happens and what the handlers see of it: a record,
// or, without a topic, time that goes by.
type cpStep struct {
	topic string
	hhmm  int
	wait  time.Duration
	want  []string
}

// plays runs a host through steps.
func (a *cpApp) plays(t *testing.T, h *Host, steps []cpStep) {
	t.Helper()
	for _, s := range steps {
		if s.topic != "" {
			a.produce(t, s.topic, s.hhmm)
		}
		after(400*time.Millisecond + s.wait)
		if got := a.took(); len(s.want)+len(got) > 0 {
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("%s %d %s (-want +got):\n%s\n%+v", s.topic, s.hhmm, s.wait, diff, h.Status().Workers)
			}
		}
	}
}

// outs counts the values that came out.
func (a *cpApp) outs() map[string]int {
	n := map[string]int{}
	for _, r := range a.b.Records("out") {
		n[string(r.Value)]++
	}
	return n
}

// A partition of a dependency that is at its end and behind does not hold a run
// until idle for ever.
func TestUntilIdlePartitionsAtTheirEndDoNotCount(t *testing.T) {
	for workers := 1; workers <= 3; workers++ {
		for _, calls := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a := newCPApp(true, checkpoint.Spec{Pause: true}, calls)
				a.b = hosttest.NewBroker(map[string]int{"weather": 3, "activity": 1, "out": 1, "app-control": 1})
				a.produceIn(t, "weather", 0, 1000)
				a.produceIn(t, "weather", 2, 1400)
				for _, hhmm := range []int{1030, 1230, 1240, 1250} {
					a.produce(t, "activity", hhmm)
				}
				h := a.host(t, "h", workers)
				h.opts.UntilIdle = true
				for _, w := range h.workers {
					w.opts.UntilIdle = true
				}
				if err := h.Run(context.Background()); err != nil {
					t.Errorf("%d workers, calls %v: %v", workers, calls, err)
				}
				for _, out := range []string{"other 10:30", "other 12:30", "other 12:40", "other 12:50", "bound 12:50"} {
					if n := a.outs()[out]; n != 1 {
						t.Errorf("%d workers, calls %v: %q came out %d times", workers, calls, out, n)
					}
				}
			})
		}
	}
}

// A dependent that waits for too long stops, or goes on.
func TestMaxPause(t *testing.T) {
	down := []string{"bound 12:30", "other 12:30", "down weather 12:30>10:00 9000s"}
	begin := []cpStep{
		{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
		{topic: "activity", hhmm: 1230, want: down},
		{topic: "activity", hhmm: 1240},
	}
	spec := checkpoint.Spec{Pause: true, MaxPause: time.Minute}
	t.Run("fail", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, spec, false)
			h := a.host(t, "h", 1)
			done := start(h)
			a.plays(t, h, begin)
			if s := stoppedBecause(h); s != "" {
				t.Errorf("stopped before its time: %s", s)
			}
			a.plays(t, h, []cpStep{{wait: time.Minute}})
			if s := stoppedBecause(h); !strings.Contains(s, "max_pause is 1m0s") || !strings.Contains(s, `dependency "weather" is down`) {
				t.Errorf("stopped: %q", s)
			}
			// An abort, here of another partition's output, forgets nothing of it.
			refused := false
			a.b.Refuse = func(r hosttest.Record) error {
				if r.Topic == "app-control" && !refused {
					refused = true
					return errNo
				}
				return nil
			}
			a.plays(t, h, []cpStep{{topic: "weather", hhmm: 1030, wait: 10 * time.Second, want: []string{"weather 10:30", "weather 10:30"}}})
			if s := stoppedBecause(h); !refused || !strings.Contains(s, "max_pause") {
				t.Errorf("after an abort (%v) stopped: %q", refused, s)
			}
			drained(t, h, done)
			// The next owner says so as well, and it ends with the downtime.
			h = a.host(t, "h", 1)
			done = start(h)
			a.plays(t, h, []cpStep{{wait: 2 * time.Second}})
			if s := stoppedBecause(h); !strings.Contains(s, "max_pause") {
				t.Errorf("after a restart stopped: %q", s)
			}
			a.plays(t, h, []cpStep{{topic: "weather", hhmm: 1300, want: []string{"weather 13:00", "bound 12:40", "other 12:40"}}})
			if s := stoppedBecause(h); s != "" {
				t.Errorf("stopped after all: %q", s)
			}
			drained(t, h, done)
		})
	})
	t.Run("resume", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			spec := spec
			spec.MaxPausePolicy = checkpoint.PauseResume
			a := newCPApp(true, spec, false)
			h := a.host(t, "h", 1)
			done := start(h)
			defer drained(t, h, done)
			a.plays(t, h, begin)
			a.plays(t, h, []cpStep{
				{wait: time.Minute, want: []string{"bound 12:40", "other 12:40"}},
				{topic: "activity", hhmm: 1300, want: []string{"bound 13:00", "other 13:00"}},
			})
			if s := stoppedBecause(h); s != "" {
				t.Errorf("stopped: %q", s)
			}
		})
	})
}

// stoppedBecause is why the dependent counts as stopped.
func stoppedBecause(h *Host) string {
	for _, w := range h.Status().Workers {
		for _, p := range w.Partitions {
			if p.Topic == "activity" && p.Stopped != "" {
				return p.Stopped
			}
		}
	}
	return ""
}

// A silent dependency is down by the clock, without any record of the dependent.
func TestWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newCPApp(true, checkpoint.Spec{Pause: true, WallClock: true}, false)
		h := a.host(t, "h", 1)
		done := start(h)
		defer drained(t, h, done)
		a.plays(t, h, []cpStep{
			{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
			{topic: "activity", hhmm: 1000, want: []string{"bound 10:00", "other 10:00"}},
			{wait: 59 * time.Minute},
		})
		after(2 * time.Minute)
		if got := a.took(); len(got) != 1 || !strings.HasPrefix(got[0], "down weather 10:00>10:00 36") {
			t.Fatalf("after an hour of silence: %q", got)
		}
		a.plays(t, h, []cpStep{
			{topic: "activity", hhmm: 1010},
			{topic: "weather", hhmm: 1001, want: []string{"weather 10:01", "bound 10:10", "other 10:10"}},
		})
	})
}

// A handler answers the checks itself; one that fails decides nothing.
func TestOwnChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newCPApp(true, checkpoint.Spec{Pause: true, Dependencies: []checkpoint.Dependency{{Name: "weather", Threshold: time.Hour, CustomDowntime: true, CustomRecovery: true}}}, false)
		a.plan.Checkpoints[0].Check = 1
		broken := true
		a.check = func(c *abi.Check) []byte {
			a.note("check %d %s>%s", c.Which, clockOf(c.DependentMarker), clockOf(c.DependencyMarker))
			behind := c.DependentMarker.Int - c.DependencyMarker.Int
			switch {
			case broken:
				return abi.AppendResultError(nil, 0, abi.CodeFailed, "no idea", 0)
			case c.Which == abi.CheckDowntime: // at a tenth of the threshold
				return abi.AppendInt(abi.AppendAnswer(nil, 0), behind-c.ThresholdMs/10)
			}
			return abi.AppendBool(abi.AppendAnswer(nil, 0), behind <= 0)
		}
		h := a.host(t, "h", 1)
		done := start(h)
		defer drained(t, h, done)
		a.plays(t, h, []cpStep{
			{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
			{topic: "activity", hhmm: 1007, want: []string{"bound 10:07", "other 10:07", "check 0 10:07>10:00"}},
		})
		broken = false
		a.plays(t, h, []cpStep{
			{topic: "activity", hhmm: 1008, want: []string{"bound 10:08", "other 10:08", "check 0 10:08>10:00", "down weather 10:08>10:00 120s"}},
			{topic: "activity", hhmm: 1009},
			{topic: "weather", hhmm: 1007, want: []string{"weather 10:07", "check 1 10:08>10:07"}},
			{topic: "weather", hhmm: 1008, want: []string{"weather 10:08", "check 1 10:08>10:08", "bound 10:09", "other 10:09", "check 0 10:09>10:08"}},
		})
	})
}

// newTwoApp has a second checkpoint, on news, for the same dependent.
func newTwoApp(mode checkpoint.Mode) *cpApp {
	spec := checkpoint.Spec{Pause: true, Mode: mode}
	a := newCPApp(true, spec, false)
	news := topicSource("news")
	news.Sub = 2
	news.Handlers = []HandlerSource{{Handler: 0}}
	a.plan.Sources = append(a.plan.Sources, news)
	a.plan.Subs = append(a.plan.Subs, Sub{Name: "news", Inputs: []int{4}})
	second := a.plan.Checkpoints[0]
	second.Spec.Name = "d"
	second.Spec.Dependencies = []checkpoint.Dependency{{Name: "news", Threshold: time.Hour}}
	second.Dependencies = []CheckpointSide{{Source: 4}}
	second.Downtime, second.Recovery = -1, -1
	a.plan.Checkpoints = append(a.plan.Checkpoints, second)
	a.plan.Checkpoints[0].Downtime, a.plan.Checkpoints[0].Recovery = -1, -1
	a.b = hosttest.NewBroker(map[string]int{"weather": 1, "activity": 1, "news": 1, "out": 1, "app-control": 1})
	return a
}

// A partition goes on when no checkpoint holds it; in compat the first one that
// resumes lets it go, as the seed's one gate does.
func TestTwoCheckpointsHoldOneDependent(t *testing.T) {
	for _, mode := range []checkpoint.Mode{checkpoint.Default, checkpoint.Compat} {
		synctest.Test(t, func(t *testing.T) {
			a := newTwoApp(mode)
			h := a.host(t, "h", 1)
			done := start(h)
			defer drained(t, h, done)
			first, last := []string{"weather 14:00"}, []string{"weather 14:00", "bound 12:40", "other 12:40"}
			if mode == checkpoint.Compat {
				first, last = last, first // and 12:40 is found to be too far from the news again
			}
			a.plays(t, h, []cpStep{
				{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
				{topic: "news", hhmm: 1000, want: []string{"weather 10:00"}},
				{topic: "activity", hhmm: 1230, want: []string{"bound 12:30", "other 12:30"}},
				{topic: "activity", hhmm: 1240},
				{topic: "weather", hhmm: 1400, want: first},
			})
			if mode == checkpoint.Compat {
				a.plays(t, h, []cpStep{{topic: "activity", hhmm: 1241}})
				last = append(last, "bound 12:41", "other 12:41")
			}
			a.plays(t, h, []cpStep{{topic: "news", hhmm: 1400, want: last}})
		})
	}
}

// Where a seek goes to is gone: the rest comes again, whatever the policy for
// records that were not processed says, and the log tells of whom.
func TestSeekToWhatIsGone(t *testing.T) {
	for _, policy := range []ChangePolicy{ChangeFail, ChangeEarliest, ChangeLatest} {
		for before, want := range map[int64][]string{2: {"replay", "bound 12:30"}, 3: nil} {
			synctest.Test(t, func(t *testing.T) {
				a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.SeekHealthy}, false)
				a.plan.OnChange.RecordsGone = policy
				h := a.host(t, "h", 1)
				var log bytes.Buffer // its handler takes turns; it is read when the host has ended
				h.workers[0].log = slog.New(slog.NewTextHandler(&log, nil))
				done := start(h)
				a.plays(t, h, goneBegin)
				a.b.DeleteRecords("activity", 0, before)
				a.plays(t, h, []cpStep{
					{topic: "weather", hhmm: 1300, want: append([]string{"weather 13:00"}, want...)},
					{topic: "activity", hhmm: 1310, want: []string{"bound 13:10", "other 13:10"}},
				})
				drained(t, h, done)
				line := fmt.Sprintf(`level=WARN msg="records that a checkpoint goes back to were deleted (retention); they were processed before and do not come again" checkpoint=c topic=activity partition=0 from=0 to=%d "going on at"=%d`, before-1, before)
				if !strings.Contains(log.String(), line) {
					t.Errorf("policy %v: no %s in\n%s", policy, line, log.String())
				}
			})
		}
	}
}

// goneBegin processes three records of activity and goes down.
var goneBegin = []cpStep{
	{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
	{topic: "activity", hhmm: 1000, want: []string{"bound 10:00", "other 10:00"}},
	{topic: "activity", hhmm: 1030, want: []string{"bound 10:30", "other 10:30"}},
	{topic: "activity", hhmm: 1230, want: []string{"bound 12:30", "other 12:30", "down weather 12:30>10:00 9000s"}},
}

// Records that nobody has processed are not passed over by a seek either.
func TestSeekDoesNotHideRecordsGone(t *testing.T) {
	for policy, want := range map[ChangePolicy][]string{
		ChangeFail: nil, ChangeEarliest: {"weather 13:00", "bound 12:50", "other 12:50"}, ChangeLatest: {"weather 13:00"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.SeekHealthy}, false)
			a.plan.OnChange.RecordsGone = policy
			h := a.host(t, "h", 1)
			done := start(h)
			a.plays(t, h, append(slices.Clone(goneBegin), cpStep{topic: "activity", hhmm: 1240}, cpStep{topic: "activity", hhmm: 1250}))
			a.b.DeleteRecords("activity", 0, 4) // 12:40 was not processed
			a.produce(t, "weather", 1300)
			if policy == ChangeFail {
				if err := <-done; err == nil || !strings.Contains(err.Error(), "records 3 to 3 were deleted before they were processed") {
					t.Errorf("ends with %v", err)
				}
				return
			}
			after(time.Second)
			if diff := cmp.Diff(want, a.took()); diff != "" {
				t.Errorf("policy %v (-want +got):\n%s", policy, diff)
			}
			drained(t, h, done)
		})
	}
}

// A position inside of what comes again that is gone at the next start is not a
// loss, as long as nothing behind is.
func TestReplayIsGoneAtTheNextStart(t *testing.T) {
	for before, want := range map[int64]string{2: "bound 12:30", 4: "records 3 to 3 were deleted before they were processed"} {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.SeekHealthy}, false)
			h := a.host(t, "h", 1)
			done := start(h)
			a.plays(t, h, goneBegin)
			a.plan.Handlers[1].OnError = OnError{Policy: PolicyFail}
			a.refuses.Store(true)
			a.plays(t, h, []cpStep{{topic: "weather", hhmm: 1300, want: []string{"weather 13:00", "replay"}}})
			drained(t, h, done)
			a.produce(t, "activity", 1310)
			a.produce(t, "activity", 1320)
			a.b.DeleteRecords("activity", 0, before)
			a.refuses.Store(false)
			a.took()
			h = a.host(t, "h", 1)
			done = start(h)
			if before == 4 {
				if err := <-done; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("ends with %v", err)
				}
				return
			}
			after(2 * time.Second)
			if diff := cmp.Diff([]string{"replay", want, "bound 13:10", "bound 13:20", "other 13:10", "other 13:20"}, a.took()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			drained(t, h, done)
		})
	}
}

// A call that fails is its handler's failure.
func TestFailedCalls(t *testing.T) {
	begin := []cpStep{
		{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
		{topic: "activity", hhmm: 1230, want: []string{"bound 12:30", "other 12:30", "down weather 12:30>10:00 9000s"}},
	}
	t.Run("tried again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.Call}, false)
			a.plan.Handlers[1].OnError = OnError{Policy: PolicyFail}
			tries := 0
			a.fails = func(abi.Kind) error {
				if tries++; tries == 2 {
					return nil
				}
				return errors.New("no")
			}
			h := a.host(t, "h", 1)
			done := start(h)
			defer drained(t, h, done)
			a.plays(t, h, begin)
			if s := stoppedBecause(h); !strings.Contains(s, "no") {
				t.Errorf("stopped: %q", s)
			}
			a.plays(t, h, []cpStep{{wait: 2 * time.Second, want: []string{"down weather 12:30>10:00 9000s"}}})
			if s := stoppedBecause(h); s != "" {
				t.Errorf("stopped: %q", s)
			}
			if n := h.workers[0].stats.checkpoints[0].downtimes.Load(); n != 1 {
				t.Errorf("%d downtimes counted", n)
			}
		})
	})
	for _, mode := range []checkpoint.Mode{checkpoint.Default, checkpoint.Compat} {
		t.Run(fmt.Sprint("skipped in mode ", mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.Call, Mode: mode}, false)
				a.plan.Handlers[1].OnError = OnError{Policy: PolicySkip}
				a.fails = func(kind abi.Kind) error {
					if kind == abi.KindDowntime {
						return errors.New("no")
					}
					return nil
				}
				h := a.host(t, "h", 1)
				done := start(h)
				defer drained(t, h, done)
				a.plays(t, h, begin)
				a.produce(t, "activity", 1240)
				a.produce(t, "weather", 1300)
				after(time.Second)
				got := a.took()
				// The seed never resumes what was paused in vain.
				if resumed := slices.Contains(got, "other 12:40"); resumed != (mode == checkpoint.Default) {
					t.Errorf("mode %v: %q", mode, got)
				}
			})
		})
	}
}

// An output of a call that is always refused is that call's failure: its policy
// acts, and nothing is tried for ever.
func TestRefusedCalls(t *testing.T) {
	for _, exactlyOnce := range []bool{true, false} {
		for _, policy := range []Policy{PolicySkip, PolicyFail} {
			synctest.Test(t, func(t *testing.T) {
				a := newCPApp(exactlyOnce, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.Call}, false)
				a.plan.Handlers[1].OnError = OnError{Policy: policy}
				a.emits = "call"
				a.onRecovery = func(st module.State, m *abi.Recovery) {
					for _, p := range m.Detected {
						st.Seek(module.At{Handler: 1}, p.Source, p.Partition, p.Offset)
					}
				}
				a.b.Refuse = func(r hosttest.Record) error {
					if string(r.Value) == "call" {
						return errNo
					}
					return nil
				}
				h := a.host(t, "h", 1)
				done := start(h)
				defer drained(t, h, done)
				a.produce(t, "weather", 1000)
				after(time.Second)
				a.produce(t, "activity", 1230)
				after(time.Second)
				a.produce(t, "activity", 1240)
				a.produce(t, "weather", 1300)
				after(10 * time.Minute)
				calls := 0
				seen := a.took()
				for _, s := range seen {
					if strings.HasPrefix(s, "down") || strings.HasPrefix(s, "up") {
						calls++
					}
				}
				want := map[string]int{"other 12:30": 1, "other 12:40": 1, "bound 12:30": 1, "bound 12:40": 1}
				if policy == PolicyFail {
					// It waits for somebody who mends the topic, and says so.
					want = map[string]int{"other 12:30": 1, "bound 12:30": 1}
					if s := stoppedBecause(h); !strings.Contains(s, errNo.Error()) {
						t.Errorf("stopped: %q", s)
					}
				}
				if diff := cmp.Diff(want, a.outs()); diff != "" || calls > 60 {
					t.Errorf("eos %v, policy %v: %d calls (-want +got):\n%s\n%q", exactlyOnce, policy, calls, diff, seen[:min(len(seen), 40)])
				}
			})
		}
	}
}

// A partition that is revoked while it is held stays held where it goes.
func TestRevokedWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newCPApp(true, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.SeekDetected}, false)
		a.b = hosttest.NewBroker(map[string]int{"weather": 2, "activity": 4, "out": 1, "app-control": 1})
		each := func(topic string, n int32, hhmm int) {
			for p := range n {
				a.produceIn(t, topic, p, hhmm)
			}
			after(time.Second)
		}
		first := a.host(t, "h", 1)
		firstDone := start(first)
		each("weather", 2, 1000)
		each("activity", 4, 1230)
		each("activity", 4, 1240)
		a.took()
		second := a.host(t, "g", 2)
		secondDone := start(second)
		after(time.Minute)
		if got := a.took(); len(got) > 0 {
			t.Fatalf("a move lets go: %q", got)
		}
		held := 0
		for _, w := range second.Status().Workers {
			for _, p := range w.Partitions {
				if p.Held != "" {
					held++
				}
			}
		}
		if held == 0 {
			t.Fatal("the second host got no partition that is held")
		}
		drained(t, first, firstDone)
		after(time.Minute)
		if got := a.took(); len(got) > 0 {
			t.Fatalf("a move lets go: %q", got)
		}
		each("weather", 2, 1300)
		after(time.Minute)
		want := map[string]int{"other 12:30": 4, "other 12:40": 4, "bound 12:30": 8, "bound 12:40": 4}
		if diff := cmp.Diff(want, a.outs()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		drained(t, second, secondDone)
	})
}

// A partition that comes to the worker that has the dependency knows at once how
// far that is, also if who had it before did not.
func TestMovedPartitionsKnowTheMarkers(t *testing.T) {
	for _, leaves := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, checkpoint.Spec{Pause: true}, false)
			a.b = hosttest.NewBroker(map[string]int{"weather": 1, "activity": 2, "out": 1, "app-control": 1})
			hosts := []*Host{a.host(t, "h", 1), a.host(t, "g", 1)}
			done := []<-chan error{start(hosts[0]), start(hosts[1])}
			after(time.Minute)
			a.produce(t, "weather", 1000)
			after(time.Second)
			for p := range 2 {
				a.produceIn(t, "activity", int32(p), 1030)
			}
			after(time.Second)
			drained(t, hosts[leaves], done[leaves])
			a.produce(t, "weather", 1300)
			after(time.Minute)
			a.took()
			for p := range 2 {
				a.produceIn(t, "activity", int32(p), 1230)
			}
			after(time.Second)
			got := a.took()
			slices.Sort(got)
			if diff := cmp.Diff([]string{"bound 12:30", "bound 12:30", "other 12:30", "other 12:30"}, got); diff != "" {
				t.Errorf("when %d leaves (-want +got):\n%s", leaves, diff)
			}
			drained(t, hosts[1-leaves], done[1-leaves])
		})
	}
}

// A record without a marker, or with one of another type, follows on_error, and
// the reason names the field.
func TestMarkersThatCannotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newCPApp(true, checkpoint.Spec{Pause: true}, false)
		a.b = hosttest.NewBroker(map[string]int{"weather": 1, "activity": 1, "out": 1, "dead": 1, "app-control": 1})
		field, err := codec.ParsePointer("/at/n")
		if err != nil {
			t.Fatal(err)
		}
		a.plan.Checkpoints[0].Dependent.Marker = Marker{Kind: MarkerField, Field: field}
		a.plan.Checkpoints[0].Dependencies[0].Marker = Marker{Kind: MarkerField, Field: field}
		for i := range 2 {
			a.plan.Sources[i].Value = codec.JSON{}
		}
		for i := range a.plan.Handlers {
			a.plan.Handlers[i].OnError = OnError{Policy: PolicyDLQ, Topic: "dead", MaxBytes: 1 << 20}
		}
		h := a.host(t, "h", 1)
		done := start(h)
		values := []struct{ topic, value string }{
			{"weather", `{"at":{"n":1000}}`},
			{"activity", `{"at":{"n":1000}}`},
			{"activity", `{"at":{}}`},
			{"activity", `{"at":{"n":"noon"}}`},
			{"activity", `{"at":{"n":[1]}}`},
			{"activity", `7`},
			{"weather", `{"at":{"n":"2023-01-01T00:00:00Z"}}`},
			{"activity", `{"at":{"n":1001}}`},
		}
		for _, v := range values {
			if _, err := a.b.Produce(hosttest.Record{Topic: v.topic, Timestamp: at(1000), Value: []byte(v.value)}); err != nil {
				t.Fatal(err)
			}
			after(100 * time.Millisecond)
		}
		after(time.Second)
		drained(t, h, done)
		if diff := cmp.Diff(map[string]int{"bound 10:00": 2, "other 10:00": 2}, a.outs()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var reasons []string
		for _, r := range a.b.Records("dead") {
			if strings.Contains(string(r.HeadersWire), "marker") {
				reasons = append(reasons, string(r.HeadersWire))
			}
		}
		if len(reasons) != 9 {
			t.Errorf("%d dead letters about markers, want 4 records for 2 handlers and 1 for 1: %q", len(reasons), reasons)
		}
		for _, r := range reasons {
			if !strings.Contains(r, "field /at/n") || !strings.Contains(r, `checkpoint "c"`) {
				t.Errorf("the reason does not name checkpoint and field: %s", r)
			}
		}
	})
}
