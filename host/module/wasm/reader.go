package wasm

import "unicode/utf8"

// reader reads primitives up to end; the first error sticks.
type reader struct {
	b        []byte
	off, end int
	// what names the section, fn the function, for errors.
	what string
	fn   int
	err  *Error
}

func (r *reader) fail(p Problem, detail string) { r.failAt(r.off, p, detail) }

func (r *reader) failAt(at int, p Problem, detail string) {
	if r.err == nil {
		r.err = &Error{Problem: p, Offset: at, Func: r.fn, Detail: detail}
	}
}

// early reports that bytes are missing.
func (r *reader) early() {
	switch {
	case r.what == "" || r.end == len(r.b):
		r.fail(Truncated, "the file ends early")
	case r.fn >= 0:
		r.fail(Malformed, "the function's code ends early")
	default:
		r.fail(Malformed, "the "+r.what+" section ends early")
	}
}

func (r *reader) byte() byte {
	if r.err != nil {
		return 0
	}
	if r.off >= r.end {
		r.early()
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

// skip passes over n bytes.
func (r *reader) skip(n int) {
	if r.err != nil {
		return
	}
	if n > r.end-r.off {
		r.early()
		return
	}
	r.off += n
}

// unsigned reads an unsigned LEB128 number of at most bits bits.
func (r *reader) unsigned(bits uint) uint64 {
	if r.err == nil && r.off < r.end && r.b[r.off] < 0x80 { // nearly always
		r.off++
		return uint64(r.b[r.off-1])
	}
	at := r.off
	var v uint64
	for shift := uint(0); ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift+7 > bits && (c >= 0x80 || c>>(bits-shift) != 0) {
			r.failAt(at, Malformed, "a number is longer than the format allows")
			return 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 number of at most bits bits.
func (r *reader) signed(bits uint) int64 {
	at := r.off
	var v int64
	for shift := uint(0); ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= int64(c&0x7f) << shift
		if shift+7 >= bits {
			// The last byte: what is above the number's bits repeats its sign.
			used := bits - shift
			rest := int8(c<<1) >> used // bits from the sign on, 7-bit value sign-extended
			if c >= 0x80 || rest != 0 && rest != -1 {
				r.failAt(at, Malformed, "a number is longer than the format allows")
				return 0
			}
		}
		if c < 0x80 {
			if shift+7 < 64 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

func (r *reader) u32() uint32 { return uint32(r.unsigned(32)) }

// count reads the number of entries of a list whose entries take at least one
// byte each, so a forged count costs no memory.
func (r *reader) count() int {
	at := r.off
	n := r.u32()
	if r.err == nil && int64(n) > int64(r.end-r.off) {
		r.failAt(at, Malformed, "the "+r.what+" section lists more entries than it has bytes")
		return 0
	}
	return int(n)
}

// name reads a name, which is UTF-8.
func (r *reader) name(limit int64) string {
	at := r.off
	n := r.u32()
	if r.err != nil {
		return ""
	}
	if int64(n) > int64(r.end-r.off) {
		r.failAt(at, Malformed, "a name is longer than the "+r.what+" section")
		return ""
	}
	if r.over(at, "bytes of a name", int64(n), limit) {
		return ""
	}
	s := r.b[r.off : r.off+int(n)]
	if !utf8.Valid(s) {
		r.fail(Malformed, "a name is not UTF-8")
		return ""
	}
	r.off += int(n)
	return string(s)
}
