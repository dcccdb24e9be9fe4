package slip

import (
	"iter"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Session keeps a value for each key and session in a cache: a session is a
// run of records of one key in which none is more than Gap after the one
// before it. A record that lies between two sessions merges them.
//
//	var visits = slip.Session{Cache: state, Gap: 30 * 60_000, Grace: 60_000, Merge: sum, Close: emit}
//
//	s, ok, err := visits.Update(c, rec.Key, rec.Timestamp, func(old []byte) ([]byte, error) {
//		n, _ := slip.ValueInt(old)
//		return c.IntValue(n + 1), nil
//	})
//
// A session is open until stream time is past the time of its last record plus
// Gap plus Grace. Then it is closed: no record joins it any more, reads do not
// see it, and its entries are removed little by little, as those of [Tumbling].
// A record is late if the session that it would belong to is closed.
//
// The cache has keys of type bytes and holds nothing else. A session takes two
// entries, and an update some five calls of the host however many there are.
type Session struct {
	Cache *CacheRef
	// Gap is the longest distance of two records of a session in milliseconds,
	// at least 1; Grace is how much longer a session takes records.
	Gap, Grace int64
	// Merge returns the value of two sessions that become one; earlier and later
	// must not be changed in place. It is needed.
	Merge func(c *Call, earlier, later []byte) ([]byte, error)
	// Late and Close are those of [Tumbling]. The order of Close is that of the
	// sessions' ends, then of keys.
	Late  *SinkRef
	Close func(c *Call, key []byte, w Window) error
}

// SessionUpdate is a session with its new value.
type SessionUpdate struct {
	Window
	// Replaced are the sessions that became this one, if their start or end is
	// another, with their old values, in order of time: what was emitted for
	// them holds no more. They are valid until the next update of a window.
	Replaced []Window
}

// The keys of a session's cache. An alarm sorts by the end of a session and
// holds its start; a session sorts by its key, in front of which the length
// stands so that no key begins another, and holds its end and value.
const (
	alarmTag  = 0
	recordTag = 1
	// alarmHead is the tag and the end; recordHead the tag and the key's length.
	alarmHead  = 9
	recordHead = 3
)

// Update sets the value of the session of key that timestamp belongs to, to
// what f returns for the old one: that of the sessions it joins, merged, nil if
// there is none. The result is valid until the handler returns; false if the
// record is late, and for the rest as [Tumbling.Update].
func (w *Session) Update(c *Call, key []byte, timestamp int64, f func(old []byte) ([]byte, error)) (s SessionUpdate, ok bool, err error) {
	id, err := w.Cache.at(c, key)
	if err != nil {
		return s, false, err
	}
	if err = w.valid(); err != nil {
		return s, false, err
	}
	if err = dated(c, w.Cache, timestamp); err != nil {
		return s, false, err
	}
	border := w.border(hostStreamTime(c.in))
	if err = sweepAlarms(c, w.Cache, id, border, w); err != nil {
		return s, false, err
	}
	depth := c.in.page()
	found, n, err := w.near(c, id, depth, key, timestamp, border)
	if err != nil {
		return s, false, err
	}
	if n == 0 && timestamp < border {
		reportLate(c, w.Late)
		return s, false, nil
	}
	// The values found lie in the page, which f and Merge must not overwrite.
	c.in.scans++
	s, err = w.join(c, id, key, timestamp, found[:n], f)
	c.in.scans = depth
	return s, err == nil, err
}

// near returns the open sessions that a record of that timestamp joins, in
// order of time: at most one on each side, or the one it lies in.
func (w *Session) near(c *Call, id int32, depth int, key []byte, timestamp, border int64) (found [2]Window, n int, err error) {
	first, end := w.recordKey(c, key, 0, 0), w.recordKey(c, key, add(timestamp, w.Gap), 1)
	page, err := w.Cache.page(c, id, depth, &abi.ScanRequest{
		Prefix: first[:len(first)-8], To: end, Reverse: true, Limit: 2,
	})
	if err != nil {
		return found, 0, err
	}
	r := abi.NewReader(page)
	var head abi.ScanPage
	abi.ReadScanPage(&r, &head)
	for range min(head.Count, 2) {
		s, ok := w.read(abi.ReadEntry(&r))
		if r.Err() != nil || !ok {
			return found, 0, w.Cache.unreadable("scan")
		}
		if s.End < border || s.End < add(timestamp, -w.Gap) {
			break
		}
		found[n] = s
		n++
	}
	if n == 2 {
		found[0], found[1] = found[1], found[0]
	}
	return found, n, nil
}

// join makes one session of those found and a record.
func (w *Session) join(c *Call, id int32, key []byte, timestamp int64, found []Window, f func(old []byte) ([]byte, error)) (s SessionUpdate, err error) {
	s.Start, s.End = timestamp, timestamp
	var old []byte
	for i, part := range found {
		s.Start, s.End = min(s.Start, part.Start), max(s.End, part.End)
		if i == 0 {
			old = part.Value
		} else if old, err = w.Merge(c, old, part.Value); err != nil {
			return s, err
		}
	}
	value, err := f(old)
	if err != nil {
		return s, err
	}
	// Only now: f may have updated another window.
	s.Replaced, c.in.windows = c.in.windows[:0], nil
	same := false
	for _, part := range found {
		if part.Start == s.Start && part.End == s.End {
			same = true
			continue
		}
		part.Value = append(c.in.arena.take(len(part.Value))[:0], part.Value...)
		s.Replaced = append(s.Replaced, part)
		if part.Start != s.Start {
			if n := hostCacheDelete(c.in, id, w.recordKey(c, key, part.Start, 0)); n < 0 {
				return s, w.Cache.refused("delete", int64(n))
			}
		}
		if part.End != s.End {
			if n := hostCacheDelete(c.in, id, alarmKey(c, part.End, key)); n < 0 {
				return s, w.Cache.refused("delete", int64(n))
			}
		}
	}
	if !same {
		start := c.in.arena.take(8)
		putTime(start, s.Start)
		if err = w.Cache.put(c, id, alarmKey(c, s.End, key), start); err != nil {
			return s, err
		}
	}
	c.in.windows = s.Replaced
	full := c.in.arena.take(8 + len(value))
	putTime(full, s.End)
	copy(full[8:], value)
	s.Value = full[8:]
	return s, w.Cache.put(c, id, w.recordKey(c, key, s.Start, 0), full)
}

// Windows iterates over the open sessions of key, in order of time; see
// [CacheRef.Items]. Their values are valid until the loop goes on.
func (w *Session) Windows(c *Call, key []byte) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		_, err := w.Cache.at(c, key)
		if err == nil {
			err = w.valid()
		}
		if err != nil {
			c.failWith(err)
			return
		}
		border := w.border(hostStreamTime(c.in))
		prefix := w.recordKey(c, key, 0, 0)
		for k, v := range w.Cache.Items(c, Prefix(prefix[:len(prefix)-8])) {
			s, ok := w.read(k, v)
			if !ok {
				c.failWith(w.Cache.unreadable("scan"))
				return
			}
			if s.End >= border && !yield(s) {
				return
			}
		}
	}
}

// Advance is [Tumbling.Advance].
func (w *Session) Advance(c *Call, a Advance) error {
	id, err := w.Cache.id(c)
	if err != nil {
		return err
	}
	if err = w.valid(); err != nil {
		return err
	}
	if a.Final {
		_, err = w.Cache.expire(c, id, nil, afterAlarms, true, w)
		return err
	}
	return sweepAlarms(c, w.Cache, id, w.border(hostStreamTime(c.in)), w)
}

// border returns the time before which sessions that end are closed.
func (w *Session) border(now int64) int64 { return add(add(now, -w.Grace), -w.Gap) }

// expired removes the session of an alarm.
func (w *Session) expired(c *Call, id int32, alarm, value []byte) error {
	start, ok := startOf(value)
	if !ok || len(alarm) < alarmHead {
		return w.Cache.unreadable("scan")
	}
	key := alarm[alarmHead:]
	full := w.recordKey(c, key, start, 0)
	if w.Close != nil {
		v, ok, err := w.Cache.get(c, id, full)
		if err != nil {
			return err
		}
		s, readable := w.read(full, v)
		if !ok || !readable {
			return windowFault(w.Cache, "the cache holds something else")
		}
		if err := w.Close(c, key, s); err != nil {
			return err
		}
	}
	if n := hostCacheDelete(c.in, id, full); n < 0 {
		return w.Cache.refused("delete", int64(n))
	}
	return nil
}

// recordKey returns the key of a session with room bytes of 0 behind it.
func (w *Session) recordKey(c *Call, key []byte, start int64, room int) []byte {
	n := len(key)
	b := c.in.arena.take(recordHead + n + 8 + room)
	b[0], b[1], b[2] = recordTag, byte(n>>8), byte(n)
	copy(b[recordHead:], key)
	putTime(b[recordHead+n:], start)
	clear(b[recordHead+n+8:])
	return b
}

// read returns the session of an entry.
func (w *Session) read(key, value []byte) (s Window, ok bool) {
	if len(key) < recordHead+8 || len(value) < 8 {
		return s, false
	}
	s.Start, _ = startOf(key[len(key)-8:])
	s.End, _ = startOf(value)
	s.Value = value[8:]
	return s, true
}

func (w *Session) valid() error {
	switch {
	case w.Gap < 1:
		return windowFault(w.Cache, "gap "+strconv.FormatInt(w.Gap, 10)+": want at least 1")
	case w.Grace < 0:
		return windowFault(w.Cache, "grace "+strconv.FormatInt(w.Grace, 10)+": want at least 0")
	case w.Merge == nil:
		return windowFault(w.Cache, "a session needs Merge")
	}
	return nil
}

// alarmKey returns the key of what is due at a time.
func alarmKey(c *Call, at int64, key []byte) []byte {
	b := c.in.arena.take(alarmHead + len(key))
	b[0] = alarmTag
	putTime(b[1:], at)
	copy(b[alarmHead:], key)
	return b
}

// afterAlarms is the first key behind those of alarms.
var afterAlarms = []byte{alarmTag + 1}

// sweepAlarms removes what was due before border, up to sweepKeys alarms.
func sweepAlarms(c *Call, k *CacheRef, id int32, border int64, v visitor) error {
	since, known, some := k.since(c, border)
	if !some {
		return nil
	}
	var from []byte
	if known {
		from = alarmKey(c, since, nil)
	}
	done, err := k.expire(c, id, from, alarmKey(c, border, nil), false, v)
	if done {
		k.swept(c, border)
	}
	return err
}
