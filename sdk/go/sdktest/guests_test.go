package sdktest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
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
			want: []string{"0", `  sink -1 value "x" header h="v" header seen="1" at 1700000000001 to 0`},
		},
		{
			name: "log", bind: bind("log", nil), recs: values("one", "two"),
			extras: func(t *testing.T, h *runner) {
				if diff := cmp.Diff([]string{"one", "two"}, h.logs); diff != "" || h.metrics["lines"] != 2 {
					t.Errorf("logs %s, lines %v", diff, h.metrics["lines"])
				}
			},
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
