package host

import (
	"strconv"
	"strings"
	"time"

	"github.com/sliphost/sliphost/host/checkpoint"
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
	// Waiting counts what is decided and not carried out yet.
	Waiting      int                    `json:"waiting,omitempty"`
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
}

// Checkpoints describes the checkpoints of the plan, by what is committed to
// the control topics. Safe for concurrent use.
func (h *Host) Checkpoints() []CheckpointInfo {
	all := []CheckpointInfo{}
	for i := range h.plan.Checkpoints {
		c := &h.plan.Checkpoints[i]
		info := CheckpointInfo{ID: c.Spec.Name, Dependent: h.plan.Sources[c.Dependent.Source].ID, Partitions: []CheckpointPartition{}}
		prefix := strings.TrimSuffix(dependentKey(c.Spec.Name, 0), "0")
		for _, key := range h.control.list(prefix) {
			n, err := strconv.ParseInt(strings.TrimPrefix(key, prefix), 10, 32)
			value, ok := h.control.get(key)
			if err != nil || !ok {
				continue
			}
			info.Partitions = append(info.Partitions, describe(&c.Spec, int32(n), value))
		}
		all = append(all, info)
	}
	return all
}

func describe(spec *checkpoint.Spec, partition int32, snapshot []byte) CheckpointPartition {
	p := CheckpointPartition{Partition: partition, Dependencies: []CheckpointDependency{}}
	m, err := checkpoint.New(spec)
	if err == nil {
		err = m.Load(snapshot, time.Now().UnixMilli())
	}
	if err != nil {
		p.Error = err.Error()
		return p
	}
	s := m.Status()
	p.Held, p.Marker, p.Waiting = s.Held, markerText(s.Marker), s.Waiting
	for _, d := range s.Dependencies {
		p.Dependencies = append(p.Dependencies, CheckpointDependency{ID: d.Name, Down: d.Down, Marker: markerText(d.Marker), DowntimeMs: d.DowntimeMs})
	}
	return p
}
