package state

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// GlobalReader reads a global cache: all partitions of its topic as one set of
// keys, fed by a Load. It is safe for concurrent use. A Load's Write becomes
// visible key by key. After a Recreate it is empty until it was loaded again;
// an overlay's Partition of the cache answers ErrStale instead.
type GlobalReader struct {
	store  *Store
	cache  *cacheState
	seed   maphash.Seed
	bytes  atomic.Int64
	shards [16]shard
}

// shard is a part of the keys, with its own lock and ring.
type shard struct {
	mu      sync.Mutex
	entries map[string]*entry
	ring    ring
	bytes   int64
	// version changes when entries are forgotten: what a reader got from the
	// engine before that may be older than what is there now, and is not cached.
	version uint64
	_       [64]byte
}

// globalPrefix is before every key of a global cache.
var globalPrefix = []byte{0, 0, 0, 0}

func newReader(s *Store, c *cacheState) *GlobalReader {
	g := &GlobalReader{store: s, cache: c, seed: maphash.MakeSeed()}
	for i := range g.shards {
		g.shards[i].entries = map[string]*entry{}
	}
	return g
}

// Global returns the reader of a global cache, nil for caches of other kinds.
func (s *Store) Global(cache int) *GlobalReader { return s.readers[cache] }

func (g *GlobalReader) shard(key []byte) *shard {
	return &g.shards[maphash.Bytes(g.seed, key)%uint64(len(g.shards))]
}

// Get appends the value of key to dst and says whether there is one.
func (g *GlobalReader) Get(key, dst []byte) (value []byte, ok bool, err error) {
	sh := g.shard(key)
	sh.mu.Lock()
	if e := sh.entries[text(key)]; e != nil {
		e.touch()
		dst, ok = append(dst, e.value...), e.flags&present != 0
		sh.mu.Unlock()
		return dst, ok, nil
	}
	version := sh.version
	sh.mu.Unlock()
	stored := append(append(make([]byte, 0, len(globalPrefix)+len(key)), globalPrefix...), key...)
	out, ok, err := g.store.engine.Get(g.cache.family, stored, dst)
	if err != nil {
		return dst, false, fmt.Errorf("get in cache %s: %w", g.cache.Name, err)
	}
	g.keep(sh, stored[len(globalPrefix):], out[len(dst):], ok, version)
	return out, ok, nil
}

// keep caches what the engine answered.
func (g *GlobalReader) keep(sh *shard, key, value []byte, ok bool, version uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.version != version || sh.entries[text(key)] != nil {
		return
	}
	for g.store.budget.over(sh.bytes * int64(len(g.shards)*len(g.store.readers))) {
		e := sh.ring.victim()
		if e == nil {
			break
		}
		g.drop(sh, e)
	}
	if g.store.budget.limit == 0 {
		return
	}
	e := &entry{key: key, value: bytes.Clone(value), flags: known}
	if ok {
		e.flags |= present
	}
	e.cost = int64(len(key)+len(value)) + entryCost
	sh.entries[text(e.key)] = e
	sh.ring.push(e)
	g.account(sh, e.cost)
}

func (g *GlobalReader) account(sh *shard, n int64) {
	sh.bytes += n
	g.bytes.Add(n)
	g.store.budget.used.Add(n)
}

// drop forgets an entry that is not in the ring any more.
func (g *GlobalReader) drop(sh *shard, e *entry) {
	delete(sh.entries, text(e.key))
	g.account(sh, -e.cost)
}

// forget makes readers ask the engine for these keys again.
func (g *GlobalReader) forget(keys [][]byte) {
	for _, key := range keys {
		sh := g.shard(key)
		sh.mu.Lock()
		sh.version++
		if e := sh.entries[text(key)]; e != nil {
			sh.ring.remove(e)
			g.drop(sh, e)
		}
		sh.mu.Unlock()
	}
}

// clear forgets everything.
func (g *GlobalReader) clear() {
	for i := range g.shards {
		sh := &g.shards[i]
		sh.mu.Lock()
		sh.version++
		g.account(sh, -sh.bytes)
		clear(sh.entries)
		sh.ring = ring{}
		sh.mu.Unlock()
	}
}

// Page is Partition.Page; there is nothing staged.
func (g *GlobalReader) Page(from, to []byte, reverse bool, page *Page) (more bool, err error) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return false, nil
	}
	lo := append(bytes.Clone(globalPrefix), from...)
	hi := successor(bytes.Clone(globalPrefix))
	if to != nil {
		hi = append(bytes.Clone(globalPrefix), to...)
	}
	var raw Page
	for {
		raw.Reset()
		raw.Limit, raw.MaxBytes = pageLimit, pageBytes
		if page.Limit > 0 && page.Limit < pageLimit {
			raw.Limit = page.Limit + 1
		}
		more, err := g.store.engine.Page(g.cache.family, lo, hi, reverse, &raw)
		if err != nil {
			return false, fmt.Errorf("scan cache %s: %w", g.cache.Name, err)
		}
		for i := range raw.Len() {
			key, value := raw.Entry(i)
			if key = key[len(globalPrefix):]; !page.fits(len(key) + len(value)) {
				return true, nil
			}
			page.Add(key, value)
		}
		if !more || raw.Len() == 0 {
			return false, nil
		}
		last, _ := raw.Entry(raw.Len() - 1)
		if reverse {
			hi = bytes.Clone(last)
		} else {
			lo = append(bytes.Clone(last), 0)
		}
	}
}
