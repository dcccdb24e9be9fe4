package slip

import (
	"math"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// maxSpans is how many windows a record may belong to.
const maxSpans = 1024

// spans are windows of one size that begin at the multiples of step.
type spans struct {
	cache             *CacheRef
	size, step, grace int64
	late              *SinkRef
	close             func(c *Call, key []byte, w Window) error
}

// enter removes what is closed and returns the starts of the first and the last
// window that timestamp lies in and that is open; first is above last for a
// late record, which is then reported.
func (s *spans) enter(c *Call, key []byte, timestamp int64) (id int32, first, last int64, err error) {
	if id, err = s.cache.at(c, key); err != nil {
		return 0, 0, 0, err
	}
	if err = s.valid(); err != nil {
		return 0, 0, 0, err
	}
	if err = dated(c, s.cache, timestamp); err != nil {
		return 0, 0, 0, err
	}
	border := s.border(hostStreamTime(c.in))
	if err = s.sweep(c, id, border); err != nil {
		return 0, 0, 0, err
	}
	last = floor(timestamp, s.step)
	first = max(add(floor(add(timestamp, -s.size), s.step), s.step), border)
	if first > last {
		reportLate(c, s.late)
	}
	return id, first, last, nil
}

// set changes the value of key in the window that begins at start.
func (s *spans) set(c *Call, id int32, start int64, key []byte, f func(old []byte) ([]byte, error)) (Window, error) {
	full := windowKey(c, start, key)
	old, _, err := s.cache.get(c, id, full)
	if err != nil {
		return Window{}, err
	}
	value, err := f(old)
	if err != nil {
		return Window{}, err
	}
	if err = s.cache.put(c, id, full, value); err != nil {
		return Window{}, err
	}
	return Window{start, add(start, s.size), value}, nil
}

func (s *spans) get(c *Call, key []byte, start int64) (value []byte, ok bool, err error) {
	id, err := s.cache.at(c, key)
	if err != nil || start < s.border(hostStreamTime(c.in)) {
		return nil, false, err
	}
	return s.cache.get(c, id, windowKey(c, start, key))
}

func (s *spans) windows(c *Call, key []byte, yield func(Window) bool) {
	id, err := s.cache.at(c, key)
	if err == nil {
		err = s.valid()
	}
	if err != nil {
		c.failWith(err)
		return
	}
	for start := s.border(hostStreamTime(c.in)); ; start++ {
		var ok bool
		if start, ok, err = s.next(c, id, start); err != nil {
			c.failWith(err)
			return
		} else if !ok {
			return
		}
		value, ok, err := s.cache.get(c, id, windowKey(c, start, key))
		if err != nil {
			c.failWith(err)
			return
		}
		if ok && !yield(Window{start, add(start, s.size), value}) || start == math.MaxInt64 {
			return
		}
	}
}

// next returns the first window at or behind start that has a value.
func (s *spans) next(c *Call, id int32, start int64) (found int64, ok bool, err error) {
	page, err := s.cache.page(c, id, c.in.page(), &abi.ScanRequest{From: windowKey(c, start, nil), Limit: 1})
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
		return 0, false, s.cache.unreadable("scan")
	}
	return found, ok, nil
}

// entries goes over the window that timestamp lies in, in the case of windows
// that overlap the last one.
func (s *spans) entries(c *Call, timestamp int64, yield func(key, value []byte) bool) {
	c.check()
	if err := s.valid(); err != nil {
		c.failWith(err)
		return
	}
	start := floor(timestamp, s.step)
	if start < s.border(hostStreamTime(c.in)) {
		return
	}
	for key, value := range s.cache.Items(c, Prefix(windowKey(c, start, nil))) {
		if !yield(key[8:], value) {
			return
		}
	}
}

func (s *spans) advance(c *Call, final bool) error {
	id, err := s.cache.id(c)
	if err != nil {
		return err
	}
	if err = s.valid(); err != nil {
		return err
	}
	if final {
		_, err = s.cache.expire(c, id, nil, nil, true, s.visitor())
		return err
	}
	return s.sweep(c, id, s.border(hostStreamTime(c.in)))
}

// sweep removes windows that start below border, up to sweepKeys keys of them.
func (s *spans) sweep(c *Call, id int32, border int64) error {
	since, known, some := s.cache.since(c, border)
	if !some {
		return nil
	}
	var from []byte
	if known {
		from = windowKey(c, since, nil)
	}
	done, err := s.cache.expire(c, id, from, windowKey(c, border, nil), false, s.visitor())
	if done {
		s.cache.swept(c, border)
	}
	return err
}

// visitor returns what closes windows; nil if nobody wants to know.
func (s *spans) visitor() visitor {
	if s.close == nil {
		return nil
	}
	return &closer{s.size, s.close}
}

// closer tells of windows that close.
type closer struct {
	size int64
	do   func(c *Call, key []byte, w Window) error
}

func (v *closer) expired(c *Call, _ int32, key, value []byte) error {
	start, ok := startOf(key)
	if !ok {
		return nil
	}
	return v.do(c, key[8:], Window{start, add(start, v.size), value})
}

// valid says what is wrong with the numbers.
func (s *spans) valid() error {
	switch {
	case s.size < 1:
		return windowFault(s.cache, "size "+strconv.FormatInt(s.size, 10)+": want at least 1")
	case s.grace < 0:
		return windowFault(s.cache, "grace "+strconv.FormatInt(s.grace, 10)+": want at least 0")
	case s.step == s.size:
		return nil
	case s.step < 1 || s.step > s.size:
		return windowFault(s.cache, "step "+strconv.FormatInt(s.step, 10)+": want 1 to the size, "+strconv.FormatInt(s.size, 10))
	case (s.size-1)/s.step >= maxSpans:
		return windowFault(s.cache, "step "+strconv.FormatInt(s.step, 10)+": a record would belong to more than "+
			strconv.Itoa(maxSpans)+" windows of size "+strconv.FormatInt(s.size, 10))
	}
	return nil
}

// border returns the start of the first window that is not closed.
func (s *spans) border(now int64) int64 {
	return add(floor(add(add(now, -s.grace), -s.size), s.step), s.step)
}
