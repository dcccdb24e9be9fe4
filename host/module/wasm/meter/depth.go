package meter

import "github.com/sliphost/sliphost/host/module/wasm"

// A call takes from the global stack what its frame is estimated to need, if
// it can be part of a cycle of calls, or if it is on top of a chain of calls
// that needs much. What is called through a table may be anything that a table
// may hold, so such calls go through one more node of the graph.

// frameBase is what a frame takes whatever it holds.
const frameBase = 96

// chain is the most bytes that frames may take together without a charge.
const chain = 32 << 10

// frame estimates the bytes that a function needs on the engine's stack: it
// keeps there what is alive across calls, each value in a place of its own.
func (r *rewriter) frame(n int) int64 {
	b := &r.m.Bodies[n]
	size := int64(frameBase) + 8*int64(len(b.Locals)+b.Stack) + int64(r.bodies[n].instructions)
	for _, t := range b.Locals {
		if t == wasm.V128 {
			size += 8
		}
	}
	return size
}

func (r *rewriter) mention(fn uint32) {
	if fn < r.tick {
		return
	}
	if r.mentioned == nil {
		r.mentioned = map[uint32]bool{}
	}
	r.mentioned[fn] = true
}

// depths fills in body.stack. It finds the strongly connected parts of the
// graph of calls by Tarjan's algorithm, callees first.
func (r *rewriter) depths() {
	n := len(r.m.Bodies)
	table := int32(n) // the node of the table
	g := graph{r: r, index: make([]int32, n+1), low: make([]int32, n+1), on: make([]bool, n+1), need: make([]int64, n+1)}
	for fn := range r.mentioned {
		g.mentioned = append(g.mentioned, int32(fn-r.tick))
	}
	for v := range int32(n) {
		if g.index[v] == 0 {
			g.visit(v)
		}
	}
	if g.index[table] == 0 {
		g.visit(table)
	}
}

type graph struct {
	r          *rewriter
	mentioned  []int32
	index, low []int32
	on         []bool
	stack      []int32
	work       []visit
	next       int32
	// need is what a function takes without a charge of its own, callees
	// included.
	need []int64
}

// visit is a node in progress: at is the next of its callees.
type visit struct {
	node int32
	at   int
}

// callee is the i-th function that node calls, -1 at the end.
func (g *graph) callee(node int32, i int) int32 {
	if int(node) == len(g.r.m.Bodies) {
		if i < len(g.mentioned) {
			return g.mentioned[i]
		}
		return -1
	}
	calls := g.r.calls[g.r.bodies[node].firstCall:g.r.bodies[node+1].firstCall]
	if i < len(calls) {
		return int32(calls[i] - g.r.tick)
	}
	if i == len(calls) && g.r.bodies[node].indirect {
		return int32(len(g.r.m.Bodies))
	}
	return -1
}

func (g *graph) enter(v int32) {
	g.next++
	g.index[v], g.low[v] = g.next, g.next
	g.stack = append(g.stack, v)
	g.on[v] = true
	g.work = append(g.work, visit{node: v})
}

func (g *graph) visit(root int32) {
	g.enter(root)
	for len(g.work) > 0 {
		top := &g.work[len(g.work)-1]
		v := top.node
		if to := g.callee(v, top.at); to >= 0 {
			top.at++
			switch {
			case g.index[to] == 0:
				g.enter(to)
			case g.on[to]:
				g.low[v] = min(g.low[v], g.index[to])
			}
			continue
		}
		g.work = g.work[:len(g.work)-1]
		if len(g.work) > 0 {
			up := g.work[len(g.work)-1].node
			g.low[up] = min(g.low[up], g.low[v])
		}
		if g.low[v] == g.index[v] {
			g.part(v)
		}
	}
}

// part settles the strongly connected part that ends with v on the stack.
func (g *graph) part(v int32) {
	at := len(g.stack) - 1
	for g.stack[at] != v {
		at--
	}
	members := g.stack[at:]
	g.stack = g.stack[:at]
	for _, f := range members {
		g.on[f] = false
	}
	for _, f := range members {
		below, cycle := int64(0), len(members) > 1
		for i := 0; ; i++ {
			to := g.callee(f, i)
			if to < 0 {
				break
			}
			cycle = cycle || to == f
			below = max(below, g.need[to]) // 0 for members
		}
		if int(f) == len(g.r.m.Bodies) {
			if !cycle {
				g.need[f] = below
			}
			continue
		}
		all := g.r.frame(int(f)) + below
		if cycle || all > chain {
			g.r.bodies[f].stack = all
		} else {
			g.need[f] = all
		}
	}
}
