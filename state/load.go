package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Load puts what a changelog, or the topic of a global cache, holds into the
// store, past the overlays. It belongs to one goroutine; partitions it writes
// must not be attached.
type Load struct {
	store *Store
	epoch uint64
	batch Batch
	parts map[slot]*loadPart
	extra int
}

// loadPart is what a Load holds of a partition beside its batch.
type loadPart struct {
	// positions are by topic partition; there is one unless the cache is global.
	positions map[int32]Position
	// records are those of a cache with headers, whose indexes and size depend
	// on what each replaces; nil is a tombstone.
	records map[string][]byte
	// keys are those of a global cache, which readers have to read again.
	keys [][]byte
}

// Load returns a Load for the store as it is: after a Recreate its Write
// answers ErrStale.
func (s *Store) Load() *Load {
	return &Load{store: s, epoch: s.epoch.Load(), parts: map[slot]*loadPart{}}
}

func (l *Load) part(c *cacheState, partition int32) *loadPart {
	at := slot{c.id, partition}
	if c.Kind == Global {
		at.partition = 0
	}
	p := l.parts[at]
	if p == nil {
		p = &loadPart{positions: map[int32]Position{}}
		if c.head != 0 {
			p.records = map[string][]byte{}
		}
		l.parts[at] = p
	}
	return p
}

// Put takes a record over, in the stored forms of the changelog; a nil value
// is a tombstone. Of several with one key the last counts. Both are copied.
// All partitions of a global cache's topic share one set of keys.
func (l *Load) Put(cache int, partition int32, key, value []byte) {
	c := &l.store.caches[cache]
	p := l.part(c, partition)
	if c.head != 0 {
		l.extra += len(key) + len(value)
		if value != nil {
			value = append(make([]byte, 0, len(value)), value...)
		}
		p.records[string(key)] = value
		return
	}
	if c.Kind == Global {
		partition = 0
		p.keys = append(p.keys, bytes.Clone(key))
	}
	var prefix [4]byte
	binary.BigEndian.PutUint32(prefix[:], uint32(partition))
	if value == nil {
		l.batch.Delete(c.family, prefix[:], key)
	} else {
		l.batch.Put(c.family, prefix[:], key, value)
	}
}

// SetPosition sets the position that belongs to the records put so far; for a
// global cache the partition is the topic's.
func (l *Load) SetPosition(cache int, partition int32, pos Position) {
	l.part(&l.store.caches[cache], partition).positions[partition] = pos
}

// Bytes returns about how many bytes wait for Write.
func (l *Load) Bytes() int { return len(l.batch.Buf) + l.extra }

// Write hands everything to the engine in one atomic batch; then the Load is
// empty and can be used again. After an error it still holds everything. The
// error is ErrAttached if a partition belongs to an overlay, ErrStale after a
// Recreate, ErrCorrupt if a value does not have the header that the cache's
// ttl or max_bytes asks for, or the engine's.
func (l *Load) Write() error {
	slots := make([]slot, 0, len(l.parts))
	for at := range l.parts {
		slots = append(slots, at)
	}
	slices.SortFunc(slots, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.cache, b.cache), cmp.Compare(a.partition, b.partition))
	})
	for i, at := range slots {
		if err := l.store.claim(at, "restore"); err != nil {
			l.store.release(slots[:i]...)
			return err
		}
	}
	defer l.store.release(slots...)
	size, count := len(l.batch.Buf), l.batch.Count
	if err := l.write(slots); err != nil {
		l.batch.Buf, l.batch.Count = l.batch.Buf[:size], count
		return err
	}
	for at, p := range l.parts {
		if r := l.store.readers[at.cache]; r != nil {
			r.forget(p.keys)
		}
	}
	l.batch.Reset()
	clear(l.parts)
	l.extra = 0
	return nil
}

func (l *Load) write(slots []slot) error {
	for _, at := range slots {
		if err := l.settle(at); err != nil {
			return err
		}
		if err := l.pack(at, l.parts[at]); err != nil {
			return err
		}
	}
	if l.batch.Count == 0 {
		return nil
	}
	return l.store.write(&l.batch, l.epoch)
}

// settle writes what an overlay left of a partition: it is older than what
// the Load holds, so it must not come after it.
func (l *Load) settle(at slot) error {
	s := l.store
	s.mu.Lock()
	p := s.parked[at]
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	var b Batch
	p.packParked(&b, s.config.Now().UnixMilli())
	if err := s.write(&b, l.epoch); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.Load() == l.epoch {
		delete(s.parked, at)
	}
	return nil
}

// pack adds positions, and what depends on earlier entries, to the batch.
func (l *Load) pack(at slot, p *loadPart) error {
	c := &l.store.caches[at.cache]
	now := l.store.config.Now().UnixMilli()
	if c.Kind == Global {
		for partition, pos := range p.positions {
			m := meta{position: pos, positioned: true, written: now}
			l.batch.Put(metaFamily, nil, c.metaKey(partition), appendMeta(nil, &m))
		}
		return nil
	}
	pos, ok := p.positions[at.partition]
	if !ok && len(p.records) == 0 {
		return nil
	}
	m, err := l.store.readMeta(at.cache, at.partition)
	if err != nil {
		return err
	}
	for key, value := range p.records {
		if err := l.packBounded(c, at.partition, &m, []byte(key), value); err != nil {
			return err
		}
	}
	if ok {
		m.position, m.positioned = pos, true
	}
	m.written = now
	l.batch.Put(metaFamily, nil, c.metaKey(at.partition), appendMeta(nil, &m))
	return nil
}

func (l *Load) packBounded(c *cacheState, partition int32, m *meta, key, value []byte) error {
	prefix := binary.BigEndian.AppendUint32(nil, uint32(partition))
	bad := func(where string) error {
		return fmt.Errorf("restore cache %s, partition %d: %w: a value %s has no header for ttl or max_bytes; was the cache declared without them when it was written?", c.Name, partition, ErrCorrupt, where)
	}
	old, ok, err := l.store.engine.Get(c.family, append(prefix[:4:4], key...), nil)
	if err != nil {
		return fmt.Errorf("restore cache %s, partition %d: %w", c.Name, partition, err)
	}
	if ok {
		s, _, ok := parseHeader(old)
		if !ok {
			return bad("on disk")
		}
		m.size -= s.size(key)
		l.packIndex(c, prefix, &s, key, false)
	}
	if value == nil {
		l.batch.Delete(c.family, prefix, key)
		return nil
	}
	s, _, ok := parseHeader(value)
	if !ok {
		return bad("in the changelog")
	}
	m.size += s.size(key)
	m.seq = max(m.seq, s.seq+1)
	l.batch.Put(c.family, prefix, key, value)
	l.packIndex(c, prefix, &s, key, true)
	return nil
}

// packIndex is Partition.list and unlist for a Load.
func (l *Load) packIndex(c *cacheState, prefix []byte, s *stamp, key []byte, add bool) {
	var value [indexValue]byte
	binary.BigEndian.PutUint32(value[8:], uint32(s.size(key)))
	put := func(kind byte, number, other uint64) {
		index := append(binary.BigEndian.AppendUint64(nil, number), key...)
		if !add {
			l.batch.Delete(c.indexFamily, append(prefix[:4:4], kind), index)
			return
		}
		binary.BigEndian.PutUint64(value[:], other)
		l.batch.Put(c.indexFamily, append(prefix[:4:4], kind), index, value[:])
	}
	if c.TTL > 0 {
		put(expiryIndex, expiryKey(s.expiry), s.seq)
	}
	if c.MaxBytes > 0 {
		put(insertionIndex, s.seq, uint64(s.expiry))
	}
}
