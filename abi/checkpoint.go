package abi

// Downtime tells a handler that a dependency went down:
// [2, checkpoint, dependency, dependent_marker, dependency_marker, downtime_ms, state].
type Downtime struct {
	// Checkpoint is the position in the binding's list of checkpoints.
	Checkpoint int32
	Dependency string
	// DependentMarker and DependencyMarker are those at detection.
	DependentMarker, DependencyMarker Marker
	// DowntimeMs is what the check found, in milliseconds, above 0.
	DowntimeMs int64
	// State is the dependent's state as a raw msgpack map, aliasing the message
	// when read; nil is written as an empty map.
	State []byte
}

// AppendDowntime appends m.
func AppendDowntime(b []byte, m *Downtime) []byte {
	b = append(b, 0x97, byte(KindDowntime))
	b = AppendInt(b, int64(m.Checkpoint))
	b = AppendStr(b, m.Dependency)
	b = AppendMarker(b, m.DependentMarker)
	b = AppendMarker(b, m.DependencyMarker)
	b = AppendInt(b, m.DowntimeMs)
	return appendState(b, m.State)
}

// ReadDowntime reads a whole Downtime message.
func ReadDowntime(b []byte) (Downtime, error) {
	r := NewReader(b)
	more := r.ArrayMin(7, "a downtime of 7 fields")
	r.kind(KindDowntime, "kind downtime")
	m := Downtime{Checkpoint: r.Int32(), Dependency: r.Name()}
	m.DependentMarker = ReadMarker(&r)
	m.DependencyMarker = ReadMarker(&r)
	m.DowntimeMs = r.Int()
	m.State = r.state()
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Downtime{}, r.err
	}
	return m, nil
}

// Recovery tells a handler that a dependency recovered:
// [3, checkpoint, dependency, dependent_marker, dependency_marker, state, [position...], [position...]].
type Recovery struct {
	// Checkpoint is the position in the binding's list of checkpoints.
	Checkpoint int32
	Dependency string
	// DependentMarker and DependencyMarker are those at recovery.
	DependentMarker, DependencyMarker Marker
	// State is the dependency's checkpoint state as a raw msgpack map, aliasing
	// the message when read; nil is written as an empty map.
	State []byte
	// Healthy are the dependent's positions at the last heartbeat before the
	// downtime, Detected those when it was found.
	Healthy, Detected []Position
}

// Position is the record last processed of a partition:
// [source, partition, offset].
type Position struct {
	// Source is the position in the binding's list of sources.
	Source, Partition int32
	Offset            int64
}

// AppendRecovery appends m.
func AppendRecovery(b []byte, m *Recovery) []byte {
	b = append(b, 0x98, byte(KindRecovery))
	b = AppendInt(b, int64(m.Checkpoint))
	b = AppendStr(b, m.Dependency)
	b = AppendMarker(b, m.DependentMarker)
	b = AppendMarker(b, m.DependencyMarker)
	b = appendState(b, m.State)
	b = appendPositions(b, m.Healthy)
	return appendPositions(b, m.Detected)
}

func appendPositions(b []byte, list []Position) []byte {
	b = AppendArrayHeader(b, len(list))
	for _, p := range list {
		b = append(b, 0x93)
		b = AppendInt(b, int64(p.Source))
		b = AppendInt(b, int64(p.Partition))
		b = AppendInt(b, p.Offset)
	}
	return b
}

// ReadRecovery reads a whole Recovery message.
func ReadRecovery(b []byte) (Recovery, error) {
	r := NewReader(b)
	more := r.ArrayMin(8, "a recovery of 8 fields")
	r.kind(KindRecovery, "kind recovery")
	m := Recovery{Checkpoint: r.Int32(), Dependency: r.Name()}
	m.DependentMarker = ReadMarker(&r)
	m.DependencyMarker = ReadMarker(&r)
	m.State = r.state()
	m.Healthy = r.positions()
	m.Detected = r.positions()
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Recovery{}, r.err
	}
	return m, nil
}

func (r *Reader) positions() (list []Position) {
	for n := r.List(MaxPositions, "at most 65536 positions"); n > 0 && r.err == nil; n-- {
		more := r.ArrayMin(3, "a position of 3 fields")
		list = append(list, Position{Source: r.Int32(), Partition: r.Int32(), Offset: r.Int()})
		r.SkipN(more)
	}
	return list
}

// Check asks a handler's own check:
// [4, checkpoint, which, dependency, dependent_marker, dependency_marker, threshold_ms].
type Check struct {
	// Checkpoint is the position in the binding's list of checkpoints.
	Checkpoint int32
	Which      CheckOf
	Dependency string
	// DependentMarker and DependencyMarker are what is to be judged.
	DependentMarker, DependencyMarker Marker
	ThresholdMs                       int64
}

// AppendCheck appends m.
func AppendCheck(b []byte, m *Check) []byte {
	b = append(b, 0x97, byte(KindCheck))
	b = AppendInt(b, int64(m.Checkpoint))
	b = AppendUint(b, uint64(m.Which))
	b = AppendStr(b, m.Dependency)
	b = AppendMarker(b, m.DependentMarker)
	b = AppendMarker(b, m.DependencyMarker)
	return AppendInt(b, m.ThresholdMs)
}

// ReadCheck reads a whole Check message.
func ReadCheck(b []byte) (Check, error) {
	r := NewReader(b)
	more := r.ArrayMin(7, "a check of 7 fields")
	r.kind(KindCheck, "kind check")
	m := Check{Checkpoint: r.Int32()}
	m.Which = CheckOf(r.UintMax(uint64(CheckRecovery), "a check of downtime or recovery"))
	m.Dependency = r.Name()
	m.DependentMarker = ReadMarker(&r)
	m.DependencyMarker = ReadMarker(&r)
	m.ThresholdMs = r.Int()
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Check{}, r.err
	}
	return m, nil
}
