package module

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// answering is a guest whose slip_process stores the given progress and
// returns the packed reply.
func answering(current, done, replyAt, replyLen int32, packed wasmtest.Code, reply []byte) wasmtest.Guest {
	return wasmtest.Guest{
		Data:    map[uint32][]byte{wasmtest.ReplyAt: reply},
		Process: wasmtest.Join(wasmtest.Progress(current, done, replyAt, replyLen), packed),
	}
}

func TestProcessReturnsTheReply(t *testing.T) {
	want := joined(oneResult(0), oneResult(2))
	s := open(t, answering(2, 3, wasmtest.ReplyAt, int32(len(want)), wasmtest.Packed(wasmtest.ReplyAt, uint32(len(want))), want), Limits{}, Hooks{})
	reply, done, err := process(t, s, 3)
	if err != nil || done != 3 {
		t.Fatalf("done %d, %v", done, err)
	}
	if diff := cmp.Diff([]string{"0:0 -1/=a", "2:0 -1/=c"}, results(t, reply)); diff != "" {
		t.Error(diff)
	}
}

func TestContradictionsAreABrokenModule(t *testing.T) {
	const reply = wasmtest.ReplyAt
	none := wasmtest.Packed(0, 0)
	trap := wasmtest.Unreachable
	tests := []struct {
		name string
		g    wasmtest.Guest
		what string
	}{
		{"magic", wasmtest.Guest{Process: wasmtest.Join(wasmtest.Progress(2, 3, 0, 0), wasmtest.I32(wasmtest.ProgressAt), wasmtest.I32(0), wasmtest.Store32(0), none)}, "does not begin with SLP1"},
		{"magic, trap", wasmtest.Guest{Process: wasmtest.Join(wasmtest.I32(wasmtest.ProgressAt), wasmtest.I32(1), wasmtest.Store32(0), trap)}, "does not begin with SLP1"},
		{"more done than there are", answering(3, 4, 0, 0, none, nil), "4 records are done of a batch of 3"},
		{"more done than there are, trap", answering(3, 4, 0, 0, trap, nil), "4 records are done of a batch of 3"},
		{"huge done", answering(0, -1, 0, 0, trap, nil), "4294967295 records are done"},
		{"current behind the batch", answering(3, 3, 0, 0, none, nil), "record 3 of a batch of 3 is being handled"},
		{"done ahead of current", answering(0, 2, 0, 0, trap, nil), "record 0 is being handled when 2 are done"},
		{"done behind current", answering(2, 1, 0, 0, trap, nil), "record 2 is being handled when 1 are done"},
		{"early return", answering(1, 2, 0, 0, none, nil), "returned after 2 of 3"},
		{"return without work", answering(0, 0, 0, 0, none, nil), "returned after 0 of 3"},
		{"reply outside", answering(2, 3, reply, 4, wasmtest.Packed(0xfffffff0, 16), nil), "reply of 16 bytes at address 4294967280 is outside"},
		{"reply wraps around", answering(2, 3, reply, 4, wasmtest.Packed(16, 0xffffffff), nil), "reply of 4294967295 bytes at address 16"},
		{"reply after a trap outside", answering(1, 1, -8, 8, trap, nil), "the reply is 8 bytes at address 4294967288"},
		{"reply after a trap wraps", answering(1, 1, -8, 16, trap, nil), "the reply is 16 bytes at address 4294967288"},
		{"reply of nothing done", answering(0, 0, reply, 5, trap, nil), "5 bytes of reply are complete when no record is done"},
		{"went back", wasmtest.Guest{
			Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}},
			Process: wasmtest.Join(wasmtest.Progress(2, 2, 0, 0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(0), wasmtest.Drop, wasmtest.Progress(1, 2, 0, 0), trap),
		}, "went back from record 2 to 1"},
		{"done went back", wasmtest.Guest{
			Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}},
			Process: wasmtest.Join(wasmtest.Progress(1, 2, 0, 0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(0), wasmtest.Drop, wasmtest.Progress(1, 1, 0, 0), trap),
		}, "went back from 2 records done to 1"},
		{"lies in a flush", wasmtest.Guest{
			Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}},
			Process: wasmtest.Join(wasmtest.Progress(7, 2, 0, 0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(0), wasmtest.Drop, none),
		}, "record 7 of a batch of 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, tt.g, Limits{}, Hooks{})
			for range 2 { // the spare is no better, and the slot stays usable
				reply, done, err := process(t, s, 3)
				var broken *BrokenError
				if !errors.As(err, &broken) || !strings.Contains(broken.What, tt.what) {
					t.Fatalf("%v\nwant a BrokenError with %q", err, tt.what)
				}
				if reply != nil || done != 0 || broken.Module != "m" || broken.Export != "slip_process" {
					t.Errorf("reply %q, done %d, %+v", reply, done, broken)
				}
			}
		})
	}
}

func TestTrapKeepsWhatIsBeforeIt(t *testing.T) {
	before := joined(oneResult(0), oneResult(1))
	g := answering(2, 2, wasmtest.ReplyAt, int32(len(before)), wasmtest.Unreachable, joined(before, oneResult(2)[:3]))
	s := open(t, g, Limits{}, Hooks{})
	for range 3 {
		reply, done, err := process(t, s, 5)
		var trap *TrapError
		if !errors.As(err, &trap) {
			t.Fatal(err)
		}
		if done != 2 || trap.Guilty != 2 || trap.Kind != TrapUnreachable || trap.Function != "h" || trap.Export != "slip_process" {
			t.Errorf("done %d, %+v", done, trap)
		}
		if diff := cmp.Diff([]string{"0:0 -1/=a", "1:0 -1/=b"}, results(t, reply)); diff != "" {
			t.Error(diff)
		}
		if want := `module "m", function "h": unreachable`; trap.Error() != want {
			t.Errorf("%q, want %q", trap, want)
		}
	}
}

func TestTrapKinds(t *testing.T) {
	one := func(c ...wasmtest.Code) wasmtest.Guest { return wasmtest.Guest{Process: wasmtest.Join(c...)} }
	withImport := func(name, sig string, c ...wasmtest.Code) wasmtest.Guest {
		module := abi.ImportModule
		if strings.HasPrefix(name, "proc_") {
			module = wasiModule
		}
		return wasmtest.Guest{Imports: []wasmtest.Import{{Module: module, Name: name, Sig: sig}}, Process: wasmtest.Join(c...)}
	}
	recurse := wasmtest.Join(wasmtest.Get(0), wasmtest.Get(1), wasmtest.Call(3))
	tests := []struct {
		name string
		g    wasmtest.Guest
		kind TrapKind
		text string
	}{
		{"unreachable", one(wasmtest.Unreachable), TrapUnreachable, ""},
		{"divide", one(wasmtest.I32(1), wasmtest.I32(0), wasmtest.DivS32, wasmtest.Drop, wasmtest.I64(0)), TrapDivide, ""},
		{"overflow", one(wasmtest.I32(-1<<31), wasmtest.I32(-1), wasmtest.DivS32, wasmtest.Drop, wasmtest.I64(0)), TrapOverflow, ""},
		{"memory access", one(wasmtest.I32(-4), wasmtest.Load32(0), wasmtest.Drop, wasmtest.I64(0)), TrapOutOfBounds, ""},
		{"stack", one(recurse), TrapStack, ""},
		{"exit", withImport("proc_exit", "i", wasmtest.I32(3), wasmtest.Call(0), wasmtest.I64(0)), TrapExit, "the module ended itself with exit code 3"},
		{"exit 0", withImport("proc_exit", "i", wasmtest.I32(0), wasmtest.Call(0), wasmtest.I64(0)), TrapExit, "exit code 0"},
		{"log outside", withImport("log", "iii", wasmtest.I32(1), wasmtest.I32(-1), wasmtest.I32(2), wasmtest.Call(0), wasmtest.I64(0)), TrapPointer, "log was given 2 bytes at address 4294967295"},
		{"log behind the end", withImport("log", "iii", wasmtest.I32(1), wasmtest.I32(4<<16+1), wasmtest.I32(0), wasmtest.Call(0), wasmtest.I64(0)), TrapPointer, "log was given 0 bytes"},
		{"flush outside", withImport("flush", "ii>i", wasmtest.I32(0), wasmtest.I32(-1), wasmtest.Call(0), wasmtest.Drop, wasmtest.I64(0)), TrapPointer, "flush was given"},
		{"cache outside", withImport("cache_get", "iiiii>I", wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(1), wasmtest.I32(-2), wasmtest.I32(5), wasmtest.Call(0)), TrapPointer, "cache_get was given 5 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, tt.g, Limits{}, Hooks{})
			_, done, err := process(t, s, 2)
			var trap *TrapError
			if !errors.As(err, &trap) {
				t.Fatal(err)
			}
			if trap.Kind != tt.kind || trap.Guilty != 0 || done != 0 {
				t.Errorf("kind %q, guilty %d, done %d", trap.Kind, trap.Guilty, done)
			}
			if !strings.Contains(err.Error(), tt.text) || strings.ContainsAny(err.Error(), "\n\t") || strings.Contains(err.Error(), "wazero") {
				t.Errorf("%q is not one sentence with %q", err, tt.text)
			}
			if strings.Contains(trap.Stack, "goroutine") || strings.Contains(trap.Stack, "runtime.") {
				t.Errorf("the host's stack is shown:\n%s", trap.Stack)
			}
		})
	}
}

func TestTrapAfterTheLastRecordBlamesNone(t *testing.T) {
	s := open(t, answering(1, 2, 0, 0, wasmtest.Unreachable, nil), Limits{}, Hooks{})
	_, done, err := process(t, s, 2)
	var trap *TrapError
	if !errors.As(err, &trap) || trap.Guilty != -1 || done != 2 {
		t.Errorf("done %d, %v", done, err)
	}
}

func TestFlushedPiecesComeBeforeTheRest(t *testing.T) {
	a, b := joined(oneResult(0), oneResult(1)), oneResult(2)
	stream := joined(a, b)
	// The cut is in the middle of a result.
	const cut = 5
	flush := wasmtest.Join(wasmtest.I32(wasmtest.ReplyAt), wasmtest.I32(cut), wasmtest.Call(0), wasmtest.Drop)
	rest := wasmtest.Packed(wasmtest.ReplyAt+cut, uint32(len(stream)-cut))
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}},
		Data:    map[uint32][]byte{wasmtest.ReplyAt: stream},
		Process: wasmtest.Join(wasmtest.Progress(1, 1, 0, 0), flush, wasmtest.Progress(2, 3, 0, 0), rest),
	}
	s := open(t, g, Limits{}, Hooks{})
	for range 2 {
		reply, done, err := process(t, s, 3)
		if err != nil || done != 3 || string(reply) != string(stream) {
			t.Fatalf("reply % x, done %d, %v", reply, done, err)
		}
	}
}

func TestFlushIsNotTakenTwiceAfterATrap(t *testing.T) {
	one, two := oneResult(0), oneResult(1)
	// The guest has two results in its buffer, flushes them and traps before it
	// stores that its buffer is empty.
	all := joined(one, two)
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}},
		Data:    map[uint32][]byte{wasmtest.ReplyAt: all},
		Process: wasmtest.Join(
			wasmtest.Progress(2, 2, wasmtest.ReplyAt, int32(len(all))),
			wasmtest.I32(wasmtest.ReplyAt), wasmtest.I32(int32(len(all))), wasmtest.Call(0), wasmtest.Drop, wasmtest.Unreachable),
	}
	reply, done, err := process(t, open(t, g, Limits{}, Hooks{}), 3)
	var trap *TrapError
	if !errors.As(err, &trap) || trap.Guilty != 2 || done != 2 || string(reply) != string(all) {
		t.Errorf("reply % x, done %d, %v", reply, done, err)
	}
}

func TestOutputLimit(t *testing.T) {
	// A loop that flushes 64 KiB for ever.
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: "sliphost_v1", Name: "flush", Sig: "ii>i"}},
		Process: wasmtest.Join(wasmtest.Loop(wasmtest.I32(0), wasmtest.I32(65536), wasmtest.Call(0), wasmtest.Drop, wasmtest.I32(1), wasmtest.Again), wasmtest.I64(0)),
	}
	_, _, err := process(t, open(t, g, Limits{Output: 1 << 20}, Hooks{}), 1)
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit != "output" || limit.Value != 1<<20 {
		t.Fatal(err)
	}
	if want := `module "m", function "h": output limit of 1 MiB in one call reached; raise output in [module.m.limits]`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestMemoryLimit(t *testing.T) {
	// Grows by a page until it is refused, then traps as an allocator would.
	grow := wasmtest.Join(
		wasmtest.Loop(wasmtest.I32(1), wasmtest.MemoryGrow, wasmtest.I32(-1), wasmtest.Eq32, wasmtest.Eqz32, wasmtest.Again),
		wasmtest.Unreachable)
	s := open(t, wasmtest.Guest{Process: grow}, Limits{Memory: 1 << 20}, Hooks{})
	_, _, err := process(t, s, 1)
	var trap *TrapError
	if !errors.As(err, &trap) || trap.Kind != TrapMemory {
		t.Fatal(err)
	}
	if want := `module "m", function "h": memory limit of 1 MiB reached; raise memory in [module.m.limits]`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}

	t.Run("growth up to the limit is allowed", func(t *testing.T) {
		g := wasmtest.Guest{Process: wasmtest.Join(
			wasmtest.I32(12), wasmtest.MemoryGrow, wasmtest.I32(-1), wasmtest.Eq32, wasmtest.If(wasmtest.Unreachable),
			// The last word of the last page can be written.
			wasmtest.I32(1<<20-4), wasmtest.I32(7), wasmtest.Store32(0),
			wasmtest.Finish(wasmtest.Count()), wasmtest.I64(0))}
		if _, done, err := process(t, open(t, g, Limits{Memory: 1 << 20}, Hooks{}), 2); err != nil || done != 2 {
			t.Errorf("done %d, %v", done, err)
		}
	})
	t.Run("the module's own maximum is not ours", func(t *testing.T) {
		s := open(t, wasmtest.Guest{Process: grow, MaxPages: 6}, Limits{Memory: 1 << 20}, Hooks{})
		_, _, err := process(t, s, 1)
		var trap *TrapError
		if !errors.As(err, &trap) || trap.Kind != TrapUnreachable {
			t.Error(err)
		}
	})
}

func TestArena(t *testing.T) {
	tests := []struct {
		name   string
		alloc  wasmtest.Code
		guilty int32
		kind   TrapKind
		broken string
	}{
		{"answers 0", wasmtest.I32(0), 0, TrapMemory, ""},
		{"traps", wasmtest.Unreachable, 0, TrapUnreachable, ""},
		{"outside", wasmtest.I32(-16), 0, "", "at address 4294967280 of a memory"},
		{"does not fit", wasmtest.I32(4<<16 - 8), 0, "", "at address 262136 of a memory"},
		{"over the progress block", wasmtest.I32(8), 0, "", "covers the progress block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The first message, Init, is small and gets the arena.
			g := wasmtest.Guest{Alloc: wasmtest.Join(
				wasmtest.Get(0), wasmtest.I32(1000), wasmtest.LtU32, wasmtest.If(wasmtest.I32(wasmtest.ArenaAt), wasmtest.Return), tt.alloc)}
			s := open(t, g, Limits{}, Hooks{})
			head, records := batch(strings.Repeat("v", wasmtest.ArenaSize))
			reply, done, err := s.Process(t.Context(), 0, 1, head, records)
			if reply != nil || done != 0 {
				t.Errorf("reply % x, done %d", reply, done)
			}
			var trap *TrapError
			var broken *BrokenError
			switch {
			case tt.broken != "":
				if !errors.As(err, &broken) || broken.Export != "slip_alloc" || !strings.Contains(broken.What, tt.broken) {
					t.Errorf("%v, want a BrokenError with %q", err, tt.broken)
				}
			case !errors.As(err, &trap) || trap.Kind != tt.kind || trap.Guilty != 0 || trap.Export != "slip_alloc":
				t.Errorf("%v, want a trap of kind %q", err, tt.kind)
			}
			if _, done, err := process(t, s, 2); done != 2 || err != nil {
				t.Errorf("afterwards: done %d, %v", done, err)
			}
		})
	}
	t.Run("several records share no guilt", func(t *testing.T) {
		g := wasmtest.Guest{Alloc: wasmtest.Join(
			wasmtest.Get(0), wasmtest.I32(1000), wasmtest.LtU32, wasmtest.If(wasmtest.I32(wasmtest.ArenaAt), wasmtest.Return), wasmtest.I32(0))}
		s := open(t, g, Limits{}, Hooks{})
		big := strings.Repeat("v", wasmtest.ArenaSize/2)
		head, records := batch(big, big)
		_, _, err := s.Process(t.Context(), 0, 2, head, records)
		var trap *TrapError
		if !errors.As(err, &trap) || trap.Guilty != -1 {
			t.Error(err)
		}
	})
	t.Run("is asked for once", func(t *testing.T) {
		calls := uint32(0)
		g := wasmtest.Guest{
			Extra: func(b *wasmtest.Builder) { calls = b.Global(0); b.Export("calls", 3, calls) },
			Alloc: wasmtest.Join(wasmtest.GlobalGet(0), wasmtest.I32(1), wasmtest.Add32, wasmtest.GlobalSet(0), wasmtest.I32(wasmtest.ArenaAt)),
		}
		s := open(t, g, Limits{}, Hooks{})
		for range 10 {
			if _, _, err := process(t, s, 200); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.active.mod.ExportedGlobal("calls").Get(); n != 1 {
			t.Errorf("slip_alloc was called %d times", n)
		}
	})
}

func TestInitReply(t *testing.T) {
	ok := func(progress, capacity uint64) []byte {
		return abi.AppendInitReply(nil, &abi.InitReply{Progress: progress, Capacity: capacity})
	}
	tests := []struct {
		name  string
		g     wasmtest.Guest
		error string
	}{
		{"refused", wasmtest.Guest{InitReply: abi.AppendInitReply(nil, &abi.InitReply{Status: abi.StatusError, Code: abi.CodeParam, Message: "limit must\nbe positive"})}, `module "m" refused to start: limit must\nbe positive (code 8)`},
		{"garbage", wasmtest.Guest{InitReply: []byte{0x93, 0xc1, 0, 0}}, "its reply cannot be read"},
		{"reply outside", wasmtest.Guest{Init: wasmtest.Packed(0x7fffffff, 9)}, "its reply of 9 bytes at address 2147483647 is outside"},
		{"block outside", wasmtest.Guest{InitReply: ok(4<<16-16, 65536)}, "progress block at address 262128 is outside"},
		{"block far outside", wasmtest.Guest{InitReply: ok(1<<64-16, 65536)}, "its reply cannot be read"},
		{"block not aligned", wasmtest.Guest{InitReply: ok(wasmtest.ProgressAt+2, 65536)}, "a multiple of 4"},
		{"block in the arena", wasmtest.Guest{InitReply: ok(wasmtest.ArenaAt+64, 65536)}, "covers the progress block"},
		{"no magic", wasmtest.Guest{InitReply: ok(wasmtest.ProgressAt+32, 65536)}, "does not begin with SLP1"},
		{"arena outside", wasmtest.Guest{InitReply: ok(wasmtest.ProgressAt, 3<<16+1)}, "is outside the memory"},
		{"arena too small", wasmtest.Guest{InitReply: ok(wasmtest.ProgressAt, 3)}, "the arena holds 3 bytes"},
		{"trap", wasmtest.Guest{Init: wasmtest.Unreachable}, `module "m" does not start: slip_init: unreachable`},
		{"trap in alloc", wasmtest.Guest{Alloc: wasmtest.Unreachable}, `module "m" does not start: slip_alloc: unreachable`},
		{"no memory", wasmtest.Guest{Alloc: wasmtest.I32(0)}, `module "m" does not start: slip_alloc: memory limit of 64 MiB reached; raise memory in [module.m.limits]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := load(t, Source{Bytes: tt.g.Build()})
			s, err := m.Open(t.Context(), bind("h"), Hooks{})
			if err == nil {
				_ = s.Close(t.Context())
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.error) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want %q", err, tt.error)
			}
		})
	}
}

func TestInitIsHandedOver(t *testing.T) {
	init := bind("h", "h")
	init.Bindings[1].Sinks = []abi.Endpoint{{Name: "out", Value: abi.ReprMsgpack}}
	want := abi.AppendInit(nil, init)
	// Copies the message to where the reply lies and returns it from a call.
	g := wasmtest.Guest{
		Init: wasmtest.Join(wasmtest.I32(wasmtest.ReplyAt), wasmtest.I32(wasmtest.ArenaAt), wasmtest.Get(0), wasmtest.MemoryCopy,
			wasmtest.Packed(wasmtest.InitReplyAt, uint32(len(wasmtest.DefaultInitReply())))),
		Process: wasmtest.Join(wasmtest.Finish(wasmtest.Count()), wasmtest.Packed(wasmtest.ReplyAt, uint32(len(want)))),
	}
	s := openSlot(t, load(t, Source{Bytes: g.Build()}), init, Hooks{})
	head, records := batch("v")
	reply, _, err := s.Process(t.Context(), 1, 1, head, records)
	if err != nil || string(reply) != string(want) {
		t.Errorf("the guest got % x, %v", reply, err)
	}
}

func TestBatchIsHandedOver(t *testing.T) {
	head, records := batch("a", "bb", "")
	want := joined(head, records)
	g := wasmtest.Guest{Process: wasmtest.Join(wasmtest.Finish(wasmtest.Count()), wasmtest.Packed(wasmtest.ArenaAt, uint32(len(want))))}
	s := open(t, g, Limits{}, Hooks{})
	reply, done, err := s.Process(t.Context(), 0, 3, head, records)
	if err != nil || done != 3 || string(reply) != string(want) {
		t.Errorf("the guest got % x, done %d, %v", reply, done, err)
	}
}

func TestProcessRefusesWhatMakesNoSense(t *testing.T) {
	s := open(t, wasmtest.Guest{}, Limits{}, Hooks{})
	head, records := batch("v")
	for _, bad := range [][2]int32{{-1, 1}, {1, 1}, {0, 0}, {0, -1}} {
		if _, _, err := s.Process(t.Context(), bad[0], bad[1], head, records); err == nil {
			t.Errorf("handler %d, count %d: no error", bad[0], bad[1])
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Process(ended, 0, 1, head, records); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of its context: %v", err)
	}
	if _, _, err := process(t, s, 1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
