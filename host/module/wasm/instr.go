package wasm

// Op is an instruction's opcode: one byte as it is, the opcodes behind the
// prefix 0xfc from 0x100 on, those behind 0xfd from 0x200 on.
type Op uint16

// Opcodes that validation or rewriting treats by itself.
const (
	OpUnreachable  Op = 0x00
	OpNop          Op = 0x01
	OpBlock        Op = 0x02
	OpLoop         Op = 0x03
	OpIf           Op = 0x04
	OpElse         Op = 0x05
	OpEnd          Op = 0x0b
	OpBr           Op = 0x0c
	OpBrIf         Op = 0x0d
	OpBrTable      Op = 0x0e
	OpReturn       Op = 0x0f
	OpCall         Op = 0x10
	OpCallIndirect Op = 0x11
	OpDrop         Op = 0x1a
	OpSelect       Op = 0x1b
	OpSelectT      Op = 0x1c
	OpLocalGet     Op = 0x20
	OpLocalSet     Op = 0x21
	OpLocalTee     Op = 0x22
	OpGlobalGet    Op = 0x23
	OpGlobalSet    Op = 0x24
	OpTableGet     Op = 0x25
	OpTableSet     Op = 0x26
	OpMemorySize   Op = 0x3f
	OpMemoryGrow   Op = 0x40
	OpI32Const     Op = 0x41
	OpI64Const     Op = 0x42
	OpF32Const     Op = 0x43
	OpF64Const     Op = 0x44
	OpRefNull      Op = 0xd0
	OpRefIsNull    Op = 0xd1
	OpRefFunc      Op = 0xd2

	opFC         Op = 0x100
	OpMemoryInit Op = opFC + 8
	OpDataDrop   Op = opFC + 9
	OpMemoryCopy Op = opFC + 10
	OpMemoryFill Op = opFC + 11
	OpTableInit  Op = opFC + 12
	OpElemDrop   Op = opFC + 13
	OpTableCopy  Op = opFC + 14
	OpTableGrow  Op = opFC + 15
	OpTableSize  Op = opFC + 16
	OpTableFill  Op = opFC + 17

	opFD        Op = 0x200
	OpV128Const Op = opFD + 12
	opShuffle   Op = opFD + 13
	opCount        = 0x300
)

// Block is the type of a block: no parameters and at most one result, or a
// function type.
type Block struct {
	// Index is a position in Module.Types, -1 if Result says it all.
	Index int32
	// Result is 0 for none.
	Result ValType
}

// Instr is one instruction, decoded.
type Instr struct {
	Op Op
	// Start and End are its place in the file, Imm that of its immediates.
	Start, Imm, End int
	// A is the first index (label, function, type, local, global, table, data,
	// element), the alignment of a memory access or the lane; B the second index
	// (table), the offset of a memory access.
	A, B uint32
	// Lane is that of a memory access to one lane.
	Lane byte
	// Block is set for block, loop and if; Type for ref.null and a select with a
	// type.
	Block Block
	Type  ValType
	// Targets are those of br_table, the default last; valid until the next call.
	Targets []uint32
}

// immediate says what follows an opcode.
type immediate uint8

const (
	immUnknown immediate = iota // no such instruction
	immNone
	immBlock
	immIndex        // A
	immTable        // Targets
	immCallIndirect // A type, B table
	immMemory       // A align, B offset
	immMemoryLane   // and Lane
	immZero         // one byte 0
	immZero2        // two of them
	immI32
	immI64
	imm4
	imm8
	imm16
	immShuffle
	immLane
	immRefType
	immSelect
	immDataZero // A, byte 0
	immElem     // A element, B table
	immTables   // A, B
)

// next decodes one instruction. It checks form, not validity.
func (r *reader) next(in *Instr) bool {
	in.Start = r.off
	op := Op(r.byte())
	switch op {
	case 0xfc, 0xfd:
		at := r.off
		n := r.u32()
		base, most := opFC, uint32(0xff)
		if op == 0xfd {
			base = opFD
		}
		if r.err == nil && n > most {
			r.failAt(in.Start, Malformed, "there is no such instruction")
			return false
		}
		// Engines know vector instructions by the bytes of the shortest form.
		if width := r.off - at; r.err == nil && op == 0xfd && (n < 0x80 && width != 1 || n >= 0x80 && width != 2) {
			r.failAt(in.Start, Malformed, "a vector instruction's number is not in its shortest form")
			return false
		}
		op = base + Op(n)
	}
	in.Op, in.Imm = op, r.off
	r.immediates(in)
	in.End = r.off
	return r.err == nil
}

func (r *reader) immediates(in *Instr) {
	switch ops[in.Op].imm {
	case immNone:
	case immBlock:
		in.Block = r.blockType()
	case immIndex:
		in.A = r.u32()
	case immTable:
		in.Targets = in.Targets[:0]
		for n := r.count() + 1; n > 0 && r.err == nil; n-- {
			in.Targets = append(in.Targets, r.u32())
		}
	case immCallIndirect, immElem, immTables:
		in.A, in.B = r.u32(), r.u32()
	case immMemory:
		in.A, in.B = r.u32(), r.u32()
	case immMemoryLane:
		in.A, in.B, in.Lane = r.u32(), r.u32(), r.byte()
	case immZero:
		r.zero()
	case immZero2:
		r.zero()
		r.zero()
	case immI32:
		r.signed(32)
	case immI64:
		r.signed(64)
	case imm4:
		r.skip(4)
	case imm8:
		r.skip(8)
	case imm16:
		r.skip(16)
	case immShuffle:
		for range 16 {
			if at := r.off; r.byte() >= 32 {
				r.failAt(at, Invalid, "i8x16.shuffle names a lane above 31")
			}
		}
	case immLane:
		in.A = uint32(r.byte())
	case immRefType:
		in.Type = r.refType()
	case immSelect:
		if at, n := r.off, r.u32(); r.err == nil && n != 1 {
			r.failAt(at, Invalid, "select has a type for other than one value")
		}
		in.Type = r.valType()
	case immDataZero:
		in.A = r.u32()
		r.zero()
	case immUnknown:
		r.failAt(in.Start, unknownOp(in.Op), "there is no such instruction")
	}
}

// unknownOp tells instructions of later proposals from no instructions.
func unknownOp(op Op) Problem {
	switch {
	case op >= 0x06 && op <= 0x0a, op >= 0x12 && op <= 0x19, op == 0x1f, op >= 0xd3 && op <= 0xd6, op == 0xfb, op == 0xfe:
		return Unsupported
	}
	return Malformed
}

func (r *reader) zero() {
	if at := r.off; r.byte() != 0 {
		r.failAt(at, Malformed, "a byte that has to be 0 is not: several memories are not supported")
	}
}

func (r *reader) blockType() Block {
	at := r.off
	if r.err != nil || at >= r.end {
		r.early()
		return Block{Index: -1}
	}
	switch t := ValType(r.b[at]); {
	case t == 0x40:
		r.off++
		return Block{Index: -1}
	case t.known():
		r.off++
		return Block{Index: -1, Result: t}
	}
	n := r.signed(33)
	if r.err == nil && (n < 0 || n > 1<<31-1) {
		r.failAt(at, Malformed, "a block has no such type")
	}
	return Block{Index: int32(n)}
}

func (r *reader) valType() ValType {
	at := r.off
	t := ValType(r.byte())
	if r.err == nil && !t.known() {
		r.failAt(at, Malformed, "there is no value type "+t.String())
	}
	return t
}

func (r *reader) refType() ValType {
	at := r.off
	t := ValType(r.byte())
	if r.err == nil && !t.isRef() {
		r.failAt(at, Malformed, "there is no reference type "+t.String())
	}
	return t
}

// Walker goes through the instructions of a validated function.
type Walker struct {
	r  reader
	in Instr
}

// Walk returns a walker of the n-th body.
func (m *Module) Walk(n int) *Walker {
	b := m.Bodies[n]
	return &Walker{r: reader{b: m.Bytes, off: b.Code, end: b.End, fn: n}}
}

// WalkAt returns a walker of the instructions from offset start up to end,
// such as those of a constant expression.
func (m *Module) WalkAt(start, end int) *Walker {
	return &Walker{r: reader{b: m.Bytes, off: start, end: end, fn: -1}}
}

// Next returns the next instruction, valid until the call after, or nil at the
// end.
func (w *Walker) Next() *Instr {
	if w.r.off >= w.r.end || !w.r.next(&w.in) {
		return nil
	}
	return &w.in
}
