package checkpoint

import "github.com/sliphost/sliphost/abi"

// ask opens a check of the user's own.
func (m *Machine) ask(i int, which abi.CheckOf) {
	flag := func(d *dependency) *bool {
		if which == abi.CheckDowntime {
			return &d.askDowntime
		}
		return &d.askRecovery
	}
	if *flag(&m.deps[i]) {
		return
	}
	*flag(m.saveDep(i)) = true
	m.saveHead()
	m.open++
}

// drop closes a recovery check that nobody needs to answer any more. Both the
// dependency and the head were noted by the caller.
func (m *Machine) drop(d *dependency) {
	if d.askRecovery {
		d.askRecovery = false
		m.open--
	}
}

// Check returns the first open check, with the markers as they are now; the
// order is that of Spec, downtime before recovery.
func (m *Machine) Check() (c Check, ok bool) {
	if m.open == 0 {
		return Check{}, false
	}
	for i := range m.deps {
		d := &m.deps[i]
		if !d.askDowntime && !d.askRecovery {
			continue
		}
		c = Check{
			Dependency: i, Which: abi.CheckDowntime, DependentMarker: m.marker, DependencyMarker: d.view,
			ThresholdMs: m.rules[i].threshold,
		}
		if !d.askDowntime {
			c.Which = abi.CheckRecovery
		}
		return c, true
	}
	return Check{}, false
}

// AnswerDowntime answers an open downtime check: how long the dependency is
// down in milliseconds, 0 or less for not at all, which never ends a downtime.
// Without such a check it does nothing. A check that failed is answered with
// 0, or the transaction aborts.
func (m *Machine) AnswerDowntime(dependency int, ms, now int64) {
	if m.known(dependency) != nil || !m.deps[dependency].askDowntime {
		return
	}
	m.saveDep(dependency).askDowntime = false
	m.saveHead()
	m.open--
	if dependency == len(m.deps)-1 {
		m.last = max(ms, 0)
	}
	if ms > 0 {
		m.goDown(dependency, ms, now)
	}
}

// AnswerRecovery answers an open recovery check. Without such a check it does
// nothing.
func (m *Machine) AnswerRecovery(dependency int, recovered bool) {
	if m.known(dependency) != nil || !m.deps[dependency].askRecovery {
		return
	}
	m.saveDep(dependency).askRecovery = false
	m.saveHead()
	m.open--
	if recovered {
		m.goUp(dependency)
	}
}
