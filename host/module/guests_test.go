package module

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// languages have guests of the same names with the same behaviour.
var languages = []string{"go", "rust"}

// guestDir is where make guests leaves them.
const guestDir = "../../build/guests"

// guest loads a guest of a language.
func guest(t testing.TB, lang, name string, limits Limits) *Module {
	t.Helper()
	path := filepath.Join(guestDir, lang+"-"+name+".wasm")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make guests", err)
	}
	return loadGuest(t, Source{Name: lang, Path: path, Limits: limits})
}

func loadGuest(t testing.TB, src Source) *Module {
	t.Helper()
	m, err := openRuntime(t, cacheDir).Load(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// input is a record of a test batch.
type input struct {
	key, value []byte
	headers    []byte
}

// values are records with key "k".
func values(v ...string) (in []input) {
	for _, s := range v {
		in = append(in, input{key: []byte("k"), value: []byte(s)})
	}
	return in
}

func encode(in []input) (head, records []byte) {
	head = abi.AppendBatchHeader(nil, &abi.BatchHeader{Partition: 4, BaseOffset: 100, BaseTimestamp: 1_700_000_000_000, Count: int32(len(in))})
	for i, r := range in {
		records = abi.AppendRecord(records, int64(i), int64(10*i), r.key, r.value, r.headers)
	}
	return head, records
}

func headers(pairs ...string) []byte {
	b := abi.AppendArrayHeader(nil, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		b = abi.AppendHeader(b, pairs[i], []byte(pairs[i+1]))
	}
	return b
}

// show renders a reply, a line a result.
func show(t testing.TB, reply []byte) (out []string) {
	t.Helper()
	text := func(b []byte) string {
		if b == nil {
			return "nil"
		}
		return fmt.Sprintf("%+q", b)
	}
	r := abi.NewReader(reply)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		line := fmt.Sprintf("%d ok", res.Index)
		switch res.Status {
		case abi.StatusError:
			line = fmt.Sprintf("%d error %d %q %d", res.Index, res.Code, res.Message, res.RetryAfterMs)
		case abi.StatusMore:
			line = fmt.Sprintf("%d more", res.Index)
		}
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			line += fmt.Sprintf("; %d %s=%s", o.Sink, text(o.Key), text(o.Value))
			h := abi.ReadHeaders(o.Headers)
			for name, value, ok := h.Next(); ok; name, value, ok = h.Next() {
				line += fmt.Sprintf(" %s:%s", name, text(value))
			}
			if o.HasTimestamp {
				line += fmt.Sprintf(" at %d", o.Timestamp)
			}
			if o.HasPartition {
				line += fmt.Sprintf(" to %d", o.Partition)
			}
		}
		abi.EndResult(&r, &res)
		out = append(out, line)
	}
	if err := r.Err(); err != nil {
		t.Fatalf("reply: %v", err)
	}
	return out
}

// bound is an Init message for one handler of the guest all, with its
// parameters and a topic sink.
func bound(handler string, params ...abi.Param) *abi.Init {
	init := bind(handler)
	b := &init.Bindings[0]
	b.Params = params
	if handler == "tee" {
		b.Sinks = append(b.Sinks, abi.Endpoint{Name: "audit"})
	}
	b.Sinks = append(b.Sinks, abi.Endpoint{Name: "out"})
	b.Sources = []abi.Endpoint{{Name: "lines"}}
	return init
}

func intParam(name string, v int64) abi.Param {
	return abi.Param{Name: name, Value: abi.AppendInt(nil, v)}
}

func TestGuests(t *testing.T) {
	tests := []struct {
		handler string
		params  []abi.Param
		in      []input
		want    []string
		said    []string
	}{
		{handler: "identity", in: []input{
			{[]byte("k"), []byte("v"), nil},
			{nil, []byte{}, nil},
			{[]byte{}, nil, nil},
			{[]byte("k"), []byte("v"), headers("a", "1", "a", "2")},
		}, want: []string{
			`0 ok; -1 "k"="v"`, `1 ok; -1 nil=""`, `2 ok; -1 ""=nil`, `3 ok; -1 "k"="v" a:"1" a:"2"`,
		}},
		{handler: "tee", in: values("a", "b"), want: []string{`0 ok; -1 "k"="a"; 0 "k"="a"`, `1 ok; -1 "k"="b"; 0 "k"="b"`}},
		{handler: "drop", in: values("a", "b")},
		{handler: "explode", params: []abi.Param{intParam("n", 3)}, in: values("a"), want: []string{`0 ok; -1 "k"="0"; -1 "k"="1"; -1 "k"="2"`}},
		{handler: "explode", params: []abi.Param{intParam("n", 0)}, in: values("a")},
		{handler: "meta", in: []input{{[]byte("key"), nil, nil}, {nil, nil, headers("a", "1")}}, want: []string{
			`0 ok; -1 "key"="lines 4 100 1700000000000 key 0"`, `1 ok; -1 nil="lines 4 101 1700000000010 nil 1"`,
		}},
		{handler: "stamp", in: []input{{[]byte("k"), []byte("a"), nil}, {[]byte("k"), []byte("b"), headers("h", "x")}}, want: []string{
			`0 ok; -1 "k"="a" seen:"1" at 1700000000001 to 0`, `1 ok; -1 "k"="b" seen:"1" at 1700000000011 to 0`,
		}},
		{handler: "log", in: values("hello\nworld", "x"), said: []string{
			`log 0 1 hello\nworld`, "metric 0 0 lines 1", "log 0 1 x", "metric 0 0 lines 1",
		}},
		{handler: "zero-even", in: values("0", "7", "-2"), want: []string{`0 ok; -1 "k"="zero: 0"; -1 "k"="even: 0"`, `2 ok; -1 "k"="even: -2"`}},
		{handler: "proxied", in: values("you"), want: []string{`0 ok; -1 "k"="Proxied you!"`}},
		{handler: "upper", in: []input{{nil, []byte("abc-\xc3\xa4\xff"), nil}, {nil, nil, nil}}, want: []string{`0 ok; -1 nil="ABC-\u00e4\xff"`, `1 ok; -1 nil=nil`}},
		{handler: "fail-on", params: []abi.Param{{Name: "text", Value: abi.AppendStr(nil, "bad")}}, in: values("a", "bad", "b"), want: []string{
			`0 ok; -1 "k"="a"`, `1 error 1 "refused: bad" 0`, `2 ok; -1 "k"="b"`,
		}},
		{handler: "drop-on", in: values("drop", "b"), want: []string{`0 error 2 "asked to" 0`, `1 ok; -1 "k"="b"`}},
		{handler: "retry-on", in: values("retry", "b"), want: []string{`0 error 3 "asked to" 50`, `1 ok; -1 "k"="b"`}},
	}
	for _, lang := range languages {
		m := guest(t, lang, "all", Limits{})
		for _, tt := range tests {
			t.Run(lang+"/"+tt.handler, func(t *testing.T) {
				var said spoken
				s := openSlot(t, m, bound(tt.handler, tt.params...), said.hooks())
				head, records := encode(tt.in)
				for range 3 {
					said.lines = nil
					reply, done, err := s.Process(t.Context(), 0, int32(len(tt.in)), head, records)
					if err != nil || int(done) != len(tt.in) {
						t.Fatalf("done %d, %v", done, err)
					}
					if diff := cmp.Diff(tt.want, show(t, reply)); diff != "" {
						t.Errorf("reply: %s", diff)
					}
					if diff := cmp.Diff(tt.said, said.lines); diff != "" {
						t.Errorf("said: %s", diff)
					}
				}
			})
		}
	}
}

func TestGuestTraps(t *testing.T) {
	place := map[string]*regexp.Regexp{
		"go":   regexp.MustCompile(`fail\.go:\d+$`),
		"rust": regexp.MustCompile(`failures\.rs:\d+$`),
	}
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			s := openSlot(t, guest(t, lang, "all", Limits{}), bound("trap"), Hooks{})
			in := values("a", "b", "trap", "c", "trap")
			var got []string
			for len(in) > 0 {
				head, records := encode(in)
				reply, done, err := s.Process(t.Context(), 0, int32(len(in)), head, records)
				got = append(got, show(t, reply)...)
				in = in[done:]
				if err == nil {
					break
				}
				var trap *TrapError
				if !errors.As(err, &trap) || trap.Guilty != done || trap.Kind != TrapPanic || trap.Function != "trap" || trap.Message != "the value is trap" {
					t.Fatalf("%v (%+v)", err, trap)
				}
				if !place[lang].MatchString(trap.Location) {
					t.Errorf("the place is %q", trap.Location)
				}
				if want := fmt.Sprintf(`module %q, function "trap": panic at %s: the value is trap`, lang, trap.Location); err.Error() != want {
					t.Errorf("%q, want %q", err, want)
				}
				got = append(got, "trap")
				in = in[1:]
			}
			want := []string{`0 ok; -1 "k"="a"`, `1 ok; -1 "k"="b"`, "trap", `0 ok; -1 "k"="c"`, "trap"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGuestMemoryLimit(t *testing.T) {
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			s := openSlot(t, guest(t, lang, "all", Limits{Memory: 16 << 20}), bound("grow-memory", intParam("mib", 1)), Hooks{})
			in := values(strings.Split(strings.Repeat("x", 40), "")...)
			head, records := encode(in)
			reply, done, err := s.Process(t.Context(), 0, int32(len(in)), head, records)
			var trap *TrapError
			if !errors.As(err, &trap) || trap.Kind != TrapMemory {
				t.Fatal(err)
			}
			if !strings.Contains(err.Error(), "memory limit of 16 MiB reached") || !strings.HasSuffix(err.Error(), "; raise memory in [module."+lang+".limits]") {
				t.Error(err)
			}
			if done < 5 || done > 15 || len(show(t, reply)) != int(done) {
				t.Errorf("done %d, %d results", done, len(show(t, reply)))
			}
		})
	}
}

func TestGuestFloodsInBoundedMemory(t *testing.T) {
	const n = 1_000_000
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			s := openSlot(t, guest(t, lang, "all", Limits{Fuel: 1 << 50}), bound("flood", intParam("n", n)), Hooks{})
			head, records := encode(values("a"))
			reply, done, err := s.Process(t.Context(), 0, 1, head, records)
			if err != nil || done != 1 {
				t.Fatalf("done %d, %v", done, err)
			}
			outputs, results := 0, 0
			r := abi.NewReader(reply)
			for r.Len() > 0 {
				var res abi.Result
				abi.ReadResult(&r, &res)
				for range res.Outputs {
					var o abi.Output
					abi.ReadOutput(&r, &o)
					outputs++
				}
				abi.EndResult(&r, &res)
				results++
			}
			if r.Err() != nil || outputs != n {
				t.Errorf("%d outputs, %v", outputs, r.Err())
			}
			size := s.active.mem.Size()
			t.Logf("%d bytes in %d results, guest memory %d KiB", len(reply), results, size>>10)
			if size > 8<<20 {
				t.Errorf("guest memory grew to %d MiB", size>>20)
			}
		})
	}
}

func TestGuestLargeRecords(t *testing.T) {
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			s := openSlot(t, guest(t, lang, "identity", Limits{}), bound("identity"), Hooks{})
			for _, size := range []int{0, 1 << 20, 8 << 20, 1, 3 << 20} {
				value := bytes.Repeat([]byte{byte(size >> 20), 'x'}, size/2)
				head, records := encode([]input{{value: value}, {value: []byte("small")}})
				reply, done, err := s.Process(t.Context(), 0, 2, head, records)
				if err != nil || done != 2 {
					t.Fatalf("%d bytes: done %d, %v", size, done, err)
				}
				var got [][]byte
				r := abi.NewReader(reply)
				for r.Len() > 0 {
					var res abi.Result
					abi.ReadResult(&r, &res)
					for range res.Outputs {
						var o abi.Output
						abi.ReadOutput(&r, &o)
						got = append(got, o.Value)
					}
					abi.EndResult(&r, &res)
				}
				if r.Err() != nil || len(got) != 2 || !bytes.Equal(got[0], value) || string(got[1]) != "small" {
					t.Errorf("%d bytes: %d outputs, %v", size, len(got), r.Err())
				}
			}
			t.Logf("guest memory %d KiB", s.active.mem.Size()>>10)
		})
	}
}

func TestGuestMemoryIsConstant(t *testing.T) {
	const batches = 1_000_000
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			s := openSlot(t, guest(t, lang, "identity", Limits{}), bound("identity"), Hooks{})
			head, records := encode([]input{{[]byte("key"), []byte(strings.Repeat("v", 100)), headers("h", "x")}})
			ctx := t.Context()
			warm := uint32(0)
			for i := range batches {
				if _, _, err := s.Process(ctx, 0, 1, head, records); err != nil {
					t.Fatal(err)
				}
				if i == batches/100 {
					warm = s.active.mem.Size()
				}
			}
			if now := s.active.mem.Size(); now != warm {
				t.Errorf("guest memory went from %d KiB to %d KiB", warm>>10, now>>10)
			}
			t.Logf("guest memory %d KiB", warm>>10)
		})
	}
}

func TestGuestBatchesDoNotAllocate(t *testing.T) {
	for _, lang := range languages {
		for _, n := range []int{1, 256} {
			t.Run(fmt.Sprintf("%s/%d", lang, n), func(t *testing.T) {
				s := openSlot(t, guest(t, lang, "identity", Limits{}), bound("identity"), Hooks{})
				waitSpare(t, s)
				head, records := encode(values(strings.Split(strings.Repeat("x", n), "")...))
				ctx := t.Context()
				allocs := testing.AllocsPerRun(1000, func() {
					if _, _, err := s.Process(ctx, 0, int32(n), head, records); err != nil {
						t.Fatal(err)
					}
				})
				if allocs != 0 {
					t.Errorf("%v allocations a batch", allocs)
				}
			})
		}
	}
}

// TestGuestsRepeat holds the promise of SPEC.md 14: a fresh instance over the
// same batches answers the same bytes.
func TestGuestsRepeat(t *testing.T) {
	const seed = 7
	for _, lang := range languages {
		m := guest(t, lang, "all", Limits{})
		for _, handler := range []string{"identity", "meta", "zero-even", "flights-late"} {
			t.Run(lang+"/"+handler, func(t *testing.T) {
				params := []abi.Param{}
				if handler == "flights-late" {
					params = append(params, intParam("minutes", 15))
				}
				var first []byte
				for run := range 2 {
					s := openSlot(t, m, bound(handler, params...), Hooks{})
					random := rand.New(rand.NewPCG(seed, seed))
					var all []byte
					for range 200 {
						in := make([]input, 1+random.IntN(40))
						for i := range in {
							in[i].value = strconv.AppendInt(nil, random.Int64N(1000)-500, 10)
						}
						head, records := encode(in)
						reply, _, err := s.Process(t.Context(), 0, int32(len(in)), head, records)
						if err != nil {
							t.Fatalf("seed %d: %v", seed, err)
						}
						all = append(all, reply...)
					}
					if run == 0 {
						first = all
					} else if !bytes.Equal(first, all) {
						t.Errorf("seed %d: two instances answer %d and %d bytes that differ", seed, len(first), len(all))
					}
				}
			})
		}
	}
}

func TestGuestSizes(t *testing.T) {
	limits := map[string]int{"go": 2_000_000, "rust": 30 << 10}
	for _, lang := range languages {
		for _, name := range []string{"identity", "all"} {
			guest(t, lang, name, Limits{}) // fills the cache
			start := time.Now()
			m := guest(t, lang, name, Limits{})
			t.Logf("%s-%s: %d bytes, loaded in %v with a warm cache", lang, name, m.Size(), time.Since(start).Round(time.Millisecond))
			if name == "identity" && m.Size() > limits[lang] {
				t.Errorf("%s-%s has %d bytes, more than %d", lang, name, m.Size(), limits[lang])
			}
		}
	}
}

func TestGuestsDescribeTheSameHandlers(t *testing.T) {
	offered := map[string][]string{}
	for _, lang := range languages {
		d := guest(t, lang, "all", Limits{}).Describe()
		for _, h := range d.Handlers {
			line := fmt.Sprintf("%s flags %d sinks %v", h.Name, h.Flags, h.Sinks)
			for _, p := range h.Params {
				line += fmt.Sprintf(" %s:%d", p.Name, p.Type)
			}
			offered[h.Name] = append(offered[h.Name], lang+": "+line)
		}
	}
	for name, lines := range offered {
		if len(lines) != len(languages) {
			t.Logf("handler %s exists in one language only: %v", name, lines)
			continue
		}
		if a, b := strings.TrimPrefix(lines[0], "go: "), strings.TrimPrefix(lines[1], "rust: "); a != b {
			t.Errorf("go:   %s\nrust: %s", a, b)
		}
	}
}

// buildWild builds the guest of testdata/wild with the toolchain that runs the
// test.
func buildWild(t *testing.T) *Module {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wild.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false",
		"-buildmode=c-shared", "-ldflags=-s -w", "-o", path, "./testdata/wild")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build testdata/wild: %v\n%s", err, out)
	}
	m, err := openRuntime(t, cacheDir).Load(t.Context(), Source{Name: "wild", Path: path, Limits: Limits{Memory: 32 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWildGoGuest(t *testing.T) {
	m := buildWild(t)
	tests := []struct {
		value string
		want  string // of the reply's only output, or of the error
		kind  TrapKind
		place string
	}{
		{"index 7", "runtime error: index out of range [8] with length 1", TrapPanic, "wild/main.go:"},
		{"nil-map", "assignment to entry in nil map", TrapPanic, "wild/main.go:"},
		{"nil-pointer", "invalid memory address or nil pointer dereference", TrapPanic, "wild/main.go:"},
		{"error", `an error\nof two lines`, TrapPanic, "wild/main.go:"},
		{"library", "strings: negative Repeat count", TrapPanic, "wild/main.go:"},
		{"exit 3", "the module ended itself with exit code 3", TrapExit, ""},
		{"exit 0", "the module ended itself with exit code 0", TrapExit, ""},
		{"deadlock", "all goroutines are asleep - deadlock!", TrapPanic, "wild/main.go:"},
		{"goroutine", "in a goroutine", TrapPanic, "wild/main.go:"},
		{"recursion 100000000", "calls are nested too deep for a stack of 24 MiB", TrapStack, ""},
		{"memory", "memory limit of 32 MiB reached", TrapMemory, "wild/main.go:"},
		{"recursion 100", "100", "", ""},
		{"sleep 3600", "1h0m0s 2023-11-14T22:13:20Z", "", ""},
		{"file", "open /etc/passwd: ", "", ""},
		{"environment", "0 0", "", ""},
		{"stdin", "0 EOF", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			s := openSlot(t, m, bound("wild"), Hooks{})
			head, records := encode(values(tt.value))
			reply, _, err := s.Process(t.Context(), 0, 1, head, records)
			if err == nil {
				if tt.kind != "" {
					t.Fatal("no trap")
				}
				if got := strings.Join(show(t, reply), "\n"); !strings.Contains(got, tt.want) {
					t.Errorf("%q, want %q", got, tt.want)
				}
				return
			}
			var trap *TrapError
			if !errors.As(err, &trap) {
				t.Fatal(err)
			}
			if tt.kind != "" && trap.Kind != tt.kind || !strings.Contains(err.Error(), tt.want) || !strings.Contains(trap.Location, tt.place) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q (kind %q, place %q)\nwant %q (kind %q, place %q)\nstack %s", err, trap.Kind, trap.Location, tt.want, tt.kind, tt.place, trap.Stack)
			}
		})
	}
	t.Run("print", func(t *testing.T) {
		var said spoken
		s := openSlot(t, m, bound("wild"), said.hooks())
		head, records := encode(values("print"))
		if _, _, err := s.Process(t.Context(), 0, 1, head, records); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{`out 0 2 to stderr\x1b[2J`, "out 0 1 no line end"}, said.lines); diff != "" {
			t.Error(diff)
		}
	})
}

// BenchmarkProcess/none is a guest that does nothing: the host's own cost.
func BenchmarkProcess(b *testing.B) {
	b.Run("none/batch=1", func(b *testing.B) {
		s := open(b, wasmtest.Guest{Process: wasmtest.Join(wasmtest.Progress(0, 1, 0, 0), wasmtest.I64(0))}, Limits{}, Hooks{})
		waitSpare(b, s)
		head, records := encode(values("v"))
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := s.Process(ctx, 0, 1, head, records); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, lang := range languages {
		for _, n := range []int{1, 256, -256} {
			name := fmt.Sprintf("%s/batch=%d", lang, n)
			unmetered := n < 0
			if unmetered {
				n = -n
				name = fmt.Sprintf("%s/batch=%d/unmetered", lang, n)
			}
			b.Run(name, func(b *testing.B) {
				m := loadGuest(b, Source{Name: lang, Path: filepath.Join(guestDir, lang+"-identity.wasm"), unmetered: unmetered})
				s := openSlot(b, m, bound("identity"), Hooks{})
				waitSpare(b, s)
				in := make([]input, n)
				for i := range in {
					in[i] = input{[]byte("key-1234"), []byte(strings.Repeat("v", 100)), nil}
				}
				head, records := encode(in)
				ctx := context.Background()
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := s.Process(ctx, 0, int32(n), head, records); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
			})
		}
	}
}
