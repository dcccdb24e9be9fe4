package state

import (
	"encoding/binary"
	"fmt"
)

// Partition is a partition of a cache, attached to an overlay. It belongs to
// the overlay's goroutine. Keys are in their stored form; what is passed is
// copied, and what is returned belongs to the caller.
//
// After an error of the engine some of a call's writes may be staged: the
// caller undoes to its mark or rolls back.
type Partition struct {
	overlay *Overlay
	cache   *cacheState
	id      int32
	epoch   uint64
	// gone is why a partition without overlay has none, nil for ErrDetached.
	gone error
	// reader answers for a global cache, which has nothing else.
	reader *GlobalReader
	spaces [3]*space
	// These are as staged; committed is what they were at the last commit.
	position   Position
	positioned bool
	size       int64
	seq        uint64
	committed  meta
	// metaDirty says that committed is not on disk.
	metaDirty, metaFlying bool
}

// The places of Partition.spaces. The indexes are there if the cache has a
// ttl or a bound.
const (
	dataSpace = iota
	expirySpace
	insertionSpace
)

// slot names a partition in the store.
type slot struct {
	cache     int
	partition int32
}

// Cache returns the cache's id: its position in Config.Caches.
func (p *Partition) Cache() int { return p.cache.id }

// Partition returns the partition's number.
func (p *Partition) Partition() int32 { return p.id }

// Position returns the changelog's position as last set or, after Attach, as
// stored; the zero Position if there is none.
func (p *Partition) Position() Position { return p.position }

// SetPosition stages the changelog's position that belongs to the writes
// staged up to the next Commit.
func (p *Partition) SetPosition(pos Position) { p.position, p.positioned = pos, true }

// Size returns the bytes of keys and values, expired ones included, that a
// cache with a ttl or a bound holds; 0 for others.
func (p *Partition) Size() int64 { return p.size }

// Get appends the value of key to dst and says whether there is one.
func (p *Partition) Get(key, dst []byte) (value []byte, ok bool, err error) {
	o := p.overlay
	if o == nil || p.epoch != o.store.epoch.Load() {
		return dst, false, p.refuse("get")
	}
	if p.reader != nil {
		value, ok, err = p.reader.Get(key, dst)
		if err == nil && p.epoch != o.store.epoch.Load() {
			return dst, false, p.refuse("get")
		}
		return value, ok, err
	}
	sp := p.spaces[dataSpace]
	if e := sp.entries[text(key)]; e != nil {
		o.hits++
		e.touch()
		v, ok := e.view()
		if ok && p.cache.head != 0 {
			v, ok, err = p.live(v)
		}
		if !ok || err != nil {
			return dst, false, err
		}
		return append(dst, v...), true, nil
	}
	stored, ok, err := o.read(sp, key, dst)
	if err != nil {
		return dst, false, err
	}
	v := stored[len(dst):]
	if int64(len(v)) <= o.store.budget.limit/keepPart {
		o.keep(sp, key, v, ok)
	}
	if !ok || p.cache.head == 0 {
		return stored, ok, nil
	}
	if v, ok, err = p.live(v); !ok || err != nil {
		return dst, false, err
	}
	return append(dst, v...), true, nil
}

// Put stages a value; an empty one is a value too. The error is ErrReadOnly
// for a global cache, ErrTooLarge for an entry above the changelog's limit or
// above the cache's MaxBytes, or the engine's.
func (p *Partition) Put(key, value []byte) error {
	if err := p.writable("put"); err != nil {
		return err
	}
	if n, limit := len(key)+p.cache.head+len(value), p.cache.MaxEntry; limit > 0 && n > limit {
		return fmt.Errorf("put an entry of %d bytes into cache %s, whose changelog takes %d: %w", n, p.cache.Name, limit, ErrTooLarge)
	}
	if p.cache.head != 0 {
		return p.putBounded(key, value)
	}
	o := p.overlay
	e := o.find(p.spaces[dataSpace], key)
	e.touch()
	o.stage(e, nil, value, true, 0)
	return nil
}

// Delete stages the removal of a key, present or not. Errors are as of Put.
func (p *Partition) Delete(key []byte) error {
	if err := p.writable("delete"); err != nil {
		return err
	}
	return p.remove(key)
}

// remove stages a delete with what follows from it for the indexes.
func (p *Partition) remove(key []byte) error {
	o := p.overlay
	if p.cache.head == 0 {
		o.stage(o.find(p.spaces[dataSpace], key), nil, nil, false, 0)
		return nil
	}
	e, err := o.fetch(p.spaces[dataSpace], key)
	if err != nil {
		return err
	}
	old, had, err := p.stamp(e)
	if err != nil {
		return err
	}
	if !had {
		o.stage(e, nil, nil, false, 0)
		return nil
	}
	o.stage(e, nil, nil, false, -old.size(key))
	p.unlist(&old, key)
	return nil
}

func (p *Partition) slot() slot { return slot{p.cache.id, p.id} }

// load sets what the partition's meta entry says.
func (p *Partition) load(m meta) {
	p.committed = m
	p.position, p.positioned, p.size, p.seq = m.position, m.positioned, m.size, m.seq
}

func (p *Partition) makeSpaces() {
	prefix := binary.BigEndian.AppendUint32(nil, uint32(p.id))
	p.spaces[dataSpace] = newSpace(p, p.cache.family, prefix, false)
	if p.cache.TTL > 0 {
		p.spaces[expirySpace] = newSpace(p, p.cache.indexFamily, append(prefix[:4:4], expiryIndex), true)
	}
	if p.cache.MaxBytes > 0 {
		p.spaces[insertionSpace] = newSpace(p, p.cache.indexFamily, append(prefix[:4:4], insertionIndex), true)
	}
}

func (p *Partition) writable(verb string) error {
	if p.reader != nil {
		return fmt.Errorf("%s in cache %s: %w", verb, p.cache.Name, ErrReadOnly)
	}
	if o := p.overlay; o == nil || p.epoch != o.store.epoch.Load() {
		return p.refuse(verb)
	}
	return nil
}

func (p *Partition) refuse(verb string) error {
	switch {
	case p.overlay != nil:
		return p.wrap(verb, ErrStale)
	case p.gone != nil:
		return p.wrap(verb, p.gone)
	}
	return p.wrap(verb, ErrDetached)
}

func (p *Partition) wrap(verb string, err error) error {
	return fmt.Errorf("%s in cache %s, partition %d: %w", verb, p.cache.Name, p.id, err)
}
