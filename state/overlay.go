package state

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Overlay is one worker's view of the store: the partitions it owns, what is
// staged in them since the last commit, and what is committed but not yet on
// disk. It belongs to one goroutine; Hits may be called from any.
//
// Reads see staged writes, then committed ones, then what the engine holds.
// Nothing staged ever reaches the engine.
type Overlay struct {
	store *Store
	// epoch is the store's when the partitions were attached.
	epoch  uint64
	closed bool
	parts  []*Partition
	// now is the stream time that judges and stamps entries with a ttl.
	now int64

	journals []journal
	journal  int
	tick     uint64
	staged   int64
	// broken is why what is staged cannot be committed.
	broken error

	ring      ring
	free      []*entry
	cached    int64
	unwritten int64
	// pinned is the part of cached that cannot be given up before a commit or a
	// write.
	pinned   int64
	hits     uint64
	hitsSeen atomic.Uint64
	misses   atomic.Uint64

	writer writer

	keyBuf, valueBuf, indexBuf, victim, fromBuf, toBuf []byte
	page, doomed                                       Page
	pivot                                              entry
}

// Overlay returns a new overlay; Close ends it.
func (s *Store) Overlay() *Overlay {
	s.budget.members.Add(1)
	o := &Overlay{store: s, epoch: s.epoch.Load(), now: -1, journals: make([]journal, 1)}
	o.writer.flushed = s.config.Now()
	return o
}

// Attach takes a partition of a cache over, with the entries and the position
// that were committed before. A partition is attached to one overlay at a
// time: else the error is ErrAttached. A global cache is attached by any
// number of overlays, read-only, and the partition does not matter. Whether
// what is there is as new as it must be is for Store.Position to say. A local
// cache is empty after the start of the process and after Wipe.
func (o *Overlay) Attach(cache int, partition int32) (*Partition, error) {
	o.renew()
	s := o.store
	if o.closed {
		return nil, fmt.Errorf("attach a partition: %w", ErrClosed)
	}
	if err := s.valid(cache, partition); err != nil {
		return nil, err
	}
	p := &Partition{overlay: o, cache: &s.caches[cache], id: partition, epoch: o.epoch}
	if p.cache.Kind == Global {
		if err := s.usable(); err != nil {
			return nil, p.wrap("attach", err)
		}
		p.reader = s.readers[cache]
		o.parts = append(o.parts, p)
		return p, nil
	}
	parked, err := s.own(p.slot(), o)
	if err != nil {
		return nil, err
	}
	if parked != nil {
		o.adopt(p, parked)
	} else {
		m, err := s.readMeta(cache, partition)
		if err == nil && s.epoch.Load() != o.epoch {
			err = p.wrap("attach", ErrStale)
		}
		if err != nil {
			s.disown(p.slot(), o, nil)
			return nil, err
		}
		p.load(m)
		p.makeSpaces()
	}
	o.parts = append(o.parts, p)
	return p, nil
}

// adopt gives p what another overlay committed and could not write.
func (o *Overlay) adopt(p, from *Partition) {
	p.spaces = from.spaces
	p.load(from.committed)
	p.metaDirty = from.metaDirty
	from.spaces = [3]*space{}
	for _, sp := range p.spaces {
		if sp == nil {
			continue
		}
		sp.part = p
		for _, e := range sp.dirty {
			if e != nil {
				o.charge(e)
				o.unwritten += e.debt
			}
		}
	}
}

// Detach gives a partition back: what is staged in it is gone. What is
// committed and not yet on disk stays in the store, where the next Attach
// finds it and any overlay's Maintain writes it. Detach waits for the write
// that is under way. Afterwards p answers ErrDetached.
func (o *Overlay) Detach(p *Partition) {
	if p.overlay != o {
		return
	}
	o.renew()
	if p.overlay != o {
		return
	}
	if p.reader == nil {
		o.finish(true) // its error is kept for Maintain
		o.rollback(p)
		for i := range o.journals {
			o.journals[i].leave(p)
		}
		rest := o.strip(p)
		o.store.disown(p.slot(), o, rest)
	}
	o.remove(p)
}

func (o *Overlay) remove(p *Partition) {
	for i, q := range o.parts {
		if q == p {
			o.parts = append(o.parts[:i], o.parts[i+1:]...)
			break
		}
	}
	p.overlay, p.spaces = nil, [3]*space{}
}

// strip takes a partition out of the overlay's accounts, with its entries
// that are on disk. It returns what is left of it, nil if nothing.
func (o *Overlay) strip(p *Partition) *Partition {
	rest := &Partition{cache: p.cache, id: p.id, committed: p.committed, metaDirty: p.metaDirty, spaces: p.spaces}
	left := p.metaDirty
	for _, sp := range p.spaces {
		if sp == nil {
			continue
		}
		sp.order, sp.front = nil, front{}
		for _, e := range sp.entries {
			if e.flags&pinned == 0 {
				o.drop(e)
				continue
			}
			left = true
			o.account(-e.cost)
			o.pinned -= e.cost
			o.unwritten -= e.debt
			e.cost = 0
		}
		sp.part = rest
	}
	if !left {
		return nil
	}
	return rest
}

// renew forgets everything if the store was made anew.
func (o *Overlay) renew() {
	epoch := o.store.epoch.Load()
	if o.epoch == epoch {
		return
	}
	o.finish(true)
	for len(o.parts) > 0 {
		p := o.parts[len(o.parts)-1]
		if p.reader == nil {
			o.rollback(p)
			o.strip(p)
		}
		o.remove(p)
		p.gone = ErrStale
	}
	o.forget()
	o.broken, o.writer.err, o.staged, o.unwritten, o.pinned, o.epoch = nil, nil, 0, 0, 0, epoch
}

// SetTime tells the stream time, in milliseconds since 1970, of the task whose
// record runs now. Entries with a ttl are judged by it and stamped with it.
// Below 0 it is not known: nothing expires, and what is written then lives
// until it is written again.
func (o *Overlay) SetTime(ms int64) { o.now = ms }

// Unwritten returns the bytes of committed entries that are not known to be
// on disk.
func (o *Overlay) Unwritten() int64 { return o.unwritten }

// Hits returns how many reads were answered from memory, as of the last
// commit, and how many asked the engine. It may be called from any goroutine.
func (o *Overlay) Hits() (hits, misses uint64) { return o.hitsSeen.Load(), o.misses.Load() }

// Close rolls back what is staged, writes what is committed and gives all
// partitions back. What could not be written, which the error says, stays in
// the store.
func (o *Overlay) Close() error {
	if o.closed {
		return nil
	}
	o.Rollback()
	err := o.Maintain(time.Time{}, true)
	for len(o.parts) > 0 {
		o.Detach(o.parts[len(o.parts)-1])
	}
	o.closed = true
	o.finish(true)
	o.writer.stop()
	o.account(-o.cached)
	o.store.budget.members.Add(-1)
	if errors.Is(err, ErrStale) {
		return nil // what it was to write does not exist any more
	}
	return err
}
