package checkpoint

import (
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// An event adds a few actions for each dependency. A driver that lets more
// wait than this does not carry them out at all.
const (
	maxWaiting      = 1024
	maxWaitingBytes = 4 * abi.MaxState
)

func (m *Machine) roomToWait() error {
	if len(m.queue)-m.done < maxWaiting && m.waitingBytes < maxWaitingBytes {
		return nil
	}
	return fmt.Errorf("checkpoint %s: %d actions wait: %w", m.spec.Name, len(m.queue)-m.done, ErrBacklog)
}

func (m *Machine) push(a Action) {
	m.saveHead()
	a.charge = len(a.State)
	if n := len(m.queue); n > m.done && a.charge > 0 && sameBytes(a.State, m.queue[n-1].State) {
		a.charge = 0
	}
	m.waitingBytes += a.charge
	m.queue = append(m.queue, a)
	m.note(entryQueued, 0, 0, 0)
}

// sameBytes says whether two states are one copy.
func sameBytes(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// down is what a check that found a downtime leads to.
func (m *Machine) goDown(i int, ms, now int64) {
	compat := m.spec.Mode == Compat
	repeat := compat || m.spec.RepeatDowntime
	d := &m.deps[i]
	again := d.down
	if again && !repeat {
		if d.downtime != ms {
			m.saveDep(i).downtime = ms
		}
		return
	}
	m.saveDep(i)
	m.saveHead()
	d.downtime = ms
	if !again {
		d.down = true
		m.down++
	}
	if !d.hit {
		d.hit = true
		m.setDetected(i)
	}
	if m.spec.Pause && !m.released && (!m.paused || compat) {
		if !m.paused {
			m.paused, m.pausedAt = true, now
		}
		m.push(Action{Kind: ActionPause, Dependency: -1})
	}
	m.push(Action{
		Kind: ActionDowntime, Dependency: i, DependentMarker: m.marker, DependencyMarker: d.view,
		DowntimeMs: ms, State: m.rawState(), turned: !again,
	})
}

// recover looks whether a dependency that is down has recovered.
func (m *Machine) recover(i int) {
	d := &m.deps[i]
	switch {
	case !d.down || d.silent:
	case m.rules[i].repair:
		m.ask(i, abi.CheckRecovery)
	case m.caughtUp(d.view):
		m.goUp(i)
	}
}

// caughtUp is the default recovery check.
func (m *Machine) caughtUp(view abi.Marker) bool {
	if m.marker.Kind == abi.MarkerNone {
		return true // there is nothing to catch up with
	}
	return less(m.marker, view) || m.spec.EqualRecovers && m.marker == view
}

// goUp is what a recovery leads to.
func (m *Machine) goUp(i int) {
	d := m.saveDep(i)
	m.saveHead()
	d.down, d.silent = false, false
	m.down--
	m.drop(d)
	call := Action{
		Kind: ActionRecovery, Dependency: i, Call: m.spec.OnRecovery == Call,
		DependentMarker: m.marker, DependencyMarker: d.view, State: m.rawState(),
		Healthy: slices.Clone(d.healthy), Detected: slices.Clone(d.detected),
	}
	if m.spec.Mode == Default {
		m.push(call)
		if m.down == 0 {
			m.allUp()
		}
		return
	}
	// The seed reports only the recovery that leaves none down, and resumes
	// before it does.
	if m.down > 0 {
		return
	}
	if m.spec.Pause {
		m.push(Action{Kind: ActionResume, Dependency: -1, Everyone: true})
	}
	m.push(call)
	m.settle()
}

// allUp goes on with the dependent.
func (m *Machine) allUp() {
	m.push(Action{Kind: ActionAllUp, Dependency: -1})
	var to []abi.Position
	for i := range m.deps {
		if d := &m.deps[i]; d.hit && m.spec.OnRecovery == SeekHealthy {
			to = earliest(to, d.healthy)
		} else if d.hit && m.spec.OnRecovery == SeekDetected {
			to = earliest(to, d.detected)
		}
	}
	if len(to) > 0 {
		for _, p := range to {
			m.Rewind(p)
		}
		m.push(Action{Kind: ActionSeek, Dependency: -1, Positions: to})
	}
	if m.paused {
		m.push(Action{Kind: ActionResume, Dependency: -1})
	}
	m.settle()
}

// settle begins anew after all dependencies are up.
func (m *Machine) settle() {
	m.saveHead()
	m.paused, m.released, m.expired = false, false, false
	for i := range m.deps {
		if m.deps[i].hit {
			m.saveDep(i).hit = false
			m.setHealthy(i)
		}
	}
}

// Tick looks at what depends on time alone: partitions that become idle,
// MaxPause and WallClock.
func (m *Machine) Tick(now int64) {
	for i := range m.deps {
		m.age(i, now)
		d := &m.deps[i]
		if !m.spec.WallClock || d.down {
			continue
		}
		if d.seen == noTime {
			// It has as long for its first heartbeat as between two.
			m.saveDep(i).seen = now
		} else if silence := minus(now, d.seen); silence > m.rules[i].threshold {
			m.saveDep(i).silent = true
			m.goDown(i, silence, now)
		}
	}
	limit := m.spec.MaxPause.Milliseconds()
	held := minus(now, m.pausedAt)
	if m.spec.MaxPause == 0 || !m.paused || m.expired || held < limit {
		return
	}
	m.saveHead()
	m.expired = true
	m.push(Action{Kind: ActionMaxPause, Dependency: -1, HeldMs: held})
	if m.spec.MaxPausePolicy == PauseResume {
		m.paused, m.released = false, true
		m.push(Action{Kind: ActionResume, Dependency: -1})
	}
}
