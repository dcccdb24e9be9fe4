package memory

import (
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// DefaultThreshold is how far a dependent may be ahead, in milliseconds.
const DefaultThreshold = 10 * 60 * 1000

// Checkpoint is a checkpoint held in memory: what SPEC.md 10.5 asks of a host,
// with one partition of each dependency. It is not safe for concurrent use.
type Checkpoint struct {
	Name         string
	Dependencies []Dependency
	// Downtime and Recovery are checks in place of the default ones; nil is the
	// default. An error refuses the call.
	Downtime func(*abi.Check) (ms int64, err error)
	Recovery func(*abi.Check) (recovered bool, err error)
	// Events are what handlers are to be told, in order, since the beginning.
	Events []Event

	machine
	// saved is what there was before the present record, if it made a call.
	saved *saved
}

// Dependency is one of a checkpoint's, with its threshold in milliseconds.
type Dependency struct {
	Name      string
	Threshold int64
}

// Event is a downtime or a recovery.
type Event struct {
	Kind                              abi.Kind
	Dependency                        string
	DependentMarker, DependencyMarker abi.Marker
	Ms                                int64
	State                             []byte
	Healthy, Detected                 []abi.Position
}

// machine is what changes. Its slices are never changed in place.
type machine struct {
	marker    abi.Marker
	state     []field
	positions []abi.Position
	deps      []dependency
}

type dependency struct {
	marker            abi.Marker
	state             []byte
	down              bool
	ms                int64
	healthy, detected []abi.Position
}

// field is a field of the state, name and value being msgpack.
type field struct{ name, value []byte }

type saved struct {
	machine
	events int
}

// Down returns for how long a dependency is down, in milliseconds; false if it
// is not.
func (k *Checkpoint) Down(name string) (ms int64, ok bool) {
	if i := k.find(name); i >= 0 && i < len(k.deps) {
		return k.deps[i].ms, k.deps[i].down
	}
	return 0, false
}

func (k *Checkpoint) find(name string) int {
	return slices.IndexFunc(k.Dependencies, func(d Dependency) bool { return d.Name == name })
}

// begin notes what there is before the first call of a record.
func (k *Checkpoint) begin() {
	if len(k.deps) == 0 {
		k.deps = make([]dependency, len(k.Dependencies))
	}
	if k.saved == nil {
		k.saved = &saved{k.machine, len(k.Events)}
	}
	k.deps = slices.Clone(k.deps)
}

// undo takes back what the present record did.
func (k *Checkpoint) undo() {
	if k.saved != nil {
		k.machine, k.Events = k.saved.machine, k.Events[:k.saved.events]
	}
	k.saved = nil
}

// settle has what the present record did count.
func (k *Checkpoint) settle() { k.saved = nil }

// Heartbeat is what checkpoint_heartbeat does; false refuses it.
func (k *Checkpoint) Heartbeat(m *abi.Heartbeat) (l abi.Latency, ok bool) {
	i := k.find(m.Dependency)
	if m.Only {
		i = len(k.Dependencies) - 1
	}
	if i < 0 || m.Only && i > 0 || m.Marker.Kind == abi.MarkerNone {
		return l, false
	}
	before := k.machine
	k.begin()
	d := &k.deps[i]
	d.marker, d.state = m.Marker, k.encoded()
	if d.down {
		recovered, err := k.recovered(i)
		if err != nil {
			k.machine = before
			return l, false
		}
		if recovered {
			d.down = false
			k.Events = append(k.Events, Event{
				Kind: abi.KindRecovery, Dependency: k.Dependencies[i].Name,
				DependentMarker: k.marker, DependencyMarker: d.marker,
				State: d.state, Healthy: d.healthy, Detected: d.detected,
			})
		}
	} else if !k.comparable(d.marker) {
		k.machine = before
		return l, false
	}
	if !d.down {
		d.healthy = k.positions
	}
	return abi.Latency{IsLate: d.down, DependentMarker: k.marker, DependencyMarker: d.marker}, true
}

// Pulse is what checkpoint_pulse does for a record that stands at a position;
// false refuses it.
func (k *Checkpoint) Pulse(m *abi.Pulse, at abi.Position) (down []abi.DowntimeOf, ok bool) {
	if m.Marker.Kind == abi.MarkerNone {
		return nil, false
	}
	before, events := k.machine, len(k.Events)
	k.begin()
	k.marker = m.Marker
	k.set(m.State)
	k.positions = slices.DeleteFunc(slices.Clone(k.positions), func(p abi.Position) bool {
		return p.Source == at.Source && p.Partition == at.Partition
	})
	k.positions = append(k.positions, at)
	encoded := k.encoded()
	for i := range k.deps {
		d := &k.deps[i]
		if d.marker.Kind == abi.MarkerNone {
			d.marker, d.state = k.marker, encoded
		}
		ms, err := k.downtime(i)
		if err != nil || len(encoded) > abi.MaxState {
			k.machine, k.Events = before, k.Events[:events]
			return nil, false
		}
		if ms > 0 {
			d.ms = ms
			if !d.down {
				d.down, d.detected = true, k.positions
				k.Events = append(k.Events, Event{
					Kind: abi.KindDowntime, Dependency: k.Dependencies[i].Name,
					DependentMarker: k.marker, DependencyMarker: d.marker, Ms: ms, State: encoded,
				})
			}
		}
		if d.down {
			down = append(down, abi.DowntimeOf{Dependency: k.Dependencies[i].Name, DowntimeMs: d.ms})
		}
	}
	return down, true
}

// set sets the fields of a raw map in the state.
func (k *Checkpoint) set(raw []byte) {
	r := abi.NewReader(raw)
	k.state = slices.Clone(k.state)
	for range r.Map() {
		name, value := slices.Clone(r.Skip()), slices.Clone(r.Skip())
		i := slices.IndexFunc(k.state, func(f field) bool { return string(f.name) == string(name) })
		if i < 0 {
			k.state = append(k.state, field{name, value})
		} else {
			k.state[i].value = value
		}
	}
}

func (k *Checkpoint) encoded() []byte {
	b := abi.AppendMapHeader(nil, len(k.state))
	for _, f := range k.state {
		b = append(append(b, f.name...), f.value...)
	}
	return b
}

// question is what a check of the handler's own is asked.
func (k *Checkpoint) question(which abi.CheckOf, i int) *abi.Check {
	return &abi.Check{
		Which: which, Dependency: k.Dependencies[i].Name, DependentMarker: k.marker,
		DependencyMarker: k.deps[i].marker, ThresholdMs: k.Dependencies[i].Threshold,
	}
}

// errCompare says that the default checks cannot compare two markers.
type errCompare struct{}

func (errCompare) Error() string { return "the markers cannot be compared" }

// comparable says whether the default checks can compare a marker with the
// dependent's.
func (k *Checkpoint) comparable(m abi.Marker) bool {
	return k.Downtime != nil || k.marker.Kind == abi.MarkerNone ||
		m.Kind == k.marker.Kind && m.Kind != abi.MarkerText
}

func (k *Checkpoint) downtime(i int) (int64, error) {
	if k.Downtime != nil {
		return k.Downtime(k.question(abi.CheckDowntime, i))
	}
	d := &k.deps[i]
	if d.marker.Kind != k.marker.Kind || d.marker.Kind == abi.MarkerText {
		return 0, errCompare{}
	}
	if ahead := k.marker.Int - d.marker.Int; ahead > k.Dependencies[i].Threshold {
		return ahead, nil
	}
	return 0, nil
}

func (k *Checkpoint) recovered(i int) (bool, error) {
	if k.Recovery != nil {
		return k.Recovery(k.question(abi.CheckRecovery, i))
	}
	d := &k.deps[i]
	if d.marker.Kind != k.marker.Kind || d.marker.Kind == abi.MarkerText {
		return false, errCompare{}
	}
	return d.marker.Int > k.marker.Int, nil
}

// CheckpointHeartbeat is import checkpoint_heartbeat.
func (s *Store) CheckpointHeartbeat(checkpoint int32, request, buf []byte) int64 {
	k := s.checkpoint(checkpoint)
	if k == nil {
		return abi.ResultUnbound
	}
	m, err := abi.ReadHeartbeat(request)
	if err != nil {
		return abi.ResultInvalid
	}
	return k.call(buf, func() ([]byte, bool) {
		l, ok := k.Heartbeat(&m)
		return abi.AppendLatency(nil, &l), ok
	})
}

// CheckpointPulse is import checkpoint_pulse.
func (s *Store) CheckpointPulse(checkpoint int32, request, buf []byte) int64 {
	k := s.checkpoint(checkpoint)
	if k == nil {
		return abi.ResultUnbound
	}
	m, err := abi.ReadPulse(request)
	if err != nil {
		return abi.ResultInvalid
	}
	return k.call(buf, func() ([]byte, bool) {
		down, ok := k.Pulse(&m, s.At)
		return abi.AppendDowntimeList(nil, down), ok
	})
}

// call makes a call whose result must fit into buf; otherwise it has had no
// effect.
func (k *Checkpoint) call(buf []byte, f func() ([]byte, bool)) int64 {
	before, events := k.machine, len(k.Events)
	b, ok := f()
	if !ok {
		return abi.ResultInvalid
	}
	if len(b) > len(buf) {
		k.machine, k.Events = before, k.Events[:events]
	}
	return answer(buf, b)
}

func (s *Store) checkpoint(n int32) *Checkpoint {
	if n < 0 || int(n) >= len(s.Checkpoints) || s.Quiet {
		return nil
	}
	return s.Checkpoints[n]
}
