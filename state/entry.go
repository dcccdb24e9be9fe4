package state

import (
	"bytes"
	"sync/atomic"
	"unsafe"

	"github.com/tidwall/btree"
)

// flag tells what an entry holds.
type flag uint8

const (
	// known: value and present are what is committed, or the engine's.
	known flag = 1 << iota
	// present: the committed state is a value and not absence.
	present
	// staged: there is a write since the last commit, in next; a value if
	// stagedPresent is set, else a delete.
	staged
	stagedPresent
	// dirty: the committed state is not in the engine and in no write to it.
	dirty
	// flying: a committed state is in the write that is under way.
	flying
	// vacant: the engine is known to hold nothing for the key.
	vacant
	// pinned: in memory only, so not to be evicted: staged, dirty or flying.
	pinned
)

// entry is a key of a space with its committed and its staged state. The two
// buffers change places at a commit, so that a key written again and again
// needs no new memory.
type entry struct {
	space *space
	// older and newer are the neighbours in the ring of clean entries.
	older, newer *entry
	key          []byte
	value        []byte
	next         []byte
	flags        flag
	// uses counts hits for the ring, up to maxUses.
	uses uint8
	// stagedAt and dirtyAt are places in the space's lists, plus 1.
	stagedAt, dirtyAt int32
	// tick is the number of the last staged write, see undo.
	tick uint64
	// cost is what the record cache counts for the entry, debt what Unwritten
	// counts.
	cost, debt int64
}

const (
	// entryCost is an entry without its bytes: the struct, its place in the map.
	entryCost = 200
	maxUses   = 3
)

// view is the state that a reader sees.
func (e *entry) view() (value []byte, ok bool) {
	if e.flags&staged != 0 {
		return e.next, e.flags&stagedPresent != 0
	}
	return e.value, e.flags&present != 0
}

func (e *entry) touch() {
	if e.uses < maxUses {
		e.uses++
	}
}

func keyLess(a, b *entry) bool { return bytes.Compare(a.key, b.key) < 0 }

// text views bytes as a map's key. The bytes must not change while the map
// has it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// space is an ordered set of keys: the entries of a cache's partition, or an
// index of them. In the engine they share a prefix in a family. Its map holds
// every pinned entry and some clean ones.
type space struct {
	part   *Partition
	family int
	prefix []byte
	index  bool
	// observed says that journals note what is written.
	observed bool
	entries  map[string]*entry
	// staging, dirty and flying list the entries with these flags, nil where
	// one lost it again.
	staging, dirty, flying []*entry
	// order holds the pinned entries, from the first scan on until a write of
	// the store finds that there was none since the write before.
	order   *btree.BTreeG[*entry]
	scanned bool
	front   front
}

func newSpace(p *Partition, family int, prefix []byte, index bool) *space {
	return &space{part: p, family: family, prefix: prefix, index: index, entries: map[string]*entry{}}
}

// ordered returns the pinned entries in order.
func (sp *space) ordered() *btree.BTreeG[*entry] {
	sp.scanned = true
	if sp.order == nil {
		sp.order = btree.NewBTreeGOptions(keyLess, btree.Options{NoLocks: true})
		for _, list := range [][]*entry{sp.staging, sp.dirty, sp.flying} {
			for _, e := range list {
				if e != nil {
					sp.order.Set(e)
				}
			}
		}
	}
	return sp.order
}

// ring is a circular list of entries, from the one to be judged next to the
// one judged last.
type ring struct{ head *entry }

func (r *ring) push(e *entry) {
	if r.head == nil {
		e.older, e.newer = e, e
		r.head = e
		return
	}
	e.newer, e.older = r.head, r.head.older
	e.older.newer, e.newer.older = e, e
}

func (r *ring) remove(e *entry) {
	if e.newer == e {
		r.head = nil
	} else {
		e.older.newer, e.newer.older = e.newer, e.older
		if r.head == e {
			r.head = e.newer
		}
	}
	e.older, e.newer = nil, nil
}

// victim turns the ring to the next entry without uses and takes it out. Each
// entry passed loses a use, so that what is read again and again outlives
// what a long pass over many keys reads once. It returns nil if the ring is
// empty.
func (r *ring) victim() *entry {
	for r.head != nil {
		e := r.head
		if e.uses == 0 {
			r.remove(e)
			return e
		}
		e.uses--
		r.head = e.newer
	}
	return nil
}

// budget is the record cache's, shared by all who cache.
type budget struct {
	limit   int64
	used    atomic.Int64
	members atomic.Int64
}

// over says that the caches together are over the limit and the caller, who
// has mine bytes, over its part: then it has to give something up.
func (b *budget) over(mine int64) bool {
	return b.used.Load() > b.limit && mine > b.limit/max(b.members.Load(), 1)
}
