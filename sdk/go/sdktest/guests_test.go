package sdktest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/abi/abitest"
)

func outputLine(o *abi.Output) string {
	s := fmt.Sprintf("  sink %d value nil", o.Sink)
	if o.Value != nil {
		s = fmt.Sprintf("  sink %d value %q", o.Sink, o.Value)
	}
	for it := abi.ReadHeaders(o.Headers); ; {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		s += fmt.Sprintf(" header %s=%q", name, value)
	}
	if o.HasTimestamp {
		s += fmt.Sprintf(" at %d", o.Timestamp)
	}
	if o.HasPartition {
		s += fmt.Sprintf(" to %d", o.Partition)
	}
	return s
}

// bind returns the binding of a function with sinks out and, first, those
// named.
func bind(function string, params []abi.Param, sinks ...string) abi.Binding {
	b := abi.Binding{Function: function, Name: function, Params: params, Sources: []abi.Endpoint{{Name: "in"}}}
	for _, s := range append(sinks, "out") {
		b.Sinks = append(b.Sinks, abi.Endpoint{Name: s})
	}
	return b
}

// msgpack gives a binding decoded values.
func msgpack(b abi.Binding) abi.Binding {
	for i := range b.Sinks {
		b.Sinks[i].Value = abi.ReprMsgpack
	}
	b.Sources[0].Value = abi.ReprMsgpack
	return b
}

// flight is a line of flights.ndjson as the host decodes it.
func flight(delay int64) []byte {
	b := abi.AppendMapHeader(nil, 5)
	b = abi.AppendStr(abi.AppendStr(b, "date"), "2001/01/01 00:47")
	b = abi.AppendInt(abi.AppendStr(b, "delay"), delay)
	b = abi.AppendInt(abi.AppendStr(b, "distance"), 1750)
	b = abi.AppendStr(abi.AppendStr(b, "origin"), "DTW")
	return abi.AppendStr(abi.AppendStr(b, "destination"), "LAS")
}

func TestGuestsAnswerByTheContract(t *testing.T) {
	headers := abi.AppendHeader(abi.AppendArrayHeader(nil, 1), "h", []byte("v"))
	for _, tc := range []struct {
		name   string
		bind   abi.Binding
		recs   []rec
		want   []string
		extras func(t *testing.T, h *runner)
	}{
		{
			name: "identity", bind: bind("identity", nil),
			recs: []rec{{value: []byte("a"), headers: headers}, {value: nil}, {value: []byte{}}},
			want: []string{"0", `  sink -1 value "a" header h="v"`, "1", "  sink -1 value nil", "2", `  sink -1 value ""`},
		},
		{
			name: "tee", bind: bind("tee", nil, "audit"), recs: values("a"),
			want: []string{"0", `  sink -1 value "a"`, `  sink 0 value "a"`},
		},
		{name: "drop", bind: bind("drop", nil), recs: values("a", "b")},
		{
			name: "explode", bind: bind("explode", []abi.Param{{Name: "n", Value: abi.AppendInt(nil, 2)}}), recs: values("a"),
			want: []string{"0", `  sink -1 value "0"`, `  sink -1 value "1"`},
		},
		{
			name: "zero-even", bind: bind("zero-even", nil), recs: values("0", "1", "2", "3", "4"),
			want: []string{"0", `  sink -1 value "zero: 0"`, `  sink -1 value "even: 0"`, "2", `  sink -1 value "even: 2"`, "4", `  sink -1 value "even: 4"`},
		},
		{
			name: "fail-on", bind: bind("fail-on", []abi.Param{{Name: "text", Value: abi.AppendStr(nil, "b")}}), recs: values("a", "b", "c"),
			want: []string{"0", `  sink -1 value "a"`, "1 error failed: refused: b", "2", `  sink -1 value "c"`},
		},
		{
			name: "drop-on", bind: bind("drop-on", nil), recs: values("drop", "c"),
			want: []string{"0 error drop: asked to", "1", `  sink -1 value "c"`},
		},
		{
			name: "retry-on", bind: bind("retry-on", nil), recs: values("retry", "c"),
			want: []string{"0 error retry: asked to", "1", `  sink -1 value "c"`},
		},
		{
			name: "meta", bind: bind("meta", nil), recs: []rec{{value: []byte("x"), headers: headers}, {key: []byte("k")}},
			want: []string{"0", `  sink -1 value "in 3 1000 1700000000000 nil 1"`, "1", `  sink -1 value "in 3 1001 1700000000001 k 0"`},
		},
		{
			name: "stamp", bind: bind("stamp", nil), recs: []rec{{value: []byte("x"), headers: headers}},
			want: []string{"0", `  sink -1 value "x" header seen="1" at 1700000000001 to 0`},
		},
		{
			name: "log", bind: bind("log", nil), recs: values("one", "two"),
			extras: func(t *testing.T, h *runner) {
				if diff := cmp.Diff([]string{"one", "two"}, h.logs); diff != "" || h.metrics["lines"] != 2 {
					t.Errorf("logs %s, lines %v", diff, h.metrics["lines"])
				}
			},
		},
		{
			name: "flights-late", bind: msgpack(bind("flights-late", []abi.Param{{Name: "minutes", Value: abi.AppendInt(nil, 60)}})),
			recs: []rec{{value: flight(66)}, {value: flight(60)}, {value: []byte{0x81, 0xa5, 'd', 'e', 'l', 'a', 'y', 0xa1, 'x'}}},
			want: []string{
				"0", fmt.Sprintf("  sink -1 value %q", append(append([]byte{0x86}, flight(66)[1:]...), "\xa4late\xc3"...)),
				`2 error decode: field "delay": want integer, got string`,
			},
		},
		{
			name: "rename", bind: msgpack(bind("rename", nil)), recs: []rec{{value: flight(-5)}, {value: []byte{0xc0}}},
			want: []string{"0", fmt.Sprintf("  sink -1 value %q", flight(-5)), "1 error decode: want map, got null"},
		},
		{name: "upper", bind: bind("upper", nil), recs: values("aZ1\xc3\xa4"), want: []string{"0", "  sink -1 value \"AZ1\u00e4\""}},
		{name: "proxied", bind: bind("proxied", nil), recs: values("x"), want: []string{"0", `  sink -1 value "Proxied x!"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := start(t, "all")
			if reply := h.init(0, tc.bind); reply.Status != abi.StatusOK {
				t.Fatalf("init refused: %s", reply.Message)
			}
			reply, err := h.run(0, batch(abi.KindRecords, tc.recs...))
			if err != nil {
				t.Fatal(err, h.stderr.String())
			}
			if diff := cmp.Diff(tc.want, read(t, reply)); diff != "" {
				t.Error(diff)
			}
			if done := h.word(abi.ProgressDoneAt); done != uint32(len(tc.recs)) {
				t.Errorf("done %d of %d", done, len(tc.recs))
			}
			if tc.name != "log" && len(h.logs) > 0 {
				t.Errorf("logs %q", h.logs)
			}
			if tc.extras != nil {
				tc.extras(t, h)
			}
		})
	}
}

func TestTrapKeepsResultsBeforeAndNamesThePlace(t *testing.T) {
	h := start(t, "all")
	h.init(0, bind("trap", nil))
	reply, err := h.run(0, batch(abi.KindRecords, values("a", "b", "trap", "c")...))
	if err == nil {
		t.Fatal("the guest did not trap")
	}
	if diff := cmp.Diff([]string{"0", `  sink -1 value "a"`, "1", `  sink -1 value "b"`}, read(t, reply)); diff != "" {
		t.Error(diff)
	}
	if c, d := h.word(abi.ProgressCurrentAt), h.word(abi.ProgressDoneAt); c != 2 || d != 2 {
		t.Errorf("current %d done %d, want 2 and 2", c, d)
	}
	for _, want := range []string{"the value is trap", "guests/all/fail.go:"} {
		if !strings.Contains(h.stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, h.stderr.String())
		}
	}
}

// TestVectorsInsideWebAssembly runs every byte vector of the ABI through the
// codec as a guest has it, on a 32-bit memory.
func TestVectorsInsideWebAssembly(t *testing.T) {
	all, err := abitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d vectors", len(all))
	}
	h := start(t, "all")
	h.init(0, bind("conformance", nil))
	for _, v := range all {
		reply, err := h.run(0, batch(abi.KindRecords, rec{value: append([]byte(v.Message+"\n"), v.Wire...)}))
		if err != nil {
			t.Fatalf("%s: %s: %v", v.Message, v.Name, err)
		}
		want := string(v.Canon)
		if v.Class == abitest.Reject {
			want = "error: " + v.Want
		}
		if diff := cmp.Diff([]string{"0", fmt.Sprintf("  sink -1 value %q", want)}, read(t, reply)); diff != "" {
			t.Errorf("%s: %s: %s", v.Message, v.Name, diff)
		}
	}
}

// TestMemoryStaysConstant sends a million batches to one instance.
func TestMemoryStaysConstant(t *testing.T) {
	if testing.Short() {
		t.Skip("a million batches")
	}
	h := start(t, "identity")
	h.init(0, bind("identity", nil))
	msg := batch(abi.KindRecords, values("a", "b")...)
	send := func(n int) uint32 {
		for range n {
			if _, err := h.run(0, msg); err != nil {
				t.Fatal(err)
			}
		}
		return h.mem.Size()
	}
	if warm, after := send(1000), send(1_000_000); after != warm {
		t.Errorf("memory grew from %d to %d bytes", warm, after)
	}
}

func TestAMillionOutputsLeaveABoundedGuest(t *testing.T) {
	h := start(t, "all")
	h.init(0, bind("flood", []abi.Param{{Name: "n", Value: abi.AppendInt(nil, 1_000_000)}}))
	before := h.mem.Size()
	if _, err := h.run(0, batch(abi.KindRecords, values("a")...)); err != nil {
		t.Fatal(err)
	}
	if h.pieces < 100 || h.mem.Size() > before+2<<20 {
		t.Errorf("%d pieces; memory grew from %d to %d bytes", h.pieces, before, h.mem.Size())
	}
	if n := len(h.flushed); n < 100_000_000 {
		t.Errorf("%d bytes of outputs", n)
	}
}

func TestStopEndsTheBatchAfterTheCurrentRecord(t *testing.T) {
	h := start(t, "all")
	h.init(abi.FeatureMetered, bind("identity", nil))
	h.stop = func() bool { return h.marks == 2 }
	reply, err := h.run(0, batch(abi.KindRecords, values("a", "b", "c")...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0", `  sink -1 value "a"`, "1", `  sink -1 value "b"`}, read(t, reply)); diff != "" {
		t.Error(diff)
	}
	if d := h.word(abi.ProgressDoneAt); d != 2 || h.marks != 2 {
		t.Errorf("done %d after %d marks, want 2 and 2", d, h.marks)
	}
}

func TestIdentityModuleIsSmall(t *testing.T) {
	info, err := os.Stat(guestPath(t, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("identity: %d bytes", info.Size())
	if info.Size() > 2_000_000 {
		t.Errorf("the identity module has %d bytes, more than 2.0 MB", info.Size())
	}
}

func BenchmarkIdentity(b *testing.B) {
	for _, n := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := start(b, "identity")
			h.init(0, bind("identity", nil))
			recs := make([]rec, n)
			for i := range recs {
				recs[i] = rec{key: []byte("k"), value: make([]byte, 100)}
			}
			msg := batch(abi.KindRecords, recs...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.run(0, msg); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}
