package module

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasm"
)

// nondeterministic is the capability's name in the ABI's table.
const nondeterministic = "nondeterministic"

// outlineOf validates a file and turns what is wrong with it into a
// sentence for its author.
func outlineOf(b []byte) (*wasm.Module, *LoadError) {
	o, err := wasm.Parse(b, wasm.DefaultCaps())
	if err == nil {
		return o, nil
	}
	e := &LoadError{Kind: Malformed, Err: err, Detail: err.Error()}
	w, ok := err.(*wasm.Error)
	if !ok {
		return nil, e
	}
	switch w.Problem {
	case wasm.NotWasm:
		e.Kind = NotWasm
		e.Detail = "the file is not WebAssembly"
		e.Hint = notWasmHint(b)
	case wasm.Component:
		e.Kind = ComponentModel
		e.Detail = "the file is a component of the component model, not a core module"
		e.Hint = "build for GOOS=wasip1 GOARCH=wasm (Go) or the target wasm32-unknown-unknown (Rust)"
	case wasm.Truncated:
		e.Detail = "the file is cut off: " + err.Error()
		e.Hint = "build or copy it again"
	case wasm.Version, wasm.Malformed:
		e.Detail = "the file is damaged: " + err.Error()
		e.Hint = "build or copy it again"
	case wasm.Unsupported:
		e.Detail = "it uses what is not part of WebAssembly 2.0: " + err.Error()
		e.Hint = "build it without that feature"
	case wasm.Invalid:
		e.Detail = "it is not valid WebAssembly: " + err.Error()
		e.Hint = "its compiler is at fault: try another version"
	case wasm.TooLarge:
		e.Kind = TooLarge
		e.Detail = err.Error()
		e.Hint = "the limit keeps modules from costing more time and memory to compile than they are worth: split what is so large"
	}
	return nil, e
}

// notWasmHint guesses what the file is instead.
func notWasmHint(b []byte) string {
	const build = "build with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared (Go) or cargo build --target wasm32-unknown-unknown (Rust)"
	head := string(b[:min(len(b), 512)])
	switch {
	case len(b) == 0:
		return "it is empty: did the build fail"
	case strings.HasPrefix(head, "\x7fELF"), strings.HasPrefix(head, "MZ"),
		strings.HasPrefix(head, "\xcf\xfa\xed\xfe"), strings.HasPrefix(head, "!<arch>"):
		return "it is a program for this machine: " + build
	case strings.HasPrefix(strings.TrimSpace(head), "(module"), strings.HasPrefix(strings.TrimSpace(head), "(component"):
		return "it is in the text format: translate it with wat2wasm"
	case strings.HasPrefix(head, "\x1f\x8b"), strings.HasPrefix(head, "\x28\xb5\x2f\xfd"), strings.HasPrefix(head, "PK"):
		return "it is compressed: unpack it"
	}
	return build
}

// checkExports looks for what the host calls.
func checkExports(o *wasm.Module) *LoadError {
	if _, ok := o.Export(exportStart); ok {
		return &LoadError{
			Kind:   MissingExport,
			Detail: "it is a program (it exports _start), not a library",
			Hint:   "Go builds need -buildmode=c-shared, Rust builds crate-type = [\"cdylib\"]",
		}
	}
	if o.Start >= 0 {
		return &LoadError{Kind: Malformed, Detail: "it has a start function, which would run before the host can limit it", Hint: "build it with the sliphost SDK"}
	}
	if m, ok := o.Export(exportMemory); !ok || m.Kind != wasm.KindMemory {
		return missingExport(exportMemory)
	}
	for _, r := range abi.Exports {
		e, ok := o.Export(r.Name)
		if !ok || e.Kind != wasm.KindFunc {
			return missingExport(r.Name)
		}
		if err := checkType(r.Name, r.Params+">"+r.Result, e.Type); err != nil {
			return err
		}
	}
	if e, ok := o.Export(exportInitialize); ok {
		if e.Kind != wasm.KindFunc {
			return missingExport(exportInitialize)
		}
		return checkType(exportInitialize, "", e.Type)
	}
	return nil
}

func checkType(name, sig string, got wasm.FuncType) *LoadError {
	want := (&hostFunc{sig: sig}).signature()
	if got.Equal(want) {
		return nil
	}
	return &LoadError{
		Kind:   WrongExportType,
		Detail: fmt.Sprintf("export %s is %s, the ABI asks for %s", name, got, want),
		Hint:   "rebuild it with a current SDK",
	}
}

func missingExport(name string) *LoadError {
	return &LoadError{
		Kind:   MissingExport,
		Detail: "it does not export " + name,
		Hint:   "build it with the sliphost SDK",
	}
}

// checkImports refuses what no host function answers.
func checkImports(o *wasm.Module, allowNondeterministic bool) *LoadError {
	for i := range o.Imports {
		if err := checkImport(&o.Imports[i], allowNondeterministic); err != nil {
			return err
		}
	}
	return nil
}

func checkImport(im *wasm.Import, allowNondeterministic bool) *LoadError {
	what := im.Module + "." + im.Name
	var from *hostModule
	switch {
	case im.Module == abi.ImportModule:
		from = &sliphostV1
	case im.Module == wasiModule:
		from = &wasi
	default:
		if v, ok := strings.CutPrefix(im.Module, "sliphost_v"); ok {
			if n, err := strconv.ParseUint(v, 10, 31); err == nil && n > abi.Major {
				return &LoadError{
					Kind:   OlderHost,
					Detail: fmt.Sprintf("it was built for version %d of the ABI; this sliphost speaks version %d", n, abi.Major),
					Hint:   "update sliphost, or build the module with an older SDK",
				}
			}
		}
		return &LoadError{
			Kind:   UnknownImport,
			Detail: fmt.Sprintf("it imports %s %s, which sliphost does not offer", im.Kind, what),
			Hint:   fmt.Sprintf("only functions of %s and %s can be imported", abi.ImportModule, wasiModule),
		}
	}
	f := from.find(im.Name)
	if im.Kind != wasm.KindFunc || f == nil {
		return &LoadError{
			Kind:   UnknownImport,
			Detail: fmt.Sprintf("it imports %s %s, which sliphost does not offer", im.Kind, what),
			Hint:   "rebuild it with an SDK of this version",
		}
	}
	if want := f.signature(); !im.Type.Equal(want) {
		return &LoadError{
			Kind:   WrongImportType,
			Detail: fmt.Sprintf("it imports %s as %s, sliphost offers %s", what, im.Type, want),
			Hint:   "rebuild it with a current SDK",
		}
	}
	if f.capability == nondeterministic && !allowNondeterministic {
		return &LoadError{
			Kind:   NotAllowed,
			Detail: "it imports " + what + ", which makes its results differ from run to run",
			Hint:   "set nondeterministic = true for the module if that is meant",
		}
	}
	return nil
}

// checkMemory compares the module's least memory with its limit.
func checkMemory(o *wasm.Module, limit int64) *LoadError {
	if len(o.Memories) != 1 {
		return &LoadError{Kind: Malformed, Detail: fmt.Sprintf("it has %d memories, not one of its own", len(o.Memories))}
	}
	m := o.Memories[0]
	if m.Min > uint64(limit)/wasm.PageSize {
		need := "more than 4 GiB"
		if m.Min <= 1<<16 {
			need = sizeString(int64(m.Min) * wasm.PageSize)
		}
		return &LoadError{
			Kind:   OverMemory,
			Detail: fmt.Sprintf("it needs %s of memory at least, its limit is %s", need, sizeString(limit)),
			Hint:   "raise memory in its limits",
		}
	}
	return nil
}
