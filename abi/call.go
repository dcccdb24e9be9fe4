package abi

// ScanRequest is the request of cache_scan:
// [prefix|nil, from|nil, to|nil, reverse, limit, cursor|nil]. Slices alias
// the message when read; nil is absent.
type ScanRequest struct {
	// Prefix, From (included) and To (not included) bound the keys; all that
	// are given must hold.
	Prefix, From, To []byte
	// Reverse scans from the end of the range downwards.
	Reverse bool
	// Limit is the greatest number of entries in the page, 1 to MaxScan.
	Limit int32
	// Cursor is Next of the page before.
	Cursor []byte
}

// AppendScanRequest appends m.
func AppendScanRequest(b []byte, m *ScanRequest) []byte {
	b = append(b, 0x96)
	b = AppendBin(b, m.Prefix)
	b = AppendBin(b, m.From)
	b = AppendBin(b, m.To)
	b = AppendBool(b, m.Reverse)
	b = AppendInt(b, int64(m.Limit))
	return AppendBin(b, m.Cursor)
}

// ReadScanRequest reads a whole ScanRequest.
func ReadScanRequest(b []byte) (ScanRequest, error) {
	r := NewReader(b)
	more := r.ArrayMin(6, "a scan of 6 fields")
	m := ScanRequest{Prefix: r.Bytes(), From: r.Bytes(), To: r.Bytes(), Reverse: r.Bool()}
	at := r.off
	m.Limit = r.Int32()
	if m.Limit < 1 || m.Limit > MaxScan {
		r.failAt(at, "a limit from 1 to 4096")
	}
	m.Cursor = r.Bytes()
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return ScanRequest{}, r.err
	}
	return m, nil
}

// ScanPage is the head of the result of cache_scan:
// [next|nil, count, key, value, ...].
type ScanPage struct {
	// Next is the cursor of the next page, nil for the last; it aliases the
	// message when read.
	Next []byte
	// Count is the number of entries that follow.
	Count int32
	// more is the number of unknown values behind the entries.
	more int
}

// AppendScanPage appends the head; Count entries in the form of AppendEntry
// must follow.
func AppendScanPage(b []byte, p *ScanPage) []byte {
	b = AppendArrayHeader(b, 2+2*int(p.Count))
	b = AppendBin(b, p.Next)
	return AppendInt(b, int64(p.Count))
}

// ReadScanPage reads the head and leaves r in front of the first entry; the
// caller reads p.Count entries with ReadEntry and then calls EndScanPage.
func ReadScanPage(r *Reader, p *ScanPage) {
	start := r.off
	values := r.ArrayMin(2, "a page of at least 2 fields")
	*p = ScanPage{Next: r.Bytes(), Count: r.Int32()}
	if p.Count > MaxScan {
		r.failAt(start, "a page of at most 4096 entries")
	}
	p.more = r.entries(start, values, 2, p.Count)
	if r.err != nil {
		p.Count = 0
	}
}

// EndScanPage passes over what a newer minor version put behind the entries
// and refuses bytes behind the message.
func EndScanPage(r *Reader, p *ScanPage) {
	r.SkipN(p.more)
	r.End()
}

// List is the head of a KeyList or ValueList, request and result of
// cache_get_many: [[key...]] and [[value|nil...]].
type List struct {
	// Count is the number of keys or values that follow.
	Count int32
	// more is the number of unknown values behind the list.
	more int
}

// AppendList appends the head of a list; n byte strings in the form of
// AppendBin must follow.
func AppendList(b []byte, n int) []byte { return AppendArrayHeader(append(b, 0x91), n) }

// ReadList reads the head of a list; the caller reads l.Count keys with Bin,
// or values with Bytes, and then calls EndList.
func ReadList(r *Reader, l *List) {
	*l = List{more: r.ArrayMin(1, "a list of 1 field")}
	l.Count = int32(r.List(MaxKeys, "at most 4096 keys"))
}

// EndList passes over what a newer minor version put behind the list and
// refuses bytes behind the message.
func EndList(r *Reader, l *List) {
	r.SkipN(l.more)
	r.End()
}
