package module

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// wasiCall is a guest that calls one WASI function for each batch and answers
// with what it returned (4 bytes) and n bytes at ScratchAt. memory is filled
// in before.
func wasiCall(name, sig string, n uint32, memory map[uint32][]byte, args ...wasmtest.Code) wasmtest.Guest {
	return wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: wasiModule, Name: name, Sig: sig}},
		Data:    memory,
		Process: wasmtest.Join(
			wasmtest.I32(wasmtest.ScratchAt-4), wasmtest.Join(args...), wasmtest.Call(0), wasmtest.Store32(0),
			wasmtest.Finish(wasmtest.Count()),
			wasmtest.Packed(wasmtest.ScratchAt-4, n+4)),
	}
}

// callWASI makes one call and returns error number and memory.
func callWASI(t testing.TB, s *Slot) (errno uint32, memory []byte) {
	t.Helper()
	reply, _, err := process(t, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint32(reply), bytes.Clone(reply[4:])
}

func TestWASIAnswers(t *testing.T) {
	i32, i64 := wasmtest.I32, wasmtest.I64
	const out = wasmtest.ScratchAt
	zero := make([]byte, 24)
	device := append([]byte{2}, zero[1:]...)
	stdin, stdout := bytes.Clone(device), bytes.Clone(device)
	stdin[8], stdout[8] = 2, 64
	fill := map[uint32][]byte{out: bytes.Repeat([]byte{0xee}, 24)}
	kept := fill[out]
	tests := []struct {
		name, call, sig string
		args            []wasmtest.Code
		errno           uint32
		memory          []byte
	}{
		{"no args", "args_sizes_get", "ii>i", []wasmtest.Code{i32(out), i32(out + 4)}, 0, append(make([]byte, 8), kept[8:]...)},
		{"args", "args_get", "ii>i", []wasmtest.Code{i32(out), i32(out)}, 0, kept},
		{"no environment", "environ_sizes_get", "ii>i", []wasmtest.Code{i32(out), i32(out + 4)}, 0, append(make([]byte, 8), kept[8:]...)},
		{"args outside", "args_sizes_get", "ii>i", []wasmtest.Code{i32(out), i32(-2)}, wasiFault, append(make([]byte, 4), kept[4:]...)},
		{"stdin is a device", "fd_fdstat_get", "ii>i", []wasmtest.Code{i32(0), i32(out)}, 0, stdin},
		{"stdout is a device", "fd_fdstat_get", "ii>i", []wasmtest.Code{i32(1), i32(out)}, 0, stdout},
		{"fd 3 is not open", "fd_fdstat_get", "ii>i", []wasmtest.Code{i32(3), i32(out)}, wasiBadFD, kept},
		{"no preopens", "fd_prestat_get", "ii>i", []wasmtest.Code{i32(3), i32(out)}, wasiBadFD, kept},
		{"stdin is at its end", "fd_read", "iiii>i", []wasmtest.Code{i32(0), i32(out), i32(1), i32(out)}, 0, append(make([]byte, 4), kept[4:]...)},
		{"stdout cannot be read", "fd_read", "iiii>i", []wasmtest.Code{i32(1), i32(out), i32(1), i32(out)}, wasiBadFD, kept},
		{"fd 3 cannot be written", "fd_write", "iiii>i", []wasmtest.Code{i32(3), i32(out), i32(1), i32(out)}, wasiBadFD, kept},
		{"vector outside", "fd_write", "iiii>i", []wasmtest.Code{i32(1), i32(-8), i32(2), i32(out)}, wasiFault, kept},
		{"too many vectors", "fd_write", "iiii>i", []wasmtest.Code{i32(1), i32(0), i32(-1), i32(out)}, wasiInvalid, kept},
		{"text outside", "fd_write", "iiii>i", []wasmtest.Code{i32(1), i32(out), i32(1), i32(out)}, wasiFault, kept},
		{"stdout cannot be sought", "fd_seek", "iIii>i", []wasmtest.Code{i32(1), i64(0), i32(0), i32(out)}, wasiPipe, kept},
		{"no files", "path_open", "iiiiiIIii>i", []wasmtest.Code{i32(3), i32(0), i32(0), i32(0), i32(0), i64(0), i64(0), i32(0), i32(out)}, wasiBadFD, kept},
		{"no sockets", "sock_accept", "iii>i", []wasmtest.Code{i32(3), i32(0), i32(out)}, wasiBadFD, kept},
		{"no signals", "proc_raise", "i>i", []wasmtest.Code{i32(9)}, wasiNoSys, kept},
		{"yield", "sched_yield", ">i", nil, 0, kept},
		{"close stdout", "fd_close", "i>i", []wasmtest.Code{i32(1)}, 0, kept},
		{"close fd 9", "fd_close", "i>i", []wasmtest.Code{i32(9)}, wasiBadFD, kept},
		{"processor clock", "clock_time_get", "iIi>i", []wasmtest.Code{i32(2), i64(0), i32(out)}, wasiNotSup, kept},
		{"clock outside", "clock_time_get", "iIi>i", []wasmtest.Code{i32(0), i64(0), i32(-1)}, wasiFault, kept},
		{"resolution", "clock_res_get", "ii>i", []wasmtest.Code{i32(1), i32(out)}, 0, append([]byte{0xe8, 3, 0, 0, 0, 0, 0, 0}, kept[8:]...)},
		{"random outside", "random_get", "ii>i", []wasmtest.Code{i32(out), i32(-1)}, wasiFault, kept},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, wasiCall(tt.call, tt.sig, 24, fill, tt.args...), Limits{}, Hooks{})
			errno, memory := callWASI(t, s)
			if errno != tt.errno || !bytes.Equal(memory, tt.memory) {
				t.Errorf("errno %d, memory % x\nwant  %d, memory % x", errno, memory, tt.errno, tt.memory)
			}
		})
	}
}

func TestWASIFileStat(t *testing.T) {
	s := open(t, wasiCall("fd_filestat_get", "ii>i", 64, nil, wasmtest.I32(1), wasmtest.I32(wasmtest.ScratchAt)), Limits{}, Hooks{})
	want := make([]byte, 64)
	want[16] = 2
	if errno, memory := callWASI(t, s); errno != 0 || !bytes.Equal(memory, want) {
		t.Errorf("errno %d, % x", errno, memory)
	}
}

func TestRandomRepeatsPerModule(t *testing.T) {
	g := wasiCall("random_get", "ii>i", 32, nil, wasmtest.I32(wasmtest.ScratchAt), wasmtest.I32(32))
	draw := func(g wasmtest.Guest) (first, second []byte) {
		s := open(t, g, Limits{}, Hooks{})
		_, first = callWASI(t, s)
		_, second = callWASI(t, s)
		return first, second
	}
	a1, a2 := draw(g)
	b1, b2 := draw(g)
	if !bytes.Equal(a1, b1) || !bytes.Equal(a2, b2) {
		t.Error("two instances of a module draw different numbers")
	}
	if bytes.Equal(a1, a2) || bytes.Equal(a1, make([]byte, 32)) {
		t.Error("the numbers are no sequence")
	}
	g.Data = map[uint32][]byte{60000: {1}}
	if c1, _ := draw(g); bytes.Equal(a1, c1) {
		t.Error("two modules draw the same numbers")
	}
}

// recordClock is a guest that asks for the realtime clock in each record and
// answers with the times.
func recordClock() wasmtest.Guest {
	const i = 2
	n := wasmtest.Count()
	return wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: wasiModule, Name: "clock_time_get", Sig: "iIi>i"}},
		Process: wasmtest.Join(
			wasmtest.Loop(
				wasmtest.I32(wasmtest.ProgressAt), wasmtest.Get(i), wasmtest.Store32(abi.ProgressCurrentAt),
				wasmtest.I32(0), wasmtest.I64(0),
				wasmtest.Get(i), wasmtest.I32(8), wasmtest.Code{0x6c}, wasmtest.I32(wasmtest.ReplyAt), wasmtest.Add32,
				wasmtest.Call(0), wasmtest.Drop,
				wasmtest.Get(i), wasmtest.I32(1), wasmtest.Add32, wasmtest.Tee(i),
				n, wasmtest.LtU32, wasmtest.Again),
			wasmtest.I32(wasmtest.ProgressAt), wasmtest.Get(i), wasmtest.Store32(abi.ProgressDoneAt),
			wasmtest.Packed(wasmtest.ReplyAt, 0),
			wasmtest.Get(i), wasmtest.I32(3), wasmtest.Code{0x74}, wasmtest.Code{0xad}, wasmtest.Code{0x84}), // | i << 3
	}
}

func TestWallClockIsTheRecordsTimestamp(t *testing.T) {
	s := open(t, recordClock(), Limits{}, Hooks{})
	head := abi.AppendBatchHeader(nil, &abi.BatchHeader{BaseOffset: 1 << 40, BaseTimestamp: 1_700_000_000_000, Count: 4})
	var records []byte
	for i, d := range []int64{0, 5, -1_700_000_000_001, 70_000} { // the third has none
		records = abi.AppendRecord(records, int64(i), d, nil, make([]byte, 300*i), nil)
	}
	for range 2 {
		reply, _, err := s.Process(t.Context(), 0, 4, head, records)
		if err != nil || len(reply) != 32 {
			t.Fatalf("% x, %v", reply, err)
		}
		for i, want := range []uint64{1_700_000_000_000, 1_700_000_000_005, 0, 1_700_000_070_000} {
			if got := binary.LittleEndian.Uint64(reply[8*i:]); got != want*1e6 {
				t.Errorf("record %d sees %d, want %d ms", i, got, want)
			}
		}
	}
}

func TestWallClockOfOtherKinds(t *testing.T) {
	c := call{kind: noKind, head: []byte{0x94, byte(abi.KindAdvance), 3, 0xcd, 0x12, 0x34, 0xc2}}
	if got := c.time(0); got != 0x1234 {
		t.Errorf("advance: %d", got)
	}
	for _, head := range [][]byte{nil, {}, {0xdd}, {0x91, byte(abi.KindSelftest)}, {0x96, 0, 0}} {
		c := call{kind: noKind, head: head}
		if got := c.time(5); got != 0 {
			t.Errorf("% x: %d", head, got)
		}
	}
}

// subscription of a clock.
func clockSub(user uint64, id uint32, timeout uint64, flags uint16) []byte {
	b := make([]byte, subSize)
	binary.LittleEndian.PutUint64(b, user)
	binary.LittleEndian.PutUint32(b[16:], id)
	binary.LittleEndian.PutUint64(b[24:], timeout)
	binary.LittleEndian.PutUint16(b[40:], flags)
	return b
}

func fdSub(user uint64, kind byte, fd uint32) []byte {
	b := make([]byte, subSize)
	binary.LittleEndian.PutUint64(b, user)
	b[8] = kind
	binary.LittleEndian.PutUint32(b[16:], fd)
	return b
}

func TestPoll(t *testing.T) {
	type event struct {
		user  uint64
		errno uint16
		kind  byte
	}
	const hour = 3600e9
	tests := []struct {
		name  string
		subs  [][]byte
		ready []event
		moved uint64 // of the monotonic clock
	}{
		{"sleep", [][]byte{clockSub(7, 1, hour, 0)}, []event{{7, 0, 0}}, hour},
		{"the earliest", [][]byte{clockSub(1, 1, 3*hour, 0), clockSub(2, 1, hour, 0), clockSub(3, 1, hour, 0)}, []event{{2, 0, 0}, {3, 0, 0}}, hour},
		{"absolute", [][]byte{clockSub(1, 1, 5*hour, clockAbstime), clockSub(2, 1, 6*hour, clockAbstime)}, []event{{1, 0, 0}}, 5 * hour},
		{"in the past", [][]byte{clockSub(1, 1, 0, clockAbstime)}, []event{{1, 0, 0}}, 0},
		{"stdout is ready", [][]byte{clockSub(1, 1, hour, 0), fdSub(2, eventFDWrite, 1)}, []event{{2, 0, 2}}, 0},
		{"bad descriptor", [][]byte{fdSub(1, eventFDRead, 5)}, []event{{1, wasiBadFD, 1}}, 0},
		{"unknown clock", [][]byte{clockSub(1, 3, hour, 0)}, []event{{1, wasiNotSup, 0}}, 0},
		{"for ever", [][]byte{clockSub(1, 1, 1<<64-1, 0)}, []event{{1, 0, 0}}, 1<<63 - 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			subs := bytes.Join(tt.subs, nil)
			n := uint32(len(tt.subs))
			const events = wasmtest.ScratchAt + 8
			g := wasiCall("poll_oneoff", "iiii>i", 8+n*eventSize, map[uint32][]byte{wasmtest.ReplyAt: subs},
				wasmtest.I32(wasmtest.ReplyAt), wasmtest.I32(events), wasmtest.I32(int32(n)), wasmtest.I32(wasmtest.ScratchAt))
			s := open(t, g, Limits{}, Hooks{})
			errno, memory := callWASI(t, s)
			if errno != 0 || binary.LittleEndian.Uint32(memory) != uint32(len(tt.ready)) {
				t.Fatalf("errno %d, % x", errno, memory)
			}
			for i, want := range tt.ready {
				e := memory[8+i*eventSize:]
				got := event{binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint16(e[8:]), e[10]}
				if got != want {
					t.Errorf("event %d is %+v, want %+v", i, got, want)
				}
			}
			if got := s.active.time.monotonic; got != tt.moved {
				t.Errorf("the clock is at %d, want %d", got, tt.moved)
			}
		})
	}
	for _, bad := range [][3]int32{{0, 0, 0}, {0, 0, -1}, {-8, 0, 1}, {0, -8, 1}} {
		g := wasiCall("poll_oneoff", "iiii>i", 0, nil, wasmtest.I32(bad[0]), wasmtest.I32(bad[1]), wasmtest.I32(bad[2]), wasmtest.I32(wasmtest.ScratchAt))
		if errno, _ := callWASI(t, open(t, g, Limits{}, Hooks{})); errno != wasiInvalid && errno != wasiFault {
			t.Errorf("%v: errno %d", bad, errno)
		}
	}
}

func TestEntropyIsBounded(t *testing.T) {
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "entropy", Sig: "ii"}},
		Process: wasmtest.Join(wasmtest.I32(wasmtest.ReplyAt), wasmtest.Count(), wasmtest.I32(60000), wasmtest.Code{0x6c}, wasmtest.Call(0),
			wasmtest.Finish(wasmtest.Count()), wasmtest.Packed(wasmtest.ReplyAt, 60000)),
	}
	s := openSlot(t, load(t, Source{Bytes: g.Build(), Nondeterministic: true}), bind("h"), Hooks{})
	first, _, err := process(t, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	first = bytes.Clone(first)
	if second, _, err := process(t, s, 1); err != nil || bytes.Equal(first, second) {
		t.Errorf("the same twice, %v", err)
	}
	_, _, err = process(t, s, 2)
	var trap *TrapError
	if !errors.As(err, &trap) || trap.Kind != TrapMisuse {
		t.Error(err)
	}
}
