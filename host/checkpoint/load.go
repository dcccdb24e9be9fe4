package checkpoint

import (
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// A machine never has more actions than this: what may wait and those of one
// more event.
const maxActions = maxWaiting + 8*abi.MaxBindings

// loader reads a snapshot for a machine's spec.
type loader struct {
	m       *Machine
	r       abi.Reader
	content content
	// places maps the snapshot's dependencies to those of Spec, -1 for none.
	places []int
	seen   []bool
	// lost: a dependency that is left out was down, or had been.
	lost bool
}

// Load makes the machine what a snapshot says, after a restart at now, and
// forgets the journal. Dependencies are found by name: those that Spec does
// not have any more are left out, new ones begin. In the default mode it
// queues what is due: a pause if the dependent was held, then the actions that
// were not done. Compat knows markers and state only: as in the seed nothing
// is down after a restart.
//
// Errors wrap ErrSnapshot; the machine is unchanged then.
func (m *Machine) Load(snapshot []byte, now int64) error {
	l := loader{m: m, r: abi.NewReader(snapshot), content: m.fresh(), seen: make([]bool, len(m.deps))}
	l.read()
	err := l.r.Err()
	if err == nil {
		err = l.fits()
	}
	if err != nil {
		return fmt.Errorf("load checkpoint %s: %w: %w", m.spec.Name, ErrSnapshot, err)
	}
	m.content = l.content
	m.stateCopy = nil
	m.Forget()
	m.restart(now, l.lost)
	m.Forget()
	m.changed = l.lost
	return nil
}

func (l *loader) read() {
	r, c := &l.r, &l.content
	more := r.ArrayMin(10, "a snapshot of 10 fields")
	const version = "version 1 of a checkpoint's snapshot; it was written by a newer version"
	if v := r.UintMax(snapshotVersion, version); v != snapshotVersion {
		r.Fail(version)
	}
	c.marker = abi.ReadMarker(r)
	if c.paused = !r.Nil(); c.paused {
		c.pausedAt = r.Int()
	}
	c.released = r.Uint()&flagReleased != 0
	c.last = r.Int()
	c.positions = l.positions()
	l.state()
	n := r.List(abi.MaxBindings, "at most 1024 dependencies")
	for ; n > 0 && r.Err() == nil; n-- {
		l.dependency()
	}
	l.actions()
	r.SkipN(more)
	r.End()
}

func (l *loader) positions() (list []abi.Position) {
	r := &l.r
	n := r.List(abi.MaxPositions, "at most 65536 positions")
	if n == 0 {
		return nil
	}
	known := make(map[[2]int32]bool)
	for ; n > 0 && r.Err() == nil; n-- {
		more := r.ArrayMin(3, "a position of 3 fields")
		p := abi.Position{Source: r.Int32(), Partition: r.Int32(), Offset: r.Int()}
		r.SkipN(more)
		if key := [2]int32{p.Source, p.Partition}; known[key] || p.Offset < 0 {
			r.Fail("one position of 0 or more for each partition")
		} else {
			known[key] = true
		}
		list = append(list, p)
	}
	return list
}

// rawMap reads a state as it is.
func (l *loader) rawMap() []byte {
	const want = "a map of at most 65536 bytes"
	rest := l.r.Rest()
	if len(rest) == 0 || rest[0]&0xf0 != 0x80 && rest[0] != 0xde && rest[0] != 0xdf {
		l.r.Fail(want)
		return nil
	}
	raw := l.r.Skip()
	if len(raw) > abi.MaxState {
		l.r.Fail(want)
		return nil
	}
	return raw
}

func (l *loader) state() {
	raw := l.rawMap()
	if l.r.Err() != nil {
		return
	}
	// A machine of its own reads it by the rules of a pulse.
	s := Machine{spec: l.m.spec}
	s.journal.tick = 1
	if s.setState(raw) != nil {
		l.r.Fail("the state of a checkpoint")
		return
	}
	l.content.state = s.state
}

func (l *loader) dependency() {
	r := &l.r
	more := r.ArrayMin(7, "a dependency of 7 fields")
	name := r.Name()
	place := -1
	for i := range l.m.spec.Dependencies {
		if l.m.spec.Dependencies[i].Name == name {
			place = i
		}
	}
	if place >= 0 && l.seen[place] {
		r.Fail("a dependency that is there once")
	}
	l.places = append(l.places, place)
	d := newDependency()
	d.view = abi.ReadMarker(r)
	f := r.Uint()
	d.down, d.hit, d.silent = f&flagDown != 0, f&flagHit != 0, f&flagSilent != 0
	d.askDowntime, d.askRecovery, d.adopted = f&flagAskDowntime != 0, f&flagAskRecovery != 0, f&flagAdopted != 0
	if d.downtime = r.Int(); d.down && d.downtime <= 0 {
		r.Fail("a downtime above 0")
	}
	l.parts(&d)
	d.healthy = l.positions()
	d.detected = l.positions()
	r.SkipN(more)
	switch {
	case r.Err() != nil:
	case place < 0:
		l.lost = l.lost || d.down || d.hit
	default:
		l.seen[place] = true
		l.content.deps[place] = d
	}
}

func (l *loader) parts(d *dependency) {
	r := &l.r
	n := r.List(abi.MaxPositions, "at most 65536 partitions")
	for ; n > 0 && r.Err() == nil; n-- {
		more := r.ArrayMin(3, "a partition of 3 fields")
		p := part{partition: r.Int32(), marker: abi.ReadMarker(r), idle: r.Bool()}
		r.SkipN(more)
		if p.marker.Kind == abi.MarkerNone || len(d.parts) > 0 && d.parts[0].marker.Kind != p.marker.Kind {
			r.Fail("markers of one kind")
		}
		if d.lookup(p.partition) >= 0 {
			r.Fail("a partition that is there once")
		}
		if r.Err() == nil {
			d.addPart(p)
		}
	}
}

func (l *loader) actions() {
	r := &l.r
	var states [][]byte
	n := r.List(maxActions, "states of actions")
	for ; n > 0 && r.Err() == nil; n-- {
		states = append(states, slices.Clone(l.rawMap()))
	}
	n = r.List(maxActions, "actions")
	for ; n > 0 && r.Err() == nil; n-- {
		l.action(states)
	}
}

func (l *loader) action(states [][]byte) {
	r := &l.r
	more := r.ArrayMin(11, "an action of 11 fields")
	a := Action{Kind: ActionKind(r.UintMax(uint64(ActionMaxPause), "the kind of an action"))}
	at := r.Int()
	f := r.Uint()
	a.Call, a.Everyone = f&flagCall != 0, f&flagEveryone != 0
	a.DependentMarker, a.DependencyMarker = abi.ReadMarker(r), abi.ReadMarker(r)
	a.DowntimeMs, a.HeldMs = r.Int(), r.Int()
	state := r.Int()
	a.Healthy, a.Detected, a.Positions = l.positions(), l.positions(), l.positions()
	r.SkipN(more)
	about := a.Kind == ActionDowntime || a.Kind == ActionRecovery
	switch {
	case r.Err() != nil:
		return
	case a.Kind == ActionDowntime && a.DowntimeMs <= 0:
		r.Fail("a downtime above 0")
		return
	case a.Kind == 0 || at < -1 || at >= int64(len(l.places)) || about != (at >= 0):
		r.Fail("an action with a dependency of the snapshot, or none")
		return
	case state < -1 || state >= int64(len(states)) || about != (state >= 0):
		r.Fail("an action with a state of the snapshot, or none")
		return
	}
	a.Dependency = -1
	if about {
		a.State = states[state]
		if a.Dependency = l.places[at]; a.Dependency < 0 {
			return // nobody is left to tell
		}
	}
	l.content.queue = append(l.content.queue, a)
}

// fits looks whether the markers are still of kinds that the checks of today
// can compare.
func (l *loader) fits() error {
	if l.m.spec.Mode == Compat {
		return nil // it finds out when it compares
	}
	for i := range l.content.deps {
		d := &l.content.deps[i]
		view := d.view.Kind
		if len(d.parts) > 0 {
			view = d.parts[0].marker.Kind
		}
		own := l.content.marker.Kind
		if !l.m.rules[i].strict {
			continue
		}
		for _, k := range []abi.MarkerKind{own, view} {
			if k != abi.MarkerNone && !hasDifference(k) {
				return fmt.Errorf("it holds markers that are %s, which the default checks cannot compare; reset the checkpoint", kindName(k))
			}
		}
		if own != abi.MarkerNone && view != abi.MarkerNone && own != view {
			return fmt.Errorf("the marker of the dependent is %s, that of %s is %s; reset the checkpoint", kindName(own), l.m.spec.Dependencies[i].Name, kindName(view))
		}
	}
	return nil
}

// restart makes what was loaded fit the spec and queues what is due.
func (m *Machine) restart(now int64, lost bool) {
	for i := range m.deps {
		d := &m.deps[i]
		d.seen = now
		for at := range d.parts {
			d.parts[at].seen = now
		}
		if len(d.parts) > 0 {
			m.refresh(i, now)
		}
		d.askDowntime = d.askDowntime && m.rules[i].downtime
		d.askRecovery = d.askRecovery && m.rules[i].repair && d.down
	}
	if m.spec.Mode == Compat {
		m.forgetDown()
		return
	}
	m.down, m.open, m.waitingBytes = 0, 0, 0
	hit := lost
	waiting := m.queue
	m.queue = nil
	for i := range m.deps {
		d := &m.deps[i]
		// What was loaded from compat has a marker and no partitions.
		d.adopted = len(d.parts) == 0 && d.view.Kind != abi.MarkerNone
		hit = hit || d.hit || d.down
		if d.down {
			m.down++
		}
		for _, open := range []bool{d.askDowntime, d.askRecovery} {
			if open {
				m.open++
			}
		}
	}
	switch {
	case !m.spec.Pause:
		m.paused = false
	case m.down > 0 && !m.released && !m.paused:
		m.paused, m.pausedAt = true, now
	}
	resumes := func(a Action) bool { return a.Kind == ActionResume }
	pausesFirst := len(waiting) > 0 && waiting[0].Kind == ActionPause
	if !pausesFirst && (m.paused || slices.ContainsFunc(waiting, resumes)) {
		m.push(Action{Kind: ActionPause, Dependency: -1})
	}
	for _, a := range waiting {
		// Tick finds out again whether the task must fail.
		if a.Kind != ActionMaxPause || m.spec.MaxPausePolicy == PauseResume {
			m.push(a)
		}
	}
	if m.down == 0 && (hit || m.paused) {
		m.allUp()
	}
}

// forgetDown is what a restart leaves in compat: markers and state.
func (m *Machine) forgetDown() {
	c := m.fresh()
	c.marker, c.positions, c.state = m.marker, m.positions, m.state
	for i := range c.deps {
		c.deps[i].view = m.deps[i].view
		c.deps[i].healthy = m.deps[i].healthy
		c.deps[i].seen = m.deps[i].seen
	}
	m.content = c
}
