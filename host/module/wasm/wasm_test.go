package wasm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sliphost/sliphost/host/module/wasm"
	"github.com/sliphost/sliphost/host/module/wasmtest"
)

// sample uses every kind of section the reader knows.
func sample() []byte {
	var b wasmtest.Builder
	b.Import("env", "f", "iI>F")
	b.Memory(2, 9)
	b.Global(5)
	b.Data(16, []byte("hello"))
	start := b.Func("", "", "")
	b.Func("g", "fF>i", "iI", wasmtest.I32(1))
	b.Export("copy", 0, 0)
	b.Export("counter", 3, 0)
	b.Start(start)
	return b.Bytes()
}

func TestParse(t *testing.T) {
	b := sample()
	got, err := wasm.Parse(b, wasm.DefaultCaps())
	if err != nil {
		t.Fatal(err)
	}
	f := wasm.FuncType{Params: []wasm.ValType{wasm.I32, wasm.I64}, Results: []wasm.ValType{wasm.F64}}
	g := wasm.FuncType{Params: []wasm.ValType{wasm.F32, wasm.F64}, Results: []wasm.ValType{wasm.I32}}
	start := wasm.FuncType{}
	want := &wasm.Module{
		Imports: []wasm.Import{{Module: "env", Name: "f", Kind: wasm.KindFunc, Type: f}},
		Exports: []wasm.Export{
			{Name: "memory", Kind: wasm.KindMemory},
			{Name: "g", Index: 2, Type: g},
			{Name: "copy", Type: f},
			{Name: "counter", Kind: wasm.KindGlobal},
		},
		Types: []wasm.FuncType{f, start, g}, Funcs: []uint32{0, 1, 2}, ImportedFuncs: 1,
		Memories: []wasm.Memory{{Min: 2, Max: 9, HasMax: true}},
		Globals:  []wasm.Global{{Type: wasm.I32, Mutable: true}},
		Start:    1, Data: 1,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(wasm.Module{}, "Bytes", "Sections", "Bodies")); diff != "" {
		t.Error(diff)
	}
	if want := []wasm.ValType{wasm.F32, wasm.F64, wasm.I32, wasm.I64}; !cmp.Equal(got.Bodies[1].Locals, want) {
		t.Errorf("locals %v, want %v", got.Bodies[1].Locals, want)
	}
	var ops []wasm.Op
	for w := got.Walk(1); ; {
		in := w.Next()
		if in == nil {
			break
		}
		ops = append(ops, in.Op)
	}
	if want := []wasm.Op{wasm.OpI32Const, wasm.OpEnd}; !cmp.Equal(ops, want) {
		t.Errorf("instructions %x, want %x", ops, want)
	}
	if s := f.String() + "; " + (wasm.FuncType{Results: g.Params}).String() + "; " + start.String(); s != "(i32, i64) -> f64; () -> (f32, f64); ()" {
		t.Error(s)
	}
	if !f.Equal(got.Imports[0].Type) || f.Equal(g) || f.Equal(wasm.FuncType{Params: f.Params}) {
		t.Error("signatures are not compared")
	}
}

func TestParseRefuses(t *testing.T) {
	mod := func(sections ...string) string { return "\x00asm\x01\x00\x00\x00" + strings.Join(sections, "") }
	const types = "\x01\x04\x01\x60\x00\x00"
	tests := []struct {
		name, bytes string
		problem     wasm.Problem
		detail      string
	}{
		{"empty", "", wasm.NotWasm, "does not begin"},
		{"other magic", "\x00wasm\x01\x00\x00", wasm.NotWasm, "does not begin"},
		{"short head", "\x00asm\x01", wasm.Truncated, "8-byte head"},
		{"component", "\x00asm\x0d\x00\x01\x00", wasm.Component, "component"},
		{"version", "\x00asm\x00\x00\x00\x00", wasm.Version, "version 0"},
		{"unknown section", mod("\x0e\x00"), wasm.Malformed, "id 14"},
		{"no size", mod("\x01"), wasm.Truncated, "ends early"},
		{"size beyond the file", mod("\x01\x05\x00"), wasm.Truncated, "inside the type section"},
		{"size too long a number", mod("\x01\x80\x80\x80\x80\x80\x00"), wasm.Malformed, "longer than the format allows"},
		{"size over 32 bits", mod("\x01\xff\xff\xff\xff\x1f"), wasm.Malformed, "longer than the format allows"},
		{"count beyond the section", mod("\x01\x01\x7f"), wasm.Malformed, "more entries"},
		{"no function type", mod("\x01\x02\x01\x5f"), wasm.Unsupported, "other than function types"},
		{"rest in a section", mod("\x01\x05\x01\x60\x00\x00\x00"), wasm.Malformed, "longer than its content"},
		{"entry ends early", mod("\x03\x01\x01", "\x00\x00"), wasm.Malformed, "more entries"},
		{"import of no type", mod("\x02\x07\x01\x01a\x01b\x00\x05"), wasm.Invalid, "no type 5"},
		{"import of no kind", mod("\x02\x07\x01\x01a\x01b\x09\x05"), wasm.Malformed, "unknown kind"},
		{"name beyond the section", mod("\x02\x05\x01\x7fabc"), wasm.Malformed, "a name is longer"},
		{"limits of no form", mod("\x05\x03\x01\x08\x00"), wasm.Malformed, "unknown form"},
		{"export of no function", mod(types, "\x07\x05\x01\x01a\x00\x00"), wasm.Invalid, "func 0, which does not exist"},
		{"export twice", mod("\x05\x03\x01\x00\x00", "\x07\x09\x02\x01a\x02\x00\x01a\x02\x00"), wasm.Invalid, `two exports are named "a"`},
		{"code is cut off", mod(types, "\x03\x02\x01\x00"), wasm.Truncated, "declares 1 functions and holds the code of 0"},
		{"nameless end", mod(types, "\x00\x01\x00"), wasm.Malformed, "custom section without content"},
		{"empty end", mod(types, "\x00\x02\x01a"), wasm.Malformed, "custom section without content"},
		{"code is missing", mod(types, "\x03\x02\x01\x00", "\x0a\x01\x00"), wasm.Malformed, "declares 1 functions and holds the code of 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := wasm.Parse([]byte(tt.bytes), wasm.DefaultCaps())
			var e *wasm.Error
			if !errors.As(err, &e) || e.Problem != tt.problem || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("%v, want problem %d with %q", err, tt.problem, tt.detail)
			}
		})
	}
}

func TestParseNoticesEveryCut(t *testing.T) {
	whole := sample()
	for n := range whole {
		o, err := wasm.Parse(whole[:n], wasm.DefaultCaps())
		if err != nil {
			continue
		}
		// A cut between sections leaves a smaller module; never one with code
		// that lost some.
		if len(o.Funcs) > o.ImportedFuncs && !bytes.HasPrefix(whole[n:], []byte{11}) {
			t.Errorf("cut at %d of %d: %+v", n, len(whole), o)
		}
	}
}
