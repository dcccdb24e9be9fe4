package boot

import (
	"os"
	"strconv"
	"strings"

	"github.com/sliphost/sliphost/host/manifest"
)

// Budget is how the memory of the host's own buffers is divided, in bytes.
type Budget struct {
	Total int64 `json:"total"`
	// Fetch and Produce are the queues of all consumers and producers together.
	Fetch   int64 `json:"fetch"`
	Produce int64 `json:"produce"`
	// RecordCache holds entries of caches that were used last, Unwritten those
	// committed and not on disk yet.
	RecordCache int64 `json:"record_cache"`
	Unwritten   int64 `json:"unwritten"`
	// BlockCache and WriteBuffer are RocksDB's.
	BlockCache  int64 `json:"block_cache"`
	WriteBuffer int64 `json:"write_buffer"`
}

const (
	mib = 1 << 20
	// defaultMost bounds what the host takes without being told.
	defaultMost = 1024 * mib
)

// NewBudget divides a manifest's memory.
func NewBudget(m *manifest.Manifest) Budget {
	total := m.Memory
	if total == 0 {
		total = min(machineMemory()/2, defaultMost)
	}
	part := func(percent int64, least int64) int64 { return max(total*percent/100, least) }
	return Budget{
		Total: total,
		Fetch: part(25, 4*mib), Produce: part(15, 2*mib),
		RecordCache: part(25, 2*mib), Unwritten: min(part(10, 1*mib), 32*mib),
		BlockCache: part(15, 2*mib), WriteBuffer: part(10, 2*mib),
	}
}

// machineMemory is that of the container, if there is a limit, else of the
// machine.
func machineMemory() int64 {
	total := int64(2 * defaultMost)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
				if kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
					total = kb * 1024
				}
			}
		}
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := os.ReadFile(file); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
				total = min(total, n)
			}
		}
	}
	return total
}
