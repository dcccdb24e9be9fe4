package wasm

import (
	"fmt"
	"slices"
)

// unknown is the type of a value that unreachable code may take from an empty
// stack.
const unknown ValType = 0

// frame is an open block.
type frame struct {
	op Op
	// params and results of the block; a branch to a loop takes params, to
	// anything else results.
	params, results []ValType
	height          int
	unreachable     bool
}

func (f *frame) labels() []ValType {
	if f.op == OpLoop {
		return f.params
	}
	return f.results
}

// bodyState is what validating a function needs; it is used again for the
// next.
type bodyState struct {
	in     Instr
	stack  []ValType
	frames []frame
	locals []ValType
	popped []ValType // of br_table
	// blocks and bulk are counted against the caps.
	blocks, bulk int64
}

// function validates the body between off and end: the algorithm is that of
// the specification's appendix.
func (p *parser) function() {
	body := Body{Start: p.off, End: p.end}
	s := &p.body
	t := p.m.FuncType(uint32(p.fn))
	body.Locals = p.locals(t)
	body.Code = p.off
	s.locals = body.Locals
	s.stack, s.frames, s.blocks, s.bulk = s.stack[:0], s.frames[:0], 0, 0
	p.open(OpBlock, nil, t.Results)
	for p.err == nil && len(s.frames) > 0 {
		if !p.next(&s.in) {
			return
		}
		p.instruction(&s.in)
		body.Stack = max(body.Stack, len(s.stack))
	}
	if p.err == nil && p.off != p.end {
		p.fail(Malformed, "code follows the function's end")
	}
	p.m.Bodies = append(p.m.Bodies, body)
}

func (p *parser) locals(t FuncType) []ValType {
	at := p.off
	groups := p.count()
	total := int64(len(t.Params))
	var locals []ValType
	start := p.off
	for pass := range 2 { // count before anything is allocated
		p.off = start
		for n := groups; n > 0 && p.err == nil; n-- {
			k, of := int64(p.u32()), p.valType()
			if pass == 0 {
				if total += k; total > 1<<32-1 {
					p.failAt(at, Malformed, "the function has too many locals")
				}
				continue
			}
			for ; k > 0; k-- {
				locals = append(locals, of)
			}
		}
		if pass == 0 {
			limit := p.caps.Locals
			if limit <= 0 {
				limit = 1 << 20 // memory is spent on each
			}
			if p.err != nil || p.over(at, "locals of a function", total, limit) {
				return nil
			}
			locals = append(make([]ValType, 0, total), t.Params...)
		}
	}
	return locals
}

// invalid reports a broken rule at the instruction.
func (p *parser) invalid(format string, args ...any) {
	if p.err == nil {
		p.failAt(p.body.in.Start, Invalid, fmt.Sprintf(format, args...))
	}
}

func (p *parser) push(t ValType) { p.body.stack = append(p.body.stack, t) }

func (p *parser) pushAll(types []ValType) { p.body.stack = append(p.body.stack, types...) }

// pop takes the value on top, which may be anything.
func (p *parser) pop() ValType {
	s := &p.body
	f := &s.frames[len(s.frames)-1]
	if len(s.stack) == f.height {
		if !f.unreachable {
			p.invalid("%s needs a value and the stack is empty", ops[s.in.Op].name)
		}
		return unknown
	}
	t := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	return t
}

func (p *parser) popType(want ValType) ValType {
	got := p.pop()
	if got != want && got != unknown && want != unknown {
		p.invalid("%s needs %s and the stack has %s", ops[p.body.in.Op].name, want, got)
	}
	return got
}

func (p *parser) popAll(types []ValType) {
	for i := len(types) - 1; i >= 0; i-- {
		p.popType(types[i])
	}
}

func (p *parser) open(op Op, params, results []ValType) {
	s := &p.body
	s.frames = append(s.frames, frame{op: op, params: params, results: results, height: len(s.stack)})
	p.pushAll(params)
}

// closeFrame ends the innermost block and returns it.
func (p *parser) closeFrame() frame {
	s := &p.body
	f := s.frames[len(s.frames)-1]
	p.popAll(f.results)
	if len(s.stack) != f.height {
		p.invalid("%d values too many are on the stack at the end of a block", len(s.stack)-f.height)
	}
	s.frames = s.frames[:len(s.frames)-1]
	return f
}

// dead marks the rest of the block as unreachable.
func (p *parser) dead() {
	s := &p.body
	f := &s.frames[len(s.frames)-1]
	s.stack = s.stack[:f.height]
	f.unreachable = true
}

// label is the block a branch leads to.
func (p *parser) label(n uint32) []ValType {
	frames := p.body.frames
	if int64(n) >= int64(len(frames)) {
		p.invalid("there is no label %d", n)
		return nil
	}
	return frames[len(frames)-1-int(n)].labels()
}

// blockTypes resolves a block's type.
func (p *parser) blockTypes(b Block) (params, results []ValType) {
	switch {
	case b.Index >= 0:
		if int(b.Index) >= len(p.m.Types) {
			p.invalid("there is no type %d", b.Index)
			return nil, nil
		}
		t := &p.m.Types[b.Index]
		return t.Params, t.Results
	case b.Result != 0:
		return nil, single(b.Result)
	}
	return nil, nil
}

// singles holds the type lists of one value.
var singles = [...][]ValType{{I32}, {I64}, {F32}, {F64}, {V128}, {FuncRef}, {ExternRef}}

func single(t ValType) []ValType {
	for _, s := range singles {
		if s[0] == t {
			return s
		}
	}
	return nil
}

func (p *parser) instruction(in *Instr) {
	o := &ops[in.Op]
	if o.typed {
		p.immediate(o, in)
		for i := len(o.params) - 1; i >= 0; i-- {
			p.popType(ValType(o.params[i]))
		}
		for i := range len(o.results) {
			p.push(ValType(o.results[i]))
		}
		return
	}
	switch in.Op {
	case OpBlock, OpLoop, OpIf, OpElse, OpEnd, OpBr, OpBrIf, OpBrTable, OpReturn, OpUnreachable, OpNop:
		p.control(in)
	case OpCall, OpCallIndirect, OpRefFunc:
		p.call(in)
	case OpDrop, OpSelect, OpSelectT, OpRefNull, OpRefIsNull:
		p.parametric(in)
	case OpLocalGet, OpLocalSet, OpLocalTee, OpGlobalGet, OpGlobalSet:
		p.variable(in)
	case OpMemorySize, OpMemoryGrow, OpMemoryInit, OpMemoryCopy, OpMemoryFill, OpDataDrop:
		p.memoryOp(in)
	default:
		p.tableOp(in)
	}
}

// immediate checks what stands behind an instruction of fixed type.
func (p *parser) immediate(o *op, in *Instr) {
	switch o.imm {
	case immMemory, immMemoryLane:
		p.needMemory()
		if in.A >= 32 || 1<<in.A > uint64(o.width) {
			p.invalid("%s has an alignment of 2^%d, above its width of %d", o.name, in.A, o.width)
		}
		if o.imm == immMemoryLane && in.Lane >= o.lanes {
			p.invalid("%s has no lane %d", o.name, in.Lane)
		}
	case immLane:
		if in.A >= uint32(o.lanes) {
			p.invalid("%s has no lane %d", o.name, in.A)
		}
	}
}

func (p *parser) needMemory() {
	if len(p.m.Memories) == 0 {
		p.invalid("%s needs a memory and there is none", ops[p.body.in.Op].name)
	}
}

func (p *parser) control(in *Instr) {
	s := &p.body
	switch in.Op {
	case OpUnreachable:
		p.dead()
	case OpBlock, OpLoop, OpIf:
		params, results := p.blockTypes(in.Block)
		if in.Op == OpIf {
			p.popType(I32)
		}
		p.popAll(params)
		p.open(in.Op, params, results)
		s.blocks++
		p.over(in.Start, "blocks of a function", s.blocks, p.caps.Blocks)
		p.over(in.Start, "nested blocks", int64(len(s.frames)), p.caps.Nesting)
	case OpElse:
		if f := p.closeFrame(); p.err == nil {
			if f.op != OpIf {
				p.failAt(in.Start, Malformed, "else without if")
				return
			}
			p.open(OpElse, f.params, f.results)
		}
	case OpEnd:
		f := p.closeFrame()
		if f.op == OpIf && p.err == nil && !slices.Equal(f.params, f.results) {
			p.invalid("an if without else has to leave what it takes")
		}
		if len(s.frames) > 0 {
			p.pushAll(f.results)
		}
	case OpBr:
		p.popAll(p.label(in.A))
		p.dead()
	case OpBrIf:
		p.popType(I32)
		types := p.label(in.A)
		p.popAll(types)
		p.pushAll(types)
	case OpBrTable:
		p.brTable(in)
	case OpReturn:
		p.popAll(s.frames[0].results)
		p.dead()
	}
}

func (p *parser) brTable(in *Instr) {
	s := &p.body
	p.popType(I32)
	def := p.label(in.Targets[len(in.Targets)-1])
	if p.err != nil {
		return
	}
	s.popped = slices.Grow(s.popped[:0], len(def))[:len(def)]
	popped := s.popped
	for _, target := range in.Targets {
		types := p.label(target)
		if p.err != nil {
			return
		}
		if len(types) != len(def) {
			p.invalid("the targets of br_table take different numbers of values")
			return
		}
		// Unknown values stay unknown: each target may want another type.
		for i := len(types) - 1; i >= 0; i-- {
			popped[i] = p.popType(types[i])
		}
		s.stack = append(s.stack, popped...)
	}
	p.popAll(def)
	p.dead()
}

func (p *parser) call(in *Instr) {
	switch in.Op {
	case OpCall:
		if int64(in.A) >= int64(len(p.m.Funcs)) {
			p.invalid("there is no function %d", in.A)
			return
		}
		p.apply(p.m.FuncType(in.A))
	case OpCallIndirect:
		if int64(in.A) >= int64(len(p.m.Types)) {
			p.invalid("there is no type %d", in.A)
			return
		}
		if t, ok := p.tableType(in.B); ok && t != FuncRef {
			p.invalid("call_indirect needs a table of funcref and table %d is of %s", in.B, t)
		}
		p.popType(I32)
		p.apply(p.m.Types[in.A])
	case OpRefFunc:
		if int64(in.A) >= int64(len(p.m.Funcs)) {
			p.invalid("there is no function %d", in.A)
			return
		}
		if !p.refs[in.A] {
			p.invalid("ref.func names function %d, which nothing outside of code mentions", in.A)
		}
		p.push(FuncRef)
	}
}

func (p *parser) apply(t FuncType) {
	p.popAll(t.Params)
	p.pushAll(t.Results)
}

func (p *parser) parametric(in *Instr) {
	switch in.Op {
	case OpDrop:
		p.pop()
	case OpSelect:
		p.popType(I32)
		a, b := p.pop(), p.pop()
		if p.err == nil && (a.isRef() || b.isRef()) {
			p.invalid("select without a type takes no references")
		}
		if a != b && a != unknown && b != unknown {
			p.invalid("select chooses between %s and %s", b, a)
		}
		if a == unknown {
			a = b
		}
		p.push(a)
	case OpSelectT:
		p.popType(I32)
		p.popType(in.Type)
		p.popType(in.Type)
		p.push(in.Type)
	case OpRefNull:
		p.push(in.Type)
	case OpRefIsNull:
		if t := p.pop(); t != unknown && !t.isRef() {
			p.invalid("ref.is_null needs a reference and the stack has %s", t)
		}
		p.push(I32)
	}
}

func (p *parser) variable(in *Instr) {
	s := &p.body
	if in.Op == OpGlobalGet || in.Op == OpGlobalSet {
		if int64(in.A) >= int64(len(p.m.Globals)) {
			p.invalid("there is no global %d", in.A)
			return
		}
		g := p.m.Globals[in.A]
		if in.Op == OpGlobalGet {
			p.push(g.Type)
			return
		}
		if !g.Mutable {
			p.invalid("global %d is constant", in.A)
		}
		p.popType(g.Type)
		return
	}
	if int64(in.A) >= int64(len(s.locals)) {
		p.invalid("there is no local %d", in.A)
		return
	}
	t := s.locals[in.A]
	switch in.Op {
	case OpLocalGet:
		p.push(t)
	case OpLocalSet:
		p.popType(t)
	case OpLocalTee:
		p.popType(t)
		p.push(t)
	}
}

func (p *parser) countBulk(in *Instr) {
	p.body.bulk++
	p.over(in.Start, "bulk operations of a function", p.body.bulk, p.caps.Bulk)
}

func (p *parser) memoryOp(in *Instr) {
	if in.Op == OpDataDrop {
		p.needData(in.A)
		return
	}
	p.needMemory()
	switch in.Op {
	case OpMemorySize:
		p.push(I32)
		return
	case OpMemoryGrow:
		p.popType(I32)
		p.push(I32)
		return
	case OpMemoryInit:
		p.needData(in.A)
	}
	p.countBulk(in)
	p.popType(I32)
	p.popType(I32)
	p.popType(I32)
}

// needData checks the index of a data segment. Their number is known before
// the code from the data count section alone.
func (p *parser) needData(index uint32) {
	switch {
	case p.err != nil:
	case !p.m.HasDataCount:
		p.failAt(p.body.in.Start, Malformed, "a data segment is named and there is no data count section")
	case int64(index) >= int64(p.dataCount):
		p.invalid("there is no data segment %d", index)
	}
}

func (p *parser) tableType(index uint32) (ValType, bool) {
	if int64(index) >= int64(len(p.m.Tables)) {
		p.invalid("there is no table %d", index)
		return 0, false
	}
	return p.m.Tables[index].Type, true
}

func (p *parser) segment(index uint32) ValType {
	if int64(index) >= int64(len(p.m.Segments)) {
		p.invalid("there is no element segment %d", index)
		return 0
	}
	return p.m.Segments[index].Type
}

func (p *parser) tableOp(in *Instr) {
	switch in.Op {
	case OpElemDrop:
		p.segment(in.A)
		return
	case OpTableInit:
		p.countBulk(in)
		of := p.segment(in.A)
		if t, ok := p.tableType(in.B); ok && p.err == nil && t != of {
			p.invalid("table.init puts %s into a table of %s", of, t)
		}
		p.popAll(threeI32)
		return
	case OpTableCopy:
		p.countBulk(in)
		to, ok := p.tableType(in.A)
		from, ok2 := p.tableType(in.B)
		if ok && ok2 && to != from {
			p.invalid("table.copy puts %s into a table of %s", from, to)
		}
		p.popAll(threeI32)
		return
	}
	t, ok := p.tableType(in.A)
	if !ok {
		return
	}
	switch in.Op {
	case OpTableGet:
		p.popType(I32)
		p.push(t)
	case OpTableSet:
		p.popType(t)
		p.popType(I32)
	case OpTableSize:
		p.push(I32)
	case OpTableGrow:
		p.growable(in)
		p.popType(I32)
		p.popType(t)
		p.push(I32)
	case OpTableFill:
		p.countBulk(in)
		p.popType(I32)
		p.popType(t)
		p.popType(I32)
	}
}

var threeI32 = []ValType{I32, I32, I32}

// growable refuses a table that could grow beyond the cap.
func (p *parser) growable(in *Instr) {
	if p.caps.TableEntries <= 0 {
		return
	}
	most := int64(1<<32 - 1)
	if t := p.m.Tables[in.A]; t.HasMax {
		most = int64(t.Max)
	}
	p.over(in.Start, "entries that a table may grow to", most, p.caps.TableEntries)
}
