package module

import (
	"crypto/rand"

	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/abi"
)

// guestTime is what a guest sees of time: a monotonic clock that advances with
// each reading and jumps over sleeps, so that the same calls see the same
// times.
type guestTime struct {
	monotonic uint64
}

// tick is how far a reading of the monotonic clock advances it.
const tick = 1000 // ns

func (t *guestTime) read() uint64 {
	t.monotonic += tick
	return t.monotonic
}

// wallClock is the timestamp of the record being handled, in nanoseconds; 0
// outside a call and for records without one. It costs nothing unless asked
// for, and a position is kept, so that asking in each record walks the batch
// once.
func (in *instance) wallClock(mem api.Memory) uint64 {
	if in.phase != phaseProcess {
		return 0
	}
	ms := in.call.time(uint32(in.at(mem).Record))
	if ms < 0 || ms > maxMillis {
		return 0
	}
	return uint64(ms) * 1e6
}

// maxMillis is the largest timestamp whose nanoseconds fit.
const maxMillis = (1<<63 - 1) / 1_000_000

// noKind is a kind of batch that does not exist. As a bit of abi.Func.Calls it
// is CallDescribe: as little is allowed.
const noKind = 31

// body is what follows the header of the message's array. The header's count
// includes the records, which are not behind head here; so it is passed over.
func (c *call) body() abi.Reader {
	n := 0
	switch {
	case len(c.head) >= 5 && c.head[0] == 0xdd:
		n = 5
	case len(c.head) >= 3 && c.head[0] == 0xdc:
		n = 3
	case len(c.head) >= 1 && c.head[0]&0xf0 == 0x90:
		n = 1
	}
	return abi.NewReader(c.head[n:])
}

// batchKind is the kind of the batch.
func (c *call) batchKind() uint8 {
	if c.kind == noKind {
		r := c.body()
		if k := r.Uint(); r.Err() == nil && k < noKind-1 {
			c.kind = uint8(k)
		}
	}
	return c.kind
}

// time is the timestamp of a record in milliseconds, read from the host's own
// copy of the batch; of an advance it is the stream time; 0 if there is none.
func (c *call) time(record uint32) int64 {
	r := c.body()
	switch abi.Kind(c.batchKind()) {
	case abi.KindRecords, abi.KindReplayed, abi.KindTimer:
		r.SkipN(4) // kind, source, partition, base offset
	case abi.KindAdvance:
		r.SkipN(2) // kind, partition
	default:
		return 0
	}
	base := r.Int()
	if r.Err() != nil {
		return 0
	}
	if abi.Kind(c.kind) == abi.KindAdvance {
		return base
	}
	if record < c.record {
		c.record, c.at = 0, 0
	}
	for c.record < record {
		b := c.records[c.at:]
		if len(b) < abi.RecordPrefix {
			return base
		}
		n := int(uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4]))
		if n > len(b)-abi.RecordPrefix {
			return base
		}
		c.at += abi.RecordPrefix + n
		c.record++
	}
	if len(c.records)-c.at < abi.RecordPrefix {
		return base
	}
	r.Reset(c.records[c.at+abi.RecordPrefix:])
	r.ArrayMin(2, "a record")
	r.Int()
	delta := r.Int()
	if r.Err() != nil {
		return base
	}
	return base + delta
}

// fillRandom fills b with real randomness.
func fillRandom(b []byte) { _, _ = rand.Read(b) }
