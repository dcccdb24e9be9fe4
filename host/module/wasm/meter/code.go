package meter

import (
	"encoding/binary"

	"github.com/sliphost/sliphost/host/module/wasm"
)

// blockVoid is the type of a block without parameters and results.
const blockVoid = 0x40

// code writes the code section.
func (r *rewriter) code() {
	r.helperTypes()
	out := make([]byte, 0, len(r.m.Bytes)+len(r.m.Bytes)/4+1024)
	out = binary.AppendUvarint(out, uint64(len(r.m.Bodies)+len(r.added)))
	var buf []byte
	for i := range r.m.Bodies {
		buf = r.body(buf[:0], i)
		out = appendBytes(out, buf)
	}
	for _, h := range r.added {
		buf = r.helperBody(buf[:0], h.id)
		out = appendBytes(out, buf)
	}
	if len(r.m.Bodies)+len(r.added) > 0 {
		r.sections[idCode] = out
	}
}

func (r *rewriter) body(out []byte, n int) []byte {
	src := r.m.Bytes
	b, p := &r.m.Bodies[n], &r.bodies[n]
	out = append(out, src[b.Start:b.Code]...)
	edits := r.edits[p.firstEdit:r.bodies[n+1].firstEdit]
	entry := &r.segments[edits[0].arg]
	switch {
	case p.stack > 0:
		out = r.takeStack(out, -p.stack)
		if entry.gone {
			out = appendOp(out, wasm.OpGlobalGet, r.fuel+globalStack)
			out = r.below(out)
		} else {
			out = r.charge(out, entry.cost)
			out = r.testBoth(out)
		}
		out = append(out, byte(wasm.OpBlock))
		out = r.blockType(out, r.m.FuncType(uint32(n)+r.tick).Results)
	case entry.test || entry.cost > 0:
		out = r.charge(out, entry.cost)
		if entry.test {
			out = r.test(out)
		}
	}
	at := b.Code
	for i := range edits[1:] {
		e := &edits[i+1]
		out = append(out, src[at:e.at]...)
		at = e.end
		switch e.kind {
		case editCharge:
			s := &r.segments[e.arg]
			if !s.gone && (s.test || s.cost > 0) {
				out = r.charge(out, s.cost)
				if s.test {
					out = r.test(out)
				}
			}
		case editCall, editHelper, editBefore:
			out = appendOp(out, wasm.OpCall, e.arg)
		case editRef:
			out = appendOp(out, wasm.OpRefFunc, e.arg)
		case editMark:
			out = appendOp(out, wasm.OpGlobalGet, r.fuel)
			out = appendOp(out, wasm.OpGlobalSet, r.fuel+globalMark)
		case editReturn:
			if p.stack > 0 {
				out = appendOp(out, wasm.OpBr, e.arg)
			} else {
				out = append(out, byte(wasm.OpReturn))
			}
		}
	}
	out = append(out, src[at:b.End]...)
	if p.stack > 0 {
		out = r.takeStack(out, p.stack)
		out = append(out, byte(wasm.OpEnd))
	}
	return out
}

// The globals behind fuel.
const (
	globalStack = 1
	globalMark  = 2
)

// charge takes a price from fuel.
func (r *rewriter) charge(out []byte, cost int64) []byte {
	return r.add(out, r.fuel, -cost)
}

// takeStack adds to the global stack.
func (r *rewriter) takeStack(out []byte, n int64) []byte {
	return r.add(out, r.fuel+globalStack, n)
}

func (r *rewriter) add(out []byte, global uint32, n int64) []byte {
	out = appendOp(out, wasm.OpGlobalGet, global)
	out = appendI64(out, n)
	out = append(out, opI64Add)
	return appendOp(out, wasm.OpGlobalSet, global)
}

// test calls tick when fuel is below 0.
func (r *rewriter) test(out []byte) []byte {
	out = appendOp(out, wasm.OpGlobalGet, r.fuel)
	return r.below(out)
}

// testBoth does so when fuel or stack is.
func (r *rewriter) testBoth(out []byte) []byte {
	out = appendOp(out, wasm.OpGlobalGet, r.fuel)
	out = appendOp(out, wasm.OpGlobalGet, r.fuel+globalStack)
	out = append(out, opI64Or)
	return r.below(out)
}

func (r *rewriter) below(out []byte) []byte {
	out = appendI64(out, 0)
	out = append(out, opI64LtS, byte(wasm.OpIf), blockVoid)
	out = appendOp(out, wasm.OpCall, r.tick)
	return append(out, byte(wasm.OpEnd))
}

// blockType is that of a block with the results of a function.
func (r *rewriter) blockType(out []byte, results []wasm.ValType) []byte {
	switch len(results) {
	case 0:
		return append(out, blockVoid)
	case 1:
		return append(out, byte(results[0]))
	}
	return appendSigned(out, int64(r.typeIndex(wasm.FuncType{Results: results})))
}

// Opcodes that only appear in what is added.
const (
	opI32LeU        = 0x4d
	opI32GtU        = 0x4b
	opI32Ne         = 0x47
	opI32Add        = 0x6a
	opI32Sub        = 0x6b
	opI64LtS        = 0x53
	opI64GtU        = 0x56
	opI64Add        = 0x7c
	opI64Sub        = 0x7d
	opI64Mul        = 0x7e
	opI64Or         = 0x84
	opI64Shl        = 0x86
	opI64ShrU       = 0x88
	opI64ExtendI32U = 0xad
)

func appendOp(out []byte, op wasm.Op, index uint32) []byte {
	return appendU32(append(out, byte(op)), index)
}

func appendI32(out []byte, v int32) []byte {
	return appendSigned(append(out, byte(wasm.OpI32Const)), int64(v))
}

func appendI64(out []byte, v int64) []byte {
	return appendSigned(append(out, byte(wasm.OpI64Const)), v)
}

func appendU32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

func appendSigned(out []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(out, c)
		}
		out = append(out, c|0x80)
	}
}

func appendBytes(out, b []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

func appendName(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}
