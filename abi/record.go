package abi

// Record is one input record as a handler sees it. All slices alias the
// message it was read from.
type Record struct {
	// OffsetDelta and TimestampDelta are relative to the batch's bases.
	OffsetDelta, TimestampDelta int64
	// Key and Value: nil is absent, which is not the same as empty.
	Key, Value []byte
	// Headers is the raw msgpack array of [name, value|nil], nil when there
	// are none. Read it with Headers.
	Headers []byte
}

// RecordPrefix is the size of the length in front of each record.
const RecordPrefix = 5

// AppendRecord appends the length and the record. headers is a raw msgpack
// array, or nil for none; it is not checked.
func AppendRecord(b []byte, offsetDelta, timestampDelta int64, key, value, headers []byte) []byte {
	start := len(b)
	b = AppendUint32(b, 0)
	b = append(b, 0x95)
	b = AppendInt(b, offsetDelta)
	b = AppendInt(b, timestampDelta)
	b = AppendBin(b, key)
	b = AppendBin(b, value)
	b = appendHeaders(b, headers)
	PutUint32(b[start:], uint32(len(b)-start-RecordPrefix))
	return b
}

// appendHeaders appends a raw header array, or nil when it holds none.
func appendHeaders(b, raw []byte) []byte {
	if noHeaders(raw) {
		return append(b, 0xc0)
	}
	return append(b, raw...)
}

func noHeaders(raw []byte) bool {
	return len(raw) == 0 || len(raw) == 1 && raw[0] == 0x90
}

// ReadRecord reads the length and the record behind it. The record must fill
// its length exactly.
func ReadRecord(r *Reader, rec *Record) {
	if r.err != nil {
		return
	}
	if len(r.buf)-r.off < RecordPrefix || r.buf[r.off] != 0xce {
		r.fail("a record's length in the fixed 5-byte form")
		return
	}
	b := r.buf[r.off+1 : r.off+RecordPrefix]
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	if uint64(n) > uint64(len(r.buf)-r.off-RecordPrefix) {
		r.fail("a record that ends within the message")
		return
	}
	start := r.off
	r.off += RecordPrefix
	end := r.off + int(n)
	more := r.ArrayMin(5, "a record of 5 fields")
	rec.OffsetDelta = r.Int()
	rec.TimestampDelta = r.Int()
	rec.Key = r.Bytes()
	rec.Value = r.Bytes()
	if r.Nil() {
		rec.Headers = nil
	} else {
		rec.Headers = r.headers()
	}
	r.SkipN(more)
	if r.err == nil && r.off != end {
		r.failAt(start, "a record as long as its length says")
	}
}

// headers passes over a header array, checking its shape, and returns it.
func (r *Reader) headers() []byte {
	start := r.off
	for n := r.Array(); n > 0 && r.err == nil; n-- {
		more := r.ArrayMin(2, "a header of 2 fields")
		r.Str()
		r.Bytes()
		r.SkipN(more)
	}
	if r.err != nil {
		return nil
	}
	return r.buf[start:r.off:r.off]
}

// Headers iterates over a raw header array.
type Headers struct {
	r Reader
	n int
}

// ReadHeaders returns an iterator over raw, which may be nil.
func ReadHeaders(raw []byte) Headers {
	h := Headers{r: NewReader(raw)}
	if len(raw) > 0 {
		h.n = h.r.Array()
	}
	return h
}

// Len is the number of headers left.
func (h *Headers) Len() int { return h.n }

// Next returns the next header; ok is false at the end or on a syntax error,
// which Err tells apart. A nil value is absent, not empty.
func (h *Headers) Next() (name, value []byte, ok bool) {
	if h.n <= 0 {
		return nil, nil, false
	}
	h.n--
	more := h.r.ArrayMin(2, "a header of 2 fields")
	name = h.r.Str()
	value = h.r.Bytes()
	h.r.SkipN(more)
	if h.r.err != nil {
		h.n = 0
		return nil, nil, false
	}
	return name, value, true
}

// Err returns the first syntax error, or nil.
func (h *Headers) Err() error { return h.r.Err() }

// AppendHeader appends one header of an array whose header the caller wrote.
func AppendHeader(b []byte, name string, value []byte) []byte {
	b = append(b, 0x92)
	b = AppendStr(b, name)
	return AppendBin(b, value)
}
