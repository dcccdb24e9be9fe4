// Package wasmtest builds small WebAssembly modules in Go, for tests that need
// a guest which no compiler would produce: one that lies, traps at a chosen
// record or exports the wrong things. Nothing is checked: a wrong body makes a
// wrong module, which is often the point.
package wasmtest

import (
	"encoding/binary"
	"math"
	"strings"
)

// Code is a sequence of instructions.
type Code []byte

// Join concatenates instructions.
func Join(parts ...Code) Code {
	var c Code
	for _, p := range parts {
		c = append(c, p...)
	}
	return c
}

// Func is the index of a function.
type Func uint32

// Builder collects a module. Imports must come before functions, as their
// indexes come first.
type Builder struct {
	types   []string
	imports []byte
	nImport int
	funcs   []uint32
	bodies  [][]byte
	exports []byte
	nExport int
	memory  []byte
	globals []byte
	nGlobal int
	data    []byte
	nData   int
	start   *Func
}

// typeIndex returns the index of a signature such as "iI>F": the letters i, I,
// f and F are i32, i64, f32 and f64.
func (b *Builder) typeIndex(sig string) uint32 {
	for i, t := range b.types {
		if t == sig {
			return uint32(i)
		}
	}
	b.types = append(b.types, sig)
	return uint32(len(b.types) - 1)
}

func valTypes(letters string) []byte {
	var t []byte
	for _, c := range letters {
		switch c {
		case 'i':
			t = append(t, 0x7f)
		case 'I':
			t = append(t, 0x7e)
		case 'f':
			t = append(t, 0x7d)
		case 'F':
			t = append(t, 0x7c)
		}
	}
	return t
}

// Import imports a function.
func (b *Builder) Import(module, name, sig string) Func {
	if len(b.funcs) > 0 {
		panic("wasmtest: imports come before functions")
	}
	b.imports = appendName(appendName(b.imports, module), name)
	b.imports = append(b.imports, 0)
	b.imports = binary.AppendUvarint(b.imports, uint64(b.typeIndex(sig)))
	b.nImport++
	return Func(b.nImport - 1)
}

// Func defines a function and exports it, unless export is empty. locals are
// the letters of its local variables behind the parameters.
func (b *Builder) Func(export, sig, locals string, body ...Code) Func {
	b.funcs = append(b.funcs, b.typeIndex(sig))
	var c []byte
	c = binary.AppendUvarint(c, uint64(len(locals)))
	for i := range len(locals) {
		c = append(c, 1)
		c = append(c, valTypes(locals[i:i+1])...)
	}
	c = append(c, Join(body...)...)
	c = append(c, 0x0b)
	b.bodies = append(b.bodies, c)
	f := Func(b.nImport + len(b.funcs) - 1)
	if export != "" {
		b.Export(export, 0, uint32(f))
	}
	return f
}

// Export exports something of a kind of the binary format by its index.
func (b *Builder) Export(name string, kind byte, index uint32) {
	b.exports = append(appendName(b.exports, name), kind)
	b.exports = binary.AppendUvarint(b.exports, uint64(index))
	b.nExport++
}

// Memory defines and exports the memory, in pages; maxPages 0 is no maximum.
func (b *Builder) Memory(minPages, maxPages uint64) {
	b.HiddenMemory(minPages, maxPages)
	b.Export("memory", 2, 0)
}

// HiddenMemory defines the memory without exporting it.
func (b *Builder) HiddenMemory(minPages, maxPages uint64) {
	b.memory = []byte{1, 0}
	if maxPages > 0 {
		b.memory[1] = 1
	}
	b.memory = binary.AppendUvarint(b.memory, minPages)
	if maxPages > 0 {
		b.memory = binary.AppendUvarint(b.memory, maxPages)
	}
}

// Global defines a mutable i32 and returns its index.
func (b *Builder) Global(v int32) uint32 {
	b.globals = append(b.globals, 0x7f, 1)
	b.globals = append(b.globals, I32(v)...)
	b.globals = append(b.globals, 0x0b)
	b.nGlobal++
	return uint32(b.nGlobal - 1)
}

// Data fills memory at instantiation.
func (b *Builder) Data(at uint32, v []byte) {
	b.data = append(b.data, 0)
	b.data = append(b.data, I32(int32(at))...)
	b.data = append(b.data, 0x0b)
	b.data = binary.AppendUvarint(b.data, uint64(len(v)))
	b.data = append(b.data, v...)
	b.nData++
}

// Start makes f run at instantiation.
func (b *Builder) Start(f Func) { b.start = &f }

// Bytes returns the module.
func (b *Builder) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	var types []byte
	for _, sig := range b.types {
		params, results, _ := strings.Cut(sig, ">")
		types = append(types, 0x60)
		types = appendBytes(types, valTypes(params))
		types = appendBytes(types, valTypes(results))
	}
	out = appendSection(out, 1, len(b.types), types)
	out = appendSection(out, 2, b.nImport, b.imports)
	var funcs, code []byte
	for i := range b.funcs {
		funcs = binary.AppendUvarint(funcs, uint64(b.funcs[i]))
		code = appendBytes(code, b.bodies[i])
	}
	out = appendSection(out, 3, len(b.funcs), funcs)
	if b.memory != nil {
		out = append(appendBytes(append(out, 5), b.memory), nil...)
	}
	out = appendSection(out, 6, b.nGlobal, b.globals)
	out = appendSection(out, 7, b.nExport, b.exports)
	if b.start != nil {
		out = appendBytes(append(out, 8), binary.AppendUvarint(nil, uint64(*b.start)))
	}
	out = appendSection(out, 10, len(b.funcs), code)
	return appendSection(out, 11, b.nData, b.data)
}

func appendSection(out []byte, id byte, n int, content []byte) []byte {
	if n == 0 {
		return out
	}
	head := binary.AppendUvarint(nil, uint64(n))
	out = append(out, id)
	out = binary.AppendUvarint(out, uint64(len(head)+len(content)))
	out = append(out, head...)
	return append(out, content...)
}

func appendBytes(out, b []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func appendName(out []byte, s string) []byte { return appendBytes(out, []byte(s)) }

// signed is signed LEB128.
func signed(c Code, v int64) Code {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(c, b)
		}
		c = append(c, b|0x80)
	}
}

func indexed(op byte, index uint32) Code {
	return Code(binary.AppendUvarint([]byte{op}, uint64(index)))
}

// I32 is i32.const.
func I32(v int32) Code { return signed(Code{0x41}, int64(v)) }

// I64 is i64.const.
func I64(v int64) Code { return signed(Code{0x42}, v) }

// F64 is f64.const.
func F64(v float64) Code {
	return Code(binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v)))
}

// Packed is the i64 constant of an address and a length.
func Packed(at, n uint32) Code { return I64(int64(uint64(at)<<32 | uint64(n))) }

// Get, Set and Tee are local.get, local.set and local.tee.
func Get(i uint32) Code { return indexed(0x20, i) }

// Set is local.set.
func Set(i uint32) Code { return indexed(0x21, i) }

// Tee is local.tee.
func Tee(i uint32) Code { return indexed(0x22, i) }

// GlobalGet is global.get.
func GlobalGet(i uint32) Code { return indexed(0x23, i) }

// GlobalSet is global.set.
func GlobalSet(i uint32) Code { return indexed(0x24, i) }

// Call is call.
func Call(f Func) Code { return indexed(0x10, uint32(f)) }

// Load32 is i32.load at a constant offset from the address on the stack.
func Load32(offset uint32) Code {
	return Code(binary.AppendUvarint([]byte{0x28, 2}, uint64(offset)))
}

// Load64 is i64.load.
func Load64(offset uint32) Code {
	return Code(binary.AppendUvarint([]byte{0x29, 3}, uint64(offset)))
}

// Store32 is i32.store.
func Store32(offset uint32) Code {
	return Code(binary.AppendUvarint([]byte{0x36, 2}, uint64(offset)))
}

// If runs a body when the i32 on the stack is not 0.
func If(body ...Code) Code {
	return append(append(Code{0x04, 0x40}, Join(body...)...), 0x0b)
}

// Loop is a loop whose body repeats as long as its last instruction, a br_if
// (Again), is taken.
func Loop(body ...Code) Code {
	return append(append(Code{0x03, 0x40}, Join(body...)...), 0x0b)
}

// Instructions without operands.
var (
	Unreachable = Code{0x00}
	Drop        = Code{0x1a}
	Return      = Code{0x0f}
	Again       = Code{0x0d, 0}
	Add32       = Code{0x6a}
	Sub32       = Code{0x6b}
	Eq32        = Code{0x46}
	Eqz32       = Code{0x45}
	LtU32       = Code{0x49}
	DivS32      = Code{0x6d}
	MemoryGrow  = Code{0x40, 0}
	MemorySize  = Code{0x3f, 0}
	MemoryCopy  = Code{0xfc, 10, 0, 0}
)
