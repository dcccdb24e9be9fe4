package slip

import (
	"math"

	"github.com/sliphost/sliphost/abi"
)

// What windows, joins and deduplication share: entries that sort by time are
// removed from the front, in pages.

// lateRecords is the counter that the host shows late records by.
const lateRecords = "slip_late_records"

// sweepKeys is how many keys an update removes at most. Both SDKs have the
// same: what a cache holds must not depend on the language.
const sweepKeys = 512

// sweep remembers up to where a cache is swept, so that what was removed is not
// looked at again: a store takes long to pass over what is deleted. An instance
// that does not remember looks again.
type sweep struct {
	b         *binding
	cache     *CacheRef
	partition int32
	border    int64
	// trusted is how many sweeps may begin at border; 0: the next one looks at
	// everything again. Another host whose stream time began lower may have had
	// the partition in between.
	trusted int
}

// trustSweeps is how many sweeps rely on what was swept before.
const trustSweeps = 1024

// since returns where the entries begin that a sweep up to border has to look
// at; false if there are none.
func (k *CacheRef) since(c *Call, border int64) (from int64, known, some bool) {
	s := k.sweepOf(c)
	switch {
	case s == nil:
		return 0, false, true
	case border <= s.border:
		return 0, true, false
	}
	return s.border, s.trusted > 0, true
}

// swept takes down that nothing is left below border.
func (k *CacheRef) swept(c *Call, border int64) {
	in := c.in
	s := k.sweepOf(c)
	if s == nil {
		in.swept = append(in.swept, sweep{c.b, k, in.head.Partition, border, trustSweeps})
		return
	}
	s.border = border
	if s.trusted--; s.trusted < 0 {
		s.trusted = trustSweeps
	}
}

func (k *CacheRef) sweepOf(c *Call) *sweep {
	for i := range c.in.swept {
		if s := &c.in.swept[i]; s.partition == c.in.head.Partition && s.cache == k && s.b == c.b {
			return s
		}
	}
	return nil
}

// visitor sees each entry before it is removed. It may use the caches as a
// handler does; what it takes from the arena is given back after its page.
type visitor interface {
	expired(c *Call, id int32, key, value []byte) error
}

// expire removes the keys of [from, end), nil being open, in order: a page of
// them, or with all every one. v may be nil. done says that nothing is left.
func (k *CacheRef) expire(c *Call, id int32, from, end []byte, all bool, v visitor) (done bool, err error) {
	in := c.in
	depth := in.page()
	in.scans++
	for {
		maps, mark := in.mapsUsed, in.arena.buf
		done, err = k.expirePage(c, id, depth, from, end, v)
		in.mapsUsed = maps
		in.arena.release(mark)
		if done || err != nil || !all {
			in.scans = depth
			return done, err
		}
	}
}

func (k *CacheRef) expirePage(c *Call, id int32, depth int, from, end []byte, v visitor) (done bool, err error) {
	in := c.in
	page, err := k.page(c, id, depth, &abi.ScanRequest{From: from, To: end, Limit: sweepKeys})
	if err != nil {
		return false, err
	}
	r := abi.NewReader(page)
	var head abi.ScanPage
	abi.ReadScanPage(&r, &head)
	var last []byte
	for range head.Count {
		var value []byte
		last, value = abi.ReadEntry(&r)
		if r.Err() != nil {
			break
		}
		if v != nil {
			if err := v.expired(c, id, last, value); err != nil {
				return false, err
			}
		}
	}
	if r.Err() != nil {
		return false, k.unreadable("scan")
	}
	done = head.Next == nil
	if head.Count == 0 {
		return done, nil
	}
	if !done {
		// The first key behind the last one seen.
		end = append(append(in.arena.take(len(last) + 1)[:0], last...), 0)
	}
	if n := hostCacheDeleteRange(in, id, from, end); n < 0 {
		return false, k.refused("delete range", int64(n))
	}
	return done, nil
}

// release gives back what was taken since buf was the arena's. A chunk that
// came meanwhile holds nothing else.
func (a *arena) release(buf []byte) {
	if cap(buf) > 0 && cap(a.buf) > 0 && &buf[:1][0] == &a.buf[:1][0] {
		a.buf = buf
		return
	}
	a.reset()
}

// dated refuses a timestamp of -1 that the record has because it has none.
func dated(c *Call, k *CacheRef, timestamp int64) error {
	if timestamp != -1 {
		return nil
	}
	if rec, _, err := c.in.again(); err != nil || rec.Timestamp == -1 {
		return windowFault(k, "the record has no timestamp")
	}
	return nil
}

// reportLate counts the current record as late and emits it to sink, if there
// is one.
func reportLate(c *Call, sink *SinkRef) {
	c.Count(lateRecords, 1)
	if sink == nil {
		return
	}
	rec, headers, err := c.in.again()
	if err != nil {
		c.failWith(err)
		return
	}
	sink.emit(c, rec.Key, rec.Value, headers, where{})
}

func windowFault(k *CacheRef, why string) error {
	return &recordError{code: abi.CodeFailed, text: "window \"" + k.name + "\": " + why}
}

// windowKey returns the cache's key for a window and a key: the start as 8
// bytes that sort by value, then the key.
func windowKey(c *Call, start int64, key []byte) []byte {
	b := c.in.arena.take(8 + len(key))
	putTime(b, start)
	copy(b[8:], key)
	return b
}

// putTime writes t as 8 bytes that sort by value.
func putTime(b []byte, t int64) {
	v := uint64(t) ^ 1<<63
	_ = b[7]
	b[0], b[1], b[2], b[3] = byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32)
	b[4], b[5], b[6], b[7] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}

// startOf returns the time that putTime wrote at the start of key; false if it
// is too short.
func startOf(key []byte) (start int64, ok bool) {
	if len(key) < 8 {
		return 0, false
	}
	v := uint64(key[0])<<56 | uint64(key[1])<<48 | uint64(key[2])<<40 | uint64(key[3])<<32 |
		uint64(key[4])<<24 | uint64(key[5])<<16 | uint64(key[6])<<8 | uint64(key[7])
	return int64(v ^ 1<<63), true
}

// floor returns the greatest multiple of size at or below t, or the smallest
// integer where that would lie below it.
func floor(t, size int64) int64 {
	over := t % size
	if over < 0 {
		over += size
	}
	return add(t, -over)
}

// add returns a + b, or the end of the range that the sum lies beyond.
func add(a, b int64) int64 {
	sum := a + b
	switch {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	}
	return sum
}
