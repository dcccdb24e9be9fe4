package meter_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/host/module/wasm"
	"github.com/sliphost/sliphost/host/module/wasm/meter"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// counting is a module with a loop that runs as often as its parameter says.
func counting() []byte {
	var b wasmtest.Builder
	mark := b.Import("env", "mark", "")
	other := b.Import("env", "other", "i>i")
	b.Memory(1, 0)
	inner := b.Func("inner", "i>i", "", wasmtest.Get(0), wasmtest.Call(other))
	b.Func("count", "i", "",
		wasmtest.Call(mark),
		wasmtest.Loop(wasmtest.Get(0), wasmtest.I32(1), wasmtest.Sub32, wasmtest.Tee(0), wasmtest.Again))
	b.Func("twice", "i>i", "", wasmtest.Get(0), wasmtest.Call(inner), wasmtest.Call(inner))
	return withNames(b.Bytes())
}

// withNames appends names for functions 0, 2 and 4, of a local, and a section
// of somebody else's.
func withNames(b []byte) []byte {
	name := func(s string) string { return string(rune(len(s))) + s }
	functions := "\x03\x00" + name("mark") + "\x02" + name("inner") + "\x04" + name("twice")
	content := name("name") + "\x00" + name(name("mod")) + "\x01" + name(functions) + "\x02" + name("\x01\x02\x01\x00"+name("p"))
	b = append(append(b, 0), name(content)...)
	return append(append(b, 0), name(name(".debug_line")+"123")...)
}

var marks = meter.Options{MarkModule: "env", Mark: "mark"}

func TestRewrite(t *testing.T) {
	res := rewrite(t, counting(), marks)
	if !res.Marks {
		t.Error("no marks")
	}
	m, err := wasm.Parse(res.Bytes, wasm.Caps{})
	if err != nil {
		t.Fatal(err)
	}
	if last := m.Imports[len(m.Imports)-1]; last.Module != meter.Module || last.Name != meter.Tick || m.ImportedFuncs != 3 {
		t.Errorf("imports %v", m.Imports)
	}
	for i, name := range []string{meter.Fuel, meter.Stack, meter.Mark} {
		if e, ok := m.Export(name); !ok || e.Kind != wasm.KindGlobal || int(e.Index) != i {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for name, want := range map[string]uint32{"inner": 3, "count": 4, "twice": 5} {
		if e, _ := m.Export(name); e.Index != want {
			t.Errorf("%s is function %d, want %d", name, e.Index, want)
		}
	}
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	c, err := rt.CompileModule(ctx, res.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name() != "mod" {
		t.Errorf("the module is named %q", c.Name())
	}
	for export, want := range map[string]string{"inner": "inner", "count": "", "twice": "twice"} {
		if got := c.ExportedFunctions()[export].Name(); got != want {
			t.Errorf("%s is named %q, want %q", export, got, want)
		}
	}
	if n := len(c.CustomSections()); n > 0 {
		t.Errorf("%d custom sections", n)
	}
	again := rewrite(t, counting(), marks)
	if string(again.Bytes) != string(res.Bytes) {
		t.Error("the same module was rewritten in another way")
	}
}

// TestPrices: a turn of the loop costs its five instructions; the mark says
// what was left when it was passed.
func TestPrices(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	offerTick(t, ctx, rt, nil)
	env := rt.NewHostModuleBuilder("env")
	env.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) {
		t.Error("the mark was called")
	}), nil, nil).Export("mark")
	i32s := []api.ValueType{api.ValueTypeI32}
	env.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) {}), i32s, i32s).Export("other")
	if _, err := env.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := rt.Instantiate(ctx, rewrite(t, counting(), marks).Bytes)
	if err != nil {
		t.Fatal(err)
	}
	fuel := m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
	for _, n := range []uint64{1, 10, 1000} {
		fuel.Set(100_000)
		if _, err := m.ExportedFunction("count").Call(ctx, n); err != nil {
			t.Fatal(err)
		}
		mark := m.ExportedGlobal(meter.Mark).Get()
		if used := mark - fuel.Get(); used != 5*n {
			t.Errorf("%d turns cost %d", n, used)
		}
		if mark > 100_000 || mark < 99_990 {
			t.Errorf("the mark is at %d", mark)
		}
	}
}

func TestRewriteRefuses(t *testing.T) {
	var imports, exports wasmtest.Builder
	imports.Import(meter.Module, "tick", "")
	exports.Memory(1, 0)
	exports.Export(meter.Fuel, 2, 0)
	for _, tt := range []struct {
		name string
		b    []byte
		max  int64
		want string
	}{
		{"import", imports.Bytes(), 0, "belong to the host"},
		{"export", exports.Bytes(), 0, "belong to the host"},
		{"size", counting(), 150, "bytes of the metered module"},
	} {
		m, err := wasm.Parse(tt.b, wasm.Caps{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = meter.Rewrite(m, meter.Options{MaxSize: tt.max})
		var e *wasm.Error
		if !errors.As(err, &e) || !strings.Contains(e.Detail, tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestGrowth: metering adds little to what compilers make, and does not
// multiply what they would not.
func TestGrowth(t *testing.T) {
	var b wasmtest.Builder
	var body wasmtest.Code
	for range 3000 {
		body = append(body, wasmtest.Loop(wasmtest.I32(0), wasmtest.Again)...)
	}
	b.Func("f", "", "", body)
	if n := len(rewrite(t, b.Bytes(), meter.Options{}).Bytes); n > 5*len(b.Bytes()) {
		t.Errorf("loops: %d bytes become %d", len(b.Bytes()), n)
	}
	for _, file := range guests(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := len(rewrite(t, b, meter.Options{}).Bytes)
		if n > len(b)*3/2 {
			t.Errorf("%s: %d bytes become %d", file, len(b), n)
		}
		t.Logf("%s: %d bytes become %d", filepath.Base(file), len(b), n)
	}
}

func guests(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../../../build/guests/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatalf("no guests (%v): run make guests", err)
	}
	return files
}

func BenchmarkRewrite(b *testing.B) {
	for _, name := range []string{"go-all", "rust-all"} {
		b.Run(name, func(b *testing.B) {
			src, err := os.ReadFile("../../../../build/guests/" + name + ".wasm")
			if err != nil {
				b.Fatal(err)
			}
			m, err := wasm.Parse(src, wasm.DefaultCaps())
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := meter.Rewrite(m, meter.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
