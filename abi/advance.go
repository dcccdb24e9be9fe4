package abi

// Advance says that stream time moved without a record:
// [10, partition, stream_time, final].
type Advance struct {
	Partition int32
	// StreamTime in milliseconds since 1970 UTC.
	StreamTime int64
	// Final says that no record follows.
	Final bool
}

// AppendAdvance appends m.
func AppendAdvance(b []byte, m *Advance) []byte {
	b = append(b, 0x94, byte(KindAdvance))
	b = AppendInt(b, int64(m.Partition))
	b = AppendInt(b, m.StreamTime)
	return AppendBool(b, m.Final)
}

// ReadAdvance reads a whole Advance message.
func ReadAdvance(b []byte) (Advance, error) {
	r := NewReader(b)
	more := r.ArrayMin(4, "an advance of 4 fields")
	r.kind(KindAdvance, "kind advance")
	m := Advance{Partition: r.Int32(), StreamTime: r.Int(), Final: r.Bool()}
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Advance{}, r.err
	}
	return m, nil
}
