package checkpoint

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// noTime: it was never seen.
const noTime = math.MinInt64

// dependency is what a machine knows of one dependency.
type dependency struct {
	depState
	parts []part
	// index finds a partition in parts; hint is the one found last.
	index map[int32]int32
	hint  int
	// healthy and detected are the dependent's positions at the last heartbeat
	// while the dependency was up, and when it went down. Both stay as they are
	// until all dependencies are up.
	healthy, detected   []abi.Position
	saved, healthySaved uint64
}

// depState is the part of a dependency that the journal notes as one.
type depState struct {
	// view is its marker: the least of the partitions that are not idle, if all
	// are the greatest; if there is none, what was adopted. Compat: the last
	// one given.
	view abi.Marker
	// adopted: view is the dependent's, for want of a heartbeat.
	adopted bool
	// holder is the partition view comes from, -1 if all are idle.
	holder int32
	// dueIdle: up to this time no partition becomes idle.
	dueIdle int64
	// seen is the time of the last heartbeat.
	seen int64
	// downtime is what the check found last.
	downtime int64
	down     bool
	// hit: it went down since all were up.
	hit bool
	// silent: it went down for want of heartbeats, so only a heartbeat helps.
	silent                   bool
	askDowntime, askRecovery bool
}

type part struct {
	partition int32
	idle      bool
	marker    abi.Marker
	seen      int64
	saved     uint64
}

// rule is what Spec says of a dependency, ready for use.
type rule struct {
	threshold, idle int64
	// strict: a default check compares its markers with the dependent's.
	strict           bool
	downtime, repair bool
}

func newDependency() dependency {
	return dependency{depState: depState{holder: -1, dueIdle: math.MaxInt64, seen: noTime}}
}

func (d *dependency) clone() dependency {
	next := *d
	next.parts = slices.Clone(d.parts)
	next.index = maps.Clone(d.index)
	next.healthy = slices.Clone(d.healthy)
	next.detected = slices.Clone(d.detected)
	return next
}

func (c *content) clone() content {
	next := *c
	next.positions = slices.Clone(c.positions)
	next.state = c.state.clone()
	next.queue = slices.Clone(c.queue)
	next.deps = make([]dependency, len(c.deps))
	for i := range c.deps {
		next.deps[i] = c.deps[i].clone()
	}
	return next
}

// lookup returns where a partition is in parts, or -1.
func (d *dependency) lookup(partition int32) int {
	if d.hint < len(d.parts) && d.parts[d.hint].partition == partition {
		return d.hint
	}
	i, ok := d.index[partition]
	if !ok {
		return -1
	}
	d.hint = int(i)
	return int(i)
}

func (d *dependency) addPart(p part) {
	if d.index == nil {
		d.index = make(map[int32]int32)
	}
	d.index[p.partition] = int32(len(d.parts))
	d.parts = append(d.parts, p)
}

// advance notes a heartbeat of a partition and makes view what it is now.
func (m *Machine) advance(i int, partition int32, marker abi.Marker, now int64) error {
	at := m.deps[i].lookup(partition)
	if at < 0 && len(m.deps[i].parts) >= abi.MaxPositions {
		return fmt.Errorf("heartbeat of checkpoint %s from partition %d: dependency %s has more than %d: %w",
			m.spec.Name, partition, m.spec.Dependencies[i].Name, abi.MaxPositions, ErrPositions)
	}
	d := m.saveDep(i)
	d.seen, d.silent = now, false
	if at < 0 {
		d.addPart(part{partition: partition, marker: marker, seen: now, saved: m.journal.tick})
		m.note(entryNewPart, i, 0, 0)
		m.refresh(i, now)
		return nil
	}
	p := m.savePart(i, at)
	// Another partition than the one that holds view back cannot change it by
	// going forward.
	same := !p.idle && int32(at) != d.holder && now <= d.dueIdle && !less(marker, p.marker)
	p.seen, p.idle = now, false
	if m.spec.Markers == MarkersLast || less(p.marker, marker) {
		p.marker = marker
	}
	if !same {
		m.refresh(i, now)
	}
	return nil
}

// refresh finds out which partitions are idle by now, and view.
func (m *Machine) refresh(i int, now int64) {
	d := m.saveDep(i)
	idle := m.rules[i].idle
	d.holder, d.dueIdle = -1, math.MaxInt64
	farthest := 0
	for at := range d.parts {
		p := &d.parts[at]
		if !p.idle && minus(now, p.seen) > idle {
			m.savePart(i, at).idle = true
		}
		if less(d.parts[farthest].marker, p.marker) {
			farthest = at
		}
		if p.idle {
			continue
		}
		d.dueIdle = min(d.dueIdle, plus(p.seen, idle))
		if d.holder < 0 || less(p.marker, d.parts[d.holder].marker) {
			d.holder = int32(at)
		}
	}
	d.adopted = false
	if d.holder >= 0 {
		d.view = d.parts[d.holder].marker
	} else {
		d.view = d.parts[farthest].marker
	}
}

// age lets partitions become idle. What they held back may have recovered.
func (m *Machine) age(i int, now int64) {
	d := &m.deps[i]
	if now <= d.dueIdle || len(d.parts) == 0 {
		return
	}
	m.refresh(i, now)
	m.recover(i)
}

// Idle says that a partition of a dependency is read to its end: it does not
// count until its next heartbeat. While all partitions are idle the one that
// is farthest counts, so that a dependency that ended is still found down when
// the dependent runs away. A partition without any heartbeat never counts.
// Compat ignores it. The error wraps ErrDependency.
func (m *Machine) Idle(dependency int, partition int32, now int64) error {
	if err := m.known(dependency); err != nil {
		return err
	}
	at := m.deps[dependency].lookup(partition)
	if m.spec.Mode == Compat || at < 0 || m.deps[dependency].parts[at].idle {
		return nil
	}
	m.savePart(dependency, at).idle = true
	m.refresh(dependency, now)
	m.recover(dependency)
	return nil
}
