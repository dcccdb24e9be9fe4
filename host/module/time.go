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
	ms := in.recordTime(uint32(in.at(mem).Record))
	if ms < 0 || ms > maxMillis {
		return 0
	}
	return uint64(ms) * 1e6
}

// maxMillis is the largest timestamp whose nanoseconds fit.
const maxMillis = (1<<63 - 1) / 1_000_000

// recordTime reads the timestamp of a record from the host's own copy of the
// batch.
func (in *instance) recordTime(record uint32) int64 {
	c := &in.call
	if len(c.head) < 5 || c.head[0] != 0xdd {
		return 0
	}
	// The count of the head's array includes the records, which are not behind
	// it here; so its header is passed over.
	r := abi.NewReader(c.head[5:])
	r.SkipN(4) // kind, source, partition, base offset
	base := r.Int()
	if r.Err() != nil {
		return 0
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
