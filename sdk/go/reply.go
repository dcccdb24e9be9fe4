package slip

import (
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// replyLimit is how many bytes of the reply wait in guest memory; what is more
// goes to the host in pieces. Only a single output may make the buffer larger.
const replyLimit = 256 << 10

// outputRoom is more than an output takes beside key, value and headers: array
// header, sink, three length prefixes, timestamp, partition, the head of a
// result in front of the first and the longer count from the 16th on.
const outputRoom = 64

// replies is the reply stream of a batch while it is written. The first n
// bytes of mem are whole results, the last of which may still grow.
type replies struct {
	in  *instance
	mem []byte
	n   int
	// index is the record now handled, mark where its part begins.
	index int32
	mark  int
	// open says that a result of this record stands at the end; its array
	// header is at countAt, after the status byte, and says count.
	open           bool
	countAt, count int
	// spilled says that pieces of this record went to the host: then a final
	// result must follow even if it is empty.
	spilled bool
}

// begin starts the results of the next record.
func (r *replies) begin(index int32) {
	r.index, r.mark, r.open, r.spilled = index, r.n, false, false
}

// bytes returns the stream as far as it is here.
func (r *replies) bytes() []byte { return r.mem[:r.n] }

// set takes over b, which was appended to bytes.
func (r *replies) set(b []byte) { r.mem, r.n = b[:cap(b)], len(b) }

// emit appends an output; one that cannot be appended fails the record.
//
// It writes what abi.AppendOutput would (a test compares them). In a guest a
// call costs as much as the bytes, and every place to return to makes the
// whole function slower. So one call takes all that is not common, and the room
// for the whole output is looked for once, which the pointers below rely on.
func (c *Call) emit(sink int32, key, value, headers []byte, at where) {
	r := &c.in.replies
	p, n := r.n, len(key)+len(value)
	if !c.live || headers != nil || at.hasTimestamp || at.hasPartition ||
		len(key) > 0xff || len(value) > 0xffff ||
		len(r.mem)-p < outputRoom+n || r.open && r.count >= 15 || sink < -32 || sink > 127 {
		c.emitAny(sink, key, value, headers, at)
		return
	}
	mem := unsafe.Pointer(unsafe.SliceData(r.mem))
	if r.open {
		r.count++
		*(*byte)(unsafe.Add(mem, r.countAt)) = 0x90 | byte(r.count)
	} else {
		h := (*[6]byte)(unsafe.Add(mem, p))
		h[0] = 0x93
		switch {
		case r.index < 0x80:
			h[1], h[2], h[3] = byte(r.index), byte(abi.StatusOK), 0x91
			p += 4
		case r.index < 0x100:
			h[1], h[2], h[3], h[4] = 0xcc, byte(r.index), byte(abi.StatusOK), 0x91
			p += 5
		default:
			h[1], h[2], h[3], h[4], h[5] = 0xcd, byte(r.index>>8), byte(r.index), byte(abi.StatusOK), 0x91
			p += 6
		}
		r.open, r.count, r.countAt = true, 1, p-1
	}

	h := (*[4]byte)(unsafe.Add(mem, p))
	h[0], h[1] = 0x93, byte(sink)
	if key == nil {
		h[2] = 0xc0
		p += 3
	} else {
		n := len(key)
		h[2], h[3] = 0xc4, byte(n)
		p += 4
		to, from := unsafe.Add(mem, p), unsafe.Pointer(unsafe.SliceData(key))
		p += n
		// Keys are short: a call of memmove takes as long as eight words. The
		// last word may overlap the one before it.
		for n > 8 {
			*(*uint64)(to) = *(*uint64)(from)
			step := min(n-8, 8)
			to, from = unsafe.Add(to, step), unsafe.Add(from, step)
			n -= step
		}
		if n == 8 {
			*(*uint64)(to) = *(*uint64)(from)
		} else {
			for ; n > 0; n-- {
				*(*byte)(to) = *(*byte)(from)
				to, from = unsafe.Add(to, 1), unsafe.Add(from, 1)
			}
		}
	}
	v := (*[3]byte)(unsafe.Add(mem, p))
	if value == nil {
		v[0] = 0xc0
		r.n = p + 1
		return
	}
	n = len(value)
	if n < 0x100 {
		v[0], v[1] = 0xc4, byte(n)
		p += 2
	} else {
		v[0], v[1], v[2] = 0xc5, byte(n>>8), byte(n)
		p += 3
	}
	r.n = p + n
	copy(r.mem[p:], value)
}

// emitAny is emit for everything.
//
//go:noinline
func (c *Call) emitAny(sink int32, key, value, headers []byte, at where) {
	c.check()
	c.in.replies.full(c, sink, key, value, headers, at)
}

// output appends an output with so many fields up to its headers; full writes
// those behind. False means that the record has failed.
func (r *replies) output(c *Call, fields byte, sink int32, key, value, headers []byte) bool {
	need := outputRoom + len(key) + len(value) + len(headers)
	if len(r.mem)-r.n < need && !r.room(c, need) {
		return false
	}
	if r.open {
		r.recount()
	} else {
		r.set(abi.AppendResult(r.bytes(), r.index, abi.StatusOK, 1))
		r.open, r.count, r.countAt = true, 1, r.n-1
	}
	w := Writer{buf: r.bytes()}
	w.Array(int(fields))
	w.Int(int64(sink))
	w.Bytes(key)
	w.Bytes(value)
	if headers != nil {
		w.Raw(headers)
	} else if fields > 3 {
		w.Nil()
	}
	r.set(w.buf)
	return true
}

// full appends an output with all its fields; trailing ones that are absent
// are cut.
func (r *replies) full(c *Call, sink int32, key, value, headers []byte, at where) {
	fields := byte(3)
	switch {
	case at.hasPartition:
		fields = 6
	case at.hasTimestamp:
		fields = 5
	case headers != nil:
		fields = 4
	}
	if !r.output(c, fields, sink, key, value, headers) || fields < 5 {
		return
	}
	b := r.bytes()
	if at.hasTimestamp {
		b = abi.AppendInt(b, at.timestamp)
	} else {
		b = abi.AppendNil(b)
	}
	if at.hasPartition {
		b = abi.AppendInt(b, int64(at.partition))
	}
	r.set(b)
}

// recount counts one more output of the open result. At the 16th the one-byte
// array header is full, and room is made for the longest form, once, so that
// every later output only adds itself.
func (r *replies) recount() {
	r.count++
	if r.count < 16 {
		r.mem[r.countAt] = 0x90 | byte(r.count)
		return
	}
	if r.count == 16 {
		copy(r.mem[r.countAt+5:], r.mem[r.countAt+1:r.n])
		r.n += 4
	}
	n := uint32(r.count)
	b := (*[5]byte)(r.mem[r.countAt:])
	b[0], b[1], b[2], b[3], b[4] = 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
}

// room makes room for need bytes by handing over what is there, and by more
// memory where that is not enough; false after failing the record.
func (r *replies) room(c *Call, need int) bool {
	if r.n > 0 && !r.spill(c) {
		return false
	}
	if len(r.mem) < need {
		r.mem = make([]byte, need)
	}
	return true
}

// spill hands over what is there; false after failing the record.
func (r *replies) spill(c *Call) bool {
	if r.open {
		r.mem[r.countAt-1] = byte(abi.StatusMore)
		r.open, r.spilled = false, true
	}
	n := hostFlush(r.in, r.bytes())
	// Until here the block names the finished results in the buffer, from here
	// on the host has them: no moment at which a trap loses or doubles them.
	r.in.progress[progressLen] = 0
	r.n, r.mark = 0, 0
	if n < 0 {
		c.fail(abi.CodeLimit, "the host takes no more outputs of this record")
		return false
	}
	return true
}

// succeed ends the current record's results.
func (r *replies) succeed() {
	if r.spilled && !r.open {
		r.set(abi.AppendResult(r.bytes(), r.index, abi.StatusOK, 0))
	}
}

// cut shortens an error text to what the ABI allows, at a character.
func cut(text string) string {
	if len(text) <= abi.MaxText {
		return text
	}
	n := abi.MaxText
	for n > 0 && text[n]&0xc0 == 0x80 {
		n--
	}
	return text[:n]
}

// fail replaces what is here of the current record by an error, which also
// voids the pieces that the host has.
func (r *replies) fail(err error) {
	code, text, afterMs := classify(err)
	r.set(abi.AppendResultError(r.mem[:r.mark], r.index, code, cut(text), afterMs))
}
