package checkpoint

import (
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// Status is a copy of what there is to show of a machine.
type Status struct {
	Marker    abi.Marker
	Held      bool
	Positions []abi.Position
	// State is a raw msgpack map; read-only.
	State        []byte
	Dependencies []DependencyStatus
	// Waiting is the number of actions not yet carried out.
	Waiting int
	// HeldSince is when the pause began, 0 if there is none. Released says that
	// MaxPause ended it while a dependency was down.
	HeldSince int64
	Released  bool
}

// DependencyStatus is the part of Status about one dependency.
type DependencyStatus struct {
	Name string
	// Marker is the least of the partitions that are not idle, or the
	// dependent's if there was no heartbeat yet.
	Marker abi.Marker
	Down   bool
	// DowntimeMs is what the check found last, 0 if it is up.
	DowntimeMs int64
	// BehindMs is how far Marker is behind the dependent's, below 0 if it is
	// ahead; Compared says that there is such a difference.
	BehindMs          int64
	Compared          bool
	Healthy, Detected []abi.Position
	// Partitions is empty in compat.
	Partitions []PartitionStatus
}

// PartitionStatus is what is known of a partition of a dependency.
type PartitionStatus struct {
	Partition int32
	Marker    abi.Marker
	Idle      bool
}

// Status returns a copy of what there is to show.
func (m *Machine) Status() Status {
	s := Status{
		Marker: m.marker, Held: m.Held(), Positions: slices.Clone(m.positions), State: m.rawState(),
		Dependencies: make([]DependencyStatus, len(m.deps)), Waiting: len(m.queue) - m.done,
		Released: m.released,
	}
	if m.paused {
		s.HeldSince = m.pausedAt
	}
	for i := range m.deps {
		d := &m.deps[i]
		out := &s.Dependencies[i]
		*out = DependencyStatus{
			Name: m.spec.Dependencies[i].Name, Marker: d.view, Down: d.down,
			Healthy: slices.Clone(d.healthy), Detected: slices.Clone(d.detected),
		}
		if d.down {
			out.DowntimeMs = d.downtime
		}
		if m.marker.Kind == d.view.Kind && hasDifference(d.view.Kind) {
			out.BehindMs, out.Compared = minus(m.marker.Int, d.view.Int), true
		}
		for _, p := range d.parts {
			out.Partitions = append(out.Partitions, PartitionStatus{Partition: p.partition, Marker: p.marker, Idle: p.idle})
		}
		slices.SortFunc(out.Partitions, func(a, b PartitionStatus) int { return int(a.Partition) - int(b.Partition) })
	}
	return s
}
