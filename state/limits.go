package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Caches with a ttl or a bound have a header before each value, on disk and
// in the changelog: one byte, headerTag plus the flags of what follows, then
// the time of expiry (ms since 1970, 8 bytes, big endian), then the insertion's
// number (8 bytes, big endian). An entry without expiry lives for ever, one
// without a number counts as inserted first.
const (
	headerTag    = 0xA0
	hasExpiry    = 1
	hasInsertion = 2

	never = math.MaxInt64
)

// The kinds of index entries, behind the partition in the index family. An
// index key is the expiry (sign flipped) or the number, 8 bytes big endian,
// and the entry's key; its value is the other of the two and the size of key
// and value (4 bytes), so that an entry can be removed without reading it.
const (
	expiryIndex    byte = 1
	insertionIndex byte = 2
	indexValue          = 12
)

// stamp is what a header says of an entry, and the length of the value.
type stamp struct {
	expiry int64
	seq    uint64
	value  int
}

func (s *stamp) size(key []byte) int64 { return int64(len(key) + s.value) }

func headerLen(flags byte) int {
	n := 0
	if flags != 0 {
		n = 1
	}
	if flags&hasExpiry != 0 {
		n += 8
	}
	if flags&hasInsertion != 0 {
		n += 8
	}
	return n
}

func appendHeader(dst []byte, flags byte, s *stamp) []byte {
	dst = append(dst, headerTag|flags)
	if flags&hasExpiry != 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(s.expiry))
	}
	if flags&hasInsertion != 0 {
		dst = binary.BigEndian.AppendUint64(dst, s.seq)
	}
	return dst
}

// parseHeader splits a stored value. ok is false if it has no header.
func parseHeader(stored []byte) (s stamp, value []byte, ok bool) {
	if len(stored) == 0 || stored[0]&^(hasExpiry|hasInsertion) != headerTag || stored[0] == headerTag {
		return stamp{}, nil, false
	}
	flags, n := stored[0]&^headerTag, headerLen(stored[0]&^headerTag)
	if len(stored) < n {
		return stamp{}, nil, false
	}
	s.expiry = never
	at := 1
	if flags&hasExpiry != 0 {
		s.expiry = int64(binary.BigEndian.Uint64(stored[at:]))
		at += 8
	}
	if flags&hasInsertion != 0 {
		s.seq = binary.BigEndian.Uint64(stored[at:])
	}
	s.value = len(stored) - n
	return s, stored[n:], true
}

// Value returns what was put where a cache's changelog has stored; ok is false
// if that is none of this cache's values. It aliases stored. Safe for
// concurrent use.
func (s *Store) Value(cache int, stored []byte) (value []byte, ok bool) {
	if s.caches[cache].head == 0 {
		return stored, true
	}
	_, value, ok = parseHeader(stored)
	return value, ok
}

func (p *Partition) badHeader() error {
	return p.wrap("read an entry's header", fmt.Errorf("%w: the value has none", ErrCorrupt))
}

// live takes the header off a value; ok is false if the entry has expired.
func (p *Partition) live(stored []byte) (value []byte, ok bool, err error) {
	s, value, ok := parseHeader(stored)
	if !ok {
		return nil, false, p.badHeader()
	}
	if p.cache.TTL > 0 && s.expiry <= p.overlay.now {
		return nil, false, nil
	}
	return value, true, nil
}

// stamp returns the header of what an entry holds, expired or not.
func (p *Partition) stamp(e *entry) (s stamp, had bool, err error) {
	stored, ok := e.view()
	if !ok {
		return s, false, nil
	}
	if s, _, ok = parseHeader(stored); !ok {
		return s, false, p.badHeader()
	}
	return s, true, nil
}

// putBounded is Put for caches with a ttl or a bound. A value written again
// gets a new time to live and goes to the end of the order of insertion.
func (p *Partition) putBounded(key, value []byte) error {
	o := p.overlay
	s := stamp{expiry: never, seq: p.seq, value: len(value)}
	if n, limit := s.size(key), p.cache.MaxBytes; limit > 0 && n > limit {
		return fmt.Errorf("put an entry of %d bytes into cache %s, which is bound to %d a partition: %w", n, p.cache.Name, limit, ErrTooLarge)
	}
	if ttl := p.cache.TTL.Milliseconds(); o.now >= 0 && o.now <= never-ttl {
		s.expiry = o.now + ttl
	}
	e, err := o.fetch(p.spaces[dataSpace], key)
	if err != nil {
		return err
	}
	old, had, err := p.stamp(e)
	if err != nil {
		return err
	}
	size := s.size(key)
	if had {
		size -= old.size(key)
	}
	if p.cache.MaxBytes > 0 {
		p.seq++
	}
	var head [17]byte
	o.stage(e, appendHeader(head[:0], p.cache.flags, &s), value, true, size)
	if had {
		p.unlist(&old, key)
	}
	p.list(&s, key)
	return p.evict()
}

// list adds an entry to the indexes; unlist takes it out.
func (p *Partition) list(s *stamp, key []byte) {
	var value [indexValue]byte
	binary.BigEndian.PutUint32(value[8:], uint32(s.size(key)))
	if sp := p.spaces[expirySpace]; sp != nil {
		binary.BigEndian.PutUint64(value[:], s.seq)
		p.overlay.listIn(sp, expiryKey(s.expiry), key, value[:])
	}
	if sp := p.spaces[insertionSpace]; sp != nil {
		binary.BigEndian.PutUint64(value[:], uint64(s.expiry))
		p.overlay.listIn(sp, s.seq, key, value[:])
	}
}

func (p *Partition) unlist(s *stamp, key []byte) {
	if sp := p.spaces[expirySpace]; sp != nil {
		p.overlay.listIn(sp, expiryKey(s.expiry), key, nil)
	}
	if sp := p.spaces[insertionSpace]; sp != nil {
		p.overlay.listIn(sp, s.seq, key, nil)
	}
}

func expiryKey(ms int64) uint64 { return uint64(ms) ^ signBit }

// listIn stages an index entry, or its removal with a nil value.
func (o *Overlay) listIn(sp *space, number uint64, key, value []byte) {
	o.indexBuf = append(binary.BigEndian.AppendUint64(o.indexBuf[:0], number), key...)
	e := o.find(sp, o.indexBuf)
	if value != nil && e.flags == 0 {
		// An index is exact: what it does not list yet is not on disk either.
		e.flags = known | vacant
	}
	o.stage(e, nil, value, value != nil, 0)
}

// evict removes the oldest insertions until the partition is within its bound
// again. What a Put added is the most it has to make up for; after the bound
// was lowered it takes several of them, so that no single record pays.
func (p *Partition) evict() error {
	sp := p.spaces[insertionSpace]
	if sp == nil {
		return nil
	}
	o := p.overlay
	for n := 0; p.size > p.cache.MaxBytes && n < evictMost; n++ {
		index, value, ok, err := o.first(sp)
		if err != nil || !ok {
			return err
		}
		s, err := p.listed(index, value)
		if err != nil {
			return err
		}
		s.seq, s.expiry = binary.BigEndian.Uint64(index), int64(binary.BigEndian.Uint64(value))
		p.expel(&s, index[8:])
	}
	return nil
}

// evictMost is above what a record can add at the default limits, in entries
// of a few bytes.
const evictMost = 1 << 20

// listed checks an index entry and returns the length of the value.
func (p *Partition) listed(index, value []byte) (stamp, error) {
	if len(index) < 8 || len(value) != indexValue {
		return stamp{}, p.wrap("read the index", fmt.Errorf("%w: an entry of %d and %d bytes", ErrCorrupt, len(index), len(value)))
	}
	return stamp{value: int(binary.BigEndian.Uint32(value[8:])) - (len(index) - 8)}, nil
}

// expel removes an entry that an index names. The key may belong to the index.
func (p *Partition) expel(s *stamp, key []byte) {
	o := p.overlay
	o.victim = append(o.victim[:0], key...)
	o.stage(o.find(p.spaces[dataSpace], o.victim), nil, nil, false, -s.size(o.victim))
	p.unlist(s, o.victim)
}

// Sweep stages the removal of entries of p that have expired at streamTime,
// the earliest first, at most max of them. It returns how many it removed. The
// writes are noted in the journal in use, like any others.
func (o *Overlay) Sweep(p *Partition, streamTime int64, max int) (n int, err error) {
	if err := p.writable("sweep"); err != nil {
		if p.reader != nil {
			return 0, nil
		}
		return 0, err
	}
	sp := p.spaces[expirySpace]
	for sp != nil && n < max {
		index, value, ok, err := o.first(sp)
		if err != nil || !ok {
			return n, err
		}
		s, err := p.listed(index, value)
		if err != nil {
			return n, err
		}
		s.expiry, s.seq = int64(binary.BigEndian.Uint64(index)^signBit), binary.BigEndian.Uint64(value)
		if s.expiry > streamTime {
			break
		}
		p.expel(&s, index[8:])
		n++
	}
	return n, nil
}

// front is where an index begins: no entry is before floor. Pages of the
// engine are read ahead.
type front struct {
	floor  []byte
	page   Page
	at     int
	loaded bool
	more   bool
	// landed is the overlay's count of writes to the engine at the time the page
	// was read.
	landed uint64
}

// lower notes that an index has an entry that may be before its floor.
func (sp *space) lower(key []byte) {
	if sp.index && bytes.Compare(key, sp.front.floor) < 0 {
		sp.front.floor = append(sp.front.floor[:0], key...)
		sp.front.loaded = false
	}
}

// first returns the first entry of an index, valid until the next write.
func (o *Overlay) first(sp *space) (key, value []byte, ok bool, err error) {
	f := &sp.front
	if f.landed != o.writer.landed {
		f.loaded, f.landed = false, o.writer.landed
	}
	o.pivot.key = f.floor
	sp.ordered().Ascend(&o.pivot, func(e *entry) bool {
		value, ok = e.view()
		key = e.key
		return !ok
	})
	for {
		if !f.loaded || f.at == f.page.Len() && f.more {
			if err := o.readAhead(sp); err != nil {
				return nil, nil, false, err
			}
		}
		if f.at == f.page.Len() {
			break
		}
		k, v := f.page.Entry(f.at)
		k = k[len(sp.prefix):]
		if bytes.Compare(k, f.floor) < 0 || sp.entries[text(k)] != nil {
			f.at++
			continue
		}
		if !ok || bytes.Compare(k, key) < 0 {
			key, value, ok = k, v, true
		}
		break
	}
	if ok {
		f.floor = append(f.floor[:0], key...)
	}
	return key, value, ok, nil
}

func (o *Overlay) readAhead(sp *space) error {
	f := &sp.front
	o.fromBuf = append(append(o.fromBuf[:0], sp.prefix...), f.floor...)
	if f.loaded && f.page.Len() > 0 {
		last, _ := f.page.Entry(f.page.Len() - 1)
		o.fromBuf = append(append(o.fromBuf[:0], last...), 0)
	}
	o.toBuf = successor(append(o.toBuf[:0], sp.prefix...))
	f.page.Reset()
	f.page.Limit, f.page.MaxBytes = 64, 1<<16
	f.at, f.loaded = 0, false
	more, err := o.store.engine.Page(sp.family, o.fromBuf, o.toBuf, false, &f.page)
	if err == nil && o.store.epoch.Load() != o.epoch {
		err = ErrStale
	}
	if err != nil {
		return sp.part.wrap("read the index", err)
	}
	f.more, f.loaded = more, true
	return nil
}
