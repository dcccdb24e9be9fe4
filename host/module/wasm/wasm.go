// Package wasm reads the outline of a core WebAssembly module: what it
// imports, what it exports and how much memory it asks for. It compiles and
// runs nothing, so that a file that is no module, or not one of ours, is
// refused with a sentence before an engine sees it.
//
// It follows the binary format of the WebAssembly core specification 2.0,
// section 5.
package wasm

import "strconv"

// Kind is what an import or export refers to; the values are those of the
// binary format.
type Kind byte

// Kinds of imports and exports.
const (
	KindFunc   Kind = 0
	KindTable  Kind = 1
	KindMemory Kind = 2
	KindGlobal Kind = 3
	KindTag    Kind = 4
)

// String returns the word of the text format.
func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "func"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	case KindTag:
		return "tag"
	}
	return "kind " + strconv.Itoa(int(k))
}

// ValType is a value type as its byte in the binary format.
type ValType byte

// Value types.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f
)

// String returns the word of the text format.
func (t ValType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "type 0x" + strconv.FormatUint(uint64(t), 16)
}

// FuncType is a function's signature.
type FuncType struct {
	Params, Results []ValType
}

// String returns the signature as (i32, i64) -> i64.
func (f FuncType) String() string {
	s := "("
	for i, t := range f.Params {
		if i > 0 {
			s += ", "
		}
		s += t.String()
	}
	s += ")"
	switch len(f.Results) {
	case 0:
		return s
	case 1:
		return s + " -> " + f.Results[0].String()
	}
	return s + " -> " + FuncType{Params: f.Results}.String()
}

// Equal says whether both are the same signature.
func (f FuncType) Equal(g FuncType) bool {
	return string(bytesOf(f.Params)) == string(bytesOf(g.Params)) &&
		string(bytesOf(f.Results)) == string(bytesOf(g.Results))
}

func bytesOf(t []ValType) []byte {
	b := make([]byte, len(t))
	for i, v := range t {
		b[i] = byte(v)
	}
	return b
}

// Import is one import. Type is set for functions only.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         FuncType
}

// Export is one export. Type is set for functions only.
type Export struct {
	Name string
	Kind Kind
	Type FuncType
}

// Memory is a declared memory, in pages of 64 KiB.
type Memory struct {
	Min uint64
	// Max is valid if HasMax.
	Max    uint64
	HasMax bool
	Shared bool
}

// PageSize is the size of a memory page in bytes.
const PageSize = 65536

// Outline is what a module shows to the outside.
type Outline struct {
	Imports  []Import
	Exports  []Export
	Memories []Memory
	// Functions is the number of functions the module defines.
	Functions int
	// HasStart says that a function runs at instantiation.
	HasStart bool
}

// Export returns the export of that name.
func (o *Outline) Export(name string) (Export, bool) {
	for _, e := range o.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}
