package abi

// Heartbeat is the request of checkpoint_heartbeat: [dependency|nil, marker].
type Heartbeat struct {
	// Dependency names the dependency; Only means the checkpoint's only one.
	Dependency string
	Only       bool
	Marker     Marker
}

// AppendHeartbeat appends m.
func AppendHeartbeat(b []byte, m *Heartbeat) []byte {
	b = append(b, 0x92)
	if m.Only {
		b = AppendNil(b)
	} else {
		b = AppendStr(b, m.Dependency)
	}
	return AppendMarker(b, m.Marker)
}

// ReadHeartbeat reads a whole Heartbeat message.
func ReadHeartbeat(b []byte) (Heartbeat, error) {
	r := NewReader(b)
	more := r.ArrayMin(2, "a heartbeat of 2 fields")
	m := Heartbeat{Only: r.Nil()}
	if !m.Only {
		m.Dependency = r.Name()
	}
	m.Marker = ReadMarker(&r)
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Heartbeat{}, r.err
	}
	return m, nil
}

// Latency is the result of checkpoint_heartbeat:
// [is_late, dependent_marker, dependency_marker].
type Latency struct {
	// IsLate says that the dependency is down, also after this heartbeat.
	IsLate                            bool
	DependentMarker, DependencyMarker Marker
}

// AppendLatency appends m.
func AppendLatency(b []byte, m *Latency) []byte {
	b = AppendBool(append(b, 0x93), m.IsLate)
	b = AppendMarker(b, m.DependentMarker)
	return AppendMarker(b, m.DependencyMarker)
}

// ReadLatency reads a whole Latency message.
func ReadLatency(b []byte) (Latency, error) {
	r := NewReader(b)
	more := r.ArrayMin(3, "a latency of 3 fields")
	m := Latency{IsLate: r.Bool()}
	m.DependentMarker = ReadMarker(&r)
	m.DependencyMarker = ReadMarker(&r)
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Latency{}, r.err
	}
	return m, nil
}

// Pulse is the request of checkpoint_pulse: [marker, state].
type Pulse struct {
	Marker Marker
	// State is a raw msgpack map of the keys to set, aliasing the message when
	// read; nil is written as an empty map.
	State []byte
}

// AppendPulse appends m.
func AppendPulse(b []byte, m *Pulse) []byte {
	return appendState(AppendMarker(append(b, 0x92), m.Marker), m.State)
}

// ReadPulse reads a whole Pulse message.
func ReadPulse(b []byte) (Pulse, error) {
	r := NewReader(b)
	more := r.ArrayMin(2, "a pulse of 2 fields")
	m := Pulse{Marker: ReadMarker(&r)}
	m.State = r.state()
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Pulse{}, r.err
	}
	return m, nil
}

// DowntimeOf is an entry of a DowntimeList: [dependency, downtime_ms].
type DowntimeOf struct {
	Dependency string
	DowntimeMs int64
}

// AppendDowntimeList appends the result of checkpoint_pulse: [[entry...]].
// Nothing is appended for an empty list, which is a result of 0 bytes.
func AppendDowntimeList(b []byte, list []DowntimeOf) []byte {
	if len(list) == 0 {
		return b
	}
	b = AppendArrayHeader(append(b, 0x91), len(list))
	for i := range list {
		b = append(b, 0x92)
		b = AppendStr(b, list[i].Dependency)
		b = AppendInt(b, list[i].DowntimeMs)
	}
	return b
}

// ReadDowntimeList reads a whole DowntimeList, or 0 bytes as an empty one.
func ReadDowntimeList(b []byte) (list []DowntimeOf, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	r := NewReader(b)
	more := r.ArrayMin(1, "a list of downtimes of 1 field")
	for n := r.List(MaxBindings, "at most 1024 downtimes"); n > 0 && r.err == nil; n-- {
		extra := r.ArrayMin(2, "a downtime of 2 fields")
		list = append(list, DowntimeOf{Dependency: r.Name(), DowntimeMs: r.Int()})
		r.SkipN(extra)
	}
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return nil, r.err
	}
	return list, nil
}
