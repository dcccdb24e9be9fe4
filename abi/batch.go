package abi

// BatchHeader is the head of a Batch of kind records, replayed or timer:
// [kind, source, partition, base_offset, base_timestamp, count, len, record, ...].
type BatchHeader struct {
	Kind Kind
	// Source is the position in the handler binding's list of sources.
	Source    int32
	Partition int32
	// BaseOffset and BaseTimestamp are what the deltas in the records refer to.
	BaseOffset, BaseTimestamp int64
	// Count is the number of records that follow.
	Count int32
}

// AppendBatchHeader appends the head; Count records in the form of
// AppendRecord must follow, which may be copied from a Packed as they are.
func AppendBatchHeader(b []byte, h *BatchHeader) []byte {
	n := 6 + 2*uint32(h.Count)
	b = append(b, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	b = AppendUint(b, uint64(h.Kind))
	b = AppendInt(b, int64(h.Source))
	b = AppendInt(b, int64(h.Partition))
	b = AppendInt(b, h.BaseOffset)
	b = AppendInt(b, h.BaseTimestamp)
	return AppendInt(b, int64(h.Count))
}

// ReadBatchHeader reads the head and leaves r in front of the first record.
// What follows the last record belongs to a newer minor version and need not
// be read.
func ReadBatchHeader(r *Reader, h *BatchHeader) {
	start := r.off
	values := r.ArrayMin(6, "a batch of at least 6 fields")
	at := r.off
	h.Kind = Kind(r.UintMax(255, "a kind of batch"))
	if h.Kind != KindRecords && h.Kind != KindReplayed && h.Kind != KindTimer {
		r.failAt(at, "kind records, replayed or timer")
	}
	h.Source = r.Int32()
	h.Partition = r.Int32()
	h.BaseOffset = r.Int()
	h.BaseTimestamp = r.Int()
	h.Count = r.Int32()
	r.entries(start, values, 2, h.Count)
	if r.err != nil {
		h.Count = 0
	}
}

// MessageKind returns the kind of a batch message of any layout, which says
// how to read it; ok is false when it does not begin as a batch message does.
func MessageKind(b []byte) (kind Kind, ok bool) {
	r := NewReader(b)
	r.ArrayMin(1, "a batch message")
	k := r.UintMax(255, "a kind of batch")
	return Kind(k), r.err == nil
}
