package meter_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/host/module/wasm"
	"github.com/sliphost/sliphost/host/module/wasm/meter"
)

// story is all that can be seen of a module that ran: results, traps, what it
// told the host, globals and memory.
type story struct {
	lines  []string
	memory []byte
	fuel   int64
	// deep says that it ran out of stack, which the two need not do alike.
	deep bool
}

// tell runs every function of a module a few times.
func tell(t *testing.T, cfg wazero.RuntimeConfig, b []byte, functions []signature, seed uint64, a *account) (s story) {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, cfg.WithCoreFeatures(api.CoreFeaturesV2))
	defer rt.Close(ctx)
	if a != nil {
		offerTick(t, ctx, rt, a)
	}
	seen := func(_ context.Context, _ api.Module, st []uint64) {
		s.lines = append(s.lines, fmt.Sprint("seen ", uint32(st[0])))
		st[0] = uint64(uint32(st[0]) * 3)
	}
	i32s := []api.ValueType{api.ValueTypeI32}
	if _, err := rt.NewHostModuleBuilder("test").NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(seen), i32s, i32s).Export("seen").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := rt.Instantiate(ctx, b)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	rnd := rand.New(rand.NewPCG(seed, 3))
	for i := range 3 * len(functions) {
		f := i % len(functions)
		var args []uint64
		for _, p := range functions[f].params {
			v := uint64(rnd.IntN(100))
			if p == i64 {
				v = rnd.Uint64()
			}
			args = append(args, v)
		}
		m.ExportedGlobal("left").(api.MutableGlobal).Set(500)
		results, err := m.ExportedFunction(fmt.Sprint("f", f)).Call(ctx, args...)
		if g, ok := m.ExportedGlobal(meter.Stack).(api.MutableGlobal); ok {
			if err == nil && g.Get() != meter.DefaultStack {
				t.Errorf("seed %d: %d bytes of stack after a call", seed, int64(g.Get()))
			}
			g.Set(meter.DefaultStack)
		}
		for k := range results {
			if functions[f].results[k] == i32 {
				results[k] = uint64(uint32(results[k])) // the rest is undefined
			}
		}
		why := said(err)
		s.deep = s.deep || why == "stack"
		s.lines = append(s.lines, fmt.Sprint(i, results, why))
		for _, name := range []string{"left", "g1", "g2", "g3"} {
			s.lines = append(s.lines, fmt.Sprint(name, m.ExportedGlobal(name).Get()))
		}
	}
	s.memory, _ = m.Memory().Read(0, m.Memory().Size())
	s.memory = bytes.Clone(s.memory)
	if a != nil {
		a.settle(m)
		s.fuel = a.used
	}
	return s
}

// compare runs a generated module and its metered copy.
func compare(t *testing.T, seed uint64) {
	t.Helper()
	b, functions := generate(seed)
	if _, err := wasm.Parse(b, wasm.DefaultCaps()); err != nil {
		t.Fatalf("seed %d: the generator made a wrong module: %v", seed, err)
	}
	metered := rewrite(t, b, meter.Options{}).Bytes
	want := tell(t, wazero.NewRuntimeConfigInterpreter(), b, functions, seed, nil)
	fuel := int64(-1)
	for i, cfg := range []wazero.RuntimeConfig{wazero.NewRuntimeConfigInterpreter(), wazero.NewRuntimeConfigCompiler()} {
		for _, quantum := range []int64{100_000, 777} {
			got := tell(t, cfg, metered, functions, seed, &account{quantum: quantum})
			if got.deep || want.deep {
				continue
			}
			for k := range want.lines {
				if got.lines[k] != want.lines[k] {
					t.Fatalf("seed %d, engine %d: %s, want %s", seed, i, got.lines[k], want.lines[k])
				}
			}
			if !bytes.Equal(got.memory, want.memory) {
				t.Fatalf("seed %d, engine %d: memory differs", seed, i)
			}
			if fuel < 0 {
				fuel = got.fuel
			}
			if got.fuel != fuel || fuel <= 0 {
				t.Fatalf("seed %d, engine %d, quantum %d: %d units of fuel, %d before", seed, i, quantum, got.fuel, fuel)
			}
		}
	}
}

// TestGenerated compares generated modules with their metered copies: all that
// can be seen is the same, and equal calls take equal fuel in both engines and
// wherever ticks fall.
func TestGenerated(t *testing.T) {
	n := uint64(150)
	if testing.Short() {
		n = 40
	}
	for seed := range n {
		compare(t, seed)
	}
}

func FuzzGenerated(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compare)
}
