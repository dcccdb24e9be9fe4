package slip

import "iter"

// Hopping is [Tumbling] with windows that overlap: one begins at each multiple
// of Step and is Size long, so that a record belongs to Size/Step of them. Everything else is as there.
//
//	var lastHour = slip.Hopping{Cache: totals, Size: 3_600_000, Step: 60_000}
//
// A record is late if every window that it belongs to is closed; to the
// others it counts.
type Hopping struct {
	Cache *CacheRef
	// Size is the length of a window in milliseconds, Step the distance from
	// the start of one to that of the next: 1 <= Step <= Size. A record may
	// belong to 1024 windows at most.
	Size, Step int64
	// Grace, Late and Close are those of [Tumbling].
	Grace int64
	Late  *SinkRef
	Close func(c *Call, key []byte, w Window) error
}

// Update is [Tumbling.Update] for every window that timestamp lies in and that
// is not closed, in order of time: f is called for each. It returns these
// windows with their new values, in memory that is valid until the next update;
// none if the record is late.
func (w *Hopping) Update(c *Call, key []byte, timestamp int64, f func(old []byte) ([]byte, error)) ([]Window, error) {
	s := w.spans()
	id, first, last, err := s.enter(c, key, timestamp)
	if err != nil {
		return nil, err
	}
	// f may update windows, too.
	all := c.in.windows[:0]
	c.in.windows = nil
	for start := first; start <= last; {
		win, err := s.set(c, id, start, key, f)
		if err != nil {
			return nil, err
		}
		all = append(all, win)
		next := add(start, w.Step)
		if next == start {
			break
		}
		start = next
	}
	c.in.windows = all
	return all, nil
}

// Get returns the value of key in the window that begins at start, and whether
// there is one. It is valid until the handler returns.
func (w *Hopping) Get(c *Call, key []byte, start int64) (value []byte, ok bool, err error) {
	s := w.spans()
	if err = s.valid(); err != nil {
		return nil, false, err
	}
	return s.get(c, key, start)
}

// Windows is [Tumbling.Windows].
func (w *Hopping) Windows(c *Call, key []byte) iter.Seq[Window] {
	s := w.spans()
	return func(yield func(Window) bool) { s.windows(c, key, yield) }
}

// Entries is [Tumbling.Entries] for the window that begins at start.
func (w *Hopping) Entries(c *Call, start int64) iter.Seq2[[]byte, []byte] {
	s := w.spans()
	return func(yield func(key, value []byte) bool) { s.entries(c, start, yield) }
}

// Advance is [Tumbling.Advance].
func (w *Hopping) Advance(c *Call, a Advance) error {
	s := w.spans()
	return s.advance(c, a.Final)
}

func (w *Hopping) spans() spans {
	return spans{w.Cache, w.Size, w.Step, w.Grace, w.Late, w.Close}
}
