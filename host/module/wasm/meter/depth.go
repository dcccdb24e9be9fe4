package meter

import "github.com/sliphost/sliphost/host/module/wasm"

// Every cycle of calls has to contain a function that takes from the global
// stack. These are those that call through a table, since anything may be
// behind it, and those that a walk along the calls meets while they are still
// being walked. What remains is without cycles, and a chain of calls in it that
// needs much stack is cut by one more.

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

// visit is a function whose calls are being walked; at is the next one.
type visit struct{ fn, at int }

const (
	unseen = iota
	walking
	done
)

// order settles all functions, callees first, as far as there are no cycles.
func (r *rewriter) order() {
	state := make([]uint8, len(r.m.Bodies))
	cut := make([]bool, len(r.m.Bodies))
	need := make([]int64, len(r.m.Bodies))
	var work []visit
	for root := range state {
		if state[root] != unseen {
			continue
		}
		state[root] = walking
		work = append(work[:0], visit{fn: root})
		for len(work) > 0 {
			top := &work[len(work)-1]
			n, b := top.fn, &r.bodies[top.fn]
			calls := r.calls[b.firstCall:r.bodies[n+1].firstCall]
			if top.at < len(calls) {
				to := int(calls[top.at].fn - r.tick)
				top.at++
				switch state[to] {
				case unseen:
					state[to] = walking
					work = append(work, visit{fn: to})
				case walking:
					cut[to] = true
				}
				continue
			}
			work = work[:len(work)-1]
			below := int64(0)
			for _, c := range calls {
				below = max(below, need[c.fn-r.tick])
			}
			if all := r.frame(n) + below; cut[n] || b.indirect || all > chain {
				b.stack = all
			} else {
				need[n] = all
			}
			state[n] = done
			r.settle(n)
		}
	}
}
