package wasm

import "fmt"

// limits reads a minimum and perhaps a maximum.
func (p *parser) limits() (flags byte, lo, hi uint32) {
	at := p.off
	flags = p.byte()
	if p.err == nil && flags > 1 {
		problem := Malformed
		if flags <= 7 {
			problem = Unsupported // shared or 64-bit
		}
		p.failAt(at, problem, "the "+p.what+" section holds limits of an unknown form: shared and 64-bit memories are not supported")
		return 0, 0, 0
	}
	lo = p.u32()
	if flags&1 != 0 {
		at = p.off
		if hi = p.u32(); p.err == nil && hi < lo {
			p.failAt(at, Invalid, fmt.Sprintf("a maximum of %d is below the minimum of %d", hi, lo))
		}
	}
	return flags, lo, hi
}

func (p *parser) memory() Memory {
	at := p.off
	flags, lo, hi := p.limits()
	if p.err == nil && (lo > maxPages || hi > maxPages) {
		p.failAt(at, Invalid, "a memory has at most 65536 pages")
	}
	return Memory{Min: uint64(lo), Max: uint64(hi), HasMax: flags&1 != 0}
}

func (p *parser) table() Table {
	if p.err == nil && p.off < p.end && p.b[p.off] == 0x40 {
		p.fail(Unsupported, "a table has an initial value: that is not supported")
		return Table{}
	}
	t := Table{Type: p.refType()}
	at := p.off
	flags, lo, hi := p.limits()
	t.Min, t.Max, t.HasMax = lo, hi, flags&1 != 0
	p.over(at, "entries of a table", int64(lo), p.caps.TableEntries)
	return t
}

func (p *parser) globalType() Global {
	g := Global{Type: p.valType()}
	at := p.off
	m := p.byte()
	if p.err == nil && m > 1 {
		p.failAt(at, Malformed, "a global is neither constant nor variable")
	}
	g.Mutable = m == 1
	return g
}

func (p *parser) globalSection() {
	n := p.list("globals", p.caps.Globals)
	for ; n > 0 && p.err == nil; n-- {
		g := p.globalType()
		p.constant(g.Type)
		p.m.Globals = append(p.m.Globals, g)
	}
}

// constant reads a constant expression of a type. It may use imported globals
// that do not change.
func (p *parser) constant(want ValType) {
	at := p.off
	var in Instr
	var got ValType
	for n := 0; p.err == nil; n++ {
		if !p.next(&in) {
			return
		}
		if in.Op == OpEnd {
			if n != 1 || got != want {
				p.failAt(at, Invalid, fmt.Sprintf("a constant expression has to leave one %s", want))
			}
			return
		}
		got = p.constantOp(&in)
	}
}

// constantOp is the type of one instruction of a constant expression.
func (p *parser) constantOp(in *Instr) ValType {
	switch in.Op {
	case OpI32Const:
		return I32
	case OpI64Const:
		return I64
	case OpF32Const:
		return F32
	case OpF64Const:
		return F64
	case OpV128Const:
		return V128
	case OpRefNull:
		return in.Type
	case OpRefFunc:
		if int64(in.A) >= int64(len(p.m.Funcs)) {
			p.failAt(in.Start, Invalid, fmt.Sprintf("there is no function %d", in.A))
			return 0
		}
		p.mention(in.A)
		return FuncRef
	case OpGlobalGet:
		if int64(in.A) >= int64(p.m.ImportedGlobals) || p.m.Globals[in.A].Mutable {
			p.failAt(in.Start, Invalid, fmt.Sprintf("a constant expression reads global %d, which is not an imported constant", in.A))
			return 0
		}
		return p.m.Globals[in.A].Type
	}
	p.failAt(in.Start, Invalid, ops[in.Op].name+" is not constant")
	return 0
}

func (p *parser) elementSection() {
	for n := p.list("element segments", p.caps.ElementSegments); n > 0 && p.err == nil; n-- {
		p.element()
	}
}

// element reads one segment; its flags say whether it is passive or
// declarative (bit 0), names a table or is declarative (bit 1), and holds
// expressions (bit 2).
func (p *parser) element() {
	at := p.off
	flags := p.u32()
	if p.err == nil && flags > 7 {
		p.failAt(at, Malformed, "an element segment is of an unknown form")
		return
	}
	s := Segment{Type: FuncRef}
	switch {
	case flags&1 == 0:
		s.Mode = Active
	case flags&2 == 0:
		s.Mode = Passive
	default:
		s.Mode = Declarative
	}
	var table uint32
	if s.Mode == Active {
		if flags&2 != 0 {
			table = p.u32()
		}
		if p.err == nil && int64(table) >= int64(len(p.m.Tables)) {
			p.failAt(at, Invalid, fmt.Sprintf("there is no table %d", table))
			return
		}
		p.constant(I32)
	}
	if flags&3 != 0 {
		if flags&4 != 0 {
			s.Type = p.refType()
		} else if at := p.off; p.byte() != 0 {
			p.failAt(at, Malformed, "an element segment holds something other than functions")
			return
		}
	}
	s.Entries = p.count()
	p.elements += int64(s.Entries)
	if p.over(at, "entries of element segments", p.elements, p.caps.Elements) {
		return
	}
	for n := s.Entries; n > 0 && p.err == nil; n-- {
		if flags&4 != 0 {
			p.constant(s.Type)
		} else if f := p.funcIndex(); p.err == nil {
			p.mention(f)
		}
	}
	if p.err == nil && s.Mode == Active && p.m.Tables[table].Type != s.Type {
		p.failAt(at, Invalid, fmt.Sprintf("an element segment of %s is for a table of %s", s.Type, p.m.Tables[table].Type))
	}
	p.m.Segments = append(p.m.Segments, s)
}

func (p *parser) dataSection() {
	n := p.list("data segments", p.caps.DataSegments)
	p.m.Data = n
	for ; n > 0 && p.err == nil; n-- {
		at := p.off
		switch flags := p.u32(); {
		case p.err != nil:
			return
		case flags > 2:
			p.failAt(at, Malformed, "a data segment is of an unknown form")
			return
		case flags != 1:
			var memory uint32
			if flags == 2 {
				memory = p.u32()
			}
			if p.err == nil && int64(memory) >= int64(len(p.m.Memories)) {
				p.failAt(at, Invalid, fmt.Sprintf("there is no memory %d", memory))
				return
			}
			p.constant(I32)
		}
		p.skip(int(min(int64(p.u32()), int64(len(p.b)))))
	}
}

// nameSection reads the names for debugging as far as engines do: those of the
// module, of functions and of locals. Others are passed over.
func (p *parser) nameSection() {
	if p.hasNames {
		p.fail(Malformed, "it has two name sections")
		return
	}
	p.hasNames = true
	if p.over(p.off, "bytes of the name section", int64(p.end-p.off), p.caps.NameSection) {
		return
	}
	whole := p.end
	for p.err == nil && p.off < whole {
		id, size := p.byte(), int64(p.u32())
		if p.err != nil {
			return
		}
		if size > int64(whole-p.off) {
			p.fail(Malformed, "a part of the name section is longer than the section")
			return
		}
		p.end = p.off + int(size)
		switch id {
		case 0:
			p.name(p.caps.Names)
		case 1:
			p.nameMap()
		case 2:
			p.each(func() {
				p.u32()
				p.nameMap()
			})
		default:
			p.skip(int(size))
		}
		if p.err == nil && p.off != p.end {
			p.fail(Malformed, "a part of the name section is longer than its content")
		}
		p.end = whole
	}
}

func (p *parser) nameMap() {
	p.each(func() {
		p.u32()
		p.name(p.caps.Names)
	})
}
