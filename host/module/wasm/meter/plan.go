package meter

import "github.com/sliphost/sliphost/host/module/wasm"

// A function's code is divided into segments: stretches in which control only
// goes forward, charged at their beginning. A segment's parent is one that
// runs before it whenever it runs, and it runs at most once for each time the
// parent does, so its price may be charged with the parent's.
type segment struct {
	cost int64
	// parent is a position in segments, -1 for none.
	parent int32
	// test says that fuel is tested here: the head of a loop or a function.
	test bool
	// folded is the price taken over from children.
	folded int64
	// likely says that it mostly runs when its parent does: it follows an if that
	// may leave, or a conditional branch.
	likely bool
	// gone says that the parent took over the price.
	gone bool
}

// foldCost and foldTotal bound the price of a segment that is charged with its
// parent, and of all that one parent takes over: what is charged for code that
// does not run. likelyCost is the bound for those that mostly do. Each charge is
// a load, an addition and a store, one after the other, so fewer of them cost a
// guest less time, and say less about what it did: with bounds ten times as high
// a Go guest, being a loop around a br_table, is charged twelve times as much as
// it executes. BenchmarkMetering compares.
const (
	foldCost   = 24
	foldTotal  = 96
	likelyCost = 1000
)

// entryCost is the most that is charged at each turn of a loop for what comes
// once before it.
const entryCost = 8

// A function whose work, with what it calls, is at most freeCost is not
// touched: its callers pay for it. One of at most smallCost is charged and not
// tested: its callers have a test of their own soon enough.
const (
	freeCost  = 48
	smallCost = 512
)

// edit is one change of a body, in the order of the file. What stands from at
// to end is replaced.
type edit struct {
	at, end int
	kind    editKind
	// arg is a segment, a function, a label or a helper.
	arg uint32
}

type editKind uint8

const (
	editCharge editKind = iota
	editCall
	editRef
	editMark
	editReturn
	editHelper // replaced by the call of a helper
	editBefore // the call of a helper comes before it
)

// label is an open block.
type label struct {
	loop, choice bool
	// targeted says that a branch leads to it. reach is the outermost label that
	// a branch inside leads to: beyond the own one, what follows the block may be
	// passed over.
	targeted bool
	reach    int
	// dead says that it is in code that cannot be reached.
	dead bool
	// outside is the segment it stands in, head the one a loop begins.
	outside, head int32
}

// plan walks through all bodies and notes prices and changes.
func (r *rewriter) plan() {
	r.bodies = make([]body, len(r.m.Bodies)+1)
	size := 0
	for i := range r.m.Bodies {
		size += r.m.Bodies[i].End - r.m.Bodies[i].Code
	}
	r.edits = make([]edit, 0, size/12)
	r.segments = make([]segment, 0, size/24)
	for i := range r.m.Bodies {
		r.bodies[i].firstEdit, r.bodies[i].firstSegment, r.bodies[i].firstCall = len(r.edits), len(r.segments), len(r.calls)
		r.planBody(i)
	}
	last := &r.bodies[len(r.m.Bodies)]
	last.firstEdit, last.firstSegment, last.firstCall = len(r.edits), len(r.segments), len(r.calls)
}

func (r *rewriter) planBody(n int) {
	b := &r.bodies[n]
	p := planner{r: r, b: b}
	r.labels = append(r.labels[:0], label{outside: -1, head: -1})
	p.begin(r.m.Bodies[n].Code, segment{parent: -1, test: true})
	for w := r.m.Walk(n); ; {
		in := w.Next()
		if in == nil {
			break
		}
		b.instructions++
		p.instruction(in)
	}
	b.straight = p.straight
}

// settle decides what is charged and tested where in a body, once the
// functions it calls are settled.
func (r *rewriter) settle(n int) {
	b, next := &r.bodies[n], &r.bodies[n+1]
	segments := r.segments[b.firstSegment:next.firstSegment]
	for _, c := range r.calls[b.firstCall:next.firstCall] {
		callee := &r.bodies[c.fn-r.tick]
		if callee.free {
			r.segments[c.segment].cost += callee.work
		} else if !callee.tested {
			b.work += callee.work
		}
	}
	// Children come after their parents.
	for i := len(segments) - 1; i > 0; i-- {
		s := &segments[i]
		b.work += s.cost
		if s.test || s.parent < 0 {
			continue
		}
		parent := &r.segments[s.parent]
		switch {
		case s.likely && s.cost <= likelyCost:
			parent.cost += s.cost
		case s.cost <= foldCost && parent.folded+s.cost <= foldTotal:
			parent.cost += s.cost
			parent.folded += s.cost
		default:
			continue
		}
		s.gone = true
	}
	if b.work += segments[0].cost - segments[0].folded; b.loops || b.stack > 0 {
		r.mergeEntry(b, segments)
	}
	if b.stack > 0 {
		b.tested = true
		return
	}
	if b.free = !b.loops && b.work <= freeCost && !b.marks; b.free {
		for i := range segments {
			segments[i].gone = true
		}
		segments[0].test = false
		return
	}
	b.tested = b.work > smallCost
	segments[0].test = segments[0].test && b.tested
}

// mergeEntry moves what is charged at the beginning of a function to the head
// of a loop that it leads to in any case: Go's functions are loops as a whole.
// The little that comes before is charged at each turn.
func (r *rewriter) mergeEntry(b *body, segments []segment) {
	if len(segments) < 2 || !segments[1].test || !b.straight {
		return
	}
	entry := &segments[0]
	if entry.cost > entryCost {
		return
	}
	segments[1].cost += entry.cost
	entry.cost, entry.test, entry.gone = 0, false, true
}

// planner goes through one body.
type planner struct {
	r    *rewriter
	b    *body
	cur  int32
	dead bool
	// straight says that no branch comes before the first loop.
	straight, branched bool
}

// begin opens a segment at an offset and makes it the current one.
func (p *planner) begin(at int, s segment) {
	r := p.r
	r.segments = append(r.segments, s)
	p.cur = int32(len(r.segments) - 1)
	r.edits = append(r.edits, edit{at: at, end: at, kind: editCharge, arg: uint32(p.cur)})
}

func (p *planner) edit(in *wasm.Instr, k editKind, arg uint32) {
	p.r.edits = append(p.r.edits, edit{at: in.Start, end: in.End, kind: k, arg: arg})
}

// help replaces an instruction by the call of a helper.
func (p *planner) help(in *wasm.Instr, h helperID) { p.edit(in, editHelper, p.r.helper(h)) }

// charge puts the call of a helper that charges for the number on the stack
// before an instruction.
func (p *planner) charge(in *wasm.Instr, h helperID) {
	p.r.edits = append(p.r.edits, edit{at: in.Start, end: in.Start, kind: editBefore, arg: p.r.helper(h)})
}

func (p *planner) instruction(in *wasm.Instr) {
	if !p.dead {
		p.r.segments[p.cur].cost += price(in.Op)
	}
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpElse, wasm.OpEnd:
		p.block(in)
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable, wasm.OpReturn, wasm.OpUnreachable:
		p.branch(in)
	case wasm.OpCall:
		p.branched = true
		switch {
		case in.A == p.r.mark:
			p.r.marks, p.b.marks = true, true
			p.edit(in, editMark, 0)
			if !p.dead {
				// What follows is the next record's.
				p.begin(in.End, segment{parent: -1})
			}
			return
		case in.A >= p.r.tick:
			if !p.dead {
				p.r.calls = append(p.r.calls, call{in.A, p.cur})
			}
		}
		p.edit(in, editCall, p.r.shift(in.A))
	case wasm.OpCallIndirect:
		p.branched = true
		p.b.indirect = true
	case wasm.OpRefFunc:
		p.edit(in, editRef, p.r.shift(in.A))
	case wasm.OpMemoryFill:
		p.help(in, helpFill)
	case wasm.OpMemoryCopy:
		p.help(in, helpCopy)
	case wasm.OpMemoryGrow:
		p.help(in, helpGrow)
	case wasm.OpMemoryInit:
		p.charge(in, helpBytes)
	case wasm.OpTableInit, wasm.OpTableCopy, wasm.OpTableFill, wasm.OpTableGrow:
		p.charge(in, helpEntries)
	}
}

func (p *planner) block(in *wasm.Instr) {
	r := p.r
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
		l := label{reach: len(r.labels), loop: in.Op == wasm.OpLoop, choice: in.Op == wasm.OpIf, dead: p.dead, outside: p.cur, head: -1}
		if !p.dead && in.Op != wasm.OpBlock {
			if l.loop && p.r.isSecond(p.b) && !p.branched {
				p.straight = true
			}
			p.begin(in.End, segment{parent: l.outside, test: l.loop})
			l.head = p.cur
		}
		r.labels = append(r.labels, l)
	case wasm.OpElse:
		l := &r.labels[len(r.labels)-1]
		if p.dead = l.dead; !p.dead {
			p.begin(in.End, segment{parent: l.outside})
		}
	case wasm.OpEnd:
		l := r.labels[len(r.labels)-1]
		r.labels = r.labels[:len(r.labels)-1]
		if len(r.labels) == 0 {
			return
		}
		around := &r.labels[len(r.labels)-1]
		around.reach = min(around.reach, l.reach)
		if p.dead = l.dead; p.dead {
			return
		}
		if l.loop {
			if l.targeted {
				p.b.loops = true
			} else {
				r.segments[l.head].test = false // nothing repeats it
			}
		}
		if p.cur = l.outside; l.reach < len(r.labels) {
			p.begin(in.End, segment{parent: l.outside, likely: l.choice})
		}
	}
}

// isSecond says whether the next segment is the second of a body.
func (r *rewriter) isSecond(b *body) bool { return len(r.segments) == b.firstSegment+1 }

func (p *planner) branch(in *wasm.Instr) {
	p.branched = true
	if in.Op == wasm.OpReturn {
		p.edit(in, editReturn, uint32(len(p.r.labels)-1))
	}
	if p.dead {
		return
	}
	switch in.Op {
	case wasm.OpBr, wasm.OpBrIf:
		p.to(in.A)
	case wasm.OpBrTable:
		for _, l := range in.Targets {
			p.to(l)
		}
	case wasm.OpReturn:
		p.to(uint32(len(p.r.labels) - 1))
	}
	if p.dead = in.Op != wasm.OpBrIf; !p.dead {
		p.begin(in.End, segment{parent: p.cur, likely: true})
	}
}

// to notes a branch to a label.
func (p *planner) to(n uint32) {
	labels := p.r.labels
	target := len(labels) - 1 - int(n)
	labels[target].targeted = true
	inner := &labels[len(labels)-1]
	inner.reach = min(inner.reach, target)
}

// price is one for an instruction that does something, more for those that
// take the machine longer.
func price(op wasm.Op) int64 {
	if int(op) < len(prices) {
		return int64(prices[op])
	}
	return 1
}

var prices = func() (t [256]uint8) {
	for i := range t {
		t[i] = 1
	}
	for _, op := range []wasm.Op{wasm.OpNop, wasm.OpBlock, wasm.OpLoop, wasm.OpElse, wasm.OpEnd, wasm.OpDrop} {
		t[op] = 0
	}
	t[wasm.OpCall], t[wasm.OpCallIndirect], t[wasm.OpBrTable] = 4, 8+freeCost, 2
	t[wasm.OpMemoryGrow] = 100
	for _, from := range []wasm.Op{0x6d, 0x7f} { // i32 and i64: div_s, div_u, rem_s, rem_u
		for op := from; op < from+4; op++ {
			t[op] = 8
		}
	}
	for _, op := range []wasm.Op{0x91, 0x95, 0x9f, 0xa3} { // f32 and f64: sqrt, div
		t[op] = 6
	}
	return t
}()
