package module

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// forever is a loop that nothing ends.
var forever = wasmtest.Loop(wasmtest.Code{0x0c, 0}) // br 0

// spins are guests that would not return by themselves.
func spins() map[string]wasmtest.Guest {
	nop := wasmtest.Func(5) // the first function of Extra: five exports come before
	return map[string]wasmtest.Guest{
		"loop": {Process: wasmtest.Join(forever, wasmtest.I64(0))},
		"loop with calls": {
			Process: wasmtest.Join(wasmtest.Loop(wasmtest.Call(nop-1), wasmtest.Code{0x0c, 0}), wasmtest.I64(0)),
			Extra:   func(b *wasmtest.Builder) { b.Func("", "", "") },
		},
		"loop with branches": {
			Process: wasmtest.Join(wasmtest.Loop(
				// block block get 2; br_table 0 1 2: a state machine between two labels
				wasmtest.Code{0x02, 0x40, 0x02, 0x40}, wasmtest.Get(2), wasmtest.Code{0x0e, 2, 0, 1, 2, 0x0b},
				wasmtest.I32(1), wasmtest.Set(2), wasmtest.Code{0x0c, 1, 0x0b},
				wasmtest.I32(0), wasmtest.Set(2), wasmtest.Code{0x0c, 0},
			), wasmtest.I64(0)),
		},
		"loop that marks": {
			Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "fuel_mark", Sig: ""}},
			Process: wasmtest.Join(wasmtest.Loop(wasmtest.Call(0), wasmtest.Code{0x0c, 0}), wasmtest.I64(0)),
		},
		"loop of host calls": {
			Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "stream_time", Sig: ">I"}},
			Process: wasmtest.Join(wasmtest.Loop(wasmtest.Call(0), wasmtest.Drop, wasmtest.Code{0x0c, 0}), wasmtest.I64(0)),
		},
		"loop of fills": {
			MinPages: 512,
			Process: wasmtest.Join(wasmtest.Loop(
				wasmtest.I32(1<<20), wasmtest.I32(7), wasmtest.I32(30<<20), wasmtest.Code{0xfc, 11, 0},
				wasmtest.Code{0x0c, 0},
			), wasmtest.I64(0)),
		},
	}
}

// TestDeadline: whatever a guest does without end, it is stopped soon after
// its deadline, and the host says which one that was.
func TestDeadline(t *testing.T) {
	const deadline = 40 * time.Millisecond
	for name, g := range spins() {
		t.Run(name, func(t *testing.T) {
			s := open(t, g, Limits{Fuel: math.MaxInt64 / 4, Deadline: deadline}, Hooks{})
			best := time.Hour
			for range 5 { // the machine may be busy
				waitSpare(t, s)
				begin := time.Now()
				_, done, err := process(t, s, 3)
				best = min(best, time.Since(begin))
				var trap *TrapError
				if !errors.As(err, &trap) || trap.Kind != TrapDeadline || trap.Limit == nil || trap.Limit.Limit != LimitDeadline || trap.Guilty != 0 || done != 0 {
					t.Fatalf("%v (%d done)", err, done)
				}
				if want := "deadline of 40ms for one record passed; raise deadline in [module.m.limits]"; !strings.HasSuffix(err.Error(), want) {
					t.Errorf("%q, want %q", err, want)
				}
				if best <= deadline+10*time.Millisecond {
					return
				}
			}
			t.Errorf("stopped after %v, the deadline is %v", best, deadline)
		})
	}
}

func TestFuelEnds(t *testing.T) {
	for name, g := range spins() {
		t.Run(name, func(t *testing.T) {
			s := open(t, g, Limits{Fuel: 5_000_000}, Hooks{})
			_, _, err := process(t, s, 3)
			var trap *TrapError
			if !errors.As(err, &trap) || trap.Kind != TrapFuel || trap.Limit == nil || trap.Limit.Limit != LimitFuel || trap.Guilty != 0 {
				t.Fatal(err)
			}
			first := s.Fuel()
			if first < 5_000_000 || first > 5_500_000+30<<16 {
				t.Errorf("%d units of fuel", first)
			}
			waitSpare(t, s)
			s.active = nil
			if err := s.ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.active.account.quantum = 12_345 // where ticks fall makes no difference
			_, _, err = process(t, s, 3)
			// Marks that lie may win a quantum, and no more.
			lies := name == "loop that marks"
			if err == nil || s.Fuel() != first && !lies {
				t.Errorf("%d units of fuel, then %d", first, s.Fuel())
			}
		})
	}
}

// TestStack: recursion ends before the engine's stack does.
func TestStack(t *testing.T) {
	locals := strings.Repeat("I", 1000)
	tests := map[string]func(b *wasmtest.Builder){
		"itself": func(b *wasmtest.Builder) { b.Func("", "", "", wasmtest.Call(4)) },
		"two": func(b *wasmtest.Builder) {
			b.Func("", "", "", wasmtest.Call(5))
			b.Func("", "", "", wasmtest.Call(4))
		},
		"large frames": func(b *wasmtest.Builder) { b.Func("", "", locals, wasmtest.Call(4)) },
	}
	for name, extra := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t, wasmtest.Guest{Process: wasmtest.Join(wasmtest.Call(4), wasmtest.I64(0)), Extra: extra}, Limits{}, Hooks{})
			_, _, err := process(t, s, 1)
			var trap *TrapError
			if !errors.As(err, &trap) || trap.Kind != TrapStack || trap.Limit == nil || trap.Limit.Limit != LimitStack || trap.Guilty != 0 {
				t.Fatal(err)
			}
		})
	}
}

// TestStartIsMetered: what runs before the first record ends too.
func TestStartIsMetered(t *testing.T) {
	tests := map[string]wasmtest.Guest{
		"initialize": {Initialize: forever}, "describe": {DescribeBody: wasmtest.Join(forever, wasmtest.I64(0))},
		"init":  {Init: wasmtest.Join(forever, wasmtest.I64(0))},
		"alloc": {Alloc: wasmtest.Join(forever, wasmtest.I32(0))},
	}
	for name, g := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := openRuntime(t, "").Load(t.Context(), Source{Name: "m", Bytes: g.Build(), Limits: Limits{BatchDeadline: 20 * time.Millisecond}})
			if err == nil {
				var s *Slot
				if s, err = m.Open(t.Context(), bind("h"), Hooks{}); err == nil {
					s.Close(t.Context())
				}
			}
			if err == nil || !strings.Contains(err.Error(), "deadline of 20ms for one call passed") {
				t.Error(err)
			}
		})
	}
}

func TestBatchDeadline(t *testing.T) {
	g := spins()["loop"]
	s := open(t, g, Limits{Fuel: math.MaxInt64 / 4, Deadline: time.Hour, BatchDeadline: 20 * time.Millisecond}, Hooks{})
	_, _, err := process(t, s, 2)
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit != LimitBatchDeadline {
		t.Fatal(err)
	}
}

func TestContextEndsACall(t *testing.T) {
	s := open(t, spins()["loop"], Limits{Fuel: math.MaxInt64 / 4}, Hooks{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	head, records := batch("a", "b")
	if _, done, err := s.Process(ctx, 0, 2, head, records); !errors.Is(err, context.Canceled) || done != 0 {
		t.Fatalf("%d done, %v", done, err)
	}
}

// marking is a guest that works n turns of a loop for each record, in a batch
// of three, and marks each.
func marking(turns int32, marks bool) wasmtest.Guest {
	g := wasmtest.Guest{}
	if marks {
		g.Imports = []wasmtest.Import{{Module: "sliphost_v1", Name: "fuel_mark", Sig: ""}}
	}
	var body wasmtest.Code
	for i := range int32(3) {
		body = append(body, wasmtest.Progress(i, i, 0, 0)...)
		if marks {
			body = append(body, wasmtest.Call(0)...)
		}
		n := turns
		if i == 1 {
			n *= 2
		}
		body = append(body, wasmtest.Join(wasmtest.I32(n), wasmtest.Set(2), wasmtest.Loop(
			wasmtest.Get(2), wasmtest.I32(1), wasmtest.Sub32, wasmtest.Tee(2), wasmtest.Again))...)
	}
	body = append(body, wasmtest.Progress(2, 3, 0, 0)...)
	g.Process = wasmtest.Join(body, wasmtest.I64(0))
	return g
}

// TestFuelPerRecord: the budget is each record's, and whether a record is
// within it depends neither on the records before nor on where ticks fall.
func TestFuelPerRecord(t *testing.T) {
	const turns = 40_000 // of 5 instructions; the second record takes twice as many
	for _, quantum := range []int64{10_000, 33_333, 150_000, 1_000_000} {
		for _, tt := range []struct {
			marks  bool
			fuel   int64
			guilty int32
		}{
			{true, 401_000, -1},
			{true, 399_000, 1},
			{true, 199_000, 0},
			// What the first one leaves is there for the second.
			{false, 301_000, -1},
			{false, 299_000, 1},
		} {
			s := open(t, marking(turns, tt.marks), Limits{Fuel: tt.fuel}, Hooks{})
			s.active.account.quantum = quantum
			_, _, err := process(t, s, 3)
			guilty := int32(-1)
			var trap *TrapError
			if errors.As(err, &trap) && trap.Kind == TrapFuel {
				guilty = trap.Guilty
			} else if err != nil {
				t.Fatal(err)
			}
			if guilty != tt.guilty {
				t.Errorf("quantum %d, marks %t, fuel %d: record %d is out of fuel, want %d", quantum, tt.marks, tt.fuel, guilty, tt.guilty)
			}
			if err == nil && (s.Fuel() < 800_000 || s.Fuel() > 802_000) {
				t.Errorf("the batch took %d", s.Fuel())
			}
		}
	}
}

// TestEqualFuel: equal calls take equal fuel, whatever the quanta.
func TestEqualFuel(t *testing.T) {
	for _, lang := range languages {
		var first []int64
		for _, quantum := range []int64{0, 10_000, 77_777} {
			s := openSlot(t, guest(t, lang, "identity", Limits{}), bound("identity"), Hooks{})
			var used []int64
			for i := range 40 {
				s.active.account.quantum = quantum
				head, records := encode(values(strings.Repeat("v", 1000*i), "w", "x"))
				if _, _, err := s.Process(t.Context(), 0, 3, head, records); err != nil {
					t.Fatal(err)
				}
				used = append(used, s.Fuel())
			}
			if first == nil {
				first = used
			}
			for i := range used {
				if used[i] != first[i] || used[i] <= 0 {
					t.Fatalf("%s: call %d took %d with quantum %d, %d before", lang, i, used[i], quantum, first[i])
				}
			}
		}
	}
}

// TestGuestMarks: the SDKs' guests mark their records, by instructions of the
// module itself.
func TestGuestMarks(t *testing.T) {
	for _, lang := range languages {
		m := guest(t, lang, "identity", Limits{})
		if !m.marks || m.Describe().Features&abi.FeatureMetered == 0 {
			t.Errorf("%s: marks %t, features %x", lang, m.marks, m.Describe().Features)
		}
	}
}

// TestCollectorBesideASpinningGuest: a guest that computes does not keep the
// host's collector waiting longer than a goroutine that does.
func TestCollectorBesideASpinningGuest(t *testing.T) {
	s := open(t, spins()["loop"], Limits{Fuel: math.MaxInt64 / 4, Deadline: 300 * time.Millisecond}, Hooks{})
	var guest, control float64
	for range 5 { // the machine may be busy
		waitSpare(t, s)
		guest = typicalPause(func() {
			head, records := batch("v")
			_, _, _ = s.Process(context.Background(), 0, 1, head, records)
		})
		control = typicalPause(func() {
			for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; {
			}
		})
		t.Logf("pauses: %.2f ms, %.2f ms beside a goroutine", 1000*guest, 1000*control)
		if guest <= control+0.002 {
			return
		}
	}
	t.Errorf("three of four pauses took up to %.1f ms, %.1f ms beside a goroutine", 1000*guest, 1000*control)
}

// typicalPause is the time in seconds that three quarters of the collector's
// pauses stay below while work runs.
func typicalPause(work func()) float64 {
	before := pauses()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		work()
	}()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
			runtime.GC()
		}
	}
	after := pauses()
	total := uint64(0)
	for i := range after.Counts {
		after.Counts[i] -= before.Counts[i]
		total += after.Counts[i]
	}
	seen := uint64(0)
	for i, n := range after.Counts {
		if seen += n; 4*seen >= 3*total {
			return after.Buckets[i+1]
		}
	}
	return math.Inf(1)
}

func pauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64(nil), h.Counts...), Buckets: h.Buckets}
}

// BenchmarkMetering compares a module with and without metering in one run:
// stretches of a few batches take turns, and of each the median counts, so
// that a busy machine slows both alike.
func BenchmarkMetering(b *testing.B) {
	const n, stretch = 256, 8
	for _, lang := range languages {
		b.Run(lang, func(b *testing.B) {
			var slots [2]*Slot
			var times [2][]float64
			for i := range slots {
				m := loadGuest(b, Source{Name: lang, Path: filepath.Join(guestDir, lang+"-identity.wasm"), unmetered: i == 0})
				slots[i] = openSlot(b, m, bound("identity"), Hooks{})
				waitSpare(b, slots[i])
			}
			in := make([]input, n)
			for i := range in {
				in[i] = input{[]byte("key-1234"), []byte(strings.Repeat("v", 100)), nil}
			}
			head, records := encode(in)
			for b.Loop() {
				for i, s := range slots {
					begin := time.Now()
					for range stretch {
						if _, _, err := s.Process(context.Background(), 0, n, head, records); err != nil {
							b.Fatal(err)
						}
					}
					times[i] = append(times[i], float64(time.Since(begin).Nanoseconds())/(stretch*n))
				}
			}
			for i := range times {
				slices.Sort(times[i])
			}
			plain, metered := times[0][len(times[0])/2], times[1][len(times[1])/2]
			b.ReportMetric(plain, "ns/record")
			b.ReportMetric(metered, "metered-ns/record")
			b.ReportMetric(100*(metered/plain-1), "%")
			b.ReportMetric(float64(slots[1].Fuel())/n, "fuel/record")
		})
	}
}
