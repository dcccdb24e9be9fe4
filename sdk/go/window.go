package slip

import (
	"iter"
	"math"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Tumbling cuts time into windows of one size and keeps a value for each key
// and window in a cache. It is a plain value, usually a package variable; the
// cache, whose keys are of bytes, and the sink must be bound to the handler,
// and the cache must hold nothing else.
//
//	var perMinute = slip.Tumbling{Cache: totals, Size: 60_000, Grace: 5_000, Late: late}
//
//	w, ok, err := perMinute.Update(c, rec.Key, rec.Timestamp, func(old []byte) ([]byte, error) {
//		n, _ := slip.ValueInt(old)
//		return c.IntValue(n + 1), nil
//	})
//
// A window is open until stream time reaches its end plus Grace. Then it is
// expired: records of it are late, and its entries are gone, which reads see
// at once although they are removed little by little, at most 512 at an
// update, so that no record has to write without bounds.
type Tumbling struct {
	Cache *CacheRef
	// Size is the length of a window in milliseconds, at least 1. Windows begin
	// at its multiples, before 1970 too.
	Size int64
	// Grace is how many milliseconds beyond its end a window takes records.
	Grace int64
	// Late, if not nil, gets the records that are late, as they are: its codecs
	// must be those of the source.
	Late *SinkRef
}

// Window is one window and, in some places, the value of a key in it.
type Window struct {
	// Start is the first millisecond of the window, End the first after it.
	Start, End int64
	// Value is valid until the handler returns.
	Value []byte
}

// lateRecords is the counter that the host shows late records by.
const lateRecords = "slip_late_records"

// sweepKeys is how many keys an update removes at most. Both SDKs have the
// same: what a cache holds must not depend on the language.
const sweepKeys = 512

// sweep remembers up to where the windows of a cache are removed, so that it
// is looked for once a window and not at each record. An instance that does
// not remember looks again.
type sweep struct {
	b         *binding
	cache     *CacheRef
	partition int32
	border    int64
}

// Update sets the value of key in the window that timestamp lies in to what f
// returns for the old one, which is nil if there is none. It returns the window
// with the new value; false if the record is late, and then f is not called,
// the record is counted in the metric slip_late_records and emitted to Late. A
// nil result of f is an empty value; an error of f is returned and changes
// nothing.
//
// A timestamp of -1 that the record has too, because it has none, is an error.
func (w *Tumbling) Update(c *Call, key []byte, timestamp int64, f func(old []byte) ([]byte, error)) (win Window, ok bool, err error) {
	id, err := w.Cache.at(c, key)
	if err != nil {
		return Window{}, false, err
	}
	if err = w.valid(); err != nil {
		return Window{}, false, err
	}
	if timestamp == -1 {
		if rec, _, err := c.in.again(); err != nil || rec.Timestamp == -1 {
			return Window{}, false, w.fault("the record has no timestamp")
		}
	}
	now := hostStreamTime(c.in)
	if err = w.sweep(c, id, w.border(now)); err != nil {
		return Window{}, false, err
	}
	win = w.At(timestamp)
	if now >= add(win.End, w.Grace) {
		c.Count(lateRecords, 1)
		if w.Late != nil {
			w.emitLate(c)
		}
		return win, false, nil
	}
	full := w.key(c, win.Start, key)
	old, _, err := w.Cache.get(c, id, full)
	if err != nil {
		return Window{}, false, err
	}
	if win.Value, err = f(old); err != nil {
		return Window{}, false, err
	}
	if err = w.Cache.put(c, id, full, win.Value); err != nil {
		return Window{}, false, err
	}
	return win, true, nil
}

// At returns the window that a timestamp lies in, without a value. Size must
// be at least 1.
func (w *Tumbling) At(timestamp int64) Window {
	start := floor(timestamp, w.Size)
	return Window{Start: start, End: add(start, w.Size)}
}

// Get returns the value of key in the window that timestamp lies in, and
// whether there is one. It is valid until the handler returns.
func (w *Tumbling) Get(c *Call, key []byte, timestamp int64) (value []byte, ok bool, err error) {
	id, err := w.Cache.at(c, key)
	if err != nil {
		return nil, false, err
	}
	if err = w.valid(); err != nil {
		return nil, false, err
	}
	start := floor(timestamp, w.Size)
	if start < w.border(hostStreamTime(c.in)) {
		return nil, false, nil
	}
	return w.Cache.get(c, id, w.key(c, start, key))
}

// Windows iterates over the windows that have a value for key, in order of
// time. It takes two calls of the host for each window that has any value. A
// refusal of the host ends the loop and fails the record; see
// [CacheRef.Items].
func (w *Tumbling) Windows(c *Call, key []byte) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		id, err := w.Cache.at(c, key)
		if err == nil {
			err = w.valid()
		}
		if err != nil {
			c.failWith(err)
			return
		}
		for start := w.border(hostStreamTime(c.in)); ; start++ {
			var ok bool
			if start, ok, err = w.next(c, id, start); err != nil {
				c.failWith(err)
				return
			} else if !ok {
				return
			}
			value, ok, err := w.Cache.get(c, id, w.key(c, start, key))
			if err != nil {
				c.failWith(err)
				return
			}
			if ok && !yield(Window{start, add(start, w.Size), value}) || start == math.MaxInt64 {
				return
			}
		}
	}
}

// Entries iterates over the keys of the window that timestamp lies in and
// their values, in the order of keys; see [CacheRef.Items].
func (w *Tumbling) Entries(c *Call, timestamp int64) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		c.check()
		if err := w.valid(); err != nil {
			c.failWith(err)
			return
		}
		start := floor(timestamp, w.Size)
		if start < w.border(hostStreamTime(c.in)) {
			return
		}
		for key, value := range w.Cache.Items(c, Prefix(w.key(c, start, nil))) {
			if !yield(key[8:], value) {
				return
			}
		}
	}
}

// sweep removes windows that start below border, up to sweepKeys keys of them.
func (w *Tumbling) sweep(c *Call, id int32, border int64) error {
	in := c.in
	at := -1
	for i := range in.swept {
		s := &in.swept[i]
		if s.partition == in.head.Partition && s.cache == w.Cache && s.b == c.b {
			if s.border >= border {
				return nil
			}
			at = i
			break
		}
	}
	end := w.key(c, border, nil)
	page, err := w.Cache.page(c, id, in.page(), &abi.ScanRequest{To: end, Limit: sweepKeys})
	if err != nil {
		return err
	}
	r := abi.NewReader(page)
	var head abi.ScanPage
	abi.ReadScanPage(&r, &head)
	var last []byte
	for range head.Count {
		last, _ = abi.ReadEntry(&r)
	}
	if r.Err() != nil {
		return w.Cache.unreadable("scan")
	}
	if head.Next != nil && head.Count > 0 {
		// The first key behind the last one seen.
		end = append(append(in.arena.take(len(last) + 1)[:0], last...), 0)
	}
	if head.Count > 0 {
		if n := hostCacheDeleteRange(in, id, nil, end); n < 0 {
			return w.Cache.refused("delete range", int64(n))
		}
	}
	if head.Next != nil {
		return nil
	}
	if at < 0 {
		in.swept = append(in.swept, sweep{c.b, w.Cache, in.head.Partition, border})
	} else {
		in.swept[at].border = border
	}
	return nil
}

// next returns the first window at or behind start that has a value.
func (w *Tumbling) next(c *Call, id int32, start int64) (found int64, ok bool, err error) {
	page, err := w.Cache.page(c, id, c.in.page(), &abi.ScanRequest{From: w.key(c, start, nil), Limit: 1})
	if err != nil {
		return 0, false, err
	}
	r := abi.NewReader(page)
	var head abi.ScanPage
	abi.ReadScanPage(&r, &head)
	if head.Count > 0 {
		key, _ := abi.ReadEntry(&r)
		found, ok = startOf(key)
	}
	if r.Err() != nil {
		return 0, false, w.Cache.unreadable("scan")
	}
	return found, ok, nil
}

// emitLate emits the current record to the sink of late ones.
func (w *Tumbling) emitLate(c *Call) {
	rec, headers, err := c.in.again()
	if err != nil {
		c.failWith(err)
		return
	}
	w.Late.emit(c, rec.Key, rec.Value, headers, where{})
}

// valid says what is wrong with the window's numbers.
func (w *Tumbling) valid() error {
	if w.Size < 1 {
		return w.fault("size " + strconv.FormatInt(w.Size, 10) + ": want at least 1")
	}
	if w.Grace < 0 {
		return w.fault("grace " + strconv.FormatInt(w.Grace, 10) + ": want at least 0")
	}
	return nil
}

func (w *Tumbling) fault(why string) error {
	return &recordError{code: abi.CodeFailed, text: "window \"" + w.Cache.name + "\": " + why}
}

// border returns the start of the first window that is not expired.
func (w *Tumbling) border(now int64) int64 {
	return add(floor(add(add(now, -w.Grace), -w.Size), w.Size), w.Size)
}

// key returns the cache's key for a window and a key: the start as 8 bytes
// that sort by value, then the key.
func (w *Tumbling) key(c *Call, start int64, key []byte) []byte {
	b := c.in.arena.take(8 + len(key))
	v := uint64(start) ^ 1<<63
	b[0], b[1], b[2], b[3] = byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32)
	b[4], b[5], b[6], b[7] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	copy(b[8:], key)
	return b
}

// startOf returns the window's start in a cache's key; false if it is none.
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
