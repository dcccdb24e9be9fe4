package slip

import "github.com/sliphost/sliphost/abi"

// replyLimit is how many bytes of the reply wait in guest memory; what is more
// goes to the host in pieces. Only a single output may make the buffer larger.
const replyLimit = 256 << 10

// outputRoom is more than an output takes beside key, value and headers: array
// header, sink, three length prefixes, timestamp, partition, the head of a
// result in front of the first and the longer count from the 16th on.
const outputRoom = 64

// replies is the reply stream of a batch while it is written. The buffer
// always holds whole results, the last of which may still grow.
type replies struct {
	in  *instance
	buf []byte
	// index is the record now handled, mark where its part of buf begins.
	index int32
	mark  int
	// open says that a result of this record stands at the end of buf; its
	// array header begins at countAt, after the status byte, and says count.
	open           bool
	countAt, count int
	// spilled says that pieces of this record went to the host: then a final
	// result must follow even if it is empty.
	spilled bool
}

// begin starts the results of the next record.
func (r *replies) begin(index int32) {
	r.index, r.mark, r.open, r.spilled = index, len(r.buf), false, false
}

// output appends an output of a sink, key and value; see full for the rest of
// its fields. False means that the record has failed.
//
// It writes what abi.AppendOutput would (a test compares them), but in one
// stretch without calls: in a guest a call, and a struct passed by value, cost
// more than the bytes.
func (r *replies) output(c *Call, fields byte, sink int32, key, value []byte, rest int) bool {
	need := outputRoom + len(key) + len(value) + rest
	if cap(r.buf)-len(r.buf) < need && !r.room(c, need) {
		return false
	}
	p := len(r.buf)
	b := r.buf[:p+need]
	if r.open {
		r.count++
		if r.count < 16 {
			b[r.countAt] = 0x90 | byte(r.count)
		} else {
			p = r.recount(p)
		}
	} else {
		b[p], b[p+1] = 0x93, byte(r.index)
		if r.index < 128 {
			p += 2
		} else {
			p = len(abi.AppendInt(b[:p+1], int64(r.index)))
		}
		b[p], b[p+1] = byte(abi.StatusOK), 0x91
		r.open, r.count, r.countAt = true, 1, p+1
		p += 2
	}

	b[p], b[p+1] = 0x90|fields, byte(sink)
	if sink >= -32 && sink < 128 {
		p += 2
	} else {
		p = len(abi.AppendInt(b[:p+1], int64(sink)))
	}
	switch n := len(key); {
	case key == nil:
		b[p] = 0xc0
		p++
	case n < 256:
		b[p], b[p+1] = 0xc4, byte(n)
		p += 2 + copy(b[p+2:], key)
	default:
		p = len(abi.AppendBin(b[:p], key))
	}
	switch n := len(value); {
	case value == nil:
		b[p] = 0xc0
		p++
	case n < 256:
		b[p], b[p+1] = 0xc4, byte(n)
		p += 2 + copy(b[p+2:], value)
	case n < 65536:
		b[p], b[p+1], b[p+2] = 0xc5, byte(n>>8), byte(n)
		p += 3 + copy(b[p+3:], value)
	default:
		p = len(abi.AppendBin(b[:p], value))
	}
	r.buf = b[:p]
	return true
}

// full appends an output with all its fields; trailing ones that are absent
// are cut.
func (r *replies) full(c *Call, sink int32, o *Out) {
	fields := byte(3)
	switch {
	case o.hasPartition:
		fields = 6
	case o.hasTimestamp:
		fields = 5
	case o.Headers.raw != nil:
		fields = 4
	}
	if !r.output(c, fields, sink, o.Key, o.Value, len(o.Headers.raw)) || fields == 3 {
		return
	}
	if o.Headers.raw != nil {
		r.buf = append(r.buf, o.Headers.raw...)
	} else {
		r.buf = abi.AppendNil(r.buf)
	}
	if fields == 4 {
		return
	}
	if o.hasTimestamp {
		r.buf = abi.AppendInt(r.buf, o.timestamp)
	} else {
		r.buf = abi.AppendNil(r.buf)
	}
	if o.hasPartition {
		r.buf = abi.AppendInt(r.buf, int64(o.partition))
	}
}

// recount writes the count from the 16th output on. There the one-byte array
// header is full, and room is made for the longest form, once, so that every
// later output only adds itself. p is the end of the results; it returns the
// new one.
func (r *replies) recount(p int) int {
	b := r.buf[:cap(r.buf)]
	if r.count == 16 {
		copy(b[r.countAt+5:], b[r.countAt+1:p])
		p += 4
	}
	abi.PutUint32(b[r.countAt:], uint32(r.count))
	b[r.countAt] = 0xdd
	return p
}

// room makes room for need bytes by handing over what the buffer holds, and by
// a larger buffer where that is not enough; false after failing the record.
func (r *replies) room(c *Call, need int) bool {
	if len(r.buf) > 0 && !r.spill(c) {
		return false
	}
	if cap(r.buf) < need {
		r.buf = make([]byte, 0, need)
	}
	return true
}

// spill hands the buffer over; false after failing the record.
func (r *replies) spill(c *Call) bool {
	if r.open {
		r.buf[r.countAt-1] = byte(abi.StatusMore)
		r.open, r.spilled = false, true
	}
	n := hostFlush(r.in, r.buf)
	// Until here the block names the finished results in the buffer, from here
	// on the host has them: no moment at which a trap loses or doubles them.
	r.in.progress[progressLen] = 0
	r.buf, r.mark = r.buf[:0], 0
	if n < 0 {
		c.fail(abi.CodeLimit, "the host takes no more outputs of this record")
		return false
	}
	return true
}

// succeed ends the current record's results.
func (r *replies) succeed() {
	if r.spilled && !r.open {
		r.buf = abi.AppendResult(r.buf, r.index, abi.StatusOK, 0)
	}
}

// fail replaces what the buffer holds of the current record by an error, which
// also voids the pieces that the host has.
func (r *replies) fail(err error) {
	code, text, afterMs := classify(err)
	r.buf = abi.AppendResultError(r.buf[:r.mark], r.index, code, cut(text), afterMs)
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
