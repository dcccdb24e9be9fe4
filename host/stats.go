package host

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// stats are one worker's counters. The worker writes, anyone reads.
type stats struct {
	checkpoints []checkpointStats // by the plan's
	handlers    []handlerStats
	// records counts input records whose effects are handed over, commits the
	// commits, rewinds how often uncommitted work was given up.
	records, commits, rewinds atomic.Uint64
	// batches observes the time that one partition's batch takes through the
	// handlers, up to the hand-over of its outputs.
	batches Histogram
	// commitTimes observes whole commits, flushes included.
	commitTimes Histogram
	// aborts counts why the worker went back, by AbortReasons; staged is the bytes
	// of cache writes in the commit under way, or since the last one.
	aborts [abortReasons]atomic.Uint64
	staged atomic.Int64
	store  storeStats
}

func (s *stats) abort(reason int) { s.aborts[reason].Add(1) }

type handlerStats struct {
	// records counts records a guest finished, outputs what it emitted, failed
	// the calls that did not succeed, each try counted.
	records, outputs, failed, traps atomic.Uint64
	// fuel is what the module's calls took, lastFuel what the last one did.
	fuel, lastFuel atomic.Uint64
	// codec counts keys and values that could not be decoded or encoded.
	codec atomic.Uint64
	// dropped, skipped and deadLetters count records by what became of them.
	dropped, skipped, deadLetters atomic.Uint64
	// letters counts dead letters by code.
	letters letterCounts
}

// Histogram counts durations in powers of two of microseconds. All methods
// are safe for concurrent use.
type Histogram struct {
	counts [32]atomic.Uint64
	sum    atomic.Uint64
}

// Observe adds one duration.
func (h *Histogram) Observe(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	h.counts[min(bits.Len64(us), len(h.counts)-1)].Add(1)
	h.sum.Add(us)
}

// Buckets calls f with each bucket's upper bound (exclusive) and count.
func (h *Histogram) Buckets(f func(below time.Duration, count uint64)) {
	for i := range h.counts {
		f(time.Microsecond<<i, h.counts[i].Load())
	}
}

// Sum is the total of all durations observed.
func (h *Histogram) Sum() time.Duration {
	return time.Duration(h.sum.Load()) * time.Microsecond
}

// Status is what a host tells about itself.
type Status struct {
	App     string `json:"app"`
	State   string `json:"state"`
	Records uint64 `json:"records"`
	Commits uint64 `json:"commits"`
	Rewinds uint64 `json:"rewinds"`
	// Aborts counts the rewinds by reason, of AbortReasons.
	Aborts   map[string]uint64 `json:"aborts,omitempty"`
	Handlers []HandlerStatus   `json:"handlers"`
	Workers  []WorkerStatus    `json:"workers"`
}

// HandlerStatus sums one handler's counters over all workers.
type HandlerStatus struct {
	ID          string `json:"id"`
	Module      string `json:"module"`
	SHA256      string `json:"sha256"`
	Records     uint64 `json:"records"`
	Outputs     uint64 `json:"outputs"`
	Failed      uint64 `json:"failed"`
	Traps       uint64 `json:"traps"`
	CodecErrors uint64 `json:"codec_errors"`
	// Fuel is what the module's calls took, about instructions; LastFuel the
	// most that any worker's last call did.
	Fuel        uint64 `json:"fuel"`
	LastFuel    uint64 `json:"fuel_last_batch"`
	Dropped     uint64 `json:"dropped"`
	Skipped     uint64 `json:"skipped"`
	DeadLetters uint64 `json:"dead_letters"`
	// Letters counts the dead letters by the code of their failure.
	Letters map[string]uint64 `json:"dead_letters_by_code,omitempty"`
}

// WorkerStatus is one worker's view of its partitions, as of its last commit.
type WorkerStatus struct {
	ID         int               `json:"id"`
	Cluster    string            `json:"cluster"`
	Partitions []PartitionStatus `json:"partitions"`
	WorkerState
}

// PartitionStatus is one partition that a worker owns.
type PartitionStatus struct {
	Source    string `json:"source"`
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition"`
	Next      int64  `json:"next"`
	Committed int64  `json:"committed"`
	// Waiting counts the records behind one that waits for its retry.
	Waiting int64 `json:"waiting,omitempty"`
	// Stopped says why the partition stands still.
	Stopped string `json:"stopped,omitempty"`
	// Held says which checkpoint holds the partition back and why.
	Held string `json:"held,omitempty"`
}

// checkpointStats count what a checkpoint did, tries that were taken back
// included; paused is in nanoseconds, of pauses that are over.
type checkpointStats struct {
	downtimes, recoveries, pauses, seeks atomic.Uint64
	paused                               atomic.Int64
}
