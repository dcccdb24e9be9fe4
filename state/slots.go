package state

import (
	"errors"
	"fmt"
)

// ready waits until nobody is busy with a slot and says whether the store can
// be used. mu is held.
func (s *Store) ready(at slot) error {
	for s.busy[at] {
		s.free.Wait()
	}
	return s.blocked()
}

func (s *Store) blocked() error {
	if s.closed {
		return ErrClosed
	}
	return s.broken
}

func (s *Store) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked()
}

func (s *Store) attached(at slot, verb string) error {
	if s.owners[at] == nil {
		return nil
	}
	return fmt.Errorf("%s partition %d of cache %s: %w", verb, at.partition, s.caches[at.cache].Name, ErrAttached)
}

// own makes an overlay the owner of a partition and returns what was parked.
func (s *Store) own(at slot, o *Overlay) (*Partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(at); err != nil {
		return nil, err
	}
	if err := s.attached(at, "attach"); err != nil {
		return nil, err
	}
	s.owners[at] = o
	parked := s.parked[at]
	delete(s.parked, at)
	return parked, nil
}

// disown ends an ownership and parks what is not on disk, if anything.
func (s *Store) disown(at slot, o *Overlay, rest *Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners[at] != o {
		return // made anew meanwhile
	}
	delete(s.owners, at)
	if rest != nil {
		s.parked[at] = rest
	}
}

// claim makes the caller the only one to write a partition without owner,
// until release.
func (s *Store) claim(at slot, verb string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(at); err != nil {
		return err
	}
	if err := s.attached(at, verb); err != nil {
		return err
	}
	s.busy[at] = true
	return nil
}

func (s *Store) release(slots ...slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range slots {
		delete(s.busy, at)
	}
	s.free.Broadcast()
}

// packParked adds the entries of partitions without owner to a batch, and
// makes these busy until unpark.
func (s *Store) packParked(b *Batch, ms int64) []slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slots []slot
	for at, p := range s.parked {
		if s.busy[at] {
			continue
		}
		s.busy[at] = true
		slots = append(slots, at)
		p.packParked(b, ms)
	}
	return slots
}

func (p *Partition) packParked(b *Batch, ms int64) {
	for _, sp := range p.spaces {
		if sp != nil {
			sp.packDirty(b)
		}
	}
	if p.metaDirty {
		p.committed.written = ms
		p.packMeta(b)
	}
}

// unpark ends what packParked began.
func (s *Store) unpark(slots []slot, epoch uint64, err error) {
	if len(slots) == 0 {
		return
	}
	s.mu.Lock()
	if err == nil && s.epoch.Load() == epoch {
		for _, at := range slots {
			delete(s.parked, at)
		}
	}
	s.mu.Unlock()
	s.release(slots...)
}

// Position returns how far the entries that are stored of a partition have
// come, those included that wait in the store to be written; false if nothing
// is known. Of an attached partition it is what is on disk. A position older
// than Config.StaleAfter counts for nothing: the partition is wiped then. For
// a global cache the partition is the topic's.
func (s *Store) Position(cache int, partition int32) (Position, bool, error) {
	if err := s.valid(cache, partition); err != nil {
		return Position{}, false, err
	}
	at := slot{cache, partition}
	s.mu.Lock()
	if err := s.ready(at); err != nil {
		s.mu.Unlock()
		return Position{}, false, err
	}
	owned, parked := s.owners[at] != nil, s.parked[at]
	var m meta
	if parked != nil {
		m = parked.committed
	}
	s.mu.Unlock()
	if parked == nil {
		var err error
		if m, err = s.readMeta(cache, partition); err != nil {
			return Position{}, false, err
		}
	}
	if !m.positioned {
		return Position{}, false, nil
	}
	age := s.config.Now().UnixMilli() - m.written
	if limit := s.config.StaleAfter.Milliseconds(); limit > 0 && age > limit && !owned && m.written > 0 {
		s.config.Log.Info("state is too old to be caught up and is restored from the beginning", "cache", s.caches[cache].Name, "partition", partition)
		return Position{}, false, s.Wipe(cache, partition)
	}
	return m.position, true, nil
}

// Wipe removes a partition's entries and its position, what waits to be
// written included; for a global cache everything. The error is ErrAttached
// if an overlay has the partition.
func (s *Store) Wipe(cache int, partition int32) error {
	if err := s.valid(cache, partition); err != nil {
		return err
	}
	c := &s.caches[cache]
	at := slot{cache, partition}
	if c.Kind == Global {
		at.partition = 0
	}
	if err := s.claim(at, "wipe"); err != nil {
		return err
	}
	defer s.release(at)
	epoch := s.epoch.Load()
	var b Batch
	if c.Kind == Global {
		c.packWipe(&b)
	} else {
		c.packWipePartition(&b, partition)
	}
	if err := s.write(&b, epoch); err != nil && !errors.Is(err, ErrStale) {
		return fmt.Errorf("wipe partition %d of cache %s: %w", partition, c.Name, err)
	}
	s.mu.Lock()
	if s.epoch.Load() == epoch {
		delete(s.parked, at)
	}
	s.mu.Unlock()
	if r := s.readers[cache]; r != nil {
		r.clear()
	}
	return nil
}
