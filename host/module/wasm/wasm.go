// Package wasm parses and validates core WebAssembly modules, before anything
// else looks at them: what it accepts can be rewritten by index and given to
// an engine, and stays within Caps. It knows neither an engine nor what
// imports and exports mean.
//
// It follows the WebAssembly core specification 2.0: section 5 for the binary
// format, section 3 and its appendix for validation. Later proposals (threads,
// tail calls, exceptions, several memories, garbage collection) are refused.
package wasm

import (
	"slices"
	"strconv"
)

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
	return slices.Equal(f.Params, g.Params) && slices.Equal(f.Results, g.Results)
}

// isNum, isRef and known sort value types.
func (t ValType) isNum() bool { return t >= V128 && t <= I32 }
func (t ValType) isRef() bool { return t == FuncRef || t == ExternRef }
func (t ValType) known() bool { return t.isNum() || t.isRef() }

// Import is one import.
type Import struct {
	Module, Name string
	Kind         Kind
	// TypeIndex and Type are set for functions.
	TypeIndex uint32
	Type      FuncType
}

// Export is one export.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
	// Type is set for functions.
	Type FuncType
}

// Memory is a memory, in pages of 64 KiB.
type Memory struct {
	Min uint64
	// Max is valid if HasMax.
	Max    uint64
	HasMax bool
}

// PageSize is the size of a memory page in bytes.
const PageSize = 65536

// maxPages is what an address of 32 bits can reach.
const maxPages = 65536

// Table is a table of references.
type Table struct {
	Type     ValType
	Min, Max uint32
	HasMax   bool
}

// Global is a global variable.
type Global struct {
	Type    ValType
	Mutable bool
}

// Segment is one element segment.
type Segment struct {
	Type ValType
	Mode SegmentMode
	// Entries is the number of references.
	Entries int
}

// SegmentMode says when a segment is used.
type SegmentMode uint8

// Modes of segments.
const (
	Active SegmentMode = iota
	Passive
	Declarative
)

// Section is a section's place in the file.
type Section struct {
	ID byte
	// Start is the offset of the id, Body that of the content, End behind it.
	Start, Body, End int
	// Name is set for custom sections.
	Name string
}

// Body is the code of one function.
type Body struct {
	// Start is the offset of the locals' declarations, behind the size; Code that
	// of the first instruction; End is behind the last.
	Start, Code, End int
	// Locals are the types of parameters and locals.
	Locals []ValType
	// Stack is the most values the operand stack holds after an instruction.
	Stack int
}

// Module is a validated module. It refers to the bytes it was parsed from,
// which must not change.
type Module struct {
	Bytes    []byte
	Sections []Section
	Types    []FuncType
	Imports  []Import
	// Funcs holds the type index of every function, imported ones first; Tables,
	// Memories and Globals begin with imported ones too.
	Funcs    []uint32
	Tables   []Table
	Memories []Memory
	Globals  []Global
	Exports  []Export
	// Start is the start function, -1 without one.
	Start    int
	Segments []Segment
	// Bodies are those of the functions the module defines.
	Bodies []Body
	// Data is the number of data segments, HasDataCount tells whether a section
	// announces it.
	Data         int
	HasDataCount bool
	// ImportedFuncs and ImportedGlobals count the imported ones.
	ImportedFuncs, ImportedGlobals int
}

// Export returns the export of that name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}

// FuncType returns the signature of a function by its index, which must exist.
func (m *Module) FuncType(index uint32) FuncType { return m.Types[m.Funcs[index]] }
