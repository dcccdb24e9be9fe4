package rocksdb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/sliphost/sliphost/state"
)

// order is the sequence in which a batch is handed to RocksDB: by family and
// key. Inserting there in the order of keys goes along paths that the
// processor's caches still have, which takes half the time of any other order.
type order struct {
	writes []write
	at     []uint32
}

// write is one write of a batch.
type write struct {
	// key is the key's beginning, for most of the comparisons.
	key        [2]uint64
	family, at uint32
}

// sortedFrom is the number of writes from which sorting pays, sortedMost the
// number up to which the memory for it is kept.
const (
	sortedFrom = 16
	sortedMost = 1 << 14
)

// of returns where the writes of a batch begin, in order; nil for as they are.
// Writes of one key stay in their sequence, and so does everything where a
// range is removed, since there it matters.
func (o *order) of(b *state.Batch) []uint32 {
	if b.Count < sortedFrom || len(b.Buf) > math.MaxUint32 {
		return nil
	}
	o.writes = slices.Grow(o.writes[:0], b.Count)
	for at := 0; at < len(b.Buf); {
		family, op, key, end := head(b.Buf, at)
		if op == state.OpDeleteRange {
			return nil
		}
		w := write{family: family, at: uint32(at)}
		var start [16]byte
		copy(start[:], key)
		w.key[0], w.key[1] = binary.BigEndian.Uint64(start[:]), binary.BigEndian.Uint64(start[8:])
		o.writes = append(o.writes, w)
		at = end
	}
	slices.SortFunc(o.writes, func(x, y write) int {
		if c := cmp.Or(cmp.Compare(x.family, y.family), cmp.Compare(x.key[0], y.key[0]), cmp.Compare(x.key[1], y.key[1])); c != 0 {
			return c
		}
		_, _, kx, _ := head(b.Buf, int(x.at))
		_, _, ky, _ := head(b.Buf, int(y.at))
		return cmp.Or(bytes.Compare(kx, ky), cmp.Compare(x.at, y.at))
	})
	o.at = slices.Grow(o.at[:0], len(o.writes))
	for i := range o.writes {
		o.at = append(o.at, o.writes[i].at)
	}
	return o.at
}

// head reads the write at a place of a batch that was checked; the next one
// begins at end.
func head(buf []byte, at int) (family, op uint32, key []byte, end int) {
	family = binary.NativeEndian.Uint32(buf[at:])
	op = binary.NativeEndian.Uint32(buf[at+4:])
	klen := int(binary.NativeEndian.Uint32(buf[at+8:]))
	vlen := int(binary.NativeEndian.Uint32(buf[at+12:]))
	at += batchHead
	return family, op, buf[at : at+klen : at+klen], min((at+klen+vlen+3)&^3, len(buf))
}

// batchHead is the size of a write's head in a state.Batch.
const batchHead = 16

// release gives memory back that only large batches need.
func (o *order) release() {
	if cap(o.writes) > sortedMost {
		*o = order{}
	}
}
