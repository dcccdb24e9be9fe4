package checkpoint

import (
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// NoPosition is for pulses that come from no partition.
var NoPosition = abi.Position{Offset: -1}

// findPosition returns where a partition is in a list, or -1.
func findPosition(list []abi.Position, of abi.Position) int {
	for i := range list {
		if list[i].Partition == of.Partition && list[i].Source == of.Source {
			return i
		}
	}
	return -1
}

func equalPositions(a, b []abi.Position) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// room says whether the position of at can be noted.
func (m *Machine) room(at abi.Position) error {
	if at.Offset >= 0 && len(m.positions) >= abi.MaxPositions && findPosition(m.positions, at) < 0 {
		return fmt.Errorf("pulse of checkpoint %s from partition %d: the dependent has more than %d: %w", m.spec.Name, at.Partition, abi.MaxPositions, ErrPositions)
	}
	return nil
}

// reach notes where the dependent is.
func (m *Machine) reach(at abi.Position) {
	if at.Offset < 0 {
		return
	}
	i := findPosition(m.positions, at)
	if i >= 0 && m.positions[i].Offset == at.Offset {
		return
	}
	m.savePositions()
	if i < 0 {
		m.positions = append(m.positions, at)
		return
	}
	m.positions[i].Offset = at.Offset
}

// Rewind notes that the dependent was sent back to a position, by a seek of
// the handler's: a downtime found before its next pulse goes back no less far.
func (m *Machine) Rewind(to abi.Position) {
	if m.room(to) == nil {
		m.reach(to)
	}
}

// earliest merges a list into the least offsets of each partition.
func earliest(into, list []abi.Position) []abi.Position {
	for _, p := range list {
		if i := findPosition(into, p); i < 0 {
			into = append(into, p)
		} else if p.Offset < into[i].Offset {
			into[i].Offset = p.Offset
		}
	}
	return into
}

// Prune forgets the positions of partitions that are not owned any more,
// those that wait in actions included: a seek to them would fail. Like any
// other change it can be undone.
func (m *Machine) Prune(owned func(source, partition int32) bool) {
	gone := func(p abi.Position) bool { return !owned(p.Source, p.Partition) }
	next := m.content.clone()
	next.positions = slices.DeleteFunc(next.positions, gone)
	for i := range next.deps {
		d := &next.deps[i]
		d.healthy = slices.DeleteFunc(d.healthy, gone)
		d.detected = slices.DeleteFunc(d.detected, gone)
	}
	for i := next.done; i < len(next.queue); i++ {
		a := &next.queue[i]
		a.Healthy = slices.DeleteFunc(slices.Clone(a.Healthy), gone)
		a.Detected = slices.DeleteFunc(slices.Clone(a.Detected), gone)
		a.Positions = slices.DeleteFunc(slices.Clone(a.Positions), gone)
	}
	// A seek to nowhere stays in the queue as one with no positions: its place
	// may be the one that Next has given out.
	m.replaceAll(next)
}
