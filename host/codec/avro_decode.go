package codec

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// maxDecoded bounds what a value becomes in memory: a few bytes can stand for
// a record with many fields.
const maxDecoded = 256 << 20

// maxEmpty bounds the elements of a value that take no bytes, such as nulls in
// an array, of which a few bytes can announce any number.
const maxEmpty = 1 << 16

// avroDecoder turns Avro into msgpack by a plan. The first error stays.
type avroDecoder struct {
	src   []byte
	i     int
	dst   []byte
	empty int
	limit int
	err   *Error
}

// decodeAvro appends the value in src[from:] to dst.
func decodeAvro(dst, src []byte, from int, plan *avroPlan) ([]byte, *Error) {
	d := avroDecoder{src: src, i: from, dst: dst, limit: len(dst) + maxDecoded}
	d.value(plan, 0)
	if d.err == nil && d.i < len(src) {
		d.fail(d.i, "bytes left over after the value; is this the schema it was written with?")
	}
	return d.dst, d.err
}

func (d *avroDecoder) fail(at int, reason string) {
	if d.err == nil {
		d.err = &Error{Offset: at, Reason: reason}
		d.i = len(d.src)
	}
}

const avroCut = "the record ends in the middle of a value; is this the schema it was written with?"

// long reads a variable-length integer.
func (d *avroDecoder) long() int64 {
	if d.i < len(d.src) && d.src[d.i] < 0x80 {
		u := d.src[d.i]
		d.i++
		return int64(u>>1) ^ -int64(u&1)
	}
	return d.longer()
}

func (d *avroDecoder) longer() int64 {
	u, n := binary.Uvarint(d.src[d.i:])
	switch {
	case n == 0:
		d.fail(len(d.src), avroCut)
		return 0
	case n < 0:
		d.fail(d.i, "an integer of more than 64 bits")
		return 0
	}
	d.i += n
	return int64(u>>1) ^ -int64(u&1)
}

func (d *avroDecoder) int() int64 {
	at := d.i
	v := d.long()
	if v != int64(int32(v)) {
		d.fail(at, "an int that does not fit into 32 bits")
		return 0
	}
	return v
}

// take returns the next n bytes.
func (d *avroDecoder) take(n int64) []byte {
	if n < 0 || n > int64(len(d.src)-d.i) {
		at, reason := d.i, avroCut
		if n < 0 {
			reason = "a negative length"
		}
		d.fail(at, reason)
		return nil
	}
	b := d.src[d.i : d.i+int(n)]
	d.i += int(n)
	return b
}

func (d *avroDecoder) float() float32 {
	b := d.take(4)
	if b == nil {
		return 0
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(b))
}

// value decodes one value that stands inside depth arrays and maps.
func (d *avroDecoder) value(p *avroPlan, depth int) {
	switch p.op {
	case opNull:
		d.dst = append(d.dst, 0xc0)
	case opBoolean:
		b := d.take(1)
		if b == nil {
			return
		}
		if b[0] > 1 {
			d.fail(d.i-1, "a boolean that is neither 0 nor 1")
			return
		}
		d.dst = append(d.dst, 0xc2+b[0])
	case opInt:
		d.dst = abi.AppendInt(d.dst, d.int())
	case opLong:
		d.dst = abi.AppendInt(d.dst, d.long())
	case opIntToFloat:
		d.dst = appendFloat32(d.dst, float32(d.int()))
	case opIntToDouble:
		d.dst = abi.AppendFloat(d.dst, float64(d.int()))
	case opLongToFloat:
		d.dst = appendFloat32(d.dst, float32(d.long()))
	case opLongToDouble:
		d.dst = abi.AppendFloat(d.dst, float64(d.long()))
	case opFloat:
		d.dst = appendFloat32(d.dst, d.float())
	case opFloatToDouble:
		d.dst = abi.AppendFloat(d.dst, float64(d.float()))
	case opDouble:
		if b := d.take(8); b != nil {
			d.dst = abi.AppendFloat(d.dst, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case opString, opBytesToString:
		b := d.take(d.long())
		if !utf8.Valid(b) {
			d.fail(d.i-len(b)+invalidUTF8(b), "a string that is not UTF-8")
			return
		}
		d.dst = append(abi.AppendStrHeader(d.dst, len(b)), b...)
	case opBytes, opStringToBytes:
		b := d.take(d.long())
		d.dst = append(abi.AppendBinHeader(d.dst, len(b)), b...)
	case opFixed:
		b := d.take(int64(p.size))
		d.dst = append(abi.AppendBinHeader(d.dst, len(b)), b...)
	case opEnum:
		at := d.i
		n := d.long()
		if n < 0 || n >= int64(len(p.symbols)) {
			d.fail(at, "an enum's number that the schema has no symbol for")
			return
		}
		if p.symbols[n] == nil {
			d.fail(at, "a symbol of an enum that the reader's schema does not have")
			return
		}
		d.dst = append(d.dst, p.symbols[n]...)
	case opRecord:
		d.record(p, depth)
	case opUnion:
		at := d.i
		n := d.long()
		if n < 0 || n >= int64(len(p.branches)) {
			d.fail(at, "a union's branch that the schema does not have")
			return
		}
		d.value(p.branches[n], depth)
	case opArray, opMap:
		d.blocks(p, depth)
	case opTagged:
		if d.deep(depth) {
			return
		}
		d.dst = append(append(d.dst, 0x81), p.tag...)
		d.value(p.item, depth+1)
	case opRefused:
		d.fail(d.i, "a value the reader's schema has no place for: "+p.reason)
	default:
		d.logical(p)
	}
}

func (d *avroDecoder) deep(depth int) bool {
	if depth >= abi.MaxDepth {
		d.fail(d.i, "arrays, maps and records are nested more than 64 deep")
	}
	return d.err != nil
}

func (d *avroDecoder) record(p *avroPlan, depth int) {
	if d.deep(depth) {
		return
	}
	d.dst = abi.AppendMapHeader(d.dst, p.fields)
	for i := range p.steps {
		s := &p.steps[i]
		if s.key == nil {
			mark := len(d.dst)
			d.value(s.plan, depth+1)
			d.dst = d.dst[:mark]
			continue
		}
		d.dst = append(d.dst, s.key...)
		d.value(s.plan, depth+1)
		if d.err != nil {
			return
		}
	}
	d.dst = append(d.dst, p.tail...)
	if len(d.dst) > d.limit {
		d.fail(d.i, "the value takes more than 256 MiB in memory")
	}
}

// blocks decodes an array or map: blocks of elements until an empty one.
func (d *avroDecoder) blocks(p *avroPlan, depth int) {
	if d.deep(depth) {
		return
	}
	f := frame{start: len(d.dst), object: p.op == opMap}
	d.dst = append(d.dst, 0)
	for d.err == nil {
		at := d.i
		n := d.long()
		if n < 0 {
			if n == math.MinInt64 {
				d.fail(at, "a block of impossible length")
				return
			}
			n = -n
			d.long() // the block's size in bytes, for those who skip it
		}
		if n == 0 {
			break
		}
		if p.least > 0 && n > int64((len(d.src)-d.i)/p.least) {
			d.fail(at, avroCut)
			return
		}
		if p.least == 0 {
			if n > int64(maxEmpty-d.empty) {
				d.fail(at, "more than 65536 elements that take no bytes")
				return
			}
			d.empty += int(n)
		}
		f.count += int(n)
		for ; n > 0 && d.err == nil; n-- {
			if f.object {
				d.name()
			}
			d.value(p.item, depth+1)
		}
		if len(d.dst) > d.limit {
			d.fail(d.i, "the value takes more than 256 MiB in memory")
		}
	}
	if d.err == nil {
		d.dst = closeContainer(d.dst, &f)
	}
}

// name decodes the name of a map's entry.
func (d *avroDecoder) name() {
	b := d.take(d.long())
	if !utf8.Valid(b) {
		d.fail(d.i-len(b)+invalidUTF8(b), "a map's name that is not UTF-8")
		return
	}
	d.dst = append(abi.AppendStrHeader(d.dst, len(b)), b...)
}

func appendFloat32(b []byte, v float32) []byte {
	u := math.Float32bits(v)
	return append(b, 0xca, byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}
