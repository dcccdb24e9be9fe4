package host

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/hosttest"
)

// timerPlan has a timer that emits its tick's time into "ticks". With own the
// handler reads the topic "in" too, and the timer ticks for each partition.
func timerPlan(own bool) *Plan {
	plan := onePlan(OnError{})
	plan.ExactlyOnce = true
	plan.Handlers[0].Sinks = []Sink{topicSink("ticks")}
	plan.Sources = append(plan.Sources, Source{ID: "timer:1m", Kind: SourceConnector, Batch: abi.KindTimer, Timer: TimerOfGroup, Home: 0})
	at := len(plan.Sources) - 1
	if own {
		plan.Sources[at].Timer = TimerOfTask
		plan.Sources[at].Handlers = []HandlerSource{{Handler: 0, Position: 1}}
		return plan
	}
	plan.Handlers = append(plan.Handlers, Handler{ID: "tick", Binding: 1, Sinks: []Sink{topicSink("ticks")}})
	plan.Sources[at].Handlers = []HandlerSource{{Handler: 1}}
	return plan
}

// timerHost is one process of a group that runs timerPlan.
func timerHost(b *hosttest.Broker, plan *Plan, name string, cfg connector.TimerConfig, workers int) *Host {
	tell := func(rec *abi.Record, emit func(abi.Output)) error {
		if rec.Value == nil {
			emit(abi.Output{Sink: abi.EverySink, Value: []byte("tick")})
		}
		return nil
	}
	bk := fakeBackends(plan, one(b), []fakeFunc{tell, tell})
	bk.Producer = func(_ context.Context, _, w int) (Producer, error) {
		return b.TransactionalProducer(fmt.Sprint(name, "-", w)), nil
	}
	bk.Source = func(context.Context, int) (ConnectorSource, error) {
		cfg.Clock = realClock{}
		return connector.NewTimer(cfg)
	}
	return New(plan, Options{}, make([]int, workers), 0, bk, discard)
}

// tickTimes are the minutes since the bubble's beginning of what is in ticks.
func tickTimes(b *hosttest.Broker, began time.Time) (minutes []int) {
	for p := range int32(4) {
		for _, r := range b.View("ticks", p) {
			minutes = append(minutes, int(time.UnixMilli(r.Timestamp).Sub(began)/time.Minute))
		}
	}
	slices.Sort(minutes)
	return minutes
}

// Two processes of two workers each: a tick comes once, whoever comes and goes,
// orderly or not.
func TestATimerTicksOnceInAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 4, "ticks": 4})
		b.SessionTimeout = 10 * time.Second
		began := time.Now()
		cfg := connector.TimerConfig{Interval: time.Minute}
		hosts := map[string]*Host{}
		ends := map[string]<-chan error{}
		up := func(name string) {
			hosts[name] = timerHost(b, timerPlan(false), name, cfg, 2)
			ends[name] = start(hosts[name])
		}
		down := func(name string) { drained(t, hosts[name], ends[name]) }
		up("a")
		after(150 * time.Second)
		up("b")
		after(150 * time.Second)
		down("a")
		after(90 * time.Second)
		up("a")
		down("b")
		after(45 * time.Second) // in the middle of minutes, and at one
		up("b")
		after(3 * time.Minute)
		down("a")
		down("b")
		last := int(time.Since(began) / time.Minute)
		var want []int
		for i := 1; i <= last; i++ {
			want = append(want, i)
		}
		if got := tickTimes(b, began); !slices.Equal(got, want) {
			t.Errorf("ticks at minutes %v, want %v", got, want)
		}
	})
}

// What passed while nobody was there is made up for once, or not at all.
func TestTicksMissedByAGroup(t *testing.T) {
	for _, c := range []struct {
		missed connector.Missed
		want   []int
	}{
		{connector.MissedOnce, []int{1, 2, 9, 10, 11}},
		{connector.MissedSkip, []int{1, 2, 10, 11}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := hosttest.NewBroker(map[string]int{"in": 4, "ticks": 4})
			began := time.Now()
			cfg := connector.TimerConfig{Interval: time.Minute, Missed: c.missed}
			for _, wait := range []time.Duration{150 * time.Second, 120 * time.Second} {
				h := timerHost(b, timerPlan(false), "a", cfg, 1)
				done := start(h)
				after(wait)
				drained(t, h, done)
				if wait == 150*time.Second {
					time.Sleep(7 * time.Minute)
				}
			}
			if got := tickTimes(b, began); !slices.Equal(got, c.want) {
				t.Errorf("policy %d: ticks at minutes %v, want %v", c.missed, got, c.want)
			}
		})
	}
}

// A handler that reads a topic gets each tick once for each partition.
func TestATimerTicksForEachTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 3, "ticks": 4})
		began := time.Now()
		cfg := connector.TimerConfig{Interval: time.Minute}
		h1, h2 := timerHost(b, timerPlan(true), "a", cfg, 1), timerHost(b, timerPlan(true), "b", cfg, 1)
		d1 := start(h1)
		after(90 * time.Second)
		d2 := start(h2)
		after(60 * time.Second)
		drained(t, h1, d1)
		after(60 * time.Second)
		drained(t, h2, d2)
		if got, want := tickTimes(b, began), []int{1, 1, 1, 2, 2, 2, 3, 3, 3}; !slices.Equal(got, want) {
			t.Errorf("ticks at minutes %v, want %v", got, want)
		}
	})
}

// A tick whose transaction is aborted comes again, and is not missed.
func TestATickComesAgainAfterAnAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 4, "ticks": 4})
		began := time.Now()
		refusals := 0
		b.Refuse = func(r hosttest.Record) error {
			if refusals < 1 && r.Topic == "ticks" {
				refusals++
				return errNo
			}
			return nil
		}
		h := timerHost(b, timerPlan(false), "a", connector.TimerConfig{Interval: time.Minute}, 1)
		done := start(h)
		after(150 * time.Second)
		drained(t, h, done)
		if got, want := tickTimes(b, began), []int{1, 2}; !slices.Equal(got, want) || refusals != 1 {
			t.Errorf("ticks at minutes %v, want %v; %d refusals", got, want, refusals)
		}
	})
}

// pickySink takes no record with a certain value, and says so at the flush.
type pickySink struct {
	mu     sync.Mutex
	never  string
	staged []string
	taken  []string
}

type pickyError struct{ at int }

func (e *pickyError) Error() string    { return "422: this one is not taken" }
func (e *pickyError) RecordIndex() int { return e.at }

func (s *pickySink) Append(r *SinkRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staged = append(s.staged, string(r.Value))
	return nil
}

func (s *pickySink) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, v := range s.staged {
		if v == s.never {
			s.staged = nil
			return &pickyError{i}
		}
		s.taken = append(s.taken, v)
	}
	s.staged = nil
	return nil
}

func (s *pickySink) Close() error { return nil }

// A record that a sink will never take fails by its handler's policy; all the
// others arrive.
func TestARecordThatASinkNeverTakesFailsAlone(t *testing.T) {
	for _, exactly := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "dead": 1})
			for i := range 30 {
				produce(t, b, hosttest.Record{Topic: "in", Value: fmt.Append(nil, i)})
			}
			plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"})
			plan.ExactlyOnce = exactly
			plan.Handlers[0].Sinks = []Sink{{ID: "http://x", Kind: SinkConnector, PerWorker: true}, topicSink("out")}
			bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
			if exactly {
				bk.Producer = func(_ context.Context, _, w int) (Producer, error) {
					return b.TransactionalProducer(fmt.Sprint("h-", w)), nil
				}
			}
			sink := &pickySink{never: "17"}
			bk.Sink = func(context.Context, int) (ConnectorSink, error) { return sink, nil }
			h := New(plan, Options{UntilIdle: true}, []int{0}, 1, bk, discard)
			began := time.Now()
			if err := endsWithin(t, h, start(h), time.Hour); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("it took %s", d)
			}
			taken := map[string]bool{}
			for _, v := range sink.taken {
				taken[v] = true
			}
			if len(taken) != 29 || taken["17"] {
				t.Errorf("taken: %v", sink.taken)
			}
			if dead := values(b.View("dead", 0)); !slices.Equal(dead, []string{"17"}) {
				t.Errorf("dead letters %v", dead)
			}
			if exactly && len(b.View("out", 0)) != 29 {
				t.Errorf("%d of 29 in the topic: %v", len(b.View("out", 0)), values(b.View("out", 0)))
			}
		})
	}
}
