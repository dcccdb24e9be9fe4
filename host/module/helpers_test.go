package module

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// cacheDir keeps compiled guests for one run of the tests.
var cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sliphost-module")
	if err != nil {
		panic(err)
	}
	cacheDir = filepath.Join(dir, "cache")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// openRuntime returns a runtime whose log goes to the test.
func openRuntime(t testing.TB, dir string) *Runtime {
	t.Helper()
	r, err := Open(t.Context(), Config{CacheDir: dir, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	return r
}

// load loads a module that must load.
func load(t testing.TB, src Source) *Module {
	t.Helper()
	if src.Name == "" {
		src.Name = "m"
	}
	m, err := openRuntime(t, "").Load(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bind is an Init message that binds the given handlers, without more.
func bind(handlers ...string) *abi.Init {
	init := &abi.Init{Major: abi.Major, Minor: abi.Minor}
	for _, h := range handlers {
		init.Bindings = append(init.Bindings, abi.Binding{Function: h, Name: h})
	}
	return init
}

// openSlot opens a slot for m that the test's end closes.
func openSlot(t testing.TB, m *Module, init *abi.Init, hooks Hooks) *Slot {
	t.Helper()
	s, err := m.Open(t.Context(), init, hooks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close the slot: %v", err)
		}
	})
	return s
}

// open loads a hand-written guest and opens a slot for it.
func open(t testing.TB, g wasmtest.Guest, limits Limits, hooks Hooks) *Slot {
	t.Helper()
	return openSlot(t, load(t, Source{Bytes: g.Build(), Limits: limits}), bind("h"), hooks)
}

// batch makes head and records of a batch with the given values.
func batch(values ...string) (head, records []byte) {
	head = abi.AppendBatchHeader(nil, &abi.BatchHeader{BaseOffset: 100, BaseTimestamp: 1_000_000, Count: int32(len(values))})
	for i, v := range values {
		records = abi.AppendRecord(records, int64(i), int64(10*i), []byte("k"), []byte(v), nil)
	}
	return head, records
}

// process hands over a batch of n small records.
func process(t testing.TB, s *Slot, n int) (reply []byte, done int32, err error) {
	t.Helper()
	head, records := batch(strings.Split(strings.Repeat("v", n), "")...)
	return s.Process(t.Context(), 0, int32(n), head, records)
}

// spoken records what hooks hear.
type spoken struct{ lines []string }

func (s *spoken) hooks() Hooks {
	return Hooks{
		Log: func(h int32, level abi.Level, msg []byte) {
			s.lines = append(s.lines, fmt.Sprintf("log %d %d %s", h, level, msg))
		},
		Metric: func(h int32, kind abi.MetricKind, name []byte, v float64) {
			s.lines = append(s.lines, fmt.Sprintf("metric %d %d %s %v", h, kind, name, v))
		},
		Output: func(h int32, stream Stream, line []byte) {
			s.lines = append(s.lines, fmt.Sprintf("out %d %d %s", h, stream, line))
		},
	}
}

// results reads a reply as one line per result.
func results(t testing.TB, reply []byte) (out []string) {
	t.Helper()
	r := abi.NewReader(reply)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		line := fmt.Sprintf("%d:%d", res.Index, res.Status)
		if res.Status == abi.StatusError {
			line += fmt.Sprintf(" %d %s %d", res.Code, res.Message, res.RetryAfterMs)
		}
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			line += fmt.Sprintf(" %d/%s=%s", o.Sink, o.Key, o.Value)
		}
		abi.EndResult(&r, &res)
		out = append(out, line)
	}
	if err := r.Err(); err != nil {
		t.Fatalf("reply % x: %v", reply, err)
	}
	return out
}

// waitSpare waits until the slot's spare is ready.
func waitSpare(t testing.TB, s *Slot) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); len(s.spare) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the spare is not ready after 30 s")
		}
		time.Sleep(time.Millisecond)
	}
}

// oneResult is the reply of one output "x" for a record.
func oneResult(index int32) []byte {
	b := abi.AppendResult(nil, index, abi.StatusOK, 1)
	return abi.AppendOutput(b, &abi.Output{Sink: -1, Value: []byte{byte('a' + index)}})
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
