package module

import (
	"errors"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// liar is a guest whose progress block, reply, flushes and end are what the
// batch says: 24 bytes of progress, 8 of packed reply, 8 of a flush, and a
// byte that makes it trap.
func liar() wasmtest.Guest {
	const at = wasmtest.ArenaAt
	return wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "flush", Sig: "ii>i"}},
		Process: wasmtest.Join(
			wasmtest.I32(wasmtest.ProgressAt), wasmtest.I32(at), wasmtest.I32(abi.ProgressStopAt), wasmtest.MemoryCopy,
			wasmtest.I32(at), wasmtest.Load32(36), wasmtest.If(
				wasmtest.I32(at), wasmtest.Load32(32), wasmtest.I32(at), wasmtest.Load32(36), wasmtest.Call(0), wasmtest.Drop),
			wasmtest.I32(at), wasmtest.Load32(40), wasmtest.If(wasmtest.Unreachable),
			wasmtest.I32(at), wasmtest.Load64(24)),
	}
}

// FuzzProcess lets a guest answer anything: the host must neither fail nor
// believe what is not so.
func FuzzProcess(f *testing.F) {
	good := make([]byte, 44)
	copy(good, "SLP1\x02\x00\x00\x00\x03\x00\x00\x00")
	f.Add(good, int32(3))
	trap := append([]byte{}, good...)
	trap[40] = 1
	f.Add(trap, int32(9))
	flush := append([]byte{}, good...)
	flush[36] = 5
	f.Add(flush, int32(3))
	s := open(f, liar(), Limits{}, Hooks{})
	f.Fuzz(func(t *testing.T, lies []byte, count int32) {
		if len(lies) < 44 || count < 1 {
			return
		}
		reply, done, err := s.Process(t.Context(), 0, count, lies, nil)
		var trap *TrapError
		var broken *BrokenError
		switch {
		case err == nil:
			if done != count {
				t.Fatalf("done %d of %d without an error", done, count)
			}
		case errors.As(err, &trap):
			if trap.Guilty != done && trap.Guilty != -1 || done < 0 || done > count {
				t.Fatalf("done %d of %d, guilty %d", done, count, trap.Guilty)
			}
		case errors.As(err, &broken):
			if reply != nil || done != 0 {
				t.Fatalf("reply of %d bytes, done %d from a broken module", len(reply), done)
			}
		default:
			t.Fatal(err)
		}
		n := byte(0)
		for _, b := range reply { // every byte can be read
			n ^= b
		}
		_ = n
	})
}

// FuzzDescribe lets a guest describe itself and answer Init with anything.
func FuzzDescribe(f *testing.F) {
	f.Add(wasmtest.DefaultDescribe("h"), wasmtest.DefaultInitReply())
	f.Add([]byte{0x90}, []byte{0x93, 0, 0xcd, 2, 0, 0xce, 0, 1, 0, 0})
	r := openRuntime(f, "")
	f.Fuzz(func(t *testing.T, describe, reply []byte) {
		if len(describe) > 4096 || len(reply) > 4096 {
			return
		}
		g := wasmtest.Guest{Describe: describe, InitReply: reply}
		m, err := r.Load(t.Context(), Source{Name: "m", Bytes: g.Build()})
		if err != nil {
			var le *LoadError
			if !errors.As(err, &le) {
				t.Fatal(err)
			}
			return
		}
		defer func() {
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		s, err := m.Open(t.Context(), bind("h"), Hooks{})
		if err != nil {
			return
		}
		if _, _, err := process(t, s, 3); err != nil {
			var broken *BrokenError
			if !errors.As(err, &broken) {
				t.Error(err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
