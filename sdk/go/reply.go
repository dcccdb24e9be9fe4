package slip

import "github.com/sliphost/sliphost/abi"

// replyLimit is how many bytes of the reply wait in guest memory; what is more
// goes to the host in pieces. Only a single output may make the buffer larger.
const replyLimit = 256 << 10

// outputRoom is more than an output takes beside key, value and headers: array
// header, sink, three length prefixes, timestamp, partition, and the head of
// a result in front of the first.
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

// output appends one output, handing over what is there when it gets too long.
func (r *replies) output(c *Call, o *abi.Output) {
	need := outputRoom + len(o.Key) + len(o.Value) + len(o.Headers)
	if len(r.buf)+need > replyLimit && len(r.buf) > 0 && !r.spill(c) {
		return
	}
	switch {
	case !r.open:
		r.buf = abi.AppendResult(r.buf, r.index, abi.StatusOK, 0)
		r.open, r.count, r.countAt = true, 0, len(r.buf)-1
	case r.count == 15:
		// The one-byte array header is full: make room for the longest form,
		// once, so that every later output only adds itself.
		r.buf = append(r.buf, 0, 0, 0, 0)
		copy(r.buf[r.countAt+5:], r.buf[r.countAt+1:len(r.buf)-4])
	}
	r.count++
	if r.count < 16 {
		r.buf[r.countAt] = 0x90 | byte(r.count)
	} else {
		n := uint32(r.count)
		b := r.buf[r.countAt : r.countAt+5]
		b[0], b[1], b[2], b[3], b[4] = 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	}
	r.buf = abi.AppendOutput(r.buf, o)
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

// fail replaces what the buffer holds of the current record by an error, which
// also voids the pieces that the host has.
func (r *replies) fail(err error) {
	code, text, afterMs := classify(err)
	r.buf = abi.AppendResultError(r.buf[:r.mark], r.index, code, cut(text), afterMs)
}
