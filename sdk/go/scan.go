package slip

import (
	"iter"

	"github.com/sliphost/sliphost/abi"
)

// Range says which keys of a cache a scan goes over, and in which direction:
// [All], [From], [Prefix] or [Between], forwards unless [Range.Back] is called.
// Keys are in order: bytes as bytes, numbers by value, false before true. The
// byte slices of a range must not change while a scan uses it.
type Range struct {
	prefix, from, to []byte
	back             bool
	// start is that of From, which is a bound above when going back.
	start []byte
}

// All is every key.
func All() Range { return Range{} }

// From is every key from key on, key included: those at or above it, going
// back those at or below it.
func From(key []byte) Range { return Range{start: key} }

// Prefix is every key that begins with prefix, for caches with keys of bytes
// or string.
func Prefix(prefix []byte) Range { return Range{prefix: prefix} }

// Between is every key at or above from and below to; a nil from is the first
// key, a nil to is behind the last.
func Between(from, to []byte) Range { return Range{from: from, to: to} }

// Back returns r in the opposite direction, from its end.
func (r Range) Back() Range {
	r.back = !r.back
	return r
}

// Pages of a scan begin small, for scans that end early, and grow.
const (
	firstPage = 32
	maxPage   = 1024
	// minPage is the number of bytes of a page buffer at first.
	minPage = 4096
)

// Items iterates over the entries of a range:
//
//	for key, value := range seen.Items(c, slip.Prefix(rec.Key).Back()) { ... }
//
// The scan sees what the record wrote before it; of what is written during the
// scan it sees what lies ahead in pages not yet fetched, at most 1024 entries.
// Keys and values are valid until the loop goes on to the next; [Call.Doc] and
// decoding read them in place. The loop may be left at any time, and scans may
// be nested.
//
// If the host refuses the scan, the loop ends and the record fails, with an
// error that [Call.Err] returns.
func (k *CacheRef) Items(c *Call, r Range) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		c.check()
		depth := c.in.page()
		c.in.scans++
		k.scan(c, depth, r, yield)
		c.in.scans = depth
	}
}

// Keys is [CacheRef.Items] for the keys.
func (k *CacheRef) Keys(c *Call, r Range) iter.Seq[[]byte] {
	return func(yield func(key []byte) bool) {
		for key := range k.Items(c, r) {
			if !yield(key) {
				return
			}
		}
	}
}

// Values is [CacheRef.Items] for the values.
func (k *CacheRef) Values(c *Call, r Range) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		for _, value := range k.Items(c, r) {
			if !yield(value) {
				return
			}
		}
	}
}

// scan goes over a range with the page buffer of its depth.
func (k *CacheRef) scan(c *Call, depth int, r Range, yield func(key, value []byte) bool) {
	id, err := k.id(c)
	if err != nil {
		c.failWith(err)
		return
	}
	req := abi.ScanRequest{Prefix: r.prefix, From: r.from, To: r.to, Reverse: r.back, Limit: firstPage}
	switch {
	case r.start != nil && !r.back:
		req.From = r.start
	case r.start != nil:
		// The key itself lies outside a range that ends there, and what comes
		// after it depends on the type of keys, which only the host knows.
		value, ok, err := k.get(c, id, r.start)
		if err != nil {
			c.failWith(err)
			return
		}
		if ok && !yield(r.start, value) {
			return
		}
		req.To = r.start
	}
	for {
		page, err := k.page(c, id, depth, &req)
		if err != nil {
			c.failWith(err)
			return
		}
		rd := abi.NewReader(page)
		var head abi.ScanPage
		abi.ReadScanPage(&rd, &head)
		rest := page[rd.Offset():]
		for range head.Count {
			key, value, size := quickEntry(rest)
			if size == 0 {
				rd.Reset(rest)
				key, value = abi.ReadEntry(&rd)
				if rd.Err() != nil {
					break
				}
				size = rd.Offset()
			}
			rest = rest[size:]
			if !yield(key, value) {
				return
			}
		}
		if rd.Err() == nil {
			rd.Reset(rest)
			abi.EndScanPage(&rd, &head)
		}
		if rd.Err() != nil {
			c.failWith(k.unreadable("scan"))
			return
		}
		if head.Next == nil {
			return
		}
		req.Cursor = head.Next
		req.Limit = min(4*req.Limit, maxPage)
	}
}

// quickEntry reads an entry whose key and value have less than 256 bytes each
// in the form a host writes; size is then the number of bytes it takes. It
// answers size 0 for everything else, and package abi then decides: calls cost
// a guest more than the reading.
func quickEntry(b []byte) (key, value []byte, size int) {
	if len(b) < 4 || b[0] != 0xc4 {
		return nil, nil, 0
	}
	k := 2 + int(b[1])
	if k+2 > len(b) || b[k] != 0xc4 {
		return nil, nil, 0
	}
	size = k + 2 + int(b[k+1])
	if size > len(b) {
		return nil, nil, 0
	}
	return b[2:k:k], b[k+2 : size : size], size
}

// page returns the number of the page buffer that no scan uses.
func (in *instance) page() int {
	if in.scans == len(in.pages) {
		in.pages = append(in.pages, make([]byte, minPage))
	}
	return in.scans
}

// page fetches one page into the buffer of that depth. The cursor may lie in
// the buffer.
func (k *CacheRef) page(c *Call, id int32, depth int, req *abi.ScanRequest) ([]byte, error) {
	c.check()
	in := c.in
	in.request = abi.AppendScanRequest(in.request[:0], req)
	buf := in.pages[depth]
	n := hostCacheScan(in, id, in.request, buf)
	if n > int64(len(buf)) {
		buf = make([]byte, int(n)+int(n)/4)
		in.pages[depth] = buf
		n = hostCacheScan(in, id, in.request, buf)
	}
	if n < 0 || n > int64(len(buf)) {
		return nil, k.refused("scan", n)
	}
	return buf[:n], nil
}
