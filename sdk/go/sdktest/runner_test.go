package sdktest

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/sliphost/sliphost/abi"
)

// guestPath returns the guest of that name, built once per test run.
var guestPath = func() func(t testing.TB, name string) string {
	var mu sync.Mutex
	built := map[string]string{}
	return func(t testing.TB, name string) string {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if p, ok := built[name]; ok {
			return p
		}
		// The go command caches test results by the files a test opens; what it
		// builds by itself it must look at.
		for _, from := range []string{"..", "../../../abi", "../../../abi/abitest/recode", "guests/" + name} {
			if _, err := os.ReadDir(from); err != nil {
				t.Fatal(err)
			}
		}
		dir, err := os.MkdirTemp("", "sdktest")
		if err != nil {
			t.Fatal(err)
		}
		cleanup = append(cleanup, dir)
		path := filepath.Join(dir, name+".wasm")
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", path, "./guests/"+name)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build guest %s: %v\n%s", name, err, out)
		}
		built[name] = path
		return path
	}
}()

var cleanup []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range cleanup {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// runner is the smallest host: it follows SPEC.md by the letter and nothing
// else, so that the guests are tested without the real one.
type runner struct {
	t       testing.TB
	rt      wazero.Runtime
	mod     api.Module
	process api.Function
	mem     api.Memory
	arena   uint32
	cap     uint32
	block   uint32
	flushed []byte
	pieces  int
	logs    []string
	metrics map[string]float64
	rolled  int
	marks   int
	stop    func() bool
	stderr  strings.Builder
	// state answers calls about caches, if there are any.
	state *state
	stack [2]uint64
}

// compiled keeps what start has compiled: it is shared as long as one runtime
// holds it.
var compiled struct {
	sync.Mutex
	cache  wazero.CompilationCache
	guests map[string]wazero.Runtime
}

func compile(t testing.TB, guest string, wasm []byte) wazero.RuntimeConfig {
	t.Helper()
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.guests == nil {
		compiled.cache, compiled.guests = wazero.NewCompilationCache(), map[string]wazero.Runtime{}
	}
	config := wazero.NewRuntimeConfig().WithCompilationCache(compiled.cache)
	if compiled.guests[guest] == nil {
		rt := wazero.NewRuntimeWithConfig(context.Background(), config)
		if _, err := rt.CompileModule(context.Background(), wasm); err != nil {
			t.Fatal(err)
		}
		compiled.guests[guest] = rt
	}
	return config
}

func start(t testing.TB, guest string) *runner {
	t.Helper()
	return startFile(t, guest, guestPath(t, guest), nil)
}

// startFile starts the module in a file; guest is its name for compile.
func startFile(t testing.TB, guest, path string, s *state) *runner {
	t.Helper()
	ctx := context.Background()
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h := &runner{t: t, metrics: map[string]float64{}, state: s}
	h.rt = wazero.NewRuntimeWithConfig(ctx, compile(t, guest, wasm))
	t.Cleanup(func() { h.rt.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, h.rt)
	h.imports(ctx)
	// Without a clock that tells how long things take, Go's garbage collector
	// does not come to its end.
	h.mod, err = h.rt.InstantiateWithConfig(ctx, wasm,
		wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithSysNanotime().WithStderr(&h.stderr))
	if err != nil {
		t.Fatalf("instantiate: %v\n%s", err, h.stderr.String())
	}
	h.mem = h.mod.Memory()
	h.process = h.mod.ExportedFunction("slip_process")
	return h
}

func (h *runner) imports(ctx context.Context) {
	b := h.rt.NewHostModuleBuilder(abi.ImportModule)
	for _, f := range abi.Imports {
		b = b.NewFunctionBuilder().WithGoModuleFunction(h.host(f.Name), wasmTypes(f.Params), wasmTypes(f.Result)).Export(f.Name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		h.t.Fatal(err)
	}
}

func wasmTypes(s string) []api.ValueType {
	var types []api.ValueType
	for _, c := range s {
		types = append(types, map[rune]api.ValueType{'i': api.ValueTypeI32, 'I': api.ValueTypeI64, 'F': api.ValueTypeF64}[c])
	}
	return types
}

func (h *runner) host(name string) api.GoModuleFunc {
	switch name {
	case "flush":
		return func(_ context.Context, _ api.Module, stack []uint64) {
			h.flushed = append(h.flushed, h.bytes(stack[0], stack[1])...)
			h.pieces++
			stack[0] = 0
		}
	case "log":
		return func(_ context.Context, _ api.Module, stack []uint64) {
			h.logs = append(h.logs, string(h.bytes(stack[1], stack[2])))
		}
	case "metric":
		return func(_ context.Context, _ api.Module, stack []uint64) {
			h.metrics[string(h.bytes(stack[1], stack[2]))] += math.Float64frombits(stack[3])
		}
	case "savepoint":
		if h.state != nil {
			break
		}
		return func(_ context.Context, _ api.Module, stack []uint64) {
			h.rolled++
			stack[0] = 0
		}
	case "fuel_mark":
		return func(context.Context, api.Module, []uint64) {
			h.marks++
			if h.stop != nil && h.stop() {
				h.mem.WriteUint32Le(h.block+abi.ProgressStopAt, 1)
			}
		}
	}
	if h.state != nil {
		if f := h.cacheCall(name); f != nil {
			return f
		}
	}
	return func(context.Context, api.Module, []uint64) { h.t.Errorf("unexpected host call %s", name) }
}

func (h *runner) bytes(ptr, n uint64) []byte {
	b, ok := h.mem.Read(uint32(ptr), uint32(n))
	if !ok {
		h.t.Fatalf("guest names %d bytes at %d, outside memory", uint32(n), uint32(ptr))
	}
	return b
}

func (h *runner) call(name string, args ...uint64) uint64 {
	h.t.Helper()
	res, err := h.mod.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", name, err, h.stderr.String())
	}
	return res[0]
}

func (h *runner) result(packed uint64) []byte { return h.bytes(packed>>32, packed&math.MaxUint32) }

// put writes a message to the arena.
func (h *runner) put(msg []byte) {
	if uint32(len(msg)) > h.cap {
		h.arena, h.cap = uint32(h.call("slip_alloc", uint64(len(msg)))), uint32(len(msg))
	}
	if !h.mem.Write(h.arena, msg) {
		h.t.Fatal("the arena lies outside memory")
	}
}

// init binds the functions and returns the reply.
func (h *runner) init(features abi.Feature, bindings ...abi.Binding) abi.InitReply {
	h.t.Helper()
	msg := abi.AppendInit(nil, &abi.Init{Major: abi.Major, Features: features, Bindings: bindings})
	h.put(msg)
	reply, err := abi.ReadInitReply(h.result(h.call("slip_init", uint64(len(msg)))))
	if err != nil {
		h.t.Fatal(err)
	}
	if reply.Status == abi.StatusOK {
		h.block, h.cap = uint32(reply.Progress), uint32(reply.Capacity)
		if magic := h.word(abi.ProgressMagicAt); magic != abi.ProgressMagic {
			h.t.Fatalf("progress block begins with %#x", magic)
		}
	}
	return reply
}

func (h *runner) word(at uint32) uint32 {
	v, ok := h.mem.ReadUint32Le(h.block + at)
	if !ok {
		h.t.Fatal("the progress block lies outside memory")
	}
	return v
}

// run sends a batch and returns the whole reply stream, copied, or the trap.
func (h *runner) run(handler int, msg []byte) ([]byte, error) {
	h.put(msg)
	var zero [abi.ProgressSize - 4]byte
	h.mem.Write(h.block+4, zero[:])
	h.flushed, h.pieces = h.flushed[:0], 0
	h.stack[0], h.stack[1] = uint64(handler), uint64(len(msg))
	if err := h.process.CallWithStack(context.Background(), h.stack[:]); err != nil {
		reply := h.bytes(uint64(h.word(abi.ProgressReplyAt)), uint64(h.word(abi.ProgressLenAt)))
		return append(h.flushed, reply...), err
	}
	h.flushed = append(h.flushed, h.result(h.stack[0])...)
	return h.flushed, nil
}

// rec is one record of a test batch.
type rec struct {
	key, value, headers []byte
}

func batch(kind abi.Kind, recs ...rec) []byte {
	msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{
		Kind: kind, Partition: 3, BaseOffset: 1000, BaseTimestamp: 1_700_000_000_000, Count: int32(len(recs)),
	})
	for i, r := range recs {
		msg = abi.AppendRecord(msg, int64(i), int64(i), r.key, r.value, r.headers)
	}
	return msg
}

func values(texts ...string) []rec {
	var recs []rec
	for i, s := range texts {
		recs = append(recs, rec{key: binary.BigEndian.AppendUint16(nil, uint16(i)), value: []byte(s)})
	}
	return recs
}

// read returns what a reply stream says, a line a result or output.
func read(t testing.TB, reply []byte) []string {
	t.Helper()
	var lines []string
	r := abi.NewReader(reply)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		line := append([]byte(nil), "0123456789"[res.Index%10])
		switch res.Status {
		case abi.StatusError:
			lines = append(lines, string(line)+" error "+codeName(res.Code)+": "+string(res.Message))
		default:
			if res.Status == abi.StatusMore {
				line = append(line, " more"...)
			}
			lines = append(lines, string(line))
			for range res.Outputs {
				var o abi.Output
				abi.ReadOutput(&r, &o)
				lines = append(lines, outputLine(&o))
			}
			abi.EndResult(&r, &res)
		}
	}
	if r.Err() != nil {
		t.Fatalf("reply: %v\n%q", r.Err(), reply)
	}
	return lines
}

func codeName(c abi.ErrorCode) string {
	return [...]string{"", "failed", "drop", "retry", "decode", "unbound", "message", "limit", "param"}[c]
}
