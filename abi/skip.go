package abi

// Skip passes over one value of any type, at most MaxDepth levels of arrays
// and maps deep, and returns its bytes, aliasing the input.
func (r *Reader) Skip() []byte {
	start := r.off
	r.skip(0)
	if r.err != nil {
		return nil
	}
	return r.buf[start:r.off:r.off]
}

// SkipN passes over n values.
func (r *Reader) SkipN(n int) {
	if n > 0 {
		r.skipN(n)
	}
}

func (r *Reader) skipN(n int) {
	for ; n > 0 && r.err == nil; n-- {
		r.skip(0)
	}
}

// skip passes over one value that stands inside depth arrays and maps.
func (r *Reader) skip(depth int) {
	c, ok := r.next("value")
	if !ok {
		return
	}
	switch {
	case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3:
		r.off++
	case c <= 0x8f || c == 0xde || c == 0xdf:
		if r.tooDeep(depth) {
			return
		}
		for n := r.Map(); n > 0 && r.err == nil; n-- {
			r.skip(depth + 1)
			r.skip(depth + 1)
		}
	case c <= 0x9f || c == 0xdc || c == 0xdd:
		if r.tooDeep(depth) {
			return
		}
		for n := r.Array(); n > 0 && r.err == nil; n-- {
			r.skip(depth + 1)
		}
	case c <= 0xbf || c >= 0xc4 && c <= 0xc6 || c >= 0xd9 && c <= 0xdb:
		r.Bytes()
	case c == 0xca || c == 0xce || c == 0xd2:
		r.advance(5)
	case c == 0xcb || c == 0xcf || c == 0xd3:
		r.advance(9)
	case c == 0xcc || c == 0xd0:
		r.advance(2)
	case c == 0xcd || c == 0xd1:
		r.advance(3)
	case c >= 0xd4 && c <= 0xd8:
		r.advance(2 + 1<<(c-0xd4))
	case c >= 0xc7 && c <= 0xc9:
		r.extension(1 << (c - 0xc7))
	default:
		r.fail("a msgpack value")
	}
}

func (r *Reader) tooDeep(depth int) bool {
	if depth >= MaxDepth {
		r.fail("a value nested at most 64 deep")
		return true
	}
	return false
}

// extension passes over an extension whose length has size bytes.
func (r *Reader) extension(size int) {
	at := r.off
	n, ok := r.big(size, "a value that ends within the message")
	if !ok {
		return
	}
	// One byte more than the length says: the extension's type.
	if n >= uint64(len(r.buf)-r.off) {
		r.failAt(at, "a value that ends within the message")
		return
	}
	r.off += 1 + int(n)
}

func (r *Reader) advance(n int) {
	if len(r.buf)-r.off < n {
		r.fail("a value that ends within the message")
		return
	}
	r.off += n
}
