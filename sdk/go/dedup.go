package slip

import "strconv"

// Dedup tells the first record of a key from those that repeat it within a
// time:
//
//	var seen = slip.Dedup{Cache: ids, TTL: 24 * 3600_000}
//
//	if first, err := seen.First(c, rec.Key); err != nil || !first {
//		return err
//	}
//
// The cache has keys of type bytes and holds nothing else. A key takes one
// entry and a call three of the host, however many keys there are.
type Dedup struct {
	Cache *CacheRef
	// TTL is how many milliseconds of stream time a key is remembered, at least
	// 1. A repetition does not prolong it.
	TTL int64
}

// First says whether key was not seen in the last TTL milliseconds of stream
// time, and remembers it from now on if so. What the record's own timestamp is
// does not matter.
func (d *Dedup) First(c *Call, key []byte) (bool, error) {
	id, err := d.Cache.at(c, key)
	if err != nil {
		return false, err
	}
	if d.TTL < 1 {
		return false, windowFault(d.Cache, "ttl "+strconv.FormatInt(d.TTL, 10)+": want at least 1")
	}
	// Keys lie in windows of TTL by the time they were first seen: what is
	// remembered is in this one or in the one before.
	s := spans{cache: d.Cache, size: d.TTL, step: d.TTL, grace: d.TTL}
	now := hostStreamTime(c.in)
	if err = s.sweep(c, id, s.border(now)); err != nil {
		return false, err
	}
	last := floor(now, d.TTL)
	for _, start := range [2]int64{last, add(last, -d.TTL)} {
		value, ok, err := d.Cache.get(c, id, windowKey(c, start, key))
		if err != nil {
			return false, err
		}
		if at, readable := startOf(value); ok && readable && at > add(now, -d.TTL) {
			return false, nil
		}
	}
	at := c.in.arena.take(8)
	putTime(at, now)
	return true, d.Cache.put(c, id, windowKey(c, last, key), at)
}
