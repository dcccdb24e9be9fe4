package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
)

// batch is a stretch of records of one source and partition in the form the
// guest reads, with what the handlers of that source made of it. Positions
// count its records, those that could not be decoded included.
type batch struct {
	source *Source
	head   abi.BatchHeader
	// buf holds the records as the guest reads them; record i is
	// buf[starts[i]:starts[i+1]], empty when it could not be decoded.
	buf    []byte
	starts []int
	// roots maps positions to those of the root batch, nil in the root batch.
	roots []int32
	// bad lists the records that could not be decoded, by position.
	bad []badRecord
	// waits is why the records behind the last position could not be decoded yet;
	// nil if there are none.
	waits error
	// wire and wireStarts are the records as they came, where that differs from
	// buf.
	wire       []byte
	wireStarts []int
	// calls holds the outcome of each of source.Handlers.
	calls []call
	// generation is that of the run that filled the batch last.
	generation uint64

	// record number recPos, read by record.
	rec    abi.Record
	recPos int
	own    []byte
}

type badRecord struct {
	pos    int
	reason string
}

// call is the outcome of one handler on one batch.
type call struct {
	handler *Handler
	// effects are in the order of the records and, within one, of emission.
	effects []effect
	// next is the first effect not emitted yet, walk the first one not seen by
	// the walk that assembles a proxy's batch.
	next, walk int
	// journal is the overlay's that the call's cache writes are noted in, marks
	// where in it those of each record begin; empty if there was no host call.
	journal int
	marks   []int
}

// effect is one output of a handler on its way to one sink, or the place of
// a failure that the handler's policy settled.
type effect struct {
	// pos is the record that caused it.
	pos int
	// sink is nil for what a policy made of a failure.
	sink                *Sink
	out                 *outlet
	key, value, headers []byte
	timestamp           int64
	// offset is the record's, as a delta to the root batch's base.
	offset    int64
	partition int32
	// child is the position in the proxy's batch.
	child int
	// settled is a failure for which a policy stands in: nothing but a count
	// for skip and drop, a dead letter otherwise.
	settled *failure
}

func (b *batch) reset(src *Source, head abi.BatchHeader) {
	b.source, b.head = src, head
	b.buf, b.own = nil, b.own[:0]
	b.starts = append(b.starts[:0], 0)
	b.roots = b.roots[:0]
	b.bad, b.waits = b.bad[:0], nil
	b.wire = nil
	b.wireStarts = b.wireStarts[:0]
	b.recPos = -1
	if cap(b.calls) < len(src.Handlers) {
		b.calls = make([]call, len(src.Handlers))
	}
	b.calls = b.calls[:len(src.Handlers)]
	for i := range b.calls {
		c := &b.calls[i]
		clear(c.effects)
		c.effects, c.next, c.walk = c.effects[:0], 0, 0
		c.marks = c.marks[:0]
	}
}

// len is the number of positions.
func (b *batch) len() int { return len(b.starts) - 1 }

// root returns the position in the root batch that pos descends from.
func (b *batch) root(pos int) int {
	if b.source.Kind != SourceProxy {
		return pos
	}
	return int(b.roots[pos])
}

// until returns the first position at or behind pos whose root is not below
// limit.
func (b *batch) until(pos, limit int) int {
	if b.source.Kind != SourceProxy {
		return max(pos, min(b.len(), limit))
	}
	n, _ := slices.BinarySearch(b.roots[pos:], int32(limit))
	return pos + n
}

// nth counts the records before pos that descend from the same root.
func (b *batch) nth(pos int) int {
	n := 0
	for root := b.root(pos); pos > 0 && b.root(pos-1) == root; pos-- {
		n++
	}
	return n
}

// record returns record pos; the result is valid until the next call.
func (b *batch) record(pos int) *abi.Record {
	if pos != b.recPos {
		b.recPos = pos
		buf, starts := b.buf, b.starts
		if starts[pos] == starts[pos+1] { // it could not be decoded
			buf, starts = b.wire, b.wireStarts
		}
		r := abi.NewReader(buf[starts[pos]:starts[pos+1]])
		abi.ReadRecord(&r, &b.rec)
	}
	return &b.rec
}

// original returns record pos as it came from the source.
func (b *batch) original(pos int) (rec abi.Record) {
	buf, starts := b.buf, b.starts
	if b.wire != nil {
		buf, starts = b.wire, b.wireStarts
	}
	r := abi.NewReader(buf[starts[pos]:starts[pos+1]])
	abi.ReadRecord(&r, &rec)
	return rec
}

// load fills a root batch from count records in wire form. The batch refers
// to wire where nothing has to be decoded; wire must stay until the batch's
// effects are emitted.
func (b *batch) load(src *Source, head abi.BatchHeader, wire []byte) {
	b.reset(src, head)
	decodes := isDecoding(src.Key) || isDecoding(src.Value)
	at := 0
	for range head.Count {
		at += abi.RecordPrefix + recordLen(wire[at:])
		b.starts = append(b.starts, at)
	}
	if !decodes {
		b.buf = wire
		return
	}
	b.wire = wire
	b.starts, b.wireStarts = append(b.wireStarts[:0], 0), b.starts
	for pos := range int(head.Count) {
		if b.decode(pos); b.waits != nil {
			break
		}
		b.starts = append(b.starts, len(b.own))
	}
	b.buf = b.own
}

// decode appends record pos in the guest's form to own, or notes why it
// cannot: for good, or for want of something that is not there now.
func (b *batch) decode(pos int) {
	var rec abi.Record
	r := abi.NewReader(b.wire[b.wireStarts[pos]:b.wireStarts[pos+1]])
	abi.ReadRecord(&r, &rec)
	start := len(b.own)
	out := abi.AppendUint32(b.own, 0)
	out = append(out, 0x95)
	out = abi.AppendInt(out, rec.OffsetDelta)
	out = abi.AppendInt(out, rec.TimestampDelta)
	out, err := appendDecoded(out, b.source.Key, rec.Key)
	what := "key"
	if err == nil {
		what = "value"
		out, err = appendDecoded(out, b.source.Value, rec.Value)
	}
	if err != nil {
		b.own = out[:start]
		var unavailable *codec.Unavailable
		if errors.As(err, &unavailable) {
			b.waits = fmt.Errorf("%s: %w", what, err)
			return
		}
		b.bad = append(b.bad, badRecord{pos, what + ": " + err.Error()})
		return
	}
	if rec.Headers == nil {
		out = abi.AppendNil(out)
	} else {
		out = append(out, rec.Headers...)
	}
	abi.PutUint32(out[start:], uint32(len(out)-start-abi.RecordPrefix))
	b.own = out
}

// appendProxied appends a record that a handler emitted to this proxy.
func (b *batch) appendProxied(root int, offsetDelta int64, e *effect) {
	b.own = abi.AppendRecord(b.own, offsetDelta, e.timestamp-b.head.BaseTimestamp, e.key, e.value, e.headers)
	b.starts = append(b.starts, len(b.own))
	b.roots = append(b.roots, int32(root))
	b.buf = b.own
	b.head.Count++
}

// recordLen reads the length in front of a record that this host packed.
func recordLen(b []byte) int {
	return int(uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4]))
}
