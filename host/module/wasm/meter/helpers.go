package meter

import "github.com/sliphost/sliphost/host/module/wasm"

// Helpers are functions that are added to a module for instructions whose work
// depends on a number on the stack.
type helperID int

const (
	// helpFill and helpCopy stand for memory.fill and memory.copy, and work in
	// pieces with a call of tick between them, so that one instruction cannot
	// hold up the host.
	helpFill helperID = iota
	helpCopy
	// helpGrow stands for memory.grow. What could not be had costs nothing.
	helpGrow
	// helpBytes and helpEntries charge for the number on the stack and leave it.
	helpBytes
	helpEntries
	helperCount
)

type helper struct {
	id   helperID
	typ  uint32
	name string
}

// Prices of bulk work: a unit of fuel moves 2^bytesShift bytes; a page is paid
// for as if it were filled.
const (
	bytesShift = 4
	pageCost   = wasm.PageSize >> bytesShift
	// piece is how much is filled or copied at a time.
	piece = 1 << 20
	// most is the greatest number of entries that is charged for: no table has
	// more, and what fails shall not cost a fortune.
	most = 1 << 20
)

// helper is the index of a helper in the rewritten module.
func (r *rewriter) helper(h helperID) uint32 {
	if r.helpers[h] == 0 {
		r.added = append(r.added, helper{id: h})
		r.helpers[h] = len(r.added)
	}
	return uint32(len(r.m.Funcs) + r.helpers[h])
}

// helperTypes fills in their types.
func (r *rewriter) helperTypes() {
	i32 := wasm.I32
	one := wasm.FuncType{Params: []wasm.ValType{i32}, Results: []wasm.ValType{i32}}
	three := wasm.FuncType{Params: []wasm.ValType{i32, i32, i32}}
	names := [helperCount]string{"fill", "copy", "grow", "bytes", "entries"}
	for i := range r.added {
		t := one
		if id := r.added[i].id; id == helpFill || id == helpCopy {
			t = three
		}
		r.added[i].typ = r.typeIndex(t)
		r.added[i].name = Module + "." + names[r.added[i].id]
	}
}

// asm writes a helper's code.
type asm struct {
	r   *rewriter
	out []byte
}

func (a *asm) op(ops ...byte) *asm { a.out = append(a.out, ops...); return a }

func (a *asm) get(local uint32) *asm {
	a.out = appendOp(a.out, wasm.OpLocalGet, local)
	return a
}

func (a *asm) set(local uint32) *asm {
	a.out = appendOp(a.out, wasm.OpLocalSet, local)
	return a
}

func (a *asm) i32(v int32) *asm { a.out = appendI32(a.out, v); return a }
func (a *asm) i64(v int64) *asm { a.out = appendI64(a.out, v); return a }

// pay takes what the code of price leaves on the stack, an i64, from fuel and
// tests it.
func (a *asm) pay(price func()) *asm {
	a.out = appendOp(a.out, wasm.OpGlobalGet, a.r.fuel)
	price()
	a.op(opI64Sub)
	a.out = appendOp(a.out, wasm.OpGlobalSet, a.r.fuel)
	a.out = a.r.test(a.out)
	return a
}

// payBytes charges for the bytes in a local.
func (a *asm) payBytes(local uint32) *asm {
	return a.pay(func() { a.get(local).op(opI64ExtendI32U).i64(bytesShift).op(opI64ShrU) })
}

// beyond leaves whether local bytes from the address in another local end
// outside of memory.
func (a *asm) beyond(address, n uint32) *asm {
	a.get(address).op(opI64ExtendI32U).get(n).op(opI64ExtendI32U, opI64Add)
	return a.op(byte(wasm.OpMemorySize), 0, opI64ExtendI32U).i64(16).op(opI64Shl, opI64GtU)
}

func (a *asm) tick() *asm { a.out = appendOp(a.out, wasm.OpCall, a.r.tick); return a }

var (
	codeFill = []byte{0xfc, 11, 0}
	codeCopy = []byte{0xfc, 10, 0, 0}
)

// helperBody appends a helper's locals and code.
func (r *rewriter) helperBody(out []byte, id helperID) []byte {
	a := &asm{r: r, out: out}
	switch id {
	case helpFill:
		a.op(0)
		a.fill()
	case helpCopy:
		a.op(0)
		a.copy()
	case helpGrow:
		a.op(1, 1, byte(wasm.I32))
		a.get(0).op(byte(wasm.OpMemoryGrow), 0)
		a.out = appendOp(a.out, wasm.OpLocalTee, 1)
		a.i32(-1).op(opI32Ne, byte(wasm.OpIf), blockVoid)
		a.pay(func() { a.get(0).op(opI64ExtendI32U).i64(pageCost).op(opI64Mul) })
		a.op(byte(wasm.OpEnd)).get(1)
	case helpBytes:
		a.op(0)
		a.payBytes(0).get(0)
	case helpEntries:
		a.op(0)
		a.pay(func() {
			a.get(0).i32(most).get(0).i32(most).op(opI32LeU)
			a.op(byte(wasm.OpSelect), opI64ExtendI32U)
		}).get(0)
	}
	return append(a.out, byte(wasm.OpEnd))
}

// Locals of fill and copy.
const (
	localTo   = 0
	localFrom = 1 // the value, for fill
	localLen  = 2
)

// whole begins a block that is left where the work is to be done at once,
// because it is short or traps.
func (a *asm) whole() *asm {
	a.op(byte(wasm.OpBlock), blockVoid)
	a.get(localLen).i32(piece).op(opI32LeU, byte(wasm.OpBrIf), 0)
	return a.beyond(localTo, localLen).op(byte(wasm.OpBrIf), 0)
}

// forward moves a local behind a piece.
func (a *asm) forward(local uint32) *asm { return a.get(local).i32(piece).op(opI32Add).set(local) }

// shorter takes a piece off the length.
func (a *asm) shorter() *asm { return a.get(localLen).i32(piece).op(opI32Sub).set(localLen) }

// again repeats the loop around it while more than a piece is left.
func (a *asm) again() *asm {
	return a.get(localLen).i32(piece).op(opI32GtU, byte(wasm.OpBrIf), 0, byte(wasm.OpEnd))
}

func (a *asm) fill() {
	a.payBytes(localLen).whole()
	a.op(byte(wasm.OpLoop), blockVoid).tick()
	a.get(localTo).get(localFrom).i32(piece).op(codeFill...)
	a.forward(localTo).shorter().again()
	a.op(byte(wasm.OpEnd))
	a.get(localTo).get(localFrom).get(localLen).op(codeFill...)
}

// copy begins at the end that the target does not overlap.
func (a *asm) copy() {
	a.payBytes(localLen).whole()
	a.beyond(localFrom, localLen).op(byte(wasm.OpBrIf), 0)
	a.get(localTo).get(localFrom).op(opI32LeU, byte(wasm.OpIf), blockVoid)
	a.op(byte(wasm.OpLoop), blockVoid).tick()
	a.get(localTo).get(localFrom).i32(piece).op(codeCopy...)
	a.forward(localTo).forward(localFrom).shorter().again()
	a.op(byte(wasm.OpElse))
	a.op(byte(wasm.OpLoop), blockVoid).tick().shorter()
	a.get(localTo).get(localLen).op(opI32Add)
	a.get(localFrom).get(localLen).op(opI32Add)
	a.i32(piece).op(codeCopy...).again()
	a.op(byte(wasm.OpEnd), byte(wasm.OpEnd))
	a.get(localTo).get(localFrom).get(localLen).op(codeCopy...)
}
