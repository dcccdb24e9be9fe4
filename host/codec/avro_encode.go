package codec

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// avroEncoder turns msgpack into Avro by the writer's schema.
type avroEncoder struct {
	in  input
	dst []byte
	// places are where the fields of the records that are open begin in the
	// source, 0 for those not seen: a record's are places[mark:mark+fields].
	places []int32
}

// encodeAvro appends the value in src to dst. e's memory is used again.
func (e *avroEncoder) encode(dst, src []byte, t *avroType) ([]byte, *Error) {
	e.in, e.dst, e.places = input{src: src}, dst, e.places[:0]
	e.value(t, 0)
	if e.in.err == nil && e.in.i < len(src) {
		e.in.fail(e.in.i, "bytes left over after the value")
	}
	out, err := e.dst, e.in.err
	e.in, e.dst = input{}, nil
	return out, err
}

func (e *avroEncoder) long(v int64) {
	e.dst = binary.AppendUvarint(e.dst, uint64(v)<<1^uint64(v>>63))
}

// value encodes the value at the cursor, which stands inside depth arrays and
// maps.
func (e *avroEncoder) value(t *avroType, depth int) {
	switch t.kind {
	case avroNull:
		if e.in.class() != classNil {
			e.in.want("nil")
		}
		e.in.i++
	case avroBoolean:
		if e.in.class() != classBool {
			e.in.want("a boolean")
			return
		}
		e.dst = append(e.dst, e.in.src[e.in.i]-0xc2)
		e.in.i++
	case avroInt, avroLong:
		at := e.in.i
		v, big := e.in.integer()
		if big || t.kind == avroInt && v != int64(int32(v)) {
			e.in.fail(at, "an integer that does not fit into "+map[avroKind]string{avroInt: "an int (32 bits)", avroLong: "a long (64 bits)"}[t.kind])
		}
		e.long(v)
	case avroFloat:
		at := e.in.i
		v := e.in.number("a float", 1<<24)
		if math.Abs(v) > math.MaxFloat32 && !math.IsInf(v, 0) && math.IsInf(float64(float32(v)), 0) {
			e.in.fail(at, "a number too large for a float (32 bits)")
		}
		e.dst = binary.LittleEndian.AppendUint32(e.dst, math.Float32bits(float32(v)))
	case avroDouble:
		e.dst = binary.LittleEndian.AppendUint64(e.dst, math.Float64bits(e.in.number("a double", 1<<53)))
	case avroString:
		at := e.in.i
		b := e.in.str("a string")
		if !utf8.Valid(b) {
			e.in.fail(at, "a string that is not UTF-8")
		}
		e.bytes(b)
	case avroBytes, avroFixed:
		e.binary(t)
	case avroEnum:
		at := e.in.i
		n, ok := t.bySymbol[string(e.in.str("a symbol of "+t.name))]
		if !ok {
			e.in.fail(at, "not a symbol of enum "+t.name)
		}
		e.long(int64(n))
	case avroArray, avroMap:
		e.list(t, depth)
	case avroRecord:
		e.record(t, depth)
	case avroUnion:
		e.union(t, depth)
	}
}

// number reads a float, or an integer of at most exact in amount, beyond which
// not every one is a float of the size wanted.
func (in *input) number(what string, exact int64) float64 {
	at := in.i
	switch in.class() {
	case classInt:
		v, big := in.integer()
		if big || v > exact || v < -exact {
			in.fail(at, "an integer that "+what+" does not hold exactly")
		}
		return float64(v)
	case classFloat:
		if in.src[in.i] == 0xca {
			return float64(math.Float32frombits(uint32(in.big(4))))
		}
		return math.Float64frombits(in.big(8))
	}
	in.want("a number")
	return 0
}

func (e *avroEncoder) bytes(b []byte) {
	e.long(int64(len(b)))
	e.dst = append(e.dst, b...)
}

// binary encodes bytes, fixed and the logical types upon them.
func (e *avroEncoder) binary(t *avroType) {
	at := e.in.i
	if t.logical != logicalNone {
		e.logical(t)
		return
	}
	c := e.in.class()
	if c != classBin && c != classStr {
		e.in.want("a byte string")
		return
	}
	b := e.in.bytes()
	if t.kind == avroBytes {
		e.bytes(b)
		return
	}
	if len(b) != t.size {
		e.in.fail(at, "a byte string of another length than fixed "+t.name+" has")
	}
	e.dst = append(e.dst, b...)
}

func (e *avroEncoder) logical(t *avroType) {
	at := e.in.i
	switch t.logical {
	case logicalDecimal:
		e.decimal(t)
	case logicalUUID:
		var ok bool
		if e.dst, ok = parseUUID(e.dst, e.in.str("a UUID as a string")); !ok {
			e.in.fail(at, "not a UUID")
		}
	case logicalDuration:
		if e.in.class() != classArray {
			e.in.want("a duration as an array of months, days and milliseconds")
			return
		}
		if e.in.count(1) != 3 {
			e.in.fail(at, "not an array of months, days and milliseconds")
		}
		for range 3 {
			v, _ := e.in.integer()
			if v != int64(uint32(v)) {
				e.in.fail(at, "a part of a duration that does not fit into 32 bits")
			}
			e.dst = binary.LittleEndian.AppendUint32(e.dst, uint32(v))
		}
	}
}

func (e *avroEncoder) decimal(t *avroType) {
	at := e.in.i
	var room [maxDecimal]byte
	var b []byte
	ok := false
	switch e.in.class() {
	case classInt:
		v, big := e.in.integer()
		var digits [24]byte
		text := digits[:0]
		if v < 0 && !big {
			text = appendUint(append(text, '-'), uint64(-v))
		} else {
			text = appendUint(text, uint64(v))
		}
		b, ok = parseDecimal(room[:0], text, t.scale)
	case classStr:
		b, ok = parseDecimal(room[:0], e.in.bytes(), t.scale)
	default:
		e.in.want("a decimal as a string of digits")
		return
	}
	if !ok {
		e.in.fail(at, "not a decimal number with the digits behind the point that the schema has (write a string, such as \"12.30\")")
		return
	}
	if t.kind == avroBytes {
		e.bytes(b)
		return
	}
	if len(b) > t.size {
		e.in.fail(at, "a decimal that does not fit into fixed "+t.name)
		return
	}
	sign := byte(0)
	if b[0] >= 0x80 {
		sign = 0xff
	}
	for range t.size - len(b) {
		e.dst = append(e.dst, sign)
	}
	e.dst = append(e.dst, b...)
}

func (e *avroEncoder) deep(depth int) bool {
	if depth >= abi.MaxDepth {
		e.in.fail(e.in.i, "nested more than 64 deep")
	}
	return e.in.err != nil
}

// list encodes an array or map as one block.
func (e *avroEncoder) list(t *avroType, depth int) {
	want, what, per := classArray, "an array", 1
	if t.kind == avroMap {
		want, what, per = classMap, "a map", 2
	}
	if e.in.class() != want {
		e.in.want(what)
		return
	}
	if e.deep(depth) {
		return
	}
	n := e.in.count(per)
	if n > 0 {
		e.long(int64(n))
	}
	for ; n > 0 && e.in.err == nil; n-- {
		if t.kind == avroMap {
			at := e.in.i
			b := e.in.str("a string as a map's name")
			if !utf8.Valid(b) {
				e.in.fail(at, "a map's name that is not UTF-8")
			}
			e.bytes(b)
		}
		e.value(t.item, depth+1)
	}
	e.dst = append(e.dst, 0)
}

// record encodes a map whose entries may come in any order. While they come in
// the order of the fields, each is written as it is read.
func (e *avroEncoder) record(t *avroType, depth int) {
	start := e.in.i
	if e.in.class() != classMap {
		e.in.want("a map for record " + t.name)
		return
	}
	if e.deep(depth) {
		return
	}
	left := e.in.count(2)
	next := 0
	for left > 0 && next < len(t.fields) && e.in.err == nil {
		f := &t.fields[next]
		if k := f.key; len(e.in.src)-e.in.i < len(k) || string(e.in.src[e.in.i:e.in.i+len(k)]) != string(k) {
			break
		}
		e.in.i += len(f.key)
		left--
		next++
		e.value(f.typ, depth+1)
	}
	if next == len(t.fields) && left == 0 {
		return
	}
	e.scattered(t, start, next, left, depth)
}

// scattered encodes the fields from next on, with left entries to come.
func (e *avroEncoder) scattered(t *avroType, start, next, left, depth int) {
	mark := len(e.places)
	for range t.fields {
		e.places = append(e.places, 0)
	}
	for ; left > 0 && e.in.err == nil; left-- {
		at := e.in.i
		i, ok := t.byName[string(e.in.str("a string as a field's name"))]
		switch {
		case e.in.err != nil:
		case !ok:
			e.in.fail(at, "a field that record "+t.name+" does not have")
		case i < next || e.places[mark+i] != 0:
			e.in.fail(at, "field "+t.name+"."+t.fields[i].name+" is there twice")
		default:
			e.places[mark+i] = int32(e.in.i)
			e.in.skip()
		}
	}
	end := e.in.i
	for i := next; i < len(t.fields) && e.in.err == nil; i++ {
		f := &t.fields[i]
		switch at := e.places[mark+i]; {
		case at != 0:
			e.in.i = int(at)
			e.value(f.typ, depth+1)
		case f.typ.kind == avroUnion && f.typ.nullBranch >= 0:
			e.long(int64(f.typ.nullBranch))
		case f.typ.kind == avroNull:
		case f.written != nil:
			e.dst = append(e.dst, f.written...)
		default:
			e.in.fail(start, "field "+t.name+"."+f.name+" is missing, and the schema has no default for it")
		}
	}
	if e.in.err == nil {
		e.in.i = end
	}
	e.places = e.places[:mark]
}

// union chooses a branch by the class of the value, or by its tag.
func (e *avroEncoder) union(t *avroType, depth int) {
	at := e.in.i
	c := e.in.class()
	if e.in.err != nil {
		return
	}
	if !t.tagged || c == classNil {
		i := int(t.byClass[c])
		if i < 0 {
			e.in.fail(at, c.String()+", which no branch of the union is")
			return
		}
		if c == classFloat && e.in.src[at] == 0xca && t.branches[i].kind == avroDouble {
			// A float of 32 bits goes to the branch of that size, if there is one.
			for j, b := range t.branches {
				if b.kind == avroFloat {
					i = j
				}
			}
		}
		e.long(int64(i))
		e.value(t.branches[i], depth)
		return
	}
	const want = `a map of one entry, {"branch": value}, because the union has branches that look alike`
	if c != classMap {
		e.in.want(want)
		return
	}
	if e.deep(depth) {
		return
	}
	if e.in.count(2) != 1 {
		e.in.fail(at, "not "+want)
		return
	}
	at = e.in.i
	tag := e.in.str("the name of a branch")
	for i, b := range t.branches {
		if string(tag) == b.tag() && b.kind != avroNull {
			e.long(int64(i))
			e.value(b, depth+1)
			return
		}
	}
	e.in.fail(at, "not the name of a branch of the union")
}
