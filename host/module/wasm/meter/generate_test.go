package meter_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// generated is a valid module made from random choices: functions that call
// each other directly and through a table, with loops, branches of all kinds,
// several results, memory, globals and bulk operations. A counter, global 0,
// ends what would not end: each loop and function takes one from it and leaves
// by return when it is used up.
type generator struct {
	rnd   *rand.Rand
	types []signature
	funcs []uint32 // type of each
	out   []byte
	// of the function being written
	locals []byte
	frames []frame
	left   int
}

type signature struct{ params, results []byte }

type frame struct {
	// label is what a branch to it takes.
	label []byte
}

const (
	i32, i64, f64 = 0x7f, 0x7e, 0x7c
	tableSize     = 8
	globalBase    = 1 // behind the counter: one of each type
)

var genTypes = []byte{i32, i64, f64}

func (g *generator) n(n int) int       { return g.rnd.IntN(n) }
func (g *generator) one(t []byte) byte { return t[g.n(len(t))] }
func (g *generator) emit(b ...byte)    { g.out = append(g.out, b...) }
func (g *generator) op(op byte, n int) { g.out = binary.AppendUvarint(append(g.out, op), uint64(n)) }
func (g *generator) result(t []byte)   { g.values(t) }
func (g *generator) list(k int) []byte {
	t := make([]byte, g.n(k+1))
	for i := range t {
		t[i] = g.one(genTypes)
	}
	return t
}

// generate returns a module whose functions are exported as f0, f1, ...
func generate(seed uint64) (module []byte, functions []signature) {
	g := &generator{rnd: rand.New(rand.NewPCG(seed, 7))}
	g.types = []signature{{}, {nil, []byte{i32}}, {[]byte{i32}, []byte{i32}}, {[]byte{i64, i32}, []byte{i64, i32}}}
	for range 3 {
		g.types = append(g.types, signature{g.list(3), g.list(3)})
	}
	n := 2 + g.n(5)
	for range n {
		g.funcs = append(g.funcs, uint32(g.n(len(g.types))))
		functions = append(functions, g.types[g.funcs[len(g.funcs)-1]])
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, count int, content []byte) {
		b := append(binary.AppendUvarint(nil, uint64(count)), content...)
		out = append(out, id)
		out = binary.AppendUvarint(out, uint64(len(b)))
		out = append(out, b...)
	}
	vec := func(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }
	var b []byte
	for _, t := range g.types {
		b = append(append(append(b, 0x60), vec(t.params)...), vec(t.results)...)
	}
	section(1, len(g.types), b)
	b = append([]byte("\x04test\x04seen"), 0, 2)
	section(2, 1, b) // (i32) -> i32
	b = nil
	for _, t := range g.funcs {
		b = append(b, byte(t))
	}
	section(3, n, b)
	section(4, 1, []byte{0x70, 0, tableSize})
	section(5, 1, []byte{1, 1, 40})
	section(6, 4, []byte{i64, 1, 0x42, 0xe8, 7, 0x0b, i32, 1, 0x41, 5, 0x0b, i64, 1, 0x42, 6, 0x0b, f64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x0b})
	b = []byte("\x06memory\x02\x00\x04left\x03\x00\x02g1\x03\x01\x02g2\x03\x02\x02g3\x03\x03")
	for i := range n {
		b = append(b, 2, 'f', '0'+byte(i), 0, byte(i+1))
	}
	section(7, n+5, b)
	b = []byte{0, 0x41, 0, 0x0b, tableSize}
	for range tableSize {
		b = append(b, byte(g.n(n+1)))
	}
	section(9, 1, b)
	section(12, 0, nil)
	out[len(out)-1] = 1 // the data count is a number, not a list
	b = nil
	for _, t := range g.funcs {
		b = append(b, vec(g.function(g.types[t]))...)
	}
	section(10, n, b)
	section(11, 1, append([]byte{1, 20}, "twenty bytes of data"...))
	return out, functions
}

func (g *generator) function(t signature) []byte {
	extra := 1 + g.n(4)
	g.out = binary.AppendUvarint(nil, uint64(extra))
	g.locals = append([]byte{}, t.params...)
	for range extra {
		of := g.one(genTypes)
		g.emit(1, of)
		g.locals = append(g.locals, of)
	}
	g.frames = []frame{{t.results}}
	g.left = 20 + g.n(60)
	g.fuse()
	g.body(3)
	g.result(t.results)
	g.emit(0x0b)
	return g.out
}

// fuse returns from the function when the counter is used up.
func (g *generator) fuse() {
	g.op(0x23, 0)
	g.emit(0x50, 0x04, 0x40) // i64.eqz, if
	g.result(g.frames[0].label)
	g.emit(0x0f, 0x0b)
	g.op(0x23, 0)
	g.emit(0x42, 1, 0x7d) // - 1
	g.op(0x24, 0)
}

// body writes statements, which leave the stack as it is.
func (g *generator) body(depth int) {
	for range 1 + g.n(5) {
		if g.left--; g.left < 0 {
			return
		}
		g.statement(depth)
	}
}

func (g *generator) block(op byte, t signature, depth int) {
	index := -1
	for i, have := range g.types {
		if string(have.params) == string(t.params) && string(have.results) == string(t.results) {
			index = i
		}
	}
	g.values(t.params)
	if op == 0x04 {
		g.value(i32, 1)
	}
	g.op(op, index)
	label := t.results
	if op == 0x03 {
		label = t.params
	}
	g.frames = append(g.frames, frame{label})
	arm := func() {
		g.drop(t.params)
		if op == 0x03 {
			g.fuse()
		}
		g.body(depth - 1)
		g.values(t.results)
		if g.n(3) == 0 { // back to the loop, or out of several blocks
			g.branchIf(t.results)
		}
	}
	arm()
	if op == 0x04 {
		g.emit(0x05)
		arm()
	}
	g.frames = g.frames[:len(g.frames)-1]
	g.emit(0x0b)
	g.drop(t.results)
}

func (g *generator) drop(t []byte) {
	for range t {
		g.emit(0x1a)
	}
}

// branchIf leaves the values on the stack and perhaps branches with others.
func (g *generator) branchIf([]byte) {
	to := g.n(len(g.frames))
	label := g.frames[len(g.frames)-1-to].label
	g.value(i32, 1)
	g.emit(0x04, 0x40)
	g.values(label)
	g.op(0x0c, to+1)
	g.emit(0x0b)
}

func (g *generator) values(t []byte) {
	for _, of := range t {
		g.value(of, 2)
	}
}

// local is a local of a type, -1 without one.
func (g *generator) local(of byte) int {
	at := g.n(len(g.locals))
	for i := range g.locals {
		if k := (at + i) % len(g.locals); g.locals[k] == of {
			return k
		}
	}
	return -1
}

func global(of byte) int {
	for i, t := range genTypes {
		if t == of {
			return globalBase + i
		}
	}
	panic("no such type")
}

func (g *generator) value(of byte, depth int) {
	if depth <= 0 || g.n(3) == 0 {
		if k := g.local(of); k >= 0 && g.n(2) == 0 {
			g.op(0x20, k)
			return
		}
		switch of {
		case i32:
			g.emit(0x41, byte(g.n(64)))
		case i64:
			g.emit(0x42, byte(g.n(64)))
		case f64:
			g.emit(0x44, 0, 0, 0, 0, 0, 0, byte(g.n(256)), 0x40)
		}
		return
	}
	switch of {
	case i32:
		switch g.n(8) {
		case 0:
			g.value(i64, depth-1)
			g.emit(0xa7)
		case 1:
			g.address()
			g.emit(0x28, 2, 0)
		case 2:
			g.emit(0x3f, 0)
		case 3:
			g.value(i32, depth-1)
			g.op(0x10, 0) // seen
		case 4:
			g.value(f64, depth-1)
			g.value(f64, depth-1)
			g.emit(0x63)
		default:
			g.value(i32, depth-1)
			g.value(i32, depth-1)
			g.emit([]byte{0x6a, 0x6b, 0x6c, 0x6d, 0x70, 0x71, 0x73, 0x74, 0x48, 0x4d}[g.n(10)])
		}
	case i64:
		switch g.n(4) {
		case 0:
			g.value(i32, depth-1)
			g.emit(0xac)
		case 1:
			g.op(0x23, global(i64))
		default:
			g.value(i64, depth-1)
			g.value(i64, depth-1)
			g.emit([]byte{0x7c, 0x7d, 0x7e, 0x7f, 0x82, 0x83, 0x85}[g.n(7)])
		}
	case f64:
		g.value(f64, depth-1)
		g.value(f64, depth-1)
		g.emit([]byte{0xa0, 0xa1, 0xa2}[g.n(3)])
	}
}

// address is one inside memory, nearly always.
func (g *generator) address() {
	g.value(i32, 1)
	if g.n(50) > 0 {
		g.emit(0x41, 0xff, 0xff, 0, 0x71) // & 0x3fff
	}
}

func (g *generator) statement(depth int) {
	switch k := g.n(18); {
	case depth > 0 && k < 6:
		t := g.types[g.n(len(g.types))]
		g.block([]byte{0x02, 0x03, 0x04}[k%3], t, depth)
	case k < 8:
		of := g.one(genTypes)
		if to := g.local(of); to >= 0 {
			g.value(of, 3)
			g.op(0x21, to)
		}
	case k < 9:
		of := g.one(genTypes)
		g.value(of, 2)
		g.op(0x24, global(of))
	case k < 10:
		g.address()
		g.value(i32, 2)
		g.emit(0x36, 2, 0)
	case k < 12:
		f := g.n(len(g.funcs))
		t := g.types[g.funcs[f]]
		g.values(t.params)
		g.op(0x10, f+1)
		g.drop(t.results)
	case k < 13:
		at := g.n(len(g.types))
		t := g.types[at]
		g.values(t.params)
		g.value(i32, 1)
		g.emit(0x41, tableSize-1, 0x71)
		g.op(0x11, at)
		g.emit(0)
		g.drop(t.results)
	case k < 14:
		g.branchIf(nil)
	case k < 15:
		g.table()
	case k < 17:
		g.bulk()
	default:
		g.value(i32, 1)
		g.emit(0x45, 0x04, 0x40) // rarely: return or unreachable
		g.value(i32, 1)
		g.emit(0x45, 0x04, 0x40)
		if g.n(3) == 0 {
			g.emit(0x00)
		} else {
			g.result(g.frames[0].label)
			g.emit(0x0f)
		}
		g.emit(0x0b, 0x0b)
	}
}

// table is a br_table out of blocks without values.
func (g *generator) table() {
	n := 1 + g.n(3)
	for range n {
		g.emit(0x02, 0x40)
		g.frames = append(g.frames, frame{})
	}
	g.value(i32, 2)
	g.op(0x0e, n)
	for range n + 1 {
		g.emit(byte(g.n(n)))
	}
	for range n {
		g.frames = g.frames[:len(g.frames)-1]
		g.emit(0x0b)
		if of := g.one(genTypes); g.local(of) >= 0 {
			g.value(of, 1)
			g.op(0x21, g.local(of))
		}
	}
}

func (g *generator) bulk() {
	length := func() {
		if g.n(8) == 0 { // more than a piece, where memory has grown
			g.emit(0x41, 0x85, 0x80, 0xc0, 0)
		} else {
			g.value(i32, 1)
		}
	}
	switch g.n(6) {
	case 0, 1:
		g.address()
		g.value(i32, 1)
		length()
		g.emit(0xfc, 11, 0)
	case 2, 3:
		g.address()
		g.address()
		length()
		g.emit(0xfc, 10, 0, 0)
	case 4:
		g.address()
		g.emit(0x41, byte(g.n(10)), 0x41, byte(g.n(10)), 0xfc, 8, 0, 0)
	case 5:
		g.emit(0x41, byte(g.n(40)), 0x40, 0)
		g.op(0x24, global(i32))
	}
}
