package codec

import (
	"encoding/binary"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sliphost/sliphost/abi"
)

// protoDecoder turns protobuf into msgpack. A message is gone over twice:
// first to find out where its fields are, which may come in any order and
// more than once, then field by field. The first error stays.
type protoDecoder struct {
	src   []byte
	dst   []byte
	limit int
	slots []protoSlot
	keys  keyset
	err   *Error
}

// protoSlot is where a field occurs: its tags' places, first and last, and how
// many values it has.
type protoSlot struct{ first, last, count int }

var protoDecoders = sync.Pool{New: func() any { return new(protoDecoder) }}

func (d *protoDecoder) release() {
	if cap(d.slots) > keptNames {
		d.slots = nil
	}
	if cap(d.keys.refs) > keptNames {
		d.keys.refs = nil
	}
	*d = protoDecoder{slots: d.slots[:0], keys: keyset{refs: d.keys.refs[:0]}}
	protoDecoders.Put(d)
}

func (d *protoDecoder) decode(dst, src []byte, from int, m *protoMessage) ([]byte, *Error) {
	d.src, d.dst, d.limit = src, dst, len(dst)+maxDecoded
	d.message(m, from, len(src), 0)
	return d.dst, d.err
}

func (d *protoDecoder) fail(at int, reason string) {
	if d.err == nil {
		d.err = &Error{Offset: at, Reason: reason}
	}
}

const protoCut = "the record ends in the middle of a field; is this the message it was written as?"

// varint reads a number in src[i:end] and returns the position behind it, end
// after failing.
func (d *protoDecoder) varint(i, end int) (uint64, int) {
	if i < end && d.src[i] < 0x80 {
		return uint64(d.src[i]), i + 1
	}
	v, n := binary.Uvarint(d.src[min(i, end):end])
	switch {
	case n == 0:
		d.fail(end, protoCut)
	case n < 0:
		d.fail(i, "a number of more than 64 bits")
	default:
		return v, i + n
	}
	return 0, end
}

// skip returns the position behind a value of a wire type, end after failing.
func (d *protoDecoder) skip(wire uint8, number uint64, i, end, depth int) int {
	switch wire {
	case wireVarint:
		_, i = d.varint(i, end)
		return i
	case wireFixed64:
		i += 8
	case wireFixed32:
		i += 4
	case wireBytes:
		n, at := d.varint(i, end)
		if n > uint64(end-at) {
			d.fail(at, protoCut)
			return end
		}
		return at + int(n)
	case wireStart:
		_, i = d.group(number, i, end, depth)
		return i
	default:
		d.fail(i, "a field of a type that protobuf does not have")
		return end
	}
	if i > end {
		d.fail(end, protoCut)
		return end
	}
	return i
}

// group finds the end of the group whose content begins at i: the place of its
// end tag and the one behind it.
func (d *protoDecoder) group(number uint64, i, end, depth int) (stop, next int) {
	if depth >= abi.MaxDepth {
		d.fail(i, "groups are nested more than 64 deep")
		return end, end
	}
	for d.err == nil {
		at := i
		tag, after := d.varint(i, end)
		if d.err != nil {
			break
		}
		if uint8(tag&7) == wireEnd {
			if tag>>3 != number {
				d.fail(at, "the end of a group that is not open")
				break
			}
			return at, after
		}
		i = d.skip(uint8(tag&7), tag>>3, after, end, depth+1)
	}
	return end, end
}

// message decodes src[i:end], which stands inside depth arrays and maps.
func (d *protoDecoder) message(m *protoMessage, i, end, depth int) {
	if depth >= abi.MaxDepth {
		d.fail(i, "messages are nested more than 64 deep")
		return
	}
	mark := len(d.slots)
	for range m.fields {
		d.slots = append(d.slots, protoSlot{})
	}
	d.find(m, mark, i, end, depth)
	if d.err != nil {
		return
	}
	n, required := 0, 0
	for j := range m.fields {
		f := &m.fields[j]
		if d.slots[mark+j].count > 0 || f.zero != nil {
			n++
		}
		if f.required && d.slots[mark+j].count > 0 {
			required++
		}
	}
	if required < m.required {
		d.fail(i, "message "+m.name+" lacks a required field")
		return
	}
	d.dst = abi.AppendMapHeader(d.dst, n)
	for j := range m.fields {
		f, s := &m.fields[j], d.slots[mark+j]
		if s.count == 0 && f.zero == nil {
			continue
		}
		d.dst = append(d.dst, f.key...)
		switch {
		case s.count == 0:
			d.dst = append(d.dst, f.zero...)
		case f.isMap:
			d.entries(f, s, end, depth+1)
		case f.repeated:
			d.repeated(f, s, end, depth+1)
		case s.count > 1 && f.message != nil:
			d.merged(f, s, end, depth+1)
		default:
			_, at := d.varint(s.last, end)
			d.value(f, at, end, depth+1)
		}
		if d.err != nil {
			return
		}
	}
	d.slots = d.slots[:mark]
	if len(d.dst) > d.limit {
		d.fail(i, "the value takes more than 256 MiB in memory")
	}
}

// find fills in the slots of m's fields.
func (d *protoDecoder) find(m *protoMessage, mark, i, end, depth int) {
	for i < end && d.err == nil {
		at := i
		var tag uint64
		tag, i = d.varint(i, end)
		wire, number := uint8(tag&7), tag>>3
		if d.err == nil && (number == 0 || number >= 1<<29 || wire == wireEnd) {
			d.fail(at, "not the beginning of a field; is this the message it was written as?")
		}
		if d.err != nil {
			return
		}
		j := m.field(number)
		value := i
		i = d.skip(wire, number, i, end, depth)
		if j < 0 || d.err != nil {
			continue
		}
		f := &m.fields[j]
		count := 1
		if wire != f.wire {
			if wire != wireBytes || !f.repeated || f.wire == wireStart {
				continue // of another type than ours, so it is another's field
			}
			count = d.packedCount(f, value, i)
		}
		if f.oneof >= 0 {
			for _, other := range m.oneofs[f.oneof] {
				if other != j {
					d.slots[mark+other] = protoSlot{}
				}
			}
		}
		s := &d.slots[mark+j]
		if s.count == 0 {
			s.first = at
		}
		s.last = at
		s.count += count
	}
}

// packedCount counts the values in a packed field.
func (d *protoDecoder) packedCount(f *protoField, i, end int) int {
	_, i = d.varint(i, end)
	size := 1
	switch f.wire {
	case wireFixed32:
		size = 4
	case wireFixed64:
		size = 8
	default:
		n := 0
		for _, c := range d.src[i:end] {
			if c < 0x80 {
				n++
			}
		}
		if i < end && d.src[end-1] >= 0x80 {
			d.fail(end, protoCut)
		}
		return n
	}
	if (end-i)%size != 0 {
		d.fail(end, protoCut)
	}
	return (end - i) / size
}

func (d *protoDecoder) repeated(f *protoField, s protoSlot, end, depth int) {
	if depth >= abi.MaxDepth {
		d.fail(s.first, "nested more than 64 deep")
		return
	}
	d.dst = abi.AppendArrayHeader(d.dst, s.count)
	for i := s.first; i <= s.last && d.err == nil; {
		tag, at := d.varint(i, end)
		wire := uint8(tag & 7)
		i = d.skip(wire, tag>>3, at, end, 0)
		switch {
		case tag>>3 != uint64(f.number):
		case wire == f.wire:
			d.value(f, at, i, depth+1)
		case wire == wireBytes && f.wire != wireStart:
			_, at = d.varint(at, i)
			for at < i && d.err == nil {
				at = d.value(f, at, i, depth+1)
			}
		}
	}
}

// entries decodes a map. Of entries with one key the last one counts.
func (d *protoDecoder) entries(f *protoField, s protoSlot, end, depth int) {
	if depth >= abi.MaxDepth {
		d.fail(s.first, "nested more than 64 deep")
		return
	}
	start, mark := len(d.dst), len(d.keys.refs)
	d.dst = abi.AppendMapHeader(d.dst, s.count)
	again := false
	for i := s.first; i <= s.last && d.err == nil; {
		tag, at := d.varint(i, end)
		wire := uint8(tag & 7)
		i = d.skip(wire, tag>>3, at, end, 0)
		if tag>>3 != uint64(f.number) || wire != wireBytes {
			continue
		}
		_, at = d.varint(at, i)
		header := len(d.dst)
		d.entry(f.message, at, i, depth+1)
		if d.err != nil {
			return
		}
		key := input{src: d.dst, i: header}
		n := len(key.bytes())
		again = !d.keys.add(mark, d.dst, key.i-n, key.i, at) || again
	}
	if d.keys.close(mark, d.dst) >= 0 || again {
		d.dst = lastEntries(d.dst, start)
	}
}

// lastEntries keeps of the map at dst[start:] the last entry of each key. It
// allocates; maps with a key twice are hardly ever written.
func lastEntries(dst []byte, start int) []byte {
	in := input{src: dst, i: start}
	n := in.count(2)
	type entry struct{ key, value []byte }
	var list []entry
	place := map[string]int{}
	for range n {
		from := in.i
		in.skip()
		key := dst[from:in.i]
		from = in.i
		in.skip()
		e := entry{key, dst[from:in.i]}
		if at, ok := place[string(key)]; ok {
			list[at] = e
			continue
		}
		place[string(key)] = len(list)
		list = append(list, e)
	}
	out := abi.AppendMapHeader(nil, len(list))
	for _, e := range list {
		out = append(append(out, e.key...), e.value...)
	}
	return append(dst[:start], out...)
}

// entry decodes one entry of a map: its key as a string, then its value.
func (d *protoDecoder) entry(m *protoMessage, i, end, depth int) {
	mark := len(d.slots)
	d.slots = append(d.slots, protoSlot{}, protoSlot{})
	d.find(m, mark, i, end, depth)
	k, v := d.slots[mark], d.slots[mark+1]
	d.slots = d.slots[:mark]
	if d.err != nil {
		return
	}
	d.key(&m.fields[0], k, end)
	f := &m.fields[1]
	switch {
	case d.err != nil:
	case v.count > 1 && f.message != nil:
		d.merged(f, v, end, depth)
	case v.count > 0:
		_, at := d.varint(v.last, end)
		d.value(f, at, end, depth)
	case f.message != nil:
		d.message(f.message, end, end, depth)
	default:
		d.dst = append(d.dst, f.zeroScalar()...)
	}
}

// key decodes a map's key as a string.
func (d *protoDecoder) key(f *protoField, s protoSlot, end int) {
	var room [24]byte
	text := room[:0]
	if s.count == 0 {
		switch f.kind {
		case protoreflect.StringKind:
		case protoreflect.BoolKind:
			text = append(text, "false"...)
		default:
			text = append(text, '0')
		}
		d.dst = append(abi.AppendStrHeader(d.dst, len(text)), text...)
		return
	}
	_, at := d.varint(s.last, end)
	if f.kind == protoreflect.StringKind {
		d.value(f, at, end, 0)
		return
	}
	mark := len(d.dst)
	d.value(f, at, end, 0)
	if d.err != nil {
		return
	}
	in := input{src: d.dst, i: mark}
	if f.kind == protoreflect.BoolKind {
		text = strconv.AppendBool(text, d.dst[mark] == 0xc3)
	} else if v, big := in.integer(); big {
		text = strconv.AppendUint(text, uint64(v), 10)
	} else {
		text = strconv.AppendInt(text, v, 10)
	}
	d.dst = append(abi.AppendStrHeader(d.dst[:mark], len(text)), text...)
}

// merged decodes a message that comes in parts, which mean what they mean when
// written one behind the other. It allocates; hardly anyone writes so.
func (d *protoDecoder) merged(f *protoField, s protoSlot, end, depth int) {
	var all []byte
	for i := s.first; i <= s.last && d.err == nil; {
		tag, at := d.varint(i, end)
		i = d.skip(uint8(tag&7), tag>>3, at, end, 0)
		switch {
		case tag>>3 != uint64(f.number) || uint8(tag&7) != f.wire:
		case f.wire == wireStart:
			stop, _ := d.group(tag>>3, at, i, 0)
			all = append(all, d.src[at:stop]...)
		default:
			_, at = d.varint(at, i)
			all = append(all, d.src[at:i]...)
		}
	}
	if d.err != nil {
		return
	}
	src := d.src
	d.src = all
	d.message(f.message, 0, len(all), depth)
	d.src = src
	if d.err != nil {
		d.err.Offset = s.first
	}
}

// value decodes one value at src[i] and returns the position behind it.
func (d *protoDecoder) value(f *protoField, i, end, depth int) int {
	var v uint64
	switch f.wire {
	case wireVarint:
		v, i = d.varint(i, end)
	case wireFixed32:
		if end-i < 4 {
			d.fail(end, protoCut)
			return end
		}
		v, i = uint64(binary.LittleEndian.Uint32(d.src[i:])), i+4
	case wireFixed64:
		if end-i < 8 {
			d.fail(end, protoCut)
			return end
		}
		v, i = binary.LittleEndian.Uint64(d.src[i:]), i+8
	case wireBytes:
		n, at := d.varint(i, end)
		if n > uint64(end-at) {
			d.fail(at, protoCut)
			return end
		}
		d.bytes(f, at, at+int(n), depth)
		return at + int(n)
	case wireStart:
		stop, next := d.group(uint64(f.number), i, end, 0)
		if d.err == nil {
			d.message(f.message, i, stop, depth)
		}
		return next
	}
	if d.err != nil {
		return end
	}
	switch f.kind {
	case protoreflect.BoolKind:
		d.dst = abi.AppendBool(d.dst, v != 0)
	case protoreflect.Int32Kind:
		d.dst = abi.AppendInt(d.dst, int64(int32(v)))
	case protoreflect.Sint32Kind:
		d.dst = abi.AppendInt(d.dst, int64(int32(uint32(v)>>1)^-int32(v&1)))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		d.dst = abi.AppendUint(d.dst, uint64(uint32(v)))
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		d.dst = abi.AppendInt(d.dst, int64(v))
	case protoreflect.Sint64Kind:
		d.dst = abi.AppendInt(d.dst, int64(v>>1)^-int64(v&1))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		d.dst = abi.AppendUint(d.dst, v)
	case protoreflect.Sfixed32Kind:
		d.dst = abi.AppendInt(d.dst, int64(int32(v)))
	case protoreflect.FloatKind:
		d.dst = appendFloat32(d.dst, math.Float32frombits(uint32(v)))
	case protoreflect.DoubleKind:
		d.dst = abi.AppendFloat(d.dst, math.Float64frombits(v))
	case protoreflect.EnumKind:
		if name := f.enum.names[int32(v)]; name != nil {
			d.dst = append(d.dst, name...)
		} else {
			d.dst = abi.AppendInt(d.dst, int64(int32(v)))
		}
	}
	return i
}

// bytes decodes what has a length in front: src[i:end].
func (d *protoDecoder) bytes(f *protoField, i, end, depth int) {
	b := d.src[i:end]
	switch f.kind {
	case protoreflect.StringKind:
		if !utf8.Valid(b) {
			d.fail(i+invalidUTF8(b), "field "+f.name+" is a string that is not UTF-8")
			return
		}
		d.dst = append(abi.AppendStrHeader(d.dst, len(b)), b...)
	case protoreflect.BytesKind:
		d.dst = append(abi.AppendBinHeader(d.dst, len(b)), b...)
	default:
		d.message(f.message, i, end, depth)
	}
}
