package checkpoint

import "github.com/sliphost/sliphost/abi"

// compatPulse is the seed's check_pulse. Its steps are kept apart from the
// default's on purpose: what looks like a mistake here is one that handlers
// written for the seed may count on.
func (m *Machine) compatPulse(marker abi.Marker, at abi.Position, now int64) error {
	m.saveHead()
	m.marker, m.last = marker, 0
	m.reach(at)
	for i := range m.deps {
		d := &m.deps[i]
		if falsy(d.view) {
			m.saveDep(i).view = m.marker
			m.setHealthy(i)
		}
		m.firstHealthy(i)
		if m.rules[i].downtime {
			m.ask(i, abi.CheckDowntime)
			continue
		}
		if err := m.differs(i); err != nil {
			return err
		}
		ms := minus(m.marker.Int, d.view.Int)
		if ms <= m.rules[i].threshold {
			continue
		}
		if i == len(m.deps)-1 {
			m.last = ms
		}
		m.goDown(i, ms, now)
	}
	return nil
}

// compatHeartbeat is the seed's heartbeat.
func (m *Machine) compatHeartbeat(i int, marker abi.Marker, now int64) error {
	d := m.saveDep(i)
	d.view, d.seen = marker, now
	if d.down {
		if m.rules[i].repair {
			m.ask(i, abi.CheckRecovery)
		} else if err := m.differs(i); err != nil {
			return err
		} else if less(m.marker, d.view) {
			m.goUp(i)
		}
	}
	if !d.hit {
		m.setHealthy(i)
	}
	return nil
}

// Open lets the dependent go on although this checkpoint holds it back: the
// seed has one gate for a stream, which the recovery of any checkpoint opens.
// The next pulse that finds a dependency down closes it again. Only compat does
// so.
func (m *Machine) Open() {
	if m.spec.Mode == Compat && m.paused {
		m.saveHead()
		m.paused = false
	}
}

// compatDowntimes is what check_pulse returns: the last dependency's downtime,
// if any is down.
func (m *Machine) compatDowntimes(dst []abi.DowntimeOf) []abi.DowntimeOf {
	if m.down > 0 && m.last > 0 {
		last := len(m.deps) - 1
		dst = append(dst, abi.DowntimeOf{Dependency: m.spec.Dependencies[last].Name, DowntimeMs: m.last})
	}
	return dst
}
