package state

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a Store.
type Config struct {
	// App is the application's name: what is on disk belongs to one.
	App string
	// Caches are known by their positions.
	Caches []Cache
	// RecordCache bounds the memory of entries, in bytes and for all overlays
	// and global caches together; 0 is 32 MiB, below 0 is none. What is not on
	// disk yet counts, but is never given up.
	RecordCache int64
	// FlushBytes and FlushEvery say when an overlay writes what is committed
	// to the engine; 0 is 32 MB and a second.
	FlushBytes int64
	FlushEvery time.Duration
	// Fresh are names of families that the engine had to make, and that are
	// empty: what is noted about their caches' positions is of an earlier life.
	Fresh []string
	// StaleAfter is the age from which a position on disk counts for nothing,
	// because the changelog may have dropped tombstones that the entries lack.
	// It must be less than the changelogs' delete.retention.ms. 0 is 12 hours,
	// below 0 is never.
	StaleAfter time.Duration
	// Now is the clock, Log takes what is worth a line; nil is the system's and
	// none.
	Now func() time.Time
	Log *slog.Logger
}

// cacheState is a cache as the store knows it.
type cacheState struct {
	Cache
	id                  int
	family, indexFamily int
	// flags are those of the header before values, head is its length.
	flags byte
	head  int
}

// Store is the process's state. It is safe for concurrent use.
//
// Locks: mu before engineMu. Neither is held during reads.
type Store struct {
	engine  Engine
	config  Config
	caches  []cacheState
	readers map[int]*GlobalReader
	budget  budget
	// epoch changes before Recreate touches the engine: who reads it after an
	// answer of the engine knows whether to believe the answer.
	epoch atomic.Uint64
	// engineMu is held by writers, and exclusively while the engine is reopened
	// or made anew.
	engineMu sync.RWMutex

	mu   sync.Mutex
	free sync.Cond // busy has shrunk
	// owners are the overlays of attached partitions, parked holds committed
	// entries of partitions without owner that are not on disk, and busy those
	// that are being written or removed by one who is no owner.
	owners map[slot]*Overlay
	parked map[slot]*Partition
	busy   map[slot]bool
	// broken is why the engine has no content, after a failed Recreate.
	broken error
	closed bool
}

// Prefixes of the names of a cache's families.
const (
	dataFamily  = "cache-"
	indexFamily = "index-"
)

// Families returns the names of the engine's families by number: the first
// holds positions, then each cache has one, and a second if it has a ttl or a
// bound. A family on disk that is not named here belongs to a cache that is
// not configured any more; it is left alone.
func Families(caches []Cache) []string {
	names := []string{"meta"}
	for i := range caches {
		names = append(names, dataFamily+caches[i].Name)
		if caches[i].header() != 0 {
			names = append(names, indexFamily+caches[i].Name)
		}
	}
	return names
}

// header returns the flags of the header before the cache's values.
func (c *Cache) header() byte {
	var flags byte
	if c.TTL > 0 {
		flags |= hasExpiry
	}
	if c.MaxBytes > 0 {
		flags |= hasInsertion
	}
	return flags
}

// Open takes an engine, whose families are those of Families, into use. What
// it holds of local caches is removed, and so is what the configured kinds of
// the caches cannot use but a restore brings again. The error is a
// *ForeignError or a *LayoutError if what is on disk does not belong to this
// application or to these caches, ErrCorrupt if it is damaged, or says what is
// wrong with c. The engine stays the caller's to close if Open fails.
func Open(e Engine, c Config) (*Store, error) {
	if c.RecordCache == 0 {
		c.RecordCache = 32 << 20
	}
	if c.FlushBytes <= 0 {
		c.FlushBytes = 32e6
	}
	if c.FlushEvery <= 0 {
		c.FlushEvery = time.Second
	}
	if c.StaleAfter == 0 {
		c.StaleAfter = 12 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		engine: e, config: c,
		readers: map[int]*GlobalReader{},
		owners:  map[slot]*Overlay{}, parked: map[slot]*Partition{}, busy: map[slot]bool{},
	}
	s.free.L = &s.mu
	s.budget.limit = max(c.RecordCache, 0)
	if err := s.number(); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// number gives the caches their families.
func (s *Store) number() error {
	var errs []error
	names := map[string]bool{}
	next := metaFamily + 1
	for i, c := range s.config.Caches {
		switch {
		case c.Name == "" || strings.ContainsRune(c.Name, 0):
			errs = append(errs, fmt.Errorf("cache %d: the name %q is empty or has a zero byte", i, c.Name))
		case names[c.Name]:
			errs = append(errs, fmt.Errorf("cache %s: there are two of this name", c.Name))
		case c.Kind > Local || c.Key > KeyBool:
			errs = append(errs, fmt.Errorf("cache %s: unknown kind or key type", c.Name))
		case c.Kind == Global && c.header() != 0:
			errs = append(errs, fmt.Errorf("cache %s: a global cache is its topic: it has neither ttl nor max_bytes", c.Name))
		case c.TTL < 0 || c.TTL > 0 && c.TTL < time.Millisecond:
			errs = append(errs, fmt.Errorf("cache %s: a ttl is a millisecond or more", c.Name))
		}
		names[c.Name] = true
		st := cacheState{Cache: c, id: i, family: next, flags: c.header()}
		st.head = headerLen(st.flags)
		next++
		if st.flags != 0 {
			st.indexFamily = next
			next++
		}
		s.caches = append(s.caches, st)
	}
	for i := range s.caches {
		if s.caches[i].Kind == Global {
			s.readers[i] = newReader(s, &s.caches[i])
		}
	}
	if len(s.readers) > 0 {
		s.budget.members.Add(1)
	}
	return errors.Join(errs...)
}

func (s *Store) valid(cache int, partition int32) error {
	if cache < 0 || cache >= len(s.caches) || partition < 0 {
		return fmt.Errorf("there is no partition %d of cache number %d", partition, cache)
	}
	return nil
}

// write gives a batch to the engine, unless the store was made anew since
// epoch.
func (s *Store) write(b *Batch, epoch uint64) error {
	s.engineMu.RLock()
	defer s.engineMu.RUnlock()
	if s.epoch.Load() != epoch {
		return fmt.Errorf("write to the store: %w", ErrStale)
	}
	if err := s.engine.Write(b); err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	return nil
}

// Epoch returns a number that changes with each Recreate.
func (s *Store) Epoch() uint64 { return s.epoch.Load() }

// Recreate drops everything, on disk and what waits in the store to be
// written, if the epoch is still the one seen: of several workers that find
// the same damage one drops. Partitions attached before answer ErrStale, and
// their overlays roll back and attach anew. After an error nothing works until
// a Recreate, with any epoch, succeeds.
func (s *Store) Recreate(seen uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("make the store anew: %w", ErrClosed)
	}
	if seen != s.epoch.Load() && s.broken == nil {
		return nil
	}
	s.epoch.Add(1)
	s.engineMu.Lock()
	defer s.engineMu.Unlock()
	clear(s.owners)
	clear(s.parked)
	s.config.Log.Warn("the state on disk is dropped and will be restored from the changelogs")
	err := s.engine.Recreate()
	if err == nil {
		err = s.begin()
	}
	for _, r := range s.readers {
		r.clear()
	}
	if s.broken = nil; err != nil {
		s.broken = fmt.Errorf("make the store anew: %w", err)
	}
	s.free.Broadcast()
	return s.broken
}

// Reopen closes and opens what is on disk, after a write failed. Nothing that
// is committed is lost by it, and partitions stay attached.
func (s *Store) Reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("reopen the store: %w", ErrClosed)
	}
	s.engineMu.Lock()
	defer s.engineMu.Unlock()
	if err := s.engine.Reopen(); err != nil {
		return fmt.Errorf("reopen the store: %w", err)
	}
	return nil
}

// Close writes what overlays left in the store, then closes the engine. The
// overlays must have been closed before.
func (s *Store) Close() error {
	s.mu.Lock()
	for len(s.busy) > 0 {
		s.free.Wait()
	}
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	left := len(s.owners)
	s.mu.Unlock()
	var batch Batch
	slots := s.packParked(&batch, s.config.Now().UnixMilli())
	var err error
	if batch.Count > 0 {
		epoch := s.epoch.Load()
		err = s.write(&batch, epoch)
		s.unpark(slots, epoch, err)
	}
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("close the store: %d partitions are attached to overlays that were not closed", left))
	}
	return errors.Join(err, s.engine.Close())
}
