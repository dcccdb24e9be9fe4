package module

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// trapOn is a guest that traps when the batch has n records and otherwise
// finishes it. It returns the number of calls its instance has seen as the
// length of the reply.
func trapOn(n int32) wasmtest.Guest {
	return wasmtest.Guest{
		Extra: func(b *wasmtest.Builder) { b.Global(0) },
		Process: wasmtest.Join(
			wasmtest.GlobalGet(0), wasmtest.I32(1), wasmtest.Add32, wasmtest.GlobalSet(0),
			wasmtest.Count(), wasmtest.I32(n), wasmtest.Eq32, wasmtest.If(wasmtest.Unreachable),
			wasmtest.Finish(wasmtest.Count()),
			wasmtest.GlobalGet(0), wasmtest.Code{0xad}, // i64.extend_i32_u
		),
	}
}

func TestSpareTakesOver(t *testing.T) {
	s := open(t, trapOn(3), Limits{}, Hooks{})
	calls := func() int {
		t.Helper()
		reply, _, err := process(t, s, 1)
		if err != nil {
			t.Fatal(err)
		}
		return len(reply)
	}
	if calls(); calls() != 2 {
		t.Fatal("two calls went to two instances")
	}
	for range 5 { // also faster than spares are made
		if _, _, err := process(t, s, 3); err == nil {
			t.Fatal("no trap")
		}
		if n := calls(); n != 1 {
			t.Errorf("after a trap the instance has seen %d calls", n)
		}
	}
	waitSpare(t, s)
}

func TestMemoryOfDeadInstancesIsReturned(t *testing.T) {
	s := open(t, trapOn(3), Limits{}, Hooks{})
	for range 3 {
		old := s.active
		if _, _, err := process(t, s, 3); err == nil {
			t.Fatal("no trap")
		}
		if old.linear.base != nil || old.mod != nil {
			t.Error("an instance that trapped still has its memory")
		}
		if _, _, err := process(t, s, 1); err != nil {
			t.Fatal(err)
		}
	}
	waitSpare(t, s)
	active := s.active
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if active.linear.base != nil {
		t.Error("a closed slot still has memory")
	}
}

func TestSystemWithoutMemory(t *testing.T) {
	m := load(t, Source{Bytes: wasmtest.Guest{}.Build()})
	m.limits.Memory = 1 << 60 // no system has that range of addresses
	_, err := m.Open(t.Context(), bind("h"), Hooks{})
	var init *InitError
	if !errors.As(err, &init) || !strings.Contains(err.Error(), "the system has no memory for another instance") {
		t.Error(err)
	}
}

func TestSpareThatDoesNotStart(t *testing.T) {
	// slip_init succeeds or not by a memory cell no instance shares: instances
	// are told apart by the random numbers they draw, which are the same. So
	// the only difference left is the wall clock, which a hook controls.
	good := true
	var mu sync.Mutex
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "wall_clock", Sig: ">I"}},
		Init: wasmtest.Join(wasmtest.Call(0), wasmtest.Code{0x50}, // i64.eqz
			wasmtest.If(wasmtest.Unreachable), wasmtest.Packed(wasmtest.InitReplyAt, uint32(len(wasmtest.DefaultInitReply())))),
		Process: wasmtest.Unreachable,
	}
	clock := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		if good {
			return 1
		}
		return 0
	}
	s := openSlot(t, load(t, Source{Bytes: g.Build(), Nondeterministic: true}), bind("h"), Hooks{WallClock: clock})
	waitSpare(t, s)
	mu.Lock()
	good = false
	mu.Unlock()
	starts := func() bool {
		t.Helper()
		_, _, err := process(t, s, 1)
		var trap *TrapError
		var init *InitError
		switch {
		case errors.As(err, &trap) && trap.Export == "slip_process":
			return true
		case errors.As(err, &init) && strings.Contains(init.Message, "slip_init"):
			return false
		}
		t.Fatal(err)
		return false
	}
	// The active instance and the spare were made while starting still worked.
	for i, want := range []bool{true, true, false} {
		if starts() != want {
			t.Fatalf("instance %d starts: %v", i, !want)
		}
	}
	mu.Lock()
	good = true
	mu.Unlock()
	for range 2 { // one more may have failed before
		if starts() {
			return
		}
	}
	t.Error("the slot does not recover")
}

// stopper is a guest that handles records one after the other, calling log for
// each, and stops when told to. With spin it waits for the stop word in record
// 2 without a host call.
func stopper(spin bool) wasmtest.Guest {
	const i, n = 2, 3
	stop := wasmtest.Join(wasmtest.I32(wasmtest.ProgressAt), wasmtest.Load32(abi.ProgressStopAt))
	var wait wasmtest.Code
	if spin {
		wait = wasmtest.Join(wasmtest.Get(i), wasmtest.I32(2), wasmtest.Eq32, wasmtest.If(wasmtest.Loop(stop, wasmtest.Eqz32, wasmtest.Again)))
	}
	return wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "log", Sig: "iii"}},
		Process: wasmtest.Join(
			wasmtest.Count(), wasmtest.Set(n),
			wasmtest.Loop(
				wasmtest.I32(wasmtest.ProgressAt), wasmtest.Get(i), wasmtest.Store32(abi.ProgressCurrentAt),
				wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32(1), wasmtest.Call(0),
				wait,
				wasmtest.Get(i), wasmtest.I32(1), wasmtest.Add32, wasmtest.Set(i),
				wasmtest.I32(wasmtest.ProgressAt), wasmtest.Get(i), wasmtest.Store32(abi.ProgressDoneAt),
				stop, wasmtest.If(wasmtest.I64(0), wasmtest.Return),
				wasmtest.Get(i), wasmtest.Get(n), wasmtest.LtU32, wasmtest.Again),
			wasmtest.I64(0)),
	}
}

func TestStopInsideACall(t *testing.T) {
	var s *Slot
	record := 0
	s = open(t, stopper(false), Limits{}, Hooks{Log: func(int32, abi.Level, []byte) {
		if record++; record == 4 {
			s.RequestStop()
		}
	}})
	if _, done, err := process(t, s, 10); done != 4 || err != nil {
		t.Fatalf("done %d, %v", done, err)
	}
	// The request is honoured; the next call runs to its end.
	if _, done, err := process(t, s, 6); done != 6 || err != nil {
		t.Errorf("afterwards: done %d, %v", done, err)
	}
}

func TestStopReachesAGuestThatMakesNoHostCalls(t *testing.T) {
	started := make(chan struct{})
	record := 0
	s := open(t, stopper(true), Limits{}, Hooks{Log: func(int32, abi.Level, []byte) {
		if record++; record == 3 {
			close(started)
		}
	}})
	go func() {
		<-started
		time.Sleep(time.Millisecond) // the guest is in its loop, or about to be
		s.RequestStop()
	}()
	if _, done, err := process(t, s, 10); done != 3 || err != nil {
		t.Errorf("done %d, %v", done, err)
	}
}

func TestStopBetweenCalls(t *testing.T) {
	s := open(t, stopper(false), Limits{}, Hooks{})
	s.RequestStop()
	if _, done, err := process(t, s, 10); done != 1 || err != nil {
		t.Errorf("after a request: done %d, %v", done, err)
	}
	s.RequestStop()
	s.ClearStop()
	if _, done, err := process(t, s, 10); done != 10 || err != nil {
		t.Errorf("after a request taken back: done %d, %v", done, err)
	}
}

func TestStopOutlivesTheInstance(t *testing.T) {
	// A request made between a trap and the next call is for the next call.
	g := stopper(false)
	g.Process = wasmtest.Join(wasmtest.Count(), wasmtest.I32(7), wasmtest.Eq32, wasmtest.If(wasmtest.Unreachable), g.Process)
	s := open(t, g, Limits{}, Hooks{})
	if _, _, err := process(t, s, 7); err == nil {
		t.Fatal("no trap")
	}
	s.RequestStop()
	if _, done, err := process(t, s, 10); done != 1 || err != nil {
		t.Errorf("done %d, %v", done, err)
	}
}

func TestSlotIsForOneGoroutine(t *testing.T) {
	var s *Slot
	errs := make(chan error, 2)
	s = open(t, stopper(false), Limits{}, Hooks{Log: func(int32, abi.Level, []byte) {
		_, _, err := s.Process(context.Background(), 0, 1, nil, nil)
		errs <- err
		errs <- s.Close(context.Background())
	}})
	if _, _, err := process(t, s, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, ErrBusy) {
			t.Errorf("a call inside a call answers %v", err)
		}
	}
}

func TestSlotsOfAModuleAreIndependent(t *testing.T) {
	m := load(t, Source{Bytes: trapOn(3).Build()})
	var wg sync.WaitGroup
	for range 4 {
		s := openSlot(t, m, bind("h"), Hooks{})
		wg.Go(func() {
			for i := range 50 {
				n := i%4 + 1
				head, records := batch(strings.Split(strings.Repeat("v", n), "")...)
				_, done, err := s.Process(context.Background(), 0, int32(n), head, records)
				if (n == 3) != (err != nil) || err == nil && done != int32(n) {
					t.Errorf("batch of %d: done %d, %v", n, done, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCloseTwice(t *testing.T) {
	m := load(t, Source{Bytes: wasmtest.Guest{}.Build()})
	s, err := m.Open(t.Context(), bind("h"), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	s.RequestStop() // from a goroutine that does not know yet
	s.ClearStop()
}

func TestProcessDoesNotAllocate(t *testing.T) {
	m := load(t, Source{Bytes: wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}, {Module: "sliphost_v1", Name: "fuel_mark", Sig: ""}, {Module: "wasi_snapshot_preview1", Name: "clock_time_get", Sig: "iIi>i"}},
		Process: wasmtest.Join(wasmtest.Finish(wasmtest.Count()),
			wasmtest.Call(1),
			wasmtest.I32(0), wasmtest.I64(0), wasmtest.I32(wasmtest.ScratchAt), wasmtest.Call(2), wasmtest.Drop,
			wasmtest.I32(wasmtest.ArenaAt), wasmtest.I32(64), wasmtest.Call(0), wasmtest.Drop,
			wasmtest.Packed(wasmtest.ArenaAt, 64)),
	}.Build()})
	s := openSlot(t, m, bind("h"), Hooks{})
	for _, n := range []int{1, 256} {
		head, records := batch(strings.Split(strings.Repeat("v", n), "")...)
		ctx := t.Context()
		got := testing.AllocsPerRun(200, func() {
			if _, done, err := s.Process(ctx, 0, int32(n), head, records); err != nil || int(done) != n {
				t.Fatal(done, err)
			}
		})
		if got != 0 {
			t.Errorf("batch of %d: %v allocations a call", n, got)
		}
	}
}
