package slip

import (
	"math"
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// quickHeader reads the head of a batch of records in the form a host writes;
// size is then the number of bytes it takes. It answers size 0 for everything
// else, as quickRecord does.
func quickHeader(b []byte, h *abi.BatchHeader) (size int) {
	if len(b) < 11 || b[0] != 0xdd || b[5] >= 0x80 || b[6] >= 0x80 || b[7] >= 0x80 {
		return 0
	}
	fields := uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4])
	h.Kind, h.Source, h.Partition = abi.Kind(b[5]), int32(b[6]), int32(b[7])
	offset, p := quickUint(b, 8)
	timestamp, p := quickUint(b, p)
	count, p := quickUint(b, p)
	if p == 0 || offset > math.MaxInt64 || timestamp > math.MaxInt64 || count > abi.MaxBatch || fields != uint32(6+2*count) ||
		int(fields)-6 > len(b)-p {
		return 0
	}
	h.BaseOffset, h.BaseTimestamp, h.Count = int64(offset), int64(timestamp), int32(count)
	return p
}

// quickUint reads a non-negative integer at b[p:] and returns it with the
// place behind it; place 0 if there is none, or if p is 0 already.
func quickUint(b []byte, p int) (uint64, int) {
	if p == 0 || p+9 > len(b) {
		if p == 0 || p >= len(b) || b[p] >= 0x80 {
			return 0, 0
		}
		return uint64(b[p]), p + 1
	}
	w := (*[9]byte)(b[p:])
	switch c := w[0]; {
	case c < 0x80:
		return uint64(c), p + 1
	case c == 0xcc:
		return uint64(w[1]), p + 2
	case c == 0xcd:
		return uint64(w[1])<<8 | uint64(w[2]), p + 3
	case c == 0xce:
		return uint64(w[1])<<24 | uint64(w[2])<<16 | uint64(w[3])<<8 | uint64(w[4]), p + 5
	case c == 0xcf:
		return uint64(w[1])<<56 | uint64(w[2])<<48 | uint64(w[3])<<40 | uint64(w[4])<<32 |
			uint64(w[5])<<24 | uint64(w[6])<<16 | uint64(w[7])<<8 | uint64(w[8]), p + 9
	}
	return 0, 0
}

// readRecord reads the record at the start of b into rec, with deltas for
// offset and timestamp, and returns its headers and the bytes it takes.
func (in *instance) readRecord(b []byte, rec *Record) (headers []byte, size int, err error) {
	var r abi.Record
	in.reader.Reset(b)
	abi.ReadRecord(&in.reader, &r)
	rec.Key, rec.Value, rec.Offset, rec.Timestamp = r.Key, r.Value, r.OffsetDelta, r.TimestampDelta
	return r.Headers, in.reader.Offset(), in.reader.Err()
}

// again reads the record now handled once more, for the few who want it.
func (in *instance) again() (rec Record, headers []byte, err error) {
	headers, _, err = in.readRecord(in.msg[len(in.msg)-in.left:], &rec)
	rec.Offset += in.head.BaseOffset
	rec.Timestamp += in.head.BaseTimestamp
	return rec, headers, err
}

// quickRecord reads the record at the start of b, which begins with its
// length, in the forms a host writes; size is then the number of bytes it
// takes. It answers size 0 for everything else, also for headers and what is
// malformed: readRecord then decides. Both agree where both answer (a fuzz
// test compares them); this one makes no calls, which in a guest cost more
// than the reading, nor lets the compiler add any: every place that is read is
// compared with the end first.
func quickRecord(b []byte, rec *Record) (size int) {
	if len(b) < 11 {
		return 0
	}
	m := unsafe.Pointer(unsafe.SliceData(b))
	if at(m, 0) != 0xce || at(m, 5) != 0x95 {
		return 0
	}
	end := abi.RecordPrefix + int(uint32(at(m, 1))<<24|uint32(at(m, 2))<<16|uint32(at(m, 3))<<8|uint32(at(m, 4)))
	// The smallest record has 11 bytes, so both deltas begin before its end;
	// behind them every step looks where the end is.
	if end < 11 || end > len(b) {
		return 0
	}
	p := 6

	switch c := at(m, p); {
	case c < 0x80:
		rec.Offset = int64(c)
		p++
	case c == 0xcc && p+2 < end:
		rec.Offset = int64(at(m, p+1))
		p += 2
	case c == 0xcd && p+3 < end:
		rec.Offset = int64(at(m, p+1))<<8 | int64(at(m, p+2))
		p += 3
	default:
		return 0
	}

	switch c := at(m, p); {
	case c < 0x80:
		rec.Timestamp = int64(c)
		p++
	case c == 0xcc && p+2 < end:
		rec.Timestamp = int64(at(m, p+1))
		p += 2
	case c == 0xcd && p+3 < end:
		rec.Timestamp = int64(at(m, p+1))<<8 | int64(at(m, p+2))
		p += 3
	case c == 0xce && p+5 < end:
		rec.Timestamp = int64(at(m, p+1))<<24 | int64(at(m, p+2))<<16 | int64(at(m, p+3))<<8 | int64(at(m, p+4))
		p += 5
	default:
		return 0
	}
	if p >= end {
		return 0
	}

	rec.Key = nil
	if at(m, p) == 0xc0 {
		p++
	} else {
		n := 0
		switch c := at(m, p); {
		case c == 0xc4 && p+2 < end:
			n = int(at(m, p+1))
			p += 2
		case c == 0xc5 && p+3 < end:
			n = int(at(m, p+1))<<8 | int(at(m, p+2))
			p += 3
		default:
			return 0
		}
		if n >= end-p {
			return 0
		}
		rec.Key = part(m, p, n)
		p += n
	}
	if p >= end {
		return 0
	}

	rec.Value = nil
	if at(m, p) == 0xc0 {
		p++
	} else {
		n := 0
		switch c := at(m, p); {
		case c == 0xc4 && p+2 < end:
			n = int(at(m, p+1))
			p += 2
		case c == 0xc5 && p+3 < end:
			n = int(at(m, p+1))<<8 | int(at(m, p+2))
			p += 3
		case c == 0xc6 && p+5 < end:
			n = int(uint32(at(m, p+1))<<24 | uint32(at(m, p+2))<<16 | uint32(at(m, p+3))<<8 | uint32(at(m, p+4)))
			p += 5
		default:
			return 0
		}
		if n < 0 || n >= end-p {
			return 0
		}
		rec.Value = part(m, p, n)
		p += n
	}

	// Headers are rare; the general reader takes them.
	if p != end-1 || at(m, p) != 0xc0 {
		return 0
	}
	return end
}

// at returns the byte at m[i].
func at(m unsafe.Pointer, i int) byte { return *(*byte)(unsafe.Add(m, i)) }

// part returns the n bytes at m[i:].
func part(m unsafe.Pointer, i, n int) []byte {
	s := struct {
		at     unsafe.Pointer
		n, cap int
	}{unsafe.Add(m, i), n, n}
	return *(*[]byte)(unsafe.Pointer(&s))
}
