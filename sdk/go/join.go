package slip

import (
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Join joins two streams by key: a record of the left side and one of the right
// side are a pair if they have the same key and their timestamps are near:
//
//	left - Before <= right <= left + After
//
// Each pair is emitted once, when the second of the two comes, whichever that
// is. Both sides are kept in a cache until no partner can come any more: until
// stream time is past the end of the record's interval plus Grace. The kinds
// that want it then emit a record that found no partner.
//
//	var paid = slip.Join{Cache: buffer, After: 3600_000, Grace: 60_000, Kind: slip.LeftJoin, Emit: emit}
//
//	if rec.Topic() == "orders" {
//		_, err = paid.Left(c, rec.Key, rec.Timestamp, rec.Value)
//	} else {
//		_, err = paid.Right(c, rec.Key, rec.Timestamp, rec.Value)
//	}
//
// The sides may also be two handlers that share the cache, with one Join. The
// cache has keys of type bytes and holds nothing else.
//
// A record whose own interval is over when it comes is late. As long as no
// record is more than Grace behind stream time, the pairs and the unmatched
// records do not depend on the order in which records come.
type Join struct {
	Cache *CacheRef
	// Before, After and Grace are in milliseconds. Before and After may be
	// negative as long as the interval is not empty; Grace is at least 0.
	Before, After, Grace int64
	Kind                 JoinKind
	// Late is that of [Tumbling].
	Late *SinkRef
	// Emit gets the pairs of a record in order of the partners' time, and the
	// records without a partner by the end of their interval. What it gets and
	// what c allocates is valid until it returns; it must not write to Cache.
	Emit func(c *Call, p Pair) error
}

// Pair is what a join emits.
type Pair struct {
	// Key is nil for a record without a key.
	Key []byte
	// Left and Right are the values, nil for the side without a record: a record
	// with a nil value joins nothing.
	Left, Right []byte
	// LeftTime and RightTime are the records' timestamps, -1 for the side without
	// a record.
	LeftTime, RightTime int64
}

// side is a side of a join as keys of the cache show it.
type side = byte

const (
	leftSide side = iota
	rightSide
)

// The keys of a join's cache. A record sorts by side, key (its length in front,
// so that no key begins another), timestamp and number among those that agree
// in all; its value has a byte in front that says whether it is still to be
// emitted. An alarm sorts by the end of the record's interval, key, side and
// number, and holds the timestamp.
const (
	joinHead = 4
	joinTail = 12
	// alarmTail is side and number.
	alarmTail = 5

	settled   = 0
	unmatched = 1
)

// Left handles a record of the left side; false if it is late, which is counted
// and emitted as by [Tumbling.Update]. A record with a nil value is ignored, as
// is one with a nil key, unless Kind emits records without a partner.
func (j *Join) Left(c *Call, key []byte, timestamp int64, value []byte) (ok bool, err error) {
	return j.add(c, leftSide, key, timestamp, value)
}

// Right is [Join.Left] for the right side.
func (j *Join) Right(c *Call, key []byte, timestamp int64, value []byte) (ok bool, err error) {
	return j.add(c, rightSide, key, timestamp, value)
}

// Advance is [Tumbling.Advance]: it emits records without a partner.
func (j *Join) Advance(c *Call, a Advance) error {
	id, err := j.Cache.id(c)
	if err != nil {
		return err
	}
	if err = j.valid(); err != nil {
		return err
	}
	if a.Final {
		_, err = j.Cache.expire(c, id, nil, afterAlarms, true, j)
		return err
	}
	return sweepAlarms(c, j.Cache, id, add(hostStreamTime(c.in), -j.Grace), j)
}

func (j *Join) add(c *Call, s side, key []byte, timestamp int64, value []byte) (ok bool, err error) {
	id, err := j.Cache.id(c)
	if err != nil {
		return false, err
	}
	if err = j.valid(); err != nil {
		return false, err
	}
	if err = dated(c, j.Cache, timestamp); err != nil {
		return false, err
	}
	// border is the first end of an interval that is not over.
	border := add(hostStreamTime(c.in), -j.Grace)
	if err = sweepAlarms(c, j.Cache, id, border, j); err != nil {
		return false, err
	}
	switch {
	case value == nil:
		return true, nil
	case add(timestamp, j.stay(s)) < border:
		reportLate(c, j.Late)
		return false, nil
	case key == nil:
		if j.keeps(s) {
			err = j.Emit(c, alone(s, nil, timestamp, value))
		}
		return true, err
	}
	matched, err := j.match(c, id, s, key, timestamp, value, border)
	if err != nil {
		return false, err
	}
	return true, j.store(c, id, s, key, timestamp, value, matched)
}

// match emits the pairs of a record with those of the other side.
func (j *Join) match(c *Call, id int32, s side, key []byte, timestamp int64, value []byte, border int64) (matched bool, err error) {
	in, o := c.in, 1-s
	// The other side's timestamps from first to last; those whose interval is
	// over are gone, also if they are not removed yet.
	first, last := max(add(timestamp, -j.span(o)), add(border, -j.stay(o))), add(timestamp, j.span(s))
	prefix := j.recordKey(c, o, key, 0, 0)
	req := abi.ScanRequest{
		Prefix: prefix[:len(prefix)-joinTail], From: j.recordKey(c, o, key, first, 0), Limit: sweepKeys,
	}
	if last != add(last, 1) {
		req.To = j.recordKey(c, o, key, last+1, 0)
	}
	depth := in.page()
	in.scans++
	for more := true; more && err == nil; {
		maps, mark := in.mapsUsed, in.arena.buf
		var some bool
		some, more, err = j.matchPage(c, id, s, depth, &req, Pair{Key: key}, timestamp, value)
		matched = matched || some
		in.mapsUsed = maps
		in.arena.release(mark)
	}
	in.scans = depth
	return matched, err
}

// matchPage is match for a page of partners; p has the key.
func (j *Join) matchPage(c *Call, id int32, s side, depth int, req *abi.ScanRequest, p Pair, timestamp int64, value []byte) (some, more bool, err error) {
	page, err := j.Cache.page(c, id, depth, req)
	if err != nil {
		return false, false, err
	}
	r := abi.NewReader(page)
	var head abi.ScanPage
	abi.ReadScanPage(&r, &head)
	for range head.Count {
		k, v := abi.ReadEntry(&r)
		if r.Err() != nil || len(k) < joinTail || len(v) < 1 {
			return false, false, j.Cache.unreadable("scan")
		}
		at, _ := startOf(k[len(k)-joinTail:])
		if s == leftSide {
			p.Left, p.LeftTime, p.Right, p.RightTime = value, timestamp, v[1:], at
		} else {
			p.Left, p.LeftTime, p.Right, p.RightTime = v[1:], at, value, timestamp
		}
		if err = j.Emit(c, p); err != nil {
			return false, false, err
		}
		if v[0] == unmatched {
			v[0] = settled
			if err = j.Cache.put(c, id, k, v); err != nil {
				return false, false, err
			}
		}
	}
	if r.Err() != nil {
		return false, false, j.Cache.unreadable("scan")
	}
	req.Cursor = head.Next
	return head.Count > 0, head.Next != nil, nil
}

// store keeps a record for partners to come.
func (j *Join) store(c *Call, id int32, s side, key []byte, timestamp int64, value []byte, matched bool) error {
	full := j.recordKey(c, s, key, timestamp, 0)
	page, err := j.Cache.page(c, id, c.in.page(), &abi.ScanRequest{Prefix: full[:len(full)-4], Reverse: true, Limit: 1})
	if err != nil {
		return err
	}
	r := abi.NewReader(page)
	var head abi.ScanPage
	abi.ReadScanPage(&r, &head)
	number := full[len(full)-4:]
	if head.Count > 0 {
		last, _ := abi.ReadEntry(&r)
		if r.Err() != nil || len(last) != len(full) {
			return j.Cache.unreadable("scan")
		}
		copy(number, last[len(last)-4:])
		for i := 3; i >= 0; i-- {
			if number[i]++; number[i] != 0 {
				break
			}
		}
	}
	kept := c.in.arena.take(1 + len(value))
	kept[0] = settled
	if !matched && j.keeps(s) {
		kept[0] = unmatched
	}
	copy(kept[1:], value)
	if err = j.Cache.put(c, id, full, kept); err != nil {
		return err
	}
	at := c.in.arena.take(8)
	putTime(at, timestamp)
	b := c.in.arena.take(alarmHead + len(key) + alarmTail)
	b[0] = alarmTag
	putTime(b[1:], add(timestamp, j.stay(s)))
	n := alarmHead + copy(b[alarmHead:], key)
	b[n] = s
	copy(b[n+1:], number)
	return j.Cache.put(c, id, b, at)
}

// expired removes the record of an alarm.
func (j *Join) expired(c *Call, id int32, alarm, value []byte) error {
	at, ok := startOf(value)
	n := len(alarm) - alarmTail
	if !ok || n < alarmHead {
		return j.Cache.unreadable("scan")
	}
	s, key := alarm[n], alarm[alarmHead:n]
	full := j.recordKey(c, s, key, at, 0)
	copy(full[len(full)-4:], alarm[n+1:])
	if j.keeps(s) {
		v, ok, err := j.Cache.get(c, id, full)
		if err != nil {
			return err
		}
		if !ok || len(v) < 1 {
			return windowFault(j.Cache, "the cache holds something else")
		}
		if v[0] == unmatched {
			if err := j.Emit(c, alone(s, key, at, v[1:])); err != nil {
				return err
			}
		}
	}
	if n := hostCacheDelete(c.in, id, full); n < 0 {
		return j.Cache.refused("delete", int64(n))
	}
	return nil
}

// alone is the pair of a record without a partner.
func alone(s side, key []byte, at int64, value []byte) Pair {
	if s == leftSide {
		return Pair{Key: key, Left: value, LeftTime: at, RightTime: -1}
	}
	return Pair{Key: key, Right: value, RightTime: at, LeftTime: -1}
}

// span is how much later than a record of that side a partner may be.
func (j *Join) span(s side) int64 {
	if s == leftSide {
		return j.After
	}
	return j.Before
}

// stay is how much later than a record of that side its partners may be, itself
// included: one whose partners all are earlier is not late for that.
func (j *Join) stay(s side) int64 { return max(j.span(s), 0) }

// keeps says whether records of that side without a partner are emitted.
func (j *Join) keeps(s side) bool {
	return j.Kind == OuterJoin || j.Kind == LeftJoin && s == leftSide
}

// recordKey returns the key of a record with that number.
func (j *Join) recordKey(c *Call, s side, key []byte, timestamp int64, number uint32) []byte {
	n := len(key)
	b := c.in.arena.take(joinHead + n + joinTail)
	b[0], b[1], b[2], b[3] = recordTag, s, byte(n>>8), byte(n)
	copy(b[joinHead:], key)
	putTime(b[joinHead+n:], timestamp)
	b[joinHead+n+8], b[joinHead+n+9] = byte(number>>24), byte(number>>16)
	b[joinHead+n+10], b[joinHead+n+11] = byte(number>>8), byte(number)
	return b
}

func (j *Join) valid() error {
	switch {
	case add(j.Before, j.After) < 0:
		return windowFault(j.Cache, "before "+strconv.FormatInt(j.Before, 10)+", after "+strconv.FormatInt(j.After, 10)+
			": the interval is empty")
	case j.Grace < 0:
		return windowFault(j.Cache, "grace "+strconv.FormatInt(j.Grace, 10)+": want at least 0")
	case j.Emit == nil:
		return windowFault(j.Cache, "a join needs Emit")
	}
	return nil
}
