package host

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/codec"
)

// CheckpointInfo is a checkpoint as all processes of the application have
// committed it.
type CheckpointInfo struct {
	ID string `json:"id"`
	// Dependent is the source that waits.
	Dependent  string                `json:"dependent"`
	Partitions []CheckpointPartition `json:"partitions"`
}

// CheckpointPartition is what a checkpoint knows of a partition of its
// dependent.
type CheckpointPartition struct {
	Partition int32  `json:"partition"`
	Held      bool   `json:"held"`
	Marker    string `json:"marker"`
	// HeldSince is when the pause began. Released says that max_pause ended it
	// while a dependency was down.
	HeldSince *time.Time `json:"held_since,omitempty"`
	Released  bool       `json:"released,omitempty"`
	// Waiting counts what is decided and not carried out yet, the pause aside.
	Waiting int `json:"waiting,omitempty"`
	// Offset is the record processed last, -1 for none.
	Offset int64 `json:"offset"`
	// State is what pulses have set.
	State        json.RawMessage        `json:"state,omitempty"`
	Dependencies []CheckpointDependency `json:"dependencies"`
	// Error says why the record of this partition cannot be read.
	Error string `json:"error,omitempty"`
}

// CheckpointDependency is one dependency as that partition sees it.
type CheckpointDependency struct {
	ID         string `json:"id"`
	Down       bool   `json:"down"`
	Marker     string `json:"marker"`
	DowntimeMs int64  `json:"downtime_ms,omitempty"`
	// BehindMs is how far its marker is behind the dependent's, below 0 if it is
	// ahead; nil if there is no difference.
	BehindMs *int64 `json:"behind_ms,omitempty"`
	// Healthy and Detected are where a seek would go, -1 for nowhere.
	Healthy  int64 `json:"healthy"`
	Detected int64 `json:"detected"`
	// Partitions is empty in mode compat, and before the first heartbeat.
	Partitions []CheckpointFeed `json:"partitions,omitempty"`
}

// CheckpointFeed is one partition of a dependency.
type CheckpointFeed struct {
	Partition int32  `json:"partition"`
	Marker    string `json:"marker"`
	Idle      bool   `json:"idle,omitempty"`
}

// Checkpoints describes the checkpoints of the plan, by what is committed to
// the control topics. Safe for concurrent use.
func (h *Host) Checkpoints() []CheckpointInfo {
	all := []CheckpointInfo{}
	for i := range h.plan.Checkpoints {
		c := &h.plan.Checkpoints[i]
		entries := map[string][]byte{}
		for _, key := range h.control.list(checkpointPrefix(c.Spec.Name)) {
			if value, ok := h.control.get(key); ok {
				entries[key] = value
			}
		}
		all = append(all, DescribeCheckpoint(&c.Spec, h.plan.Sources[c.Dependent.Source].ID, entries))
	}
	return all
}

// CheckpointCounts are what a checkpoint did in this process. Pauses, Downtimes,
// Recoveries and Seeks count tries that were taken back too.
type CheckpointCounts struct {
	ID                                   string
	Pauses, Downtimes, Recoveries, Seeks uint64
	// Paused sums the pauses that are over.
	Paused time.Duration
}

// CheckpointCounts returns those of each checkpoint of the plan. Safe for
// concurrent use.
func (h *Host) CheckpointCounts() []CheckpointCounts {
	var all []CheckpointCounts
	for i := range h.plan.Checkpoints {
		c := CheckpointCounts{ID: h.plan.Checkpoints[i].Spec.Name}
		for _, w := range h.workers {
			s := &w.stats.checkpoints[i]
			c.Pauses += s.pauses.Load()
			c.Downtimes += s.downtimes.Load()
			c.Recoveries += s.recoveries.Load()
			c.Seeks += s.seeks.Load()
			c.Paused += time.Duration(s.paused.Load())
		}
		all = append(all, c)
	}
	return all
}

// checkpointPrefix begins the keys of everything that is kept of a checkpoint.
func checkpointPrefix(id string) string { return "checkpoint/" + id + "/" }

// DescribeCheckpoint describes one checkpoint by entries of control topics, from
// keys to values, of which it picks those that are the checkpoint's.
func DescribeCheckpoint(spec *checkpoint.Spec, dependent string, entries map[string][]byte) CheckpointInfo {
	info := CheckpointInfo{ID: spec.Name, Dependent: dependent, Partitions: []CheckpointPartition{}}
	prefix := strings.TrimSuffix(dependentKey(spec.Name, 0), "0")
	for key, value := range entries {
		rest, is := strings.CutPrefix(key, prefix)
		n, err := strconv.ParseInt(rest, 10, 32)
		if is && err == nil && value != nil {
			info.Partitions = append(info.Partitions, describe(spec, int32(n), value))
		}
	}
	slices.SortFunc(info.Partitions, func(a, b CheckpointPartition) int { return int(a.Partition) - int(b.Partition) })
	return info
}

// CheckpointKeys picks from the keys of control topics, in order, those to remove
// so that a checkpoint is forgotten: all of it, or with partition >= 0 what one
// partition of the dependent knows. What dependencies have told belongs to all
// partitions and stays then.
func CheckpointKeys(id string, partition int32, entries map[string][]byte) []string {
	prefix := checkpointPrefix(id)
	if partition >= 0 {
		prefix = dependentKey(id, partition)
	}
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if strings.HasPrefix(key, prefix) && (partition < 0 || key == prefix) && entries[key] != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

func describe(spec *checkpoint.Spec, partition int32, snapshot []byte) CheckpointPartition {
	p := CheckpointPartition{Partition: partition, Marker: markerText(abi.Marker{}), Offset: -1, Dependencies: []CheckpointDependency{}}
	m, err := checkpoint.New(spec)
	if err == nil {
		err = m.Load(snapshot, time.Now().UnixMilli())
	}
	if err != nil {
		p.Error = err.Error()
		return p
	}
	s := m.Status()
	p.Held, p.Marker, p.Waiting, p.Released = s.Held, markerText(s.Marker), s.Waiting, s.Released
	// Load has queued the pause of a partition that is held.
	if a, ok := m.Next(); ok && a.Kind == checkpoint.ActionPause {
		p.Waiting--
	}
	if s.HeldSince != 0 {
		since := time.UnixMilli(s.HeldSince).UTC()
		p.HeldSince = &since
	}
	p.Offset = offsetOf(s.Positions, partition)
	if len(s.State) > 1 { // an empty map is a byte
		if text, err := (codec.JSON{}).Encode(nil, s.State); err == nil {
			p.State = text
		}
	}
	for i := range s.Dependencies {
		p.Dependencies = append(p.Dependencies, describeDependency(&s.Dependencies[i], partition))
	}
	return p
}

func describeDependency(d *checkpoint.DependencyStatus, partition int32) CheckpointDependency {
	out := CheckpointDependency{
		ID: d.Name, Down: d.Down, Marker: markerText(d.Marker), DowntimeMs: d.DowntimeMs,
		Healthy: offsetOf(d.Healthy, partition), Detected: -1,
	}
	if d.Down {
		out.Detected = offsetOf(d.Detected, partition)
	}
	if d.Compared {
		out.BehindMs = &d.BehindMs
	}
	for _, f := range d.Partitions {
		out.Partitions = append(out.Partitions, CheckpointFeed{Partition: f.Partition, Marker: markerText(f.Marker), Idle: f.Idle})
	}
	return out
}

// offsetOf returns the offset of the dependent's partition in a list, -1 if it
// is not there.
func offsetOf(list []abi.Position, partition int32) int64 {
	for _, p := range list {
		if p.Partition == partition {
			return p.Offset
		}
	}
	return -1
}
