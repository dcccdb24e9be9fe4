package wasm

import "fmt"

// Caps bound what a module may contain, so that neither reading nor compiling
// it costs more than its size suggests. A zero field has no bound.
//
// The engine's compiler takes time and memory that grow faster than a
// function's blocks and bulk operations, and a table or a memory is allocated
// when the module is instantiated, however small the file is.
type Caps struct {
	// Module and Body are bytes: of the file, of one function's code.
	Module, Body int64
	// Types, Params, Imports, Exports, Functions, Globals, ElementSegments,
	// Elements (entries of all segments) and DataSegments count entries.
	Types, Params, Imports, Exports, Functions, Globals int64
	ElementSegments, Elements, DataSegments             int64
	// Tables counts tables, TableEntries the entries each may have: its minimum,
	// and its maximum where the code has table.grow.
	Tables, TableEntries int64
	// Locals (parameters included), Blocks and Bulk (bulk operations on memory
	// and tables) are per function. Nesting is the depth of blocks.
	Locals, Blocks, Bulk, Nesting int64
	// Names is the bytes of one name, NameSection those of the section with
	// names for debugging.
	Names, NameSection int64
}

// DefaultCaps are what the host asks for. A stock Go guest's largest function
// has 12 KB, a Rust guest's 5 KB.
func DefaultCaps() Caps {
	return Caps{
		Module: 16 << 20, Body: 64 << 10,
		Types: 10_000, Params: 128, Imports: 1_000, Exports: 10_000, Functions: 50_000, Globals: 10_000,
		ElementSegments: 10_000, Elements: 100_000, DataSegments: 100_000,
		Tables: 1, TableEntries: 16 << 10,
		Locals: 10_000, Blocks: 4_000, Bulk: 500, Nesting: 1_000,
		Names: 64 << 10, NameSection: 8 << 20,
	}
}

// over reports a cap that is exceeded.
func (r *reader) over(at int, what string, value, limit int64) bool {
	if limit <= 0 || value <= limit || r.err != nil {
		return false
	}
	r.err = &Error{
		Problem: TooLarge, Offset: at, Func: r.fn, Cap: what, Value: value, Limit: limit,
		Detail: fmt.Sprintf("%s: %d, and at most %d are allowed", what, value, limit),
	}
	return true
}
