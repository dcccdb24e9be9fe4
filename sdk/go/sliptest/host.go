package sliptest

import (
	"fmt"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/sdk/go/internal/link"
	"github.com/sliphost/sliphost/sdk/go/internal/memory"
)

// host is the in-memory host: what SPEC.md asks of the imports.
type host struct {
	progress *[abi.ProgressSize / 4]uint32
	*memory.Store

	flushed []byte
	logs    []Log
	metrics map[string]float64

	// times are the timestamps of the batch, which is of this partition.
	times     []int64
	partition int32
	// base is the offset of the first record, -1 if there are no records.
	base int64
	// seeks are those of the call, which events allows.
	seeks  []abi.Position
	events bool
	// begun is the number of records of the batch that the store knows of, and
	// limited the positions of those that reached a limit.
	begun   int
	limited map[int32]bool
}

func newHost() *host {
	return &host{metrics: map[string]float64{}}
}

// current is the record now handled.
func (h *host) current() uint32 { return h.progress[abi.ProgressCurrentAt/4] }

// begin prepares for a batch whose records have these timestamps.
func (h *host) begin(partition int32, times []int64) {
	clear(h.progress[abi.ProgressCurrentAt/4:])
	h.flushed, h.logs, h.seeks = nil, nil, nil
	h.base, h.events, h.Store.Quiet = -1, false, false
	h.partition, h.times, h.begun, h.limited = partition, times, 0, map[int32]bool{}
}

// end takes over what outlives the batch.
func (h *host) end() {
	h.reach(len(h.times))
	if h.Store.End() {
		h.limited[int32(len(h.times)-1)] = true
	}
}

// reach tells the store of the first n records of the batch: those without a
// call of the host move stream time, too.
func (h *host) reach(n int) {
	for ; h.begun < n; h.begun++ {
		if h.Store.Limited() {
			h.limited[int32(h.begun-1)] = true
		}
		h.Store.Begin(h.partition, h.times[h.begun])
	}
}

// state returns the store at the record now handled.
func (h *host) state() *memory.Store {
	h.reach(int(h.current()) + 1)
	h.Store.At = abi.Position{Partition: h.partition, Offset: h.base + int64(h.current())}
	return h.Store
}

func (h *host) Flush(piece []byte) int32 {
	h.flushed = append(h.flushed, piece...)
	return 0
}

func (h *host) Log(level abi.Level, text string) {
	h.logs = append(h.logs, Log{Record: int(h.current()), Level: level, Text: text})
}

func (h *host) Metric(kind abi.MetricKind, name string, v float64) {
	switch kind {
	case abi.MetricCounter:
		h.metrics[name] += max(v, 0)
	default:
		h.metrics[name] = v
	}
}

func (h *host) CacheGet(cache int32, key, buf []byte) int64 {
	return h.state().CacheGet(cache, key, buf)
}

func (h *host) CachePut(cache int32, key, value []byte) int32 {
	return h.state().CachePut(cache, key, value)
}

func (h *host) CacheDelete(cache int32, key []byte) int32 { return h.state().CacheDelete(cache, key) }

func (h *host) CacheDeleteRange(cache int32, from, to []byte) int32 {
	return h.state().CacheDeleteRange(cache, from, to)
}

func (h *host) CacheScan(cache int32, request, buf []byte) int64 {
	return h.state().CacheScan(cache, request, buf)
}

func (h *host) CacheGetMany(cache int32, request, buf []byte) int64 {
	return h.state().CacheGetMany(cache, request, buf)
}

func (h *host) Savepoint(op int32) int32 { return h.state().Savepoint(op) }

func (h *host) StreamTime() int64 { return h.state().StreamTime() }

func (h *host) FuelMark() {}

func (h *host) CheckpointHeartbeat(checkpoint int32, request, buf []byte) int64 {
	return h.state().CheckpointHeartbeat(checkpoint, request, buf)
}

func (h *host) CheckpointPulse(checkpoint int32, request, buf []byte) int64 {
	return h.state().CheckpointPulse(checkpoint, request, buf)
}

func (h *host) Seek(source, partition int32, offset int64) int32 {
	switch {
	case !h.events || source != 0:
		return abi.ResultUnbound
	case offset < -2:
		return abi.ResultInvalid
	}
	h.seeks = append(h.seeks, abi.Position{Source: source, Partition: partition, Offset: offset})
	return 0
}

// bindCaches makes the store for the caches that the handler declares.
func (s *setup) bindCaches(names []string) (*memory.Store, error) {
	caches := make([]memory.Cache, len(names))
	for i, name := range names {
		key, ok := memory.KeyOf(s.keys[name])
		if s.keys[name] != "" && !ok {
			return nil, fmt.Errorf("cache %q: key %q: want bytes, string, int, float or bool", name, s.keys[name])
		}
		caches[i] = memory.Cache{Name: name, Key: key, Global: s.global[name]}
		delete(s.keys, name)
		delete(s.global, name)
	}
	for name := range s.keys {
		return nil, fmt.Errorf("it has no cache %q", name)
	}
	for name := range s.global {
		return nil, fmt.Errorf("it has no cache %q", name)
	}
	store := memory.New(caches)
	store.Staged = s.staged
	return store, nil
}

// CacheKey sets the type of a cache's keys: "bytes" (the default), "string",
// "int", "float" or "bool".
func CacheKey(cache, keyType string) Option { return func(s *setup) { s.keys[cache] = keyType } }

// GlobalCache makes a cache global: read-only for the handler, and the same in
// every partition. [Harness.Put] fills it.
func GlobalCache(cache string) Option { return func(s *setup) { s.global[cache] = true } }

// Staged limits the bytes of keys and values that one record may write to
// caches; a record that would write more fails with code "limit", whatever its
// handler makes of it. 0 is no limit, which is the default here.
func Staged(bytes int) Option { return func(s *setup) { s.staged = bytes } }

// Cache returns a copy of what a cache holds in partition 0, by the handler's
// name for it; nil if the handler declares no such cache. Keys have the form
// that the handler gives them.
func (h *Harness) Cache(name string) map[string][]byte { return h.CacheOf(name, 0) }

// CacheOf is [Harness.Cache] for another partition: each has its own entries.
func (h *Harness) CacheOf(name string, partition int32) map[string][]byte {
	for i, n := range h.binding.Caches {
		if n == name {
			entries := map[string][]byte{}
			h.host.Each(i, partition, func(key, value []byte) {
				entries[string(key)] = append([]byte{}, value...)
			})
			return entries
		}
	}
	return nil
}

// Put puts an entry into a cache of partition 0, as if a record had done so
// before. It reports false if the handler declares no such cache or the key is
// not of the cache's type.
func (h *Harness) Put(cache string, key, value []byte) bool { return h.PutTo(cache, 0, key, value) }

// PutTo is [Harness.Put] for another partition.
func (h *Harness) PutTo(cache string, partition int32, key, value []byte) bool {
	for i, n := range h.binding.Caches {
		if n == cache {
			return h.host.Load(i, partition, key, value)
		}
	}
	return false
}

// Restart goes on with a new instance, as the host does after a panic: what
// the handler keeps in its caches stays, package variables do too in a native
// test.
func (h *Harness) Restart() error {
	h.guest = link.New(h.host)
	return h.init()
}

// Metric returns the sum of a counter, or the last value of a gauge or
// histogram.
func (h *Harness) Metric(name string) float64 { return h.host.metrics[name] }
