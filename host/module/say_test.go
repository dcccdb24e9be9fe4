package module

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// writing is a guest that writes text to a descriptor in slip_process, after
// which comes end.
func writing(fd int32, text string, end ...wasmtest.Code) wasmtest.Guest {
	return wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: wasiModule, Name: "fd_write", Sig: "iiii>i"}},
		Data:    map[uint32][]byte{wasmtest.ReplyAt: []byte(text)},
		Process: wasmtest.Join(
			wasmtest.I32(wasmtest.ScratchAt), wasmtest.I32(wasmtest.ReplyAt), wasmtest.Store32(0),
			wasmtest.I32(wasmtest.ScratchAt), wasmtest.I32(int32(len(text))), wasmtest.Store32(4),
			wasmtest.I32(fd), wasmtest.I32(wasmtest.ScratchAt), wasmtest.I32(1), wasmtest.I32(wasmtest.ScratchAt+8), wasmtest.Call(0),
			wasmtest.If(wasmtest.Unreachable),
			wasmtest.Join(end...)),
	}
}

var finished = wasmtest.Join(wasmtest.Finish(wasmtest.Count()), wasmtest.I64(0))

func TestOutputIsLineByLine(t *testing.T) {
	var said spoken
	s := open(t, writing(1, "one\n\nthree\x1b[31m\tred\r\nrest", finished), Limits{}, said.hooks())
	if _, _, err := process(t, s, 1); err != nil {
		t.Fatal(err)
	}
	want := []string{"out 0 1 one", "out 0 1 ", `out 0 1 three\x1b[31m\tred\r`, "out 0 1 rest"}
	if diff := cmp.Diff(want, said.lines); diff != "" {
		t.Error(diff)
	}
}

func TestOverlongLineIsBroken(t *testing.T) {
	var said spoken
	s := open(t, writing(2, strings.Repeat("x", 10000), finished), Limits{}, said.hooks())
	if _, _, err := process(t, s, 1); err != nil {
		t.Fatal(err)
	}
	if len(said.lines) != 3 || len(said.lines[0]) != len("out 0 2 ")+maxLine {
		t.Errorf("%d lines", len(said.lines))
	}
}

const goPanic = "panic: runtime error: index out of range [5] with length 3\n\n" +
	"goroutine 1 [running]:\n" +
	"strings.Fields(...)\n\t/usr/lib/go/src/strings/strings.go:360\n" +
	"main.split(0x1234, {0x1})\n\t/home/u/plug/main.go:12 +0x5\n" +
	"github.com/sliphost/sliphost/sdk/go.(*instance).run(0x1)\n\t/home/u/sliphost/sdk/go/instance.go:200 +0x6\n" +
	"runtime.main()\n\t/usr/lib/go/src/runtime/proc.go:283 +0x1\n"

func TestPanicOnStderrIsAttached(t *testing.T) {
	var said spoken
	g := writing(2, "before\n"+goPanic, wasmtest.I32(2), wasmtest.Call(1), wasmtest.I64(0))
	g.Imports = append(g.Imports, wasmtest.Import{Module: wasiModule, Name: "proc_exit", Sig: "i"})
	s := open(t, g, Limits{}, said.hooks())
	_, _, err := process(t, s, 1)
	var trap *TrapError
	if !errors.As(err, &trap) {
		t.Fatal(err)
	}
	if want := `module "m", function "h": panic at /home/u/plug/main.go:12: runtime error: index out of range [5] with length 3`; err.Error() != want {
		t.Errorf("%q\nwant %q", err, want)
	}
	if trap.Kind != TrapPanic || !strings.Contains(trap.Stack, "goroutine 1 [running]:\nstrings.Fields") {
		t.Errorf("kind %q, stack\n%s", trap.Kind, trap.Stack)
	}
	if diff := cmp.Diff([]string{"out 0 2 before"}, said.lines); diff != "" {
		t.Errorf("the panic is in the log as well: %s", diff)
	}
}

func TestOverlongPanicKeepsItsPlace(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	stack := goPanic[strings.Index(goPanic, "\n\n"):]
	said := writing(2, "panic: "+long+stack, wasmtest.I32(2), wasmtest.Call(1), wasmtest.I64(0))
	said.Imports = append(said.Imports, wasmtest.Import{Module: wasiModule, Name: "proc_exit", Sig: "i"})
	told := long + ": /home/u/plug/main.go:12"
	tests := map[string]wasmtest.Guest{
		"stderr": said,
		"import": {
			Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "panic", Sig: "ii"}},
			Data:    map[uint32][]byte{wasmtest.ReplyAt: []byte(told)},
			Process: wasmtest.Join(wasmtest.I32(wasmtest.ReplyAt), wasmtest.I32(int32(len(told))), wasmtest.Call(0), wasmtest.Unreachable),
		},
	}
	for name, g := range tests {
		t.Run(name, func(t *testing.T) {
			g.MinPages = 16
			_, _, err := process(t, open(t, g, Limits{}, Hooks{}), 1)
			var trap *TrapError
			if !errors.As(err, &trap) {
				t.Fatal(err)
			}
			if trap.Location != "/home/u/plug/main.go:12" || !strings.HasPrefix(trap.Message, "xxxx") || len(trap.Message) > maxMessage {
				t.Errorf("at %q, %d bytes of message", trap.Location, len(trap.Message))
			}
			if len(trap.Stack) > 2*(maxAccount+2*maxEnding) {
				t.Errorf("%d bytes of stack", len(trap.Stack))
			}
		})
	}
}

func TestPanicThatDoesNotTrapIsPrinted(t *testing.T) {
	var said spoken
	s := open(t, writing(2, "panic: not really\nmore", finished), Limits{}, said.hooks())
	for range 2 {
		said.lines = nil
		if _, _, err := process(t, s, 1); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"out 0 2 panic: not really", "out 0 2 more"}, said.lines); diff != "" {
			t.Error(diff)
		}
	}
}

func TestImportPanicIsAttached(t *testing.T) {
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "panic", Sig: "ii"}},
		Data:    map[uint32][]byte{wasmtest.ReplyAt: []byte("index 5: out of\nrange: src/lib.rs:7:13")},
		Process: wasmtest.Join(wasmtest.I32(wasmtest.ReplyAt), wasmtest.I32(38), wasmtest.Call(0), wasmtest.Unreachable),
	}
	_, _, err := process(t, open(t, g, Limits{}, Hooks{}), 1)
	if err == nil || err.Error() != `module "m", function "h": panic at src/lib.rs:7: index 5: out of\nrange` {
		t.Error(err)
	}
}

func TestLogAndMetric(t *testing.T) {
	call := func(f wasmtest.Func, args ...wasmtest.Code) wasmtest.Code {
		return append(wasmtest.Join(args...), wasmtest.Call(f)...)
	}
	data := "hello\nworld rows_total 0bad"
	at := func(i, n int32) wasmtest.Code {
		return wasmtest.Join(wasmtest.I32(wasmtest.ReplyAt+i), wasmtest.I32(n))
	}
	metric := func(kind int32, i, n int32, v float64) wasmtest.Code {
		return call(1, wasmtest.I32(kind), at(i, n), wasmtest.F64(v))
	}
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "log", Sig: "iii"}, {Module: abi.ImportModule, Name: "metric", Sig: "iiiF"}},
		Data:    map[uint32][]byte{wasmtest.ReplyAt: []byte(data)},
		Init: wasmtest.Join(call(0, wasmtest.I32(0), at(0, 5)), metric(0, 12, 10, 1),
			wasmtest.Packed(wasmtest.InitReplyAt, uint32(len(wasmtest.DefaultInitReply())))),
		Process: wasmtest.Join(
			call(0, wasmtest.I32(2), at(0, 11)), call(0, wasmtest.I32(77), at(0, 5)), call(0, wasmtest.I32(-1), at(0, 0)),
			metric(0, 12, 10, 2.5), metric(2, 12, 10, 1), // another kind
			metric(1, 12, 4, -3), metric(0, 0, 11, 1), metric(0, 23, 4, 1), metric(0, 12, 0, 1),
			metric(1, 12, 4, math.NaN()), metric(1, 12, 4, math.Inf(1)), metric(0, 12, 5, -1), metric(9, 12, 3, 1),
			finished),
	}
	var said spoken
	s := open(t, g, Limits{}, said.hooks())
	second := int64(0)
	s.now = func() int64 { second++; return second }
	if _, _, err := process(t, s, 1); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"log -1 0 hello", // from slip_init, held back until the instance is active
		`log 0 2 hello\nworld`, "log 0 3 hello", "log 0 3 ",
		"metric 0 0 rows_total 2.5",
		`log -1 2 1 metric calls of module "m" dropped: too many a second, or against the rules`,
		"metric 0 1 rows -3",
	}
	if diff := cmp.Diff(want, said.lines); diff != "" {
		t.Error(diff)
	}
}

func TestMetricNamesAreBounded(t *testing.T) {
	n := 0
	s := open(t, wasmtest.Guest{}, Limits{}, Hooks{Metric: func(int32, abi.MetricKind, []byte, float64) { n++ }})
	for range 2 {
		for i := range 300 {
			s.metric(0, abi.MetricCounter, append([]byte("m_"), byte('a'+i%26), byte('a'+i/26)), 1)
		}
	}
	if n != 2*abi.MaxMetrics {
		t.Errorf("%d calls passed, want those of %d names", n, abi.MaxMetrics)
	}
}

func TestLinesAreLimitedInRate(t *testing.T) {
	// 100 lines a call.
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "log", Sig: "iii"}},
		Process: wasmtest.Join(
			wasmtest.Loop(wasmtest.I32(1), wasmtest.I32(wasmtest.DescribeAt), wasmtest.I32(0), wasmtest.Call(0),
				wasmtest.Get(3), wasmtest.I32(1), wasmtest.Add32, wasmtest.Tee(3), wasmtest.I32(100), wasmtest.LtU32, wasmtest.Again),
			finished),
	}
	var said spoken
	s := open(t, g, Limits{LogLines: 30}, said.hooks())
	second := int64(1)
	s.now = func() int64 { return second }
	call := func(want int) {
		t.Helper()
		said.lines = nil
		if _, _, err := process(t, s, 1); err != nil {
			t.Fatal(err)
		}
		if len(said.lines) != want {
			t.Errorf("%d lines, want %d: %q", len(said.lines), want, said.lines)
		}
	}
	call(30)
	call(0)
	second++
	call(31)
	if !strings.Contains(said.lines[0], "170 lines of module") {
		t.Errorf("the first line is %q", said.lines[0])
	}
}

func TestHostCallsWhereTheyAreNotAllowed(t *testing.T) {
	imports := []wasmtest.Import{
		{Module: abi.ImportModule, Name: "savepoint", Sig: "i>i"},
		{Module: abi.ImportModule, Name: "seek", Sig: "iiI>i"},
		{Module: abi.ImportModule, Name: "cache_get", Sig: "iiiii>I"},
		{Module: abi.ImportModule, Name: "stream_time", Sig: ">I"},
		{Module: abi.ImportModule, Name: "log", Sig: "iii"},
	}
	// The number of answers that are ResultUnbound is the reply's length.
	unbound32 := wasmtest.Join(wasmtest.I32(abi.ResultUnbound), wasmtest.Eq32)
	add := wasmtest.Join(wasmtest.Get(2), wasmtest.Add32, wasmtest.Set(2))
	wrap := wasmtest.Code{0xa7} // i32.wrap_i64
	count := wasmtest.Join(
		wasmtest.I32(0), wasmtest.Call(0), unbound32, add,
		wasmtest.I32(0), wasmtest.I32(0), wasmtest.I64(0), wasmtest.Call(1), unbound32, add,
		wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(2), wrap, unbound32, add,
		wasmtest.Call(3), wrap, unbound32, add,
	)
	extend := wasmtest.Code{0xad}
	process := wasmtest.Join(count, wasmtest.Get(2), wasmtest.Set(3), wasmtest.Finish(wasmtest.I32(1)), wasmtest.Get(3), extend)
	call := func(s *Slot, head []byte) int {
		t.Helper()
		reply, _, err := s.Process(t.Context(), 0, 1, head, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(reply)
	}
	m := load(t, Source{Bytes: wasmtest.Guest{Imports: imports, Process: process}.Build()})
	without := openSlot(t, m, bind("h"), Hooks{})
	with := openSlot(t, m, bind("h"), Hooks{State: fakeState{}})
	records := abi.AppendBatchHeader(nil, &abi.BatchHeader{Count: 1})
	tests := []struct {
		name string
		slot *Slot
		head []byte
		want int
	}{
		{"no state", without, records, 4},
		{"records: only seek", with, records, 1},
		{"downtime: all", with, []byte{0x97, byte(abi.KindDowntime)}, 0},
		{"selftest: none", with, []byte{0x91, byte(abi.KindSelftest)}, 4},
		{"a kind of the future: none", with, []byte{0x91, 29}, 4},
		{"no kind: none", with, []byte{0xc0}, 4},
	}
	for _, tt := range tests {
		if got := call(tt.slot, tt.head); got != tt.want {
			t.Errorf("%s: %d of 4 calls answer Unbound, want %d", tt.name, got, tt.want)
		}
	}

	t.Run("in slip_alloc", func(t *testing.T) {
		var said spoken
		g := wasmtest.Guest{Imports: imports, Alloc: wasmtest.Join(
			wasmtest.I32(0), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(4),
			wasmtest.I32(0), wasmtest.Call(0), wasmtest.I32(abi.ResultUnbound), wasmtest.Eq32, wasmtest.Eqz32, wasmtest.If(wasmtest.Unreachable),
			wasmtest.I32(wasmtest.ArenaAt))}
		open(t, g, Limits{}, said.hooks())
		if said.lines != nil {
			t.Errorf("it may log: %q", said.lines)
		}
	})
}

// fakeState answers every call with 0, or with fail.
type fakeState struct{ fail bool }

func (f fakeState) answer() int64 {
	if f.fail {
		return StateFailed
	}
	return 0
}
func (f fakeState) CacheGet(At, int32, []byte, []byte) int64         { return f.answer() }
func (f fakeState) CachePut(At, int32, []byte, []byte) int32         { return int32(f.answer()) }
func (f fakeState) CacheDelete(At, int32, []byte) int32              { return int32(f.answer()) }
func (f fakeState) CacheDeleteRange(At, int32, []byte, []byte) int32 { return int32(f.answer()) }
func (f fakeState) CacheScan(At, int32, []byte, []byte) int64        { return f.answer() }
func (f fakeState) CacheGetMany(At, int32, []byte, []byte) int64     { return f.answer() }
func (f fakeState) Savepoint(At, int32) int32                        { return int32(f.answer()) }
func (f fakeState) StreamTime(At) int64                              { return f.answer() }
func (f fakeState) Heartbeat(At, int32, []byte, []byte) int64        { return f.answer() }
func (f fakeState) Pulse(At, int32, []byte, []byte) int64            { return f.answer() }
func (f fakeState) Seek(At, int32, int32, int64) int32               { return int32(f.answer()) }

func TestStateThatFails(t *testing.T) {
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "savepoint", Sig: "i>i"}},
		Process: wasmtest.Join(wasmtest.Progress(1, 1, 0, 0), wasmtest.I32(3), wasmtest.Call(0), wasmtest.Drop, finished),
	}
	s := open(t, g, Limits{}, Hooks{State: fakeState{fail: true}})
	for range 2 {
		if reply, done, err := process(t, s, 3); !errors.Is(err, ErrState) || done != 0 || reply != nil {
			t.Errorf("reply % x, done %d, %v", reply, done, err)
		}
	}
}

func TestHookThatPanics(t *testing.T) {
	g := wasmtest.Guest{
		Imports: []wasmtest.Import{{Module: abi.ImportModule, Name: "log", Sig: "iii"}},
		Process: wasmtest.Join(wasmtest.I32(1), wasmtest.I32(0), wasmtest.I32(0), wasmtest.Call(0), finished),
	}
	var nothing []int
	for name, fail := range map[string]func(){
		"value":         func() { panic("hook") },
		"error":         func() { panic(errors.New("hook")) },
		"runtime error": func() { _ = nothing[3] },
	} {
		t.Run(name, func(t *testing.T) {
			failing := true
			s := open(t, g, Limits{}, Hooks{Log: func(int32, abi.Level, []byte) {
				if failing {
					fail()
				}
			}})
			_, _, err := process(t, s, 1)
			var trap *TrapError
			if !errors.As(err, &trap) || trap.Kind != TrapHost {
				t.Fatal(err)
			}
			if text := err.Error() + trap.Stack; strings.Contains(text, "goroutine") || strings.Contains(text, ".go:") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the host's stack is shown: %s", text)
			}
			failing = false
			if _, _, err := process(t, s, 1); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestAppendClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text", "plain text"},
		{"", ""},
		{"a\x00b\x7fc\x9bd", `a\x00b\x7fc\x9bd`},
		{"\u0085\u009b31m", `\x85\x9b31m`},
		{"bad \xff\xc3(", `bad \xff\xc3(`},
		{"\ufffd stays", "\ufffd stays"},
		{"gr\u00fcn \u65e5\u672c", "gr\u00fcn \u65e5\u672c"},
		{"\u202egnp.exe\u2066\u200f", `\u202egnp.exe\u2066\u200f`},
		{"line\u2028sep", `line\u2028sep`},
		{strings.Repeat("x", 40), strings.Repeat("x", 40)},
		{strings.Repeat("x", 41), strings.Repeat("x", 37) + "..."},
		{strings.Repeat("x", 35) + "\u65e5\u672c", strings.Repeat("x", 35) + "..."},
		{strings.Repeat("x", 37) + "\n\n", strings.Repeat("x", 37) + "..."},
		{strings.Repeat("x", 36) + "\n\n", strings.Repeat("x", 36) + `\n\n`},
	}
	for _, tt := range tests {
		if got := string(appendClean([]byte(">"), []byte(tt.in), 40)); got != ">"+tt.want {
			t.Errorf("%q: %q, want %q", tt.in, got, ">"+tt.want)
		}
	}
}

func FuzzAppendClean(f *testing.F) {
	f.Add([]byte("a\nb\x1b[0m\xff"), 20)
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		if limit < len(cutMark) || limit > 1<<16 {
			return
		}
		out := appendClean(nil, in, limit)
		if len(out) > limit || !utf8.Valid(out) {
			t.Fatalf("%q", out)
		}
		for _, r := range string(out) {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x202e {
				t.Fatalf("%q holds %U", out, r)
			}
		}
	})
}
