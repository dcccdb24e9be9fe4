package checkpoint

import "github.com/sliphost/sliphost/abi"

// content is everything that Undo brings back and a snapshot holds.
type content struct {
	head
	deps []dependency
	// positions are those of the dependent's last records.
	positions []abi.Position
	// positionsSaved is the tick at which they were last noted in the journal.
	positionsSaved uint64
	// headSaved is the same for head.
	headSaved uint64
	state     state
	// queue holds the actions; the first head.done of them are done and stay
	// until Forget, for Undo.
	queue []Action
}

// head is what a machine has once.
type head struct {
	marker abi.Marker
	// paused: the dependent is held, or will be when the queue is done.
	paused   bool
	pausedAt int64
	// released: MaxPause has let the dependent go; it is not held again before
	// all dependencies are up.
	released bool
	// expired: MaxPause was reported.
	expired bool
	// down counts dependencies, open counts checks.
	down, open int
	// done and waitingBytes are about the queue.
	done, waitingBytes int
	// last is what the last dependency's check found in the last pulse, 0 for
	// nothing. Compat only.
	last int64
}

// journal holds before-images. An object is noted once between two marks: its
// tick tells. Every kind has an arena of its own, so that noting a change
// allocates nothing once the arenas have grown.
type journal struct {
	// tick grows with each mark, so that the next change is noted again.
	tick      uint64
	entries   []entry
	heads     []head
	deps      []depState
	parts     []part
	positions []abi.Position
	bytes     []byte
	wholes    []content
}

type entryKind uint8

const (
	// entryHead to entryPair: the image is the last one of its arena.
	entryHead entryKind = iota
	entryDep
	entryPart
	entryPositions
	entryHealthy
	entryDetected
	entryPair
	entryWhole
	// entryNewPart, entryNewPair, entryQueued: the last one is removed.
	entryNewPart
	entryNewPair
	entryQueued
)

// entry says what was changed. n is the length of a list in its arena.
type entry struct {
	kind     entryKind
	dep, idx int32
	n        int32
}

// Mark names this moment for Undo. Marks are small numbers that grow with the
// changes; 0 is the last Forget.
func (m *Machine) Mark() int {
	m.journal.tick++
	return len(m.journal.entries)
}

// Forget makes everything until now final.
func (m *Machine) Forget() {
	j := &m.journal
	j.tick++
	clear(j.wholes)
	j.entries, j.heads, j.deps, j.parts = j.entries[:0], j.heads[:0], j.deps[:0], j.parts[:0]
	j.positions, j.bytes, j.wholes = j.positions[:0], j.bytes[:0], j.wholes[:0]
	if m.done > 0 {
		left := copy(m.queue, m.queue[m.done:])
		clear(m.queue[left:])
		m.queue, m.done = m.queue[:left], 0
	}
}

// Undo takes back everything since mark, a result of Mark since the last
// Forget and not yet undone.
func (m *Machine) Undo(mark int) {
	j := &m.journal
	if mark >= len(j.entries) {
		return
	}
	for len(j.entries) > mark {
		e := j.entries[len(j.entries)-1]
		j.entries = j.entries[:len(j.entries)-1]
		m.revert(e)
	}
	j.tick++
	m.stateCopy = nil
	m.changed = true
}

func (m *Machine) revert(e entry) {
	j := &m.journal
	switch e.kind {
	case entryHead:
		m.head = pop(&j.heads)
	case entryDep:
		m.deps[e.dep].depState = pop(&j.deps)
	case entryPart:
		m.deps[e.dep].parts[e.idx] = pop(&j.parts)
	case entryPositions:
		m.positions = j.restore(m.positions, e.n)
	case entryHealthy:
		d := &m.deps[e.dep]
		d.healthy = j.restore(d.healthy, e.n)
	case entryDetected:
		d := &m.deps[e.dep]
		d.detected = j.restore(d.detected, e.n)
	case entryPair:
		from := len(j.bytes) - int(e.n)
		m.state.replace(int(e.idx), j.bytes[from:])
		j.bytes = j.bytes[:from]
	case entryWhole:
		m.content = pop(&j.wholes)
	case entryNewPart:
		d := &m.deps[e.dep]
		delete(d.index, pop(&d.parts).partition)
		d.hint = 0
	case entryNewPair:
		m.state.dropLast()
	case entryQueued:
		pop(&m.queue)
	}
}

// pop removes the last one of a list and returns it.
func pop[T any](list *[]T) T {
	var zero T
	at := len(*list) - 1
	last := (*list)[at]
	(*list)[at] = zero
	*list = (*list)[:at]
	return last
}

func (j *journal) restore(list []abi.Position, n int32) []abi.Position {
	from := len(j.positions) - int(n)
	list = append(list[:0], j.positions[from:]...)
	j.positions = j.positions[:from]
	return list
}

func (m *Machine) note(kind entryKind, dep, idx, n int) {
	m.changed = true
	m.journal.entries = append(m.journal.entries, entry{kind: kind, dep: int32(dep), idx: int32(idx), n: int32(n)})
}

func (m *Machine) saveHead() {
	if m.headSaved != m.journal.tick {
		m.headSaved = m.journal.tick
		m.journal.heads = append(m.journal.heads, m.head)
		m.note(entryHead, 0, 0, 0)
	}
}

func (m *Machine) saveDep(i int) *dependency {
	d := &m.deps[i]
	if d.saved != m.journal.tick {
		d.saved = m.journal.tick
		m.journal.deps = append(m.journal.deps, d.depState)
		m.note(entryDep, i, 0, 0)
	}
	return d
}

func (m *Machine) savePart(i, idx int) *part {
	p := &m.deps[i].parts[idx]
	if p.saved != m.journal.tick {
		// The tick goes into the image as it was: an image that is brought back
		// must not pass for one that was noted.
		m.journal.parts = append(m.journal.parts, *p)
		p.saved = m.journal.tick
		m.note(entryPart, i, idx, 0)
	}
	return p
}

func (m *Machine) savePositions() {
	if m.positionsSaved != m.journal.tick {
		m.positionsSaved = m.journal.tick
		m.journal.positions = append(m.journal.positions, m.positions...)
		m.note(entryPositions, 0, 0, len(m.positions))
	}
}

// setHealthy and setDetected make a list of a dependency a copy of the
// dependent's positions. Each change is noted: they are rare.
func (m *Machine) setHealthy(i int) {
	d := &m.deps[i]
	if equalPositions(d.healthy, m.positions) {
		return
	}
	if d.healthySaved != m.journal.tick {
		d.healthySaved = m.journal.tick
		m.journal.positions = append(m.journal.positions, d.healthy...)
		m.note(entryHealthy, i, 0, len(d.healthy))
	}
	d.healthy = append(d.healthy[:0], m.positions...)
}

func (m *Machine) setDetected(i int) {
	d := &m.deps[i]
	m.journal.positions = append(m.journal.positions, d.detected...)
	m.note(entryDetected, i, 0, len(d.detected))
	d.detected = append(d.detected[:0], m.positions...)
}

// replaceAll gives the machine other content as one change.
func (m *Machine) replaceAll(next content) {
	m.journal.wholes = append(m.journal.wholes, m.content)
	m.note(entryWhole, 0, 0, 0)
	m.content = next
	m.journal.tick++
	m.stateCopy = nil
}
