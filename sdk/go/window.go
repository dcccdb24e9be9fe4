package slip

import "iter"

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
// closed: records of it are late, and its entries are gone, which reads see
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
	// Close, if not nil, is called once for each key of each closed window, when
	// its entry is removed: by the first update behind it or by Advance. The
	// order is that of windows, then keys. key, the value and what c allocates
	// are valid until Close returns; it must not write to Cache. Its error is
	// that of the update.
	Close func(c *Call, key []byte, w Window) error
}

// Window is one window and, in some places, the value of a key in it.
type Window struct {
	// Start is the first millisecond of the window, End the first after it. The
	// End of a [Session] is the time of its last record.
	Start, End int64
	// Value is valid until the handler returns.
	Value []byte
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
	s := w.spans()
	id, first, last, err := s.enter(c, key, timestamp)
	if err != nil {
		return Window{}, false, err
	}
	if first > last {
		return w.At(timestamp), false, nil
	}
	win, err = s.set(c, id, first, key, f)
	return win, err == nil, err
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
	s := w.spans()
	if err = s.valid(); err != nil {
		return nil, false, err
	}
	return s.get(c, key, floor(timestamp, w.Size))
}

// Windows iterates over the windows that have a value for key, in order of
// time. It takes two calls of the host for each window that has any value. A
// refusal of the host ends the loop and fails the record; see
// [CacheRef.Items].
func (w *Tumbling) Windows(c *Call, key []byte) iter.Seq[Window] {
	s := w.spans()
	return func(yield func(Window) bool) { s.windows(c, key, yield) }
}

// Entries iterates over the keys of the window that timestamp lies in and
// their values, in the order of keys; see [CacheRef.Items].
func (w *Tumbling) Entries(c *Call, timestamp int64) iter.Seq2[[]byte, []byte] {
	s := w.spans()
	return func(yield func(key, value []byte) bool) { s.entries(c, timestamp, yield) }
}

// Advance closes windows without a record: it is for [OnAdvance]. It closes
// those that stream time is past, up to 512 keys of them, and with a.Final every
// window, however many there are.
//
//	slip.Handle("totals", handle, totals, late, slip.OnAdvance(perMinute.Advance))
func (w *Tumbling) Advance(c *Call, a Advance) error {
	s := w.spans()
	return s.advance(c, a.Final)
}

func (w *Tumbling) spans() spans {
	return spans{w.Cache, w.Size, w.Size, w.Grace, w.Late, w.Close}
}
