package checkpoint

import (
	"fmt"

	"github.com/sliphost/sliphost/abi"
)

// Machine is the state of one checkpoint for one partition of its dependent.
// It is not safe for concurrent use.
type Machine struct {
	spec  *Spec
	rules []rule
	content
	journal journal
	// stateCopy is the state as one raw map, nil if it changed since.
	stateCopy []byte
	scratch   []byte
	changed   bool
}

// New returns a machine to which nothing has happened yet. The error is that
// of Validate.
func New(spec *Spec) (*Machine, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{spec: spec, rules: make([]rule, len(spec.Dependencies))}
	m.journal.tick = 1
	for i := range spec.Dependencies {
		d := &spec.Dependencies[i]
		idle := d.IdleAfter
		if idle == 0 {
			idle = d.Threshold
		}
		if idle == 0 {
			idle = DefaultThreshold
		}
		m.rules[i] = rule{
			threshold: d.Threshold.Milliseconds(), idle: idle.Milliseconds(),
			strict:   !d.CustomDowntime || !d.CustomRecovery,
			downtime: d.CustomDowntime, repair: d.CustomRecovery,
		}
	}
	m.content = m.fresh()
	return m, nil
}

func (m *Machine) fresh() content {
	c := content{deps: make([]dependency, len(m.spec.Dependencies))}
	for i := range c.deps {
		c.deps[i] = newDependency()
	}
	return c
}

// Spec returns what the machine was made from.
func (m *Machine) Spec() *Spec { return m.spec }

// Pulse takes note of a record of the dependent: its marker, keys to set in
// the state (a raw msgpack map; nil sets none; copied) and where it stands
// (NoPosition if nowhere), and looks for dependencies that are down. It
// appends to dst what the guest gets: the dependencies that are down after it,
// in the order of Spec, with what the check found last; compat: at most one,
// the last dependency's downtime, if any is down and the last one's check
// found one just now.
//
// Errors: *MarkerError, ErrState, ErrPositions, ErrBacklog. In the default
// mode nothing has changed then; compat has noted marker and state before it
// finds a marker it cannot compare.
//
// It allocates nothing unless a dependency goes down, the state grows or the
// partition is new.
func (m *Machine) Pulse(dst []abi.DowntimeOf, marker abi.Marker, state []byte, at abi.Position, now int64) ([]abi.DowntimeOf, error) {
	compat := m.spec.Mode == Compat
	err := m.roomToWait()
	if err == nil && !compat {
		err = m.fitsDependent(marker)
	}
	if err == nil {
		err = m.room(at)
	}
	if err == nil {
		err = m.setState(state)
	}
	if err == nil && compat {
		err = m.compatPulse(marker, at, now)
	}
	if err != nil {
		return dst, err
	}
	if compat {
		return m.compatDowntimes(dst), nil
	}
	if m.marker.Kind == abi.MarkerNone || m.spec.Markers == MarkersLast || less(m.marker, marker) {
		if m.marker != marker {
			m.saveHead()
			m.marker = marker
		}
	}
	m.reach(at)
	for i := range m.deps {
		m.look(i, now)
	}
	return m.Downtimes(dst), nil
}

// look checks one dependency on behalf of a pulse.
func (m *Machine) look(i int, now int64) {
	m.age(i, now)
	d := &m.deps[i]
	if d.view.Kind == abi.MarkerNone {
		m.saveDep(i)
		d.view, d.adopted = m.marker, true
		m.setHealthy(i)
	}
	m.firstHealthy(i)
	if m.rules[i].downtime {
		if !d.down || m.spec.RepeatDowntime {
			m.ask(i, abi.CheckDowntime)
		}
		return
	}
	if ms := minus(m.marker.Int, d.view.Int); ms > m.rules[i].threshold {
		m.goDown(i, ms, now)
	}
}

// firstHealthy takes the dependent's first record for the healthy position of a
// dependency whose heartbeats came before any: all that follows is handled with
// what was known then.
func (m *Machine) firstHealthy(i int) {
	if d := &m.deps[i]; len(d.healthy) == 0 && !d.hit {
		m.setHealthy(i)
	}
}

// Downtimes appends what the last Pulse would answer now, with the checks
// answered since.
func (m *Machine) Downtimes(dst []abi.DowntimeOf) []abi.DowntimeOf {
	if m.down == 0 {
		return dst
	}
	if m.spec.Mode == Compat {
		return m.compatDowntimes(dst)
	}
	for i := range m.deps {
		if d := &m.deps[i]; d.down {
			dst = append(dst, abi.DowntimeOf{Dependency: m.spec.Dependencies[i].Name, DowntimeMs: d.downtime})
		}
	}
	return dst
}

// Heartbeat takes note of how far a partition of a dependency is and looks
// whether the dependency has recovered. The result says whether it is down
// also after this, the dependent's marker and the marker just given.
//
// Errors: *MarkerError, ErrBacklog, ErrDependency, ErrPositions; nothing has
// changed then, except in compat, which has noted the marker before it finds
// that it cannot compare it.
//
// It allocates nothing unless a dependency recovers or the partition is new.
func (m *Machine) Heartbeat(dependency int, partition int32, marker abi.Marker, now int64) (abi.Latency, error) {
	err := m.known(dependency)
	if err == nil {
		err = m.roomToWait()
	}
	if err != nil {
		return abi.Latency{}, err
	}
	if m.spec.Mode == Compat {
		err = m.compatHeartbeat(dependency, marker, now)
	} else {
		err = m.beat(dependency, partition, marker, now)
	}
	if err != nil {
		return abi.Latency{}, err
	}
	return abi.Latency{IsLate: m.deps[dependency].down, DependentMarker: m.marker, DependencyMarker: marker}, nil
}

func (m *Machine) beat(i int, partition int32, marker abi.Marker, now int64) error {
	if err := m.fits(i, marker); err != nil {
		return err
	}
	if err := m.advance(i, partition, marker, now); err != nil {
		return err
	}
	m.recover(i)
	if !m.deps[i].hit {
		m.setHealthy(i)
	}
	return nil
}

func (m *Machine) known(dependency int) error {
	if dependency < 0 || dependency >= len(m.deps) {
		return fmt.Errorf("checkpoint %s has %d dependencies, not one at %d: %w", m.spec.Name, len(m.deps), dependency, ErrDependency)
	}
	return nil
}

// Due says that a check or an action waits.
func (m *Machine) Due() bool { return m.open > 0 || m.done < len(m.queue) }

// Next returns the action to carry out now; the same one until Done or Failed.
// The pointer is good until the next event.
func (m *Machine) Next() (*Action, bool) {
	if m.done == len(m.queue) {
		return nil, false
	}
	return &m.queue[m.done], true
}

// Done says that the action of Next was carried out.
func (m *Machine) Done() {
	if a, ok := m.Next(); ok {
		m.saveHead()
		m.done++
		m.waitingBytes -= a.charge
	}
}

// Failed says that the handler's function for the action of Next failed and
// that the driver goes on all the same. It is like Done; in compat a failed
// downtime function leaves the dependent paused for a dependency that does not
// count as down, so that no heartbeat resumes it, as in the seed.
func (m *Machine) Failed() {
	a, ok := m.Next()
	if ok && m.spec.Mode == Compat && a.Kind == ActionDowntime && a.turned && m.deps[a.Dependency].down {
		m.saveHead()
		d := m.saveDep(a.Dependency)
		d.down, d.hit = false, false
		m.down--
		m.drop(d)
	}
	m.Done()
}

// Held says whether the dependent's partition must be held, as it will be when
// the waiting ActionPause is carried out and is until the waiting ActionResume
// is.
func (m *Machine) Held() bool {
	if m.paused {
		return true
	}
	for i := m.done; i < len(m.queue); i++ {
		if m.queue[i].Kind == ActionResume {
			return true
		}
	}
	return false
}

// Reset forgets everything that was noted, as if the machine were new, and
// resumes the dependent if it is held. Like any other change it can be undone.
func (m *Machine) Reset() {
	held := m.Held()
	m.replaceAll(m.fresh())
	if held {
		m.push(Action{Kind: ActionResume, Dependency: -1})
	}
}
