package checkpoint

import (
	"math"

	"github.com/sliphost/sliphost/abi"
)

// less orders markers of one kind.
func less(a, b abi.Marker) bool {
	if a.Kind == abi.MarkerText {
		return a.Text < b.Text
	}
	return a.Int < b.Int
}

// hasDifference says whether the default checks can use a kind.
func hasDifference(k abi.MarkerKind) bool {
	return k == abi.MarkerTime || k == abi.MarkerInt
}

// minus is a-b, cut to the range.
func minus(a, b int64) int64 {
	d := a - b
	if (a >= 0) != (b >= 0) && (d >= 0) != (a >= 0) {
		if a >= 0 {
			return math.MaxInt64
		}
		return math.MinInt64
	}
	return d
}

// plus is a+b for a b that is not negative, cut to the range.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// falsy is what the seed takes for no marker.
func falsy(k abi.Marker) bool {
	switch k.Kind {
	case abi.MarkerInt:
		return k.Int == 0
	case abi.MarkerText:
		return k.Text == ""
	case abi.MarkerTime:
		return false
	}
	return true
}

// fitsDependent says whether a marker of the dependent can be used.
func (m *Machine) fitsDependent(marker abi.Marker) error {
	if marker.Kind == m.marker.Kind && marker.Kind != abi.MarkerNone {
		return nil // the first one of this kind was looked at
	}
	wrong := MarkerError{Checkpoint: m.spec.Name, Got: marker.Kind}
	if marker.Kind == abi.MarkerNone {
		return &wrong
	}
	if m.marker.Kind != abi.MarkerNone {
		wrong.Want = m.marker.Kind
		return &wrong
	}
	for i := range m.deps {
		if !m.rules[i].strict {
			continue
		}
		if !hasDifference(marker.Kind) {
			return &wrong
		}
		if k := m.deps[i].view.Kind; k != abi.MarkerNone && k != marker.Kind {
			wrong.Against, wrong.Want = m.spec.Dependencies[i].Name, k
			return &wrong
		}
	}
	return nil
}

// fits says whether a marker of a dependency can be used.
func (m *Machine) fits(i int, marker abi.Marker) error {
	d := &m.deps[i]
	if marker.Kind != abi.MarkerNone && marker.Kind == d.view.Kind && !d.adopted {
		return nil
	}
	name := m.spec.Dependencies[i].Name
	wrong := MarkerError{Checkpoint: m.spec.Name, Dependency: name, Got: marker.Kind}
	strict := m.rules[i].strict
	switch {
	case marker.Kind == abi.MarkerNone:
		return &wrong
	case !d.adopted && d.view.Kind != abi.MarkerNone:
		wrong.Against, wrong.Want = name, d.view.Kind
		return &wrong
	case strict && !hasDifference(marker.Kind):
		return &wrong
	case strict && m.marker.Kind != abi.MarkerNone && m.marker.Kind != marker.Kind:
		wrong.Want = m.marker.Kind
		return &wrong
	}
	return nil
}

// differs is the MarkerError of compat, where markers are compared after they
// were noted.
func (m *Machine) differs(i int) error {
	a, b := m.marker.Kind, m.deps[i].view.Kind
	if a == b && hasDifference(a) {
		return nil
	}
	name := m.spec.Dependencies[i].Name
	if !hasDifference(a) {
		return &MarkerError{Checkpoint: m.spec.Name, Got: a, Against: name}
	}
	return &MarkerError{Checkpoint: m.spec.Name, Dependency: name, Got: b, Want: a}
}
