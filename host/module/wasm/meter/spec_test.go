package meter_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/host/module/wasm"
	"github.com/sliphost/sliphost/host/module/wasm/meter"
)

// specDir is where wazero's module keeps the test files of the WebAssembly
// specification.
func specDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("find wazero's sources: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

type specValue struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

type specCommand struct {
	Type     string `json:"type"`
	Line     int    `json:"line"`
	Name     string `json:"name"`
	Filename string `json:"filename"`
	As       string `json:"as"` // a name to import it by
	Action   struct {
		Type   string      `json:"type"`
		Field  string      `json:"field"`
		Module string      `json:"module"`
		Args   []specValue `json:"args"`
	} `json:"action"`
}

// operands are the values as the engine takes them.
func operands(t *testing.T, values []specValue) []uint64 {
	t.Helper()
	var out []uint64
	for _, v := range values {
		var text string
		if v.Type != "v128" {
			if err := json.Unmarshal(v.Value, &text); err != nil {
				t.Fatal(err)
			}
			if text == "null" {
				out = append(out, 0)
				continue
			}
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if v.Type == "externref" {
				n++
			}
			out = append(out, n)
			continue
		}
		var lanes []string
		if err := json.Unmarshal(v.Value, &lanes); err != nil {
			t.Fatal(err)
		}
		var halves [2]uint64
		width := 128 / len(lanes)
		for i, l := range lanes {
			n, err := strconv.ParseUint(l, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			halves[i*width/64] |= n << (i * width % 64)
		}
		out = append(out, halves[0], halves[1])
	}
	return out
}

// side is one of the two runs of a script.
type side struct {
	rt      wazero.Runtime
	metered bool
	// modules by name; "" is the last one.
	modules map[string]api.Module
}

func newSide(t *testing.T, ctx context.Context, cfg wazero.RuntimeConfig, metered bool) *side {
	t.Helper()
	s := &side{rt: wazero.NewRuntimeWithConfig(ctx, cfg.WithCoreFeatures(api.CoreFeaturesV2)), metered: metered, modules: map[string]api.Module{}}
	if metered {
		offerTick(t, ctx, s.rt, nil)
	}
	return s
}

// load instantiates a module's binary; the metered side rewrites it.
func (s *side) load(t *testing.T, ctx context.Context, name string, b []byte) (api.Module, error) {
	t.Helper()
	if s.metered {
		b = rewrite(t, b, meter.Options{}).Bytes
	}
	c, err := s.rt.CompileModule(ctx, b)
	if err != nil {
		t.Fatalf("compile (metered: %t): %v", s.metered, err)
	}
	return s.rt.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
}

// TestSpecificationMetered runs the specification's tests on every module and
// on its metered copy: results and traps have to be the same.
func TestSpecificationMetered(t *testing.T) {
	spec := specDir(t)
	host, err := os.ReadFile(filepath.Join(spec, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	engines := map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfigCompiler()}
	if !testing.Short() {
		engines["interpreter"] = wazero.NewRuntimeConfigInterpreter()
	}
	for name, cfg := range engines {
		t.Run(name, func(t *testing.T) {
			total := 0
			for _, version := range []string{"v1", "v2"} {
				files, err := filepath.Glob(filepath.Join(spec, version, "testdata", "*.json"))
				if err != nil || len(files) < 70 {
					t.Fatalf("%d files: %v", len(files), err)
				}
				for _, file := range files {
					total += script(t, cfg, file, host)
				}
			}
			if total < 50_000 {
				t.Errorf("only %d calls were compared", total)
			}
			t.Logf("%d calls compared", total)
		})
	}
}

// script runs one file on both sides and returns how many calls it compared.
func script(t *testing.T, cfg wazero.RuntimeConfig, file string, host []byte) (calls int) {
	ctx := context.Background()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var commands struct{ Commands []specCommand }
	if err := json.Unmarshal(text, &commands); err != nil {
		t.Fatal(err)
	}
	sides := []*side{newSide(t, ctx, cfg, false), newSide(t, ctx, cfg, true)}
	for _, s := range sides {
		defer s.rt.Close(ctx)
		if _, err := s.load(t, ctx, "spectest", host); err != nil {
			t.Fatal(err)
		}
	}
	for n, c := range commands.Commands {
		switch c.Type {
		case "module", "assert_uninstantiable":
			b, err := os.ReadFile(filepath.Join(filepath.Dir(file), c.Filename))
			if err != nil {
				t.Fatal(err)
			}
			var errs [2]error
			for i, s := range sides {
				var m api.Module
				if m, errs[i] = s.load(t, ctx, registered(commands.Commands, n), b); errs[i] == nil {
					s.modules[""], s.modules[c.Name] = m, m
				}
			}
			if said(errs[0]) != said(errs[1]) {
				t.Errorf("%s line %d: %v; metered %v", file, c.Line, errs[0], errs[1])
			}
		case "action", "assert_return", "assert_trap", "assert_exhaustion":
			calls++
			act(t, ctx, file, &c, sides)
		}
	}
	return calls
}

// registered is the name under which later modules import the n-th one.
func registered(commands []specCommand, n int) string {
	for i := n + 1; i < len(commands); i++ {
		c := &commands[i]
		switch {
		case c.Type == "register" && c.Name == commands[n].Name:
			return c.As
		case c.Type == "module" && (commands[n].Name == "" || c.Name == commands[n].Name):
			return ""
		}
	}
	return ""
}

func act(t *testing.T, ctx context.Context, file string, c *specCommand, sides []*side) {
	t.Helper()
	var results [2][]uint64
	var errs [2]error
	var types []api.ValueType
	for i, s := range sides {
		m := s.modules[c.Action.Module]
		if m == nil {
			return
		}
		if c.Action.Type == "get" {
			results[i] = []uint64{m.ExportedGlobal(c.Action.Field).Get()}
			continue
		}
		f := m.ExportedFunction(c.Action.Field)
		types = f.Definition().ResultTypes()
		results[i], errs[i] = f.Call(ctx, operands(t, c.Action.Args)...)
		if g, ok := m.ExportedGlobal(meter.Stack).(api.MutableGlobal); ok && errs[i] != nil {
			g.Set(meter.DefaultStack) // a trap leaves frames uncounted
		}
	}
	if said(errs[0]) != said(errs[1]) {
		t.Errorf("%s line %d: %v; metered %v", file, c.Line, errs[0], errs[1])
		return
	}
	for _, typ := range types {
		if typ == 0x70 { // an address inside the engine
			return
		}
	}
	for k := range results[0] {
		if results[0][k] != results[1][k] {
			t.Errorf("%s line %d: %s answers %x, metered %x", file, c.Line, c.Action.Field, results[0], results[1])
			break
		}
	}
}

// startIndex is the index of a start function, which moves up by one.
var startIndex = regexp.MustCompile(`^start function\[\d+\] failed`)

// said is the first line of an engine's error.
func said(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	if strings.Contains(line, "stack overflow") || strings.Contains(line, errStack.Error()) {
		return "stack"
	}
	return startIndex.ReplaceAllString(line, "start function failed")
}

// rewrite parses and rewrites a module, and parses the result.
func rewrite(t testing.TB, b []byte, o meter.Options) *meter.Result {
	t.Helper()
	m, err := wasm.Parse(b, wasm.Caps{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := meter.Rewrite(m, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.Parse(res.Bytes, wasm.Caps{}); err != nil {
		t.Fatalf("the metered module: %v", err)
	}
	return res
}
