package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sliphost/sliphost/abi"
)

// protoEncoder turns msgpack into protobuf.
type protoEncoder struct {
	in  input
	dst []byte
}

// fieldSet is a set of a message's fields; few messages have more than fit
// into it without allocation.
type fieldSet struct {
	first [4]uint64
	more  map[int]bool
}

func (s *fieldSet) has(i int) bool {
	if i < 64*len(s.first) {
		return s.first[i/64]&(1<<(i%64)) != 0
	}
	return s.more[i]
}

func (s *fieldSet) add(i int) {
	if i < 64*len(s.first) {
		s.first[i/64] |= 1 << (i % 64)
		return
	}
	if s.more == nil {
		s.more = map[int]bool{}
	}
	s.more[i] = true
}

// message encodes the map at the cursor, which stands inside depth arrays and
// maps.
func (e *protoEncoder) message(m *protoMessage, depth int) {
	start := e.in.i
	if e.in.class() != classMap {
		e.in.want("a map for message " + m.name)
		return
	}
	if e.deep(depth) {
		return
	}
	var seen, set fieldSet
	required := 0
	for n := e.in.count(2); n > 0 && e.in.err == nil; n-- {
		at := e.in.i
		name := e.in.str("a string as a field's name")
		i, ok := m.byName[string(name)]
		switch {
		case e.in.err != nil:
			return
		case !ok:
			e.in.fail(at, "a field that message "+m.name+" does not have")
			return
		case seen.has(i):
			e.in.fail(at, "field "+m.fields[i].name+" is there twice")
			return
		}
		seen.add(i)
		f := &m.fields[i]
		if e.in.class() == classNil {
			e.in.i++
			continue
		}
		if f.required {
			required++
		}
		if f.oneof >= 0 {
			for _, other := range m.oneofs[f.oneof] {
				if set.has(other) {
					e.in.fail(at, "fields "+m.fields[other].name+" and "+f.name+" are of one oneof, which holds one of them")
					return
				}
			}
		}
		set.add(i)
		e.field(f, depth+1)
	}
	if e.in.err == nil && required < m.required {
		e.in.fail(start, "message "+m.name+" lacks a required field")
	}
}

func (e *protoEncoder) deep(depth int) bool {
	if depth >= abi.MaxDepth {
		e.in.fail(e.in.i, "nested more than 64 deep")
	}
	return e.in.err != nil
}

func (e *protoEncoder) field(f *protoField, depth int) {
	switch {
	case f.isMap:
		e.entries(f, depth)
	case f.repeated:
		e.repeated(f, depth)
	default:
		mark := len(e.dst)
		e.dst = append(e.dst, f.tag...)
		if zero := e.value(f, depth); zero && !f.presence {
			e.dst = e.dst[:mark]
		}
	}
}

func (e *protoEncoder) repeated(f *protoField, depth int) {
	if e.in.class() != classArray {
		e.in.want("an array for field " + f.name)
		return
	}
	if e.deep(depth) {
		return
	}
	n := e.in.count(1)
	if !f.packed {
		for ; n > 0 && e.in.err == nil; n-- {
			e.dst = append(e.dst, f.tag...)
			e.value(f, depth+1)
		}
		return
	}
	if n == 0 {
		return
	}
	e.dst = append(e.dst, f.tag...)
	mark := e.open()
	for ; n > 0 && e.in.err == nil; n-- {
		e.value(f, depth+1)
	}
	e.close(mark)
}

// open leaves room for a length, close writes it.
func (e *protoEncoder) open() int {
	e.dst = append(e.dst, 0)
	return len(e.dst)
}

func (e *protoEncoder) close(mark int) {
	n := len(e.dst) - mark
	if n < 0x80 {
		e.dst[mark-1] = byte(n)
		return
	}
	var room [10]byte
	size := binary.PutUvarint(room[:], uint64(n))
	e.dst = append(e.dst, room[:size-1]...)
	copy(e.dst[mark-1+size:], e.dst[mark:mark+n])
	copy(e.dst[mark-1:], room[:size])
}

func (e *protoEncoder) entries(f *protoField, depth int) {
	if e.in.class() != classMap {
		e.in.want("a map for field " + f.name)
		return
	}
	if e.deep(depth) {
		return
	}
	key, value := &f.message.fields[0], &f.message.fields[1]
	for n := e.in.count(2); n > 0 && e.in.err == nil; n-- {
		e.dst = append(e.dst, f.tag...)
		mark := e.open()
		e.dst = append(e.dst, key.tag...)
		e.key(key)
		e.dst = append(e.dst, value.tag...)
		if e.in.class() == classNil {
			e.in.want("a value (a map's entry is there or not)")
		}
		e.value(value, depth+1)
		e.close(mark)
	}
}

// key encodes the name of a map's entry, which is a string or what it stands
// for.
func (e *protoEncoder) key(f *protoField) {
	at := e.in.i
	if e.in.class() != classStr || f.kind == protoreflect.StringKind {
		e.value(f, 0)
		return
	}
	text := e.in.bytes()
	if e.in.err != nil {
		return
	}
	if f.kind == protoreflect.BoolKind {
		switch string(text) {
		case "true":
			e.dst = append(e.dst, 1)
		case "false":
			e.dst = append(e.dst, 0)
		default:
			e.in.fail(at, "neither \"true\" nor \"false\", which are the keys the map takes")
		}
		return
	}
	negative := len(text) > 1 && text[0] == '-'
	v, ok := parseDigits(text, negative)
	if !ok {
		e.in.fail(at, "not an integer, which the map has as keys")
		return
	}
	if negative {
		e.put(f, at, -int64(v), false)
	} else {
		e.put(f, at, int64(v), int64(v) < 0)
	}
}

// parseDigits reads an integer's digits; a negative one is at least -2^63.
func parseDigits(text []byte, negative bool) (v uint64, ok bool) {
	if negative {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	for _, c := range text {
		hi, lo := bits.Mul64(v, 10)
		if c < '0' || c > '9' || hi != 0 {
			return 0, false
		}
		if v = lo + uint64(c-'0'); v < lo {
			return 0, false
		}
	}
	return v, !negative || v <= 1<<63
}

// value encodes one value behind its tag and says whether it is the zero.
func (e *protoEncoder) value(f *protoField, depth int) (zero bool) {
	at := e.in.i
	switch f.kind {
	case protoreflect.BoolKind:
		if e.in.class() != classBool {
			e.in.want("a boolean for field " + f.name)
			return false
		}
		b := e.in.src[e.in.i] - 0xc2
		e.in.i++
		e.dst = append(e.dst, b)
		return b == 0
	case protoreflect.FloatKind:
		v := e.in.number("a float", 1<<24)
		if !math.IsInf(v, 0) && math.IsInf(float64(float32(v)), 0) {
			e.in.fail(at, "a number too large for a float (32 bits)")
		}
		raw := math.Float32bits(float32(v))
		e.dst = binary.LittleEndian.AppendUint32(e.dst, raw)
		return raw == 0
	case protoreflect.DoubleKind:
		raw := math.Float64bits(e.in.number("a double", 1<<53))
		e.dst = binary.LittleEndian.AppendUint64(e.dst, raw)
		return raw == 0
	case protoreflect.StringKind:
		b := e.in.str("a string for field " + f.name)
		if !utf8.Valid(b) {
			e.in.fail(at, "a string that is not UTF-8")
		}
		return e.bytes(b)
	case protoreflect.BytesKind:
		if c := e.in.class(); c != classBin && c != classStr {
			e.in.want("a byte string for field " + f.name)
			return false
		}
		return e.bytes(e.in.bytes())
	case protoreflect.EnumKind:
		return e.enum(f)
	case protoreflect.MessageKind:
		mark := e.open()
		e.message(f.message, depth)
		if e.in.err == nil {
			e.close(mark)
		}
		return false
	case protoreflect.GroupKind:
		e.message(f.message, depth)
		e.dst = appendVarint(e.dst, uint64(f.number)<<3|wireEnd)
		return false
	}
	return e.integer(f)
}

func (e *protoEncoder) bytes(b []byte) bool {
	e.dst = appendVarint(e.dst, uint64(len(b)))
	e.dst = append(e.dst, b...)
	return len(b) == 0
}

func (e *protoEncoder) enum(f *protoField) bool {
	at := e.in.i
	if e.in.class() == classInt {
		v, big := e.in.integer()
		if big || v != int64(int32(v)) {
			e.in.fail(at, "a number that does not fit into an enum (32 bits)")
		}
		e.dst = appendVarint(e.dst, uint64(v))
		return v == 0
	}
	v, ok := f.enum.byName[string(e.in.str("a value of enum "+f.enum.name))]
	if !ok {
		e.in.fail(at, "not a value of enum "+f.enum.name)
	}
	e.dst = appendVarint(e.dst, uint64(int64(v)))
	return v == 0
}

func (e *protoEncoder) integer(f *protoField) bool {
	at := e.in.i
	v, big := e.in.integer()
	return e.put(f, at, v, big)
}

// put writes an integer that stood at the given place.
func (e *protoEncoder) put(f *protoField, at int, v int64, big bool) (zero bool) {
	fits := !big
	switch f.kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		fits = fits && v == int64(int32(v))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		fits = fits && v == int64(uint32(v))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		fits = big || v >= 0
	}
	if !fits {
		e.in.fail(at, "an integer that does not fit into field "+f.name+" ("+f.kind.String()+")")
	}
	u := uint64(v)
	switch f.wire {
	case wireFixed32:
		e.dst = binary.LittleEndian.AppendUint32(e.dst, uint32(u))
		return v == 0
	case wireFixed64:
		e.dst = binary.LittleEndian.AppendUint64(e.dst, u)
		return v == 0
	}
	if f.kind == protoreflect.Sint32Kind || f.kind == protoreflect.Sint64Kind {
		u = u<<1 ^ uint64(v>>63)
	}
	e.dst = appendVarint(e.dst, u)
	return v == 0
}
