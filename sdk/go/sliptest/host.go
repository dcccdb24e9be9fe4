package sliptest

import (
	"bytes"
	"maps"

	"github.com/sliphost/sliphost/abi"
)

// host is the in-memory host: what SPEC.md asks of the imports, over maps.
type host struct {
	progress *[abi.ProgressSize / 4]uint32
	binding  *abi.Binding

	flushed []byte
	logs    []Log
	metrics map[string]float64
	caches  []map[string][]byte
	// journal undoes cache writes, the last first.
	journal []write
	// times are the timestamps of the batch, stream the stream time before it.
	times  []int64
	stream int64
}

// write is what a cache held before a write of a record.
type write struct {
	record uint32
	cache  int32
	key    string
	value  []byte
	had    bool
}

func newHost() *host {
	return &host{metrics: map[string]float64{}, stream: -1}
}

func (h *host) bind(b *abi.Binding) {
	h.binding = b
	for range b.Caches {
		h.caches = append(h.caches, map[string][]byte{})
	}
}

// current is the record now handled.
func (h *host) current() uint32 { return h.progress[abi.ProgressCurrentAt/4] }

// begin prepares for a batch whose records have these timestamps.
func (h *host) begin(times []int64) {
	clear(h.progress[abi.ProgressCurrentAt/4:])
	h.flushed, h.logs, h.journal, h.times = nil, nil, h.journal[:0], times
}

// end takes over what outlives the batch.
func (h *host) end() {
	for _, t := range h.times {
		h.stream = max(h.stream, t)
	}
	h.times = nil
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
	if !h.bound(cache) {
		return abi.ResultUnbound
	}
	v, ok := h.caches[cache][string(key)]
	if !ok {
		return abi.ResultAbsent
	}
	if len(v) <= len(buf) {
		copy(buf, v)
	}
	return int64(len(v))
}

func (h *host) CachePut(cache int32, key, value []byte) int32 {
	if !h.bound(cache) {
		return abi.ResultUnbound
	}
	if len(key) > abi.MaxCacheKey {
		return abi.ResultLimit
	}
	h.note(cache, string(key))
	h.caches[cache][string(key)] = append([]byte{}, value...)
	return 0
}

func (h *host) CacheDelete(cache int32, key []byte) int32 {
	if !h.bound(cache) {
		return abi.ResultUnbound
	}
	h.note(cache, string(key))
	delete(h.caches[cache], string(key))
	return 0
}

func (h *host) bound(cache int32) bool { return cache >= 0 && int(cache) < len(h.caches) }

func (h *host) note(cache int32, key string) {
	v, had := h.caches[cache][key]
	h.journal = append(h.journal, write{h.current(), cache, key, v, had})
}

func (h *host) Savepoint(op int32) int32 {
	if op != abi.SavepointRollbackRecord {
		return abi.ResultInvalid
	}
	for n := len(h.journal); n > 0 && h.journal[n-1].record == h.current(); n-- {
		w := h.journal[n-1]
		if w.had {
			h.caches[w.cache][w.key] = w.value
		} else {
			delete(h.caches[w.cache], w.key)
		}
		h.journal = h.journal[:n-1]
	}
	return 0
}

func (h *host) StreamTime() int64 {
	t := h.stream
	for i := 0; i < len(h.times) && i <= int(h.current()); i++ {
		t = max(t, h.times[i])
	}
	return t
}

func (h *host) FuelMark() {}

// Cache returns a copy of what a cache holds, by the handler's name for it;
// nil if the handler declares no such cache.
func (h *Harness) Cache(name string) map[string][]byte {
	for i, n := range h.binding.Caches {
		if n == name {
			return maps.Clone(h.host.caches[i])
		}
	}
	return nil
}

// Put puts an entry into a cache, as if a record had done so before. It
// reports false if the handler declares no such cache.
func (h *Harness) Put(cache string, key, value []byte) bool {
	for i, n := range h.binding.Caches {
		if n == cache {
			h.host.caches[i][string(key)] = bytes.Clone(value)
			return true
		}
	}
	return false
}

// Metric returns the sum of a counter, or the last value of a gauge or
// histogram.
func (h *Harness) Metric(name string) float64 { return h.host.metrics[name] }
