package wasm

// op is what is known of an instruction: what follows it, and for those with a
// fixed type what it takes and leaves.
type op struct {
	name string
	imm  immediate
	// typed says that params and results are all there is to check, besides the
	// immediates.
	typed           bool
	params, results string
	// width is the bytes a memory access touches, lanes the number of lanes.
	width, lanes uint8
}

// ops is indexed by Op.
var ops = makeOps()

func makeOps() (t [opCount]op) {
	for _, o := range untyped {
		t[o.op] = op{name: o.name, imm: o.imm}
	}
	for _, list := range [][]run{numeric, vector} {
		for _, r := range list {
			for i, name := range r.names {
				t[int(r.first)+i] = op{name: name, imm: r.imm, typed: true, params: letters(r.params), results: letters(r.results), width: r.width, lanes: r.lanes}
			}
		}
	}
	return t
}

// letters translates i, I, f, F, v to value types.
func letters(s string) string {
	b := make([]byte, len(s))
	for i, c := range s {
		switch c {
		case 'i':
			b[i] = byte(I32)
		case 'I':
			b[i] = byte(I64)
		case 'f':
			b[i] = byte(F32)
		case 'F':
			b[i] = byte(F64)
		case 'v':
			b[i] = byte(V128)
		}
	}
	return string(b)
}

// untyped are the instructions whose type depends on their immediates or on
// the stack.
var untyped = []struct {
	op   Op
	name string
	imm  immediate
}{
	{OpUnreachable, "unreachable", immNone},
	{OpNop, "nop", immNone},
	{OpBlock, "block", immBlock},
	{OpLoop, "loop", immBlock},
	{OpIf, "if", immBlock},
	{OpElse, "else", immNone},
	{OpEnd, "end", immNone},
	{OpBr, "br", immIndex},
	{OpBrIf, "br_if", immIndex},
	{OpBrTable, "br_table", immTable},
	{OpReturn, "return", immNone},
	{OpCall, "call", immIndex},
	{OpCallIndirect, "call_indirect", immCallIndirect},
	{OpDrop, "drop", immNone},
	{OpSelect, "select", immNone},
	{OpSelectT, "select", immSelect},
	{OpLocalGet, "local.get", immIndex},
	{OpLocalSet, "local.set", immIndex},
	{OpLocalTee, "local.tee", immIndex},
	{OpGlobalGet, "global.get", immIndex},
	{OpGlobalSet, "global.set", immIndex},
	{OpTableGet, "table.get", immIndex},
	{OpTableSet, "table.set", immIndex},
	{OpMemorySize, "memory.size", immZero},
	{OpMemoryGrow, "memory.grow", immZero},
	{OpRefNull, "ref.null", immRefType},
	{OpRefIsNull, "ref.is_null", immNone},
	{OpRefFunc, "ref.func", immIndex},
	{OpMemoryInit, "memory.init", immDataZero},
	{OpDataDrop, "data.drop", immIndex},
	{OpMemoryCopy, "memory.copy", immZero2},
	{OpMemoryFill, "memory.fill", immZero},
	{OpTableInit, "table.init", immElem},
	{OpElemDrop, "elem.drop", immIndex},
	{OpTableCopy, "table.copy", immTables},
	{OpTableGrow, "table.grow", immIndex},
	{OpTableSize, "table.size", immIndex},
	{OpTableFill, "table.fill", immIndex},
}

// run is a stretch of opcodes of one type.
type run struct {
	first           Op
	names           []string
	imm             immediate
	params, results string
	width, lanes    uint8
}

func names(n ...string) []string { return n }

var numeric = []run{
	{first: 0x28, names: names("i32.load"), imm: immMemory, params: "i", results: "i", width: 4},
	{first: 0x29, names: names("i64.load"), imm: immMemory, params: "i", results: "I", width: 8},
	{first: 0x2a, names: names("f32.load"), imm: immMemory, params: "i", results: "f", width: 4},
	{first: 0x2b, names: names("f64.load"), imm: immMemory, params: "i", results: "F", width: 8},
	{first: 0x2c, names: names("i32.load8_s", "i32.load8_u"), imm: immMemory, params: "i", results: "i", width: 1},
	{first: 0x2e, names: names("i32.load16_s", "i32.load16_u"), imm: immMemory, params: "i", results: "i", width: 2},
	{first: 0x30, names: names("i64.load8_s", "i64.load8_u"), imm: immMemory, params: "i", results: "I", width: 1},
	{first: 0x32, names: names("i64.load16_s", "i64.load16_u"), imm: immMemory, params: "i", results: "I", width: 2},
	{first: 0x34, names: names("i64.load32_s", "i64.load32_u"), imm: immMemory, params: "i", results: "I", width: 4},
	{first: 0x36, names: names("i32.store"), imm: immMemory, params: "ii", width: 4},
	{first: 0x37, names: names("i64.store"), imm: immMemory, params: "iI", width: 8},
	{first: 0x38, names: names("f32.store"), imm: immMemory, params: "if", width: 4},
	{first: 0x39, names: names("f64.store"), imm: immMemory, params: "iF", width: 8},
	{first: 0x3a, names: names("i32.store8"), imm: immMemory, params: "ii", width: 1},
	{first: 0x3b, names: names("i32.store16"), imm: immMemory, params: "ii", width: 2},
	{first: 0x3c, names: names("i64.store8"), imm: immMemory, params: "iI", width: 1},
	{first: 0x3d, names: names("i64.store16"), imm: immMemory, params: "iI", width: 2},
	{first: 0x3e, names: names("i64.store32"), imm: immMemory, params: "iI", width: 4},
	{first: OpI32Const, names: names("i32.const"), imm: immI32, results: "i"},
	{first: OpI64Const, names: names("i64.const"), imm: immI64, results: "I"},
	{first: OpF32Const, names: names("f32.const"), imm: imm4, results: "f"},
	{first: OpF64Const, names: names("f64.const"), imm: imm8, results: "F"},
	{first: 0x45, names: names("i32.eqz"), imm: immNone, params: "i", results: "i"},
	{first: 0x46, names: names("i32.eq", "i32.ne", "i32.lt_s", "i32.lt_u", "i32.gt_s", "i32.gt_u", "i32.le_s", "i32.le_u", "i32.ge_s", "i32.ge_u"), imm: immNone, params: "ii", results: "i"},
	{first: 0x50, names: names("i64.eqz"), imm: immNone, params: "I", results: "i"},
	{first: 0x51, names: names("i64.eq", "i64.ne", "i64.lt_s", "i64.lt_u", "i64.gt_s", "i64.gt_u", "i64.le_s", "i64.le_u", "i64.ge_s", "i64.ge_u"), imm: immNone, params: "II", results: "i"},
	{first: 0x5b, names: names("f32.eq", "f32.ne", "f32.lt", "f32.gt", "f32.le", "f32.ge"), imm: immNone, params: "ff", results: "i"},
	{first: 0x61, names: names("f64.eq", "f64.ne", "f64.lt", "f64.gt", "f64.le", "f64.ge"), imm: immNone, params: "FF", results: "i"},
	{first: 0x67, names: names("i32.clz", "i32.ctz", "i32.popcnt"), imm: immNone, params: "i", results: "i"},
	{first: 0x6a, names: names("i32.add", "i32.sub", "i32.mul", "i32.div_s", "i32.div_u", "i32.rem_s", "i32.rem_u", "i32.and", "i32.or", "i32.xor", "i32.shl", "i32.shr_s", "i32.shr_u", "i32.rotl", "i32.rotr"), imm: immNone, params: "ii", results: "i"},
	{first: 0x79, names: names("i64.clz", "i64.ctz", "i64.popcnt"), imm: immNone, params: "I", results: "I"},
	{first: 0x7c, names: names("i64.add", "i64.sub", "i64.mul", "i64.div_s", "i64.div_u", "i64.rem_s", "i64.rem_u", "i64.and", "i64.or", "i64.xor", "i64.shl", "i64.shr_s", "i64.shr_u", "i64.rotl", "i64.rotr"), imm: immNone, params: "II", results: "I"},
	{first: 0x8b, names: names("f32.abs", "f32.neg", "f32.ceil", "f32.floor", "f32.trunc", "f32.nearest", "f32.sqrt"), imm: immNone, params: "f", results: "f"},
	{first: 0x92, names: names("f32.add", "f32.sub", "f32.mul", "f32.div", "f32.min", "f32.max", "f32.copysign"), imm: immNone, params: "ff", results: "f"},
	{first: 0x99, names: names("f64.abs", "f64.neg", "f64.ceil", "f64.floor", "f64.trunc", "f64.nearest", "f64.sqrt"), imm: immNone, params: "F", results: "F"},
	{first: 0xa0, names: names("f64.add", "f64.sub", "f64.mul", "f64.div", "f64.min", "f64.max", "f64.copysign"), imm: immNone, params: "FF", results: "F"},
	{first: 0xa7, names: names("i32.wrap_i64"), imm: immNone, params: "I", results: "i"},
	{first: 0xa8, names: names("i32.trunc_f32_s", "i32.trunc_f32_u"), imm: immNone, params: "f", results: "i"},
	{first: 0xaa, names: names("i32.trunc_f64_s", "i32.trunc_f64_u"), imm: immNone, params: "F", results: "i"},
	{first: 0xac, names: names("i64.extend_i32_s", "i64.extend_i32_u"), imm: immNone, params: "i", results: "I"},
	{first: 0xae, names: names("i64.trunc_f32_s", "i64.trunc_f32_u"), imm: immNone, params: "f", results: "I"},
	{first: 0xb0, names: names("i64.trunc_f64_s", "i64.trunc_f64_u"), imm: immNone, params: "F", results: "I"},
	{first: 0xb2, names: names("f32.convert_i32_s", "f32.convert_i32_u"), imm: immNone, params: "i", results: "f"},
	{first: 0xb4, names: names("f32.convert_i64_s", "f32.convert_i64_u"), imm: immNone, params: "I", results: "f"},
	{first: 0xb6, names: names("f32.demote_f64"), imm: immNone, params: "F", results: "f"},
	{first: 0xb7, names: names("f64.convert_i32_s", "f64.convert_i32_u"), imm: immNone, params: "i", results: "F"},
	{first: 0xb9, names: names("f64.convert_i64_s", "f64.convert_i64_u"), imm: immNone, params: "I", results: "F"},
	{first: 0xbb, names: names("f64.promote_f32"), imm: immNone, params: "f", results: "F"},
	{first: 0xbc, names: names("i32.reinterpret_f32"), imm: immNone, params: "f", results: "i"},
	{first: 0xbd, names: names("i64.reinterpret_f64"), imm: immNone, params: "F", results: "I"},
	{first: 0xbe, names: names("f32.reinterpret_i32"), imm: immNone, params: "i", results: "f"},
	{first: 0xbf, names: names("f64.reinterpret_i64"), imm: immNone, params: "I", results: "F"},
	{first: 0xc0, names: names("i32.extend8_s", "i32.extend16_s"), imm: immNone, params: "i", results: "i"},
	{first: 0xc2, names: names("i64.extend8_s", "i64.extend16_s", "i64.extend32_s"), imm: immNone, params: "I", results: "I"},
	{first: opFC, names: names("i32.trunc_sat_f32_s", "i32.trunc_sat_f32_u"), imm: immNone, params: "f", results: "i"},
	{first: opFC + 2, names: names("i32.trunc_sat_f64_s", "i32.trunc_sat_f64_u"), imm: immNone, params: "F", results: "i"},
	{first: opFC + 4, names: names("i64.trunc_sat_f32_s", "i64.trunc_sat_f32_u"), imm: immNone, params: "f", results: "I"},
	{first: opFC + 6, names: names("i64.trunc_sat_f64_s", "i64.trunc_sat_f64_u"), imm: immNone, params: "F", results: "I"},
}
