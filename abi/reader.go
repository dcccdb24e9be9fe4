package abi

import "math"

// Reader reads msgpack values from a byte slice without copying. The first
// error sticks: every later read returns zero values, so a caller may read a
// whole message and look at Err once.
//
// Byte strings alias the slice given to NewReader. Not safe for concurrent use.
type Reader struct {
	buf []byte
	off int
	err *SyntaxError
}

// NewReader returns a reader at the start of b.
func NewReader(b []byte) Reader { return Reader{buf: b} }

// Reset makes r read from b.
func (r *Reader) Reset(b []byte) { r.buf, r.off, r.err = b, 0, nil }

// Err returns the first error, or nil. The result is a *SyntaxError.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Offset is the position of the next byte to be read.
func (r *Reader) Offset() int { return r.off }

// Len is the number of bytes not read yet; 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.buf) - r.off
}

// Rest returns the bytes not read yet, aliasing the input.
func (r *Reader) Rest() []byte { return r.buf[r.off:] }

func (r *Reader) fail(want string) { r.failAt(r.off, want) }

// failAt records an error at the first byte of the value that is wrong. It
// ends the input there, so that reads that find a byte need not ask for
// an error.
//
// Not inlined: it is called from everywhere, and guests should stay small.
//
//go:noinline
func (r *Reader) failAt(at int, want string) {
	if r.err == nil {
		r.off = at
		r.buf = r.buf[:at]
		r.err = &SyntaxError{Offset: at, Want: want}
	}
}

// End refuses bytes behind a whole message.
func (r *Reader) End() {
	if r.err == nil && r.off != len(r.buf) {
		r.fail("the end of the message")
	}
}

// Fail records an error at the current position unless there is one already.
// Message readers outside this package use it for their own rules.
func (r *Reader) Fail(want string) { r.fail(want) }

// next returns the first byte of the next value without consuming it.
func (r *Reader) next(want string) (byte, bool) {
	if r.err != nil {
		return 0, false
	}
	if r.off >= len(r.buf) {
		r.fail(want)
		return 0, false
	}
	return r.buf[r.off], true
}

// big reads n (1, 2, 4 or 8) big-endian bytes that follow the type byte and
// consumes both.
func (r *Reader) big(n int, want string) (uint64, bool) {
	if len(r.buf)-r.off <= n {
		r.fail(want)
		return 0, false
	}
	b := r.buf[r.off+1:]
	r.off += 1 + n
	switch n {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(b[0])<<8 | uint64(b[1]), true
	case 4:
		return be32(b), true
	}
	return be32(b)<<32 | be32(b[4:]), true
}

func be32(b []byte) uint64 {
	_ = b[3]
	return uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
}

// Nil consumes a nil if it is the next value and says whether it was.
func (r *Reader) Nil() bool {
	if r.off < len(r.buf) && r.buf[r.off] == 0xc0 {
		r.off++
		return true
	}
	return false
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	c, ok := r.next("bool")
	if ok && (c == 0xc2 || c == 0xc3) {
		r.off++
		return c == 0xc3
	}
	r.fail("bool")
	return false
}

// Int reads an integer that fits in 64 signed bits, in any form.
func (r *Reader) Int() int64 {
	if r.off < len(r.buf) {
		if c := int8(r.buf[r.off]); c >= -32 {
			r.off++
			return int64(c)
		}
	}
	return r.longInt()
}

// longInt reads an integer of more than one byte.
func (r *Reader) longInt() int64 {
	const want = "integer"
	c, ok := r.next(want)
	if !ok {
		return 0
	}
	switch c {
	case 0xcc, 0xcd, 0xce, 0xcf:
		at := r.off
		v, _ := r.big(1<<(c-0xcc), want)
		if v > math.MaxInt64 {
			r.failAt(at, "integer within 64 signed bits")
			return 0
		}
		return int64(v)
	case 0xd0:
		v, _ := r.big(1, want)
		return int64(int8(v))
	case 0xd1:
		v, _ := r.big(2, want)
		return int64(int16(v))
	case 0xd2:
		v, _ := r.big(4, want)
		return int64(int32(v))
	case 0xd3:
		v, _ := r.big(8, want)
		return int64(v)
	}
	r.fail(want)
	return 0
}

// Uint reads a non-negative integer.
func (r *Reader) Uint() uint64 {
	if r.off < len(r.buf) {
		if c := r.buf[r.off]; c < 0x80 {
			r.off++
			return uint64(c)
		}
	}
	return r.longUint()
}

// longUint reads a non-negative integer of more than one byte.
func (r *Reader) longUint() uint64 {
	const want = "non-negative integer"
	c, ok := r.next(want)
	if !ok {
		return 0
	}
	at := r.off
	switch {
	case c >= 0xcc && c <= 0xcf:
		v, _ := r.big(1<<(c-0xcc), want)
		return v
	case c >= 0xd0 && c <= 0xd3:
		if v := r.Int(); v >= 0 {
			return uint64(v)
		}
	}
	r.failAt(at, want)
	return 0
}

// UintMax reads an integer from 0 to limit.
func (r *Reader) UintMax(limit uint64, want string) uint64 {
	at := r.off
	v := r.Uint()
	if v > limit {
		r.failAt(at, want)
		return 0
	}
	return v
}

// Int32 reads an integer that fits in 32 signed bits.
func (r *Reader) Int32() int32 {
	at := r.off
	v := r.Int()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.failAt(at, "integer within 32 bits")
		return 0
	}
	return int32(v)
}

// Float reads a float of either size, or an integer as a float.
func (r *Reader) Float() float64 {
	const want = "number"
	c, ok := r.next(want)
	if !ok {
		return 0
	}
	switch {
	case c == 0xcb:
		v, _ := r.big(8, want)
		return math.Float64frombits(v)
	case c == 0xca:
		v, _ := r.big(4, want)
		return float64(math.Float32frombits(uint32(v)))
	case c == 0xcf:
		v, _ := r.big(8, want)
		return float64(v)
	case c < 0x80 || c >= 0xe0 || c >= 0xcc && c <= 0xd3:
		return float64(r.Int())
	}
	r.fail(want)
	return 0
}

// Bytes reads a byte string or a string; nil gives a nil slice, an empty one
// a slice that is empty but not nil. The result aliases the input.
func (r *Reader) Bytes() []byte {
	if len(r.buf)-r.off >= 2 && r.buf[r.off] == 0xc4 {
		start := r.off + 2
		if end := start + int(r.buf[r.off+1]); end <= len(r.buf) {
			r.off = end
			return r.buf[start:end:end]
		}
	}
	return r.otherBytes()
}

// otherBytes reads what is not a byte string of less than 256 bytes.
func (r *Reader) otherBytes() []byte {
	const want = "byte string or nil"
	c, ok := r.next(want)
	if !ok {
		return nil
	}
	at := r.off
	var n uint64
	switch {
	case c == 0xc0:
		r.off++
		return nil
	case c >= 0xa0 && c <= 0xbf:
		n = uint64(c & 31)
		r.off++
	case c == 0xc4 || c == 0xd9:
		n, ok = r.big(1, want)
	case c == 0xc5 || c == 0xda:
		n, ok = r.big(2, want)
	case c == 0xc6 || c == 0xdb:
		n, ok = r.big(4, want)
	default:
		r.fail(want)
		return nil
	}
	if !ok {
		return nil
	}
	if n > uint64(len(r.buf)-r.off) {
		r.failAt(at, "a byte string that ends within the message")
		return nil
	}
	end := r.off + int(n)
	v := r.buf[r.off:end:end]
	r.off = end
	return v
}

// Str reads a string (or a byte string) that is not nil. The result aliases
// the input. UTF-8 is not checked.
func (r *Reader) Str() []byte {
	if c, ok := r.next("string"); !ok || c == 0xc0 {
		r.fail("string")
		return nil
	}
	return r.Bytes()
}

// Bin reads a byte string (or a string) that is not nil. The result aliases
// the input.
func (r *Reader) Bin() []byte {
	if c, ok := r.next("byte string"); !ok || c == 0xc0 {
		r.fail("byte string")
		return nil
	}
	return r.Bytes()
}

// Name reads a name, which has at most MaxName bytes, and copies it.
func (r *Reader) Name() string {
	at := r.off
	s := r.Str()
	if len(s) > MaxName {
		r.failAt(at, "a name of at most 255 bytes")
		return ""
	}
	return string(s)
}

// Array reads the header of an array and returns its length, which is never
// more than the bytes left, so a caller may allocate by it.
func (r *Reader) Array() int {
	if r.off < len(r.buf) {
		if n := int(r.buf[r.off] ^ 0x90); n < 16 && n < len(r.buf)-r.off {
			r.off++
			return n
		}
	}
	return r.otherArray()
}

// otherArray reads what is not the header of a short array.
func (r *Reader) otherArray() int {
	const want = "array"
	c, ok := r.next(want)
	if !ok {
		return 0
	}
	at := r.off
	var n uint64
	switch {
	case c >= 0x90 && c <= 0x9f:
		n = uint64(c & 15)
		r.off++
	case c == 0xdc:
		n, _ = r.big(2, want)
	case c == 0xdd:
		n, _ = r.big(4, want)
	default:
		r.fail(want)
		return 0
	}
	if n > uint64(len(r.buf)-r.off) {
		r.failAt(at, "an array that ends within the message")
		return 0
	}
	return int(n)
}

// ArrayMin reads the header of an array of at least n values and returns how
// many more there are; the caller skips those with SkipN: they belong to a
// newer minor version.
func (r *Reader) ArrayMin(n int, want string) int {
	at := r.off
	got := r.Array()
	if got < n {
		// Also after an error, which sticks.
		r.failAt(at, want)
		return 0
	}
	return got - n
}

// Map reads the header of a map and returns the number of pairs, which is
// never more than half the bytes left.
func (r *Reader) Map() int {
	const want = "map"
	c, ok := r.next(want)
	if !ok {
		return 0
	}
	at := r.off
	var n uint64
	switch {
	case c >= 0x80 && c <= 0x8f:
		n = uint64(c & 15)
		r.off++
	case c == 0xde:
		n, _ = r.big(2, want)
	case c == 0xdf:
		n, _ = r.big(4, want)
	default:
		r.fail(want)
		return 0
	}
	if n > uint64(len(r.buf)-r.off)/2 {
		r.failAt(at, "a map that ends within the message")
		return 0
	}
	return int(n)
}

// List reads the header of an array of at most limit entries.
func (r *Reader) List(limit int, want string) int {
	at := r.off
	n := r.Array()
	if n > limit {
		r.failAt(at, want)
		return 0
	}
	return n
}

// entries checks a count of groups of per values against the number of
// values that stand behind the fixed fields, and returns how many follow the
// groups. start is where the message's array begins.
func (r *Reader) entries(start, values, per int, count int32) (more int) {
	if r.err == nil && (count < 0 || count > MaxBatch || values < per*int(count)) {
		r.failAt(start, "as many entries as the count says, at most 65536")
	}
	if r.err != nil {
		return 0
	}
	return values - per*int(count)
}

// kind reads the kind of a batch message, which must be want.
func (r *Reader) kind(want Kind, text string) {
	at := r.off
	if k := r.UintMax(255, text); r.err == nil && Kind(k) != want {
		r.failAt(at, text)
	}
}
