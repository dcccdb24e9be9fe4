// Package memory is the state behind caches, held in memory: what SPEC.md 10.3
// and 10.4 ask of a host, as plainly as it can be said. The test host of
// package sliptest and the tests of the compiled guests use it. A guest does
// not contain it.
package memory

import (
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// Cache describes one cache.
type Cache struct {
	Name string
	Key  Key
	// Global caches are read-only for handlers, and have one set of entries for
	// all partitions.
	Global bool
}

// Store holds the entries of caches, each partition's apart, and what the
// present record wrote. It is not safe for concurrent use.
type Store struct {
	// Staged is the most bytes of keys and values that a record may write; 0 is
	// no limit.
	Staged int
	// Checkpoints are those of the handler, and At is where the present record
	// stands. Quiet says that checkpoints must not be called now.
	Checkpoints []*Checkpoint
	At          abi.Position
	Quiet       bool

	caches    []Cache
	parts     map[int32]*part
	partition int32
	now       *part
	// limited is set once the present record reached a limit.
	limited bool
	journal []write
	staged  int
	// marks are the open savepoints.
	marks []mark
}

// part is what a partition has: a table for each cache, and its stream time.
type part struct {
	tables []table
	stream int64
}

// table is a cache's entries by their keys' stored form, which sorts as the
// keys do.
type table struct {
	keys   []string
	values map[string][]byte
}

// write is what a key had before a write of the record.
type write struct {
	table *table
	key   string
	value []byte
	had   bool
}

// mark is a place in the journal with the bytes staged until there.
type mark struct{ at, staged int }

// New returns a store without entries.
func New(caches []Cache) *Store {
	s := &Store{caches: caches, parts: map[int32]*part{}}
	s.now = s.part(0)
	return s
}

func (s *Store) part(n int32) *part {
	p := s.parts[n]
	if p == nil {
		p = &part{tables: make([]table, len(s.caches)), stream: -1}
		s.parts[n] = p
	}
	return p
}

// Begin says that the next calls are made for a record of that partition and
// timestamp. What the record before it wrote counts, unless a limit was
// reached.
func (s *Store) Begin(partition int32, timestamp int64) {
	s.End()
	s.partition, s.now = partition, s.part(partition)
	s.now.stream = max(s.now.stream, timestamp)
}

// End closes the present record and reports whether it reached a limit, so
// that it fails and its writes are undone.
func (s *Store) End() (limited bool) {
	if s.limited {
		s.undo(mark{})
	}
	for _, k := range s.Checkpoints {
		if s.limited {
			k.undo()
		}
		k.settle()
	}
	limited = s.limited
	s.journal, s.marks, s.staged, s.limited = s.journal[:0], s.marks[:0], 0, false
	return limited
}

// Limited says whether the present record reached a limit.
func (s *Store) Limited() bool { return s.limited }

// Load sets an entry as if a record had written it before; false if the key
// does not fit the cache's type.
func (s *Store) Load(cache int, partition int32, key, value []byte) bool {
	stored, ok := s.caches[cache].Key.encode(key)
	if ok {
		s.at(cache, partition).put(stored, append([]byte{}, value...))
	}
	return ok
}

// Each calls f for the entries of a cache in a partition, in the order of keys.
// The value belongs to the store.
func (s *Store) Each(cache int, partition int32, f func(key, value []byte)) {
	t := s.at(cache, partition)
	for _, k := range t.keys {
		f(s.caches[cache].Key.decode(k), t.values[k])
	}
}

// Partitions returns the partitions that records were of or that have entries.
func (s *Store) Partitions() []int32 {
	var all []int32
	for n := range s.parts {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// at returns the table of a cache in a partition.
func (s *Store) at(cache int, partition int32) *table {
	if s.caches[cache].Global {
		partition = 0
	}
	return &s.part(partition).tables[cache]
}

// find returns a cache's table for the present record, nil if it is not bound.
func (s *Store) find(cache int32) (*Cache, *table) {
	if cache < 0 || int(cache) >= len(s.caches) {
		return nil, nil
	}
	return &s.caches[cache], s.at(int(cache), s.partition)
}

// limit fails the record.
func (s *Store) limit() int32 {
	s.limited = true
	return abi.ResultLimit
}

// StreamTime is import stream_time.
func (s *Store) StreamTime() int64 { return s.now.stream }

// StreamTimeOf is the stream time of a partition.
func (s *Store) StreamTimeOf(partition int32) int64 { return s.part(partition).stream }

// Savepoint is import savepoint.
func (s *Store) Savepoint(op int32) int32 {
	n := len(s.marks)
	switch {
	case op == abi.SavepointBegin:
		if n == abi.MaxSavepoints {
			return s.limit()
		}
		s.marks = append(s.marks, mark{len(s.journal), s.staged})
	case op == abi.SavepointRollbackRecord:
		s.undo(mark{})
		for _, k := range s.Checkpoints {
			k.undo()
		}
		s.marks = s.marks[:0]
	case n == 0 || op != abi.SavepointRelease && op != abi.SavepointRollback:
		return abi.ResultInvalid
	case op == abi.SavepointRelease:
		s.marks = s.marks[:n-1]
	default:
		s.undo(s.marks[n-1])
		s.marks = s.marks[:n-1]
	}
	return 0
}

func (s *Store) undo(to mark) {
	for n := len(s.journal); n > to.at; n-- {
		w := s.journal[n-1]
		if w.had {
			w.table.put(w.key, w.value)
		} else {
			w.table.remove(w.key)
		}
	}
	s.journal, s.staged = s.journal[:to.at], to.staged
}

// note writes down what key had and adds the bytes to those the record may
// write; false if they are too many.
func (s *Store) note(t *table, key string, bytes int) bool {
	if s.Staged > 0 && s.staged+bytes > s.Staged {
		return false
	}
	v, had := t.values[key]
	s.journal = append(s.journal, write{t, key, v, had})
	s.staged += bytes
	return true
}

func (t *table) put(key string, value []byte) {
	if t.values == nil {
		t.values = map[string][]byte{}
	}
	if _, ok := t.values[key]; !ok {
		i, _ := slices.BinarySearch(t.keys, key)
		t.keys = slices.Insert(t.keys, i, key)
	}
	t.values[key] = value
}

func (t *table) remove(key string) {
	if i, ok := slices.BinarySearch(t.keys, key); ok {
		t.keys = slices.Delete(t.keys, i, i+1)
		delete(t.values, key)
	}
}
