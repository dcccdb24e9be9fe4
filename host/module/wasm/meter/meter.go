// Package meter rewrites WebAssembly modules so that they count what they
// execute, can be stopped at every loop and call, and cannot run out of the
// engine's stack. It knows no engine and no ABI.
//
// The rewritten module has three more global variables and calls one imported
// function, tick:
//
//   - fuel goes down by the price of what comes next, block by block, and is
//     tested at the head of every loop and function. Below 0 the module calls
//     tick, which puts a new amount into it, or ends the call by a trap.
//   - stack goes down by an estimate of the frame's size while a function runs
//     that can be called in a cycle. Below 0 the module calls tick too, which
//     has to trap then.
//   - mark holds a copy of fuel from where the module last called the function
//     of Options.Mark, if it imports that one.
//
// The globals are exported, so that the host can reach them, and their indexes
// are behind those of the original. As the original was validated against its
// own counts, no instruction of it can name them.
//
// Prices are an upper bound: a block's price is charged when it is entered, and
// short blocks are charged with the one before them. They depend on nothing but
// the module, so the same calls cost the same everywhere.
package meter

import (
	"fmt"
	"math"
	"strings"

	"github.com/sliphost/sliphost/host/module/wasm"
)

// Names in the rewritten module. Fuel, Stack and Mark are its exported
// globals, all mutable i64.
const (
	Module = "sliphost_meter"
	Tick   = "tick"
	Fuel   = Module + ".fuel"
	Stack  = Module + ".stack"
	Mark   = Module + ".mark"
)

// NoMark is what the host puts into the global Mark to see whether a mark
// came since; it is its first value.
const NoMark = math.MinInt64

// Version changes with everything that changes what Rewrite returns for the
// same module and options: compiled code is kept by it.
const Version = 1

// DefaultStack is for Options.Stack: it stays below the 50 MB at which the
// engine ends a call, as far as frames can be estimated.
const DefaultStack = 24 << 20

// Options are what Rewrite needs to know.
type Options struct {
	// Stack is the estimate of bytes of stack that may be in use at a time; 0 is
	// DefaultStack.
	Stack int64
	// MarkModule and Mark name an imported function () whose calls become marks.
	MarkModule, Mark string
	// MaxSize bounds the result in bytes; 0 is no bound.
	MaxSize int64
}

// Result is a rewritten module.
type Result struct {
	Bytes []byte
	// Marks says that the module contains marks.
	Marks bool
}

// Rewrite returns a metered copy of a validated module, which must have been
// parsed with caps for its size. The copy has no custom sections but the one
// with names, which is kept as far as it names the module and its functions.
//
// The error is a *wasm.Error: the module is larger than Options.MaxSize with
// metering, or uses names that belong to this package.
func Rewrite(m *wasm.Module, o Options) (*Result, error) {
	if err := reserved(m); err != nil {
		return nil, err
	}
	if o.Stack <= 0 {
		o.Stack = DefaultStack
	}
	r := &rewriter{
		m: m, o: o,
		tick: uint32(m.ImportedFuncs), fuel: uint32(len(m.Globals)), mark: noFunc,
	}
	r.findMark()
	r.plan()
	r.elements()
	r.globals()
	r.order()
	r.code()
	r.names()
	out := r.assemble()
	if o.MaxSize > 0 && int64(len(out)) > o.MaxSize {
		return nil, &wasm.Error{
			Problem: wasm.TooLarge, Func: -1, Cap: "bytes of the metered module", Value: int64(len(out)), Limit: o.MaxSize,
			Detail: fmt.Sprintf("bytes of the metered module: %d, and at most %d are allowed", len(out), o.MaxSize),
		}
	}
	return &Result{Bytes: out, Marks: r.marks}, nil
}

// reserved refuses modules that use this package's names.
func reserved(m *wasm.Module) error {
	bad := func(what, name string) error {
		return &wasm.Error{Problem: wasm.Invalid, Func: -1, Detail: fmt.Sprintf("it %s %q: names that begin with %s belong to the host", what, name, Module)}
	}
	for _, im := range m.Imports {
		if strings.HasPrefix(im.Module, Module) {
			return bad("imports from", im.Module)
		}
	}
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, Module) {
			return bad("exports", e.Name)
		}
	}
	return nil
}

// noFunc is no function's index.
const noFunc = math.MaxUint32

type rewriter struct {
	m *wasm.Module
	o Options
	// tick is the index of the imported function; functions from there on move
	// up by one. fuel is the index of the first of the three new globals, mark
	// that of the import whose calls become marks.
	tick, fuel, mark uint32
	marks            bool

	// edits and segments of all bodies; bodies says which are whose.
	edits    []edit
	segments []segment
	bodies   []body
	calls    []call
	labels   []label
	// types are added behind the original's; helpers are the functions added,
	// by their place among them.
	types   []wasm.FuncType
	helpers [helperCount]int
	added   []helper

	// sections are the rewritten ones by id.
	sections [12][]byte
	nameBody []byte
}

// body is what planning found of one function.
type body struct {
	// firstEdit and firstSegment begin its stretches; they end where the next
	// one's begin.
	firstEdit, firstSegment, firstCall int
	instructions                       int
	indirect, loops, marks             bool
	// straight says that nothing but straight code comes before a loop.
	straight bool
	// stack is what it takes from the global stack, 0 for nothing.
	stack int64
	// work is an upper bound of the price of a call up to the next test in it.
	// free functions are paid for by their callers, tested ones test fuel.
	work         int64
	free, tested bool
}

// call is the call of a function of the module in a segment.
type call struct {
	fn      uint32
	segment int32
}

// shift is a function's index in the rewritten module.
func (r *rewriter) shift(fn uint32) uint32 {
	if fn >= r.tick {
		return fn + 1
	}
	return fn
}

// findMark looks for the import whose calls become marks.
func (r *rewriter) findMark() {
	fn := uint32(0)
	for _, im := range r.m.Imports {
		if im.Kind != wasm.KindFunc {
			continue
		}
		if r.o.Mark != "" && im.Module == r.o.MarkModule && im.Name == r.o.Mark && len(im.Type.Params)+len(im.Type.Results) == 0 {
			r.mark = fn
		}
		fn++
	}
}

// typeIndex is the index of a type, which is added if it is not there.
func (r *rewriter) typeIndex(t wasm.FuncType) uint32 {
	for i := range r.types {
		if r.types[i].Equal(t) {
			return uint32(len(r.m.Types) + i)
		}
	}
	for i := range r.m.Types {
		if r.m.Types[i].Equal(t) {
			return uint32(i)
		}
	}
	r.types = append(r.types, t)
	return uint32(len(r.m.Types) + len(r.types) - 1)
}
