package codec

import (
	"errors"

	"github.com/sliphost/sliphost/abi"
)

// MessagePack passes msgpack through, checked in both directions: a record is
// exactly one value, with nothing behind it and at most abi.MaxDepth levels of
// arrays and maps, and every length in it stays inside it.
//
// What a value means is left alone: forms longer than need be, the order of
// map entries and entries with equal keys, strings that are not UTF-8, and
// extension types, timestamps (type -1) among them, arrive as they were sent.
type MessagePack struct{}

const nameMsgpack = "msgpack"

// Name implements Codec.
func (MessagePack) Name() string { return nameMsgpack }

// Repr implements Codec.
func (MessagePack) Repr() Repr { return Msgpack }

// Decode implements Codec.
func (MessagePack) Decode(dst, src []byte) ([]byte, error) { return appendValue(dst, src) }

// Encode implements Codec.
func (MessagePack) Encode(dst, src []byte) ([]byte, error) { return appendValue(dst, src) }

func appendValue(dst, src []byte) ([]byte, error) {
	if err := CheckValue(src); err != nil {
		err.Codec = nameMsgpack
		return dst, err
	}
	return append(dst, src...), nil
}

// CheckValue says what keeps b from being exactly one msgpack value; nil if
// it is one. The error's Codec is empty.
func CheckValue(b []byte) *Error {
	if len(b) == 0 {
		return &Error{Reason: "empty; one msgpack value is expected (a deletion is a null value, not an empty one)"}
	}
	r := abi.NewReader(b)
	r.Skip()
	if err := r.Err(); err != nil {
		var syntax *abi.SyntaxError
		if errors.As(err, &syntax) {
			return &Error{Offset: syntax.Offset, Reason: "want " + syntax.Want}
		}
		return &Error{Reason: err.Error()}
	}
	if r.Len() > 0 {
		return &Error{Offset: r.Offset(), Reason: "bytes left over after the value"}
	}
	return nil
}

// skipMsgpack returns the position behind the value at src[i], or -1 if it is
// malformed or nested deeper than a value may be.
func skipMsgpack(src []byte, i int) int {
	r := abi.NewReader(src[i:])
	r.Skip()
	if r.Err() != nil {
		return -1
	}
	return i + r.Offset()
}

// classes of msgpack values, as the transcoders tell them apart.
type class uint8

const (
	classNil class = iota
	classBool
	classInt
	classFloat
	classStr
	classBin
	classArray
	classMap
	classExt
	classBad
	classes
)

// String returns the class with its article.
func (c class) String() string {
	return [...]string{"nil", "a boolean", "an integer", "a float", "a string", "a byte string", "an array", "a map", "an extension", "nothing msgpack knows"}[c]
}

// classOf returns the class of the value that begins with c.
func classOf(c byte) class {
	switch {
	case c < 0x80 || c >= 0xe0 || c >= 0xcc && c <= 0xd3:
		return classInt
	case c < 0x90 || c == 0xde || c == 0xdf:
		return classMap
	case c < 0xa0 || c == 0xdc || c == 0xdd:
		return classArray
	case c < 0xc0 || c >= 0xd9 && c <= 0xdb:
		return classStr
	case c == 0xc0:
		return classNil
	case c == 0xc2 || c == 0xc3:
		return classBool
	case c >= 0xc4 && c <= 0xc6:
		return classBin
	case c == 0xca || c == 0xcb:
		return classFloat
	case c == 0xc1:
		return classBad
	}
	return classExt
}

// input reads msgpack for a transcoder. The first error stays and every later
// read gives zeros; values are only valid while err is nil.
type input struct {
	src []byte
	i   int
	err *Error
}

func (in *input) fail(at int, reason string) {
	if in.err == nil {
		in.err = &Error{Offset: at, Reason: reason}
		in.i = len(in.src)
	}
}

const cutShort = "the value is cut short"

// class tells what begins at the cursor; classBad after failing if nothing
// does.
func (in *input) class() class {
	if in.i >= len(in.src) {
		in.fail(len(in.src), cutShort)
		return classBad
	}
	c := classOf(in.src[in.i])
	if c == classBad {
		in.fail(in.i, "byte c1 is no msgpack")
	}
	return c
}

// want fails because of what stands at the cursor.
func (in *input) want(what string) {
	if c := in.class(); in.err == nil {
		in.fail(in.i, c.String()+" where "+what+" is expected")
	}
}

// big reads the n bytes behind the cursor's first as a number.
func (in *input) big(n int) (v uint64) {
	if len(in.src)-in.i <= n {
		in.fail(in.i, cutShort)
		return 0
	}
	for _, c := range in.src[in.i+1 : in.i+1+n] {
		v = v<<8 | uint64(c)
	}
	in.i += 1 + n
	return v
}

// integer reads an integer: v, or with big set the unsigned one above the
// signed 64 bits.
func (in *input) integer() (v int64, big bool) {
	if in.i < len(in.src) && in.src[in.i] < 0x80 {
		v = int64(in.src[in.i])
		in.i++
		return v, false
	}
	if in.class() != classInt {
		in.want("an integer")
		return 0, false
	}
	switch c := in.src[in.i]; c {
	case 0xcc, 0xcd, 0xce, 0xcf:
		u := in.big(1 << (c - 0xcc))
		return int64(u), int64(u) < 0
	case 0xd0:
		return int64(int8(in.big(1))), false
	case 0xd1:
		return int64(int16(in.big(2))), false
	case 0xd2:
		return int64(int32(in.big(4))), false
	case 0xd3:
		return int64(in.big(8)), false
	default: // a negative fixed integer
		in.i++
		return int64(int8(c)), false
	}
}

// bytes reads a string or byte string, aliasing the source.
func (in *input) bytes() []byte {
	n := 0
	switch c := in.src[in.i]; {
	case c >= 0xa0 && c < 0xc0:
		n = int(c & 0x1f)
		in.i++
	case c == 0xd9 || c == 0xc4:
		n = int(in.big(1))
	case c == 0xda || c == 0xc5:
		n = int(in.big(2))
	default:
		n = int(in.big(4))
	}
	if n > len(in.src)-in.i {
		in.fail(in.i, cutShort)
	}
	if in.err != nil {
		return nil
	}
	b := in.src[in.i : in.i+n]
	in.i += n
	return b
}

// str reads a string.
func (in *input) str(what string) []byte {
	if in.class() != classStr {
		in.want(what)
		return nil
	}
	return in.bytes()
}

// count reads the header of an array or map, whose class is known.
func (in *input) count(perEntry int) int {
	n := 0
	switch c := in.src[in.i]; {
	case c < 0xa0:
		n = int(c & 0x0f)
		in.i++
	case c == 0xdc || c == 0xde:
		n = int(in.big(2))
	default:
		n = int(in.big(4))
	}
	if n > (len(in.src)-in.i)/perEntry {
		in.fail(in.i, cutShort)
		return 0
	}
	return n
}

// skip passes over one value.
func (in *input) skip() {
	if in.err != nil {
		return
	}
	next := skipMsgpack(in.src, in.i)
	if next < 0 {
		in.fail(in.i, "a malformed value, or one nested too deep")
		return
	}
	in.i = next
}
