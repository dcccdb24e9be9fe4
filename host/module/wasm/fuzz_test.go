package wasm_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/sliphost/sliphost/host/module/wasm"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// FuzzParse makes sure that no bytes crash the parser, and that it is at least
// as strict as the engine's own decoder and validator.
func FuzzParse(f *testing.F) {
	f.Add(sample())
	f.Add(wasmtest.Guest{}.Build())
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	files, err := filepath.Glob(filepath.Join(specDir(f), "v2", "testdata", "*.[0-3].wasm"))
	if err != nil || len(files) < 100 {
		f.Fatalf("%d seeds: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	caps := wasm.DefaultCaps()
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Parse(b, caps)
		if (m == nil) == (err == nil) {
			t.Fatalf("module %v, error %v", m, err)
		}
		if err == nil {
			engineAgrees(t, b)
		}
	})
}

// engineAgrees fails if wazero refuses a module that was accepted. Its
// interpreter decodes and validates as its compiler does, in less time.
func engineAgrees(t *testing.T, b []byte) {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	c, err := rt.CompileModule(ctx, b)
	if err != nil {
		t.Fatalf("accepted, but the engine says: %v\n%x", err, b)
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
