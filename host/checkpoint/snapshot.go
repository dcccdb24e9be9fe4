package checkpoint

import "github.com/sliphost/sliphost/abi"

// snapshotVersion is the first field of a snapshot. Fields may be appended to
// any of its arrays without a new version: readers pass over what they do not
// know.
//
//	snapshot:   [version, marker, paused_at|nil, head_flags, last,
//	             [position...], state, [dependency...], [waiting_state...], [action...]]
//	dependency: [name, view, dep_flags, downtime_ms, [part...], [healthy...], [detected...]]
//	part:       [partition, marker, idle]
//	action:     [kind, dependency, act_flags, dependent_marker, dependency_marker,
//	             downtime_ms, held_ms, waiting_state|-1, [healthy...], [detected...], [position...]]
//	position:   [source, partition, offset]
//
// Markers are those of the ABI, states raw maps. view counts only where there
// is no part. waiting_state is a position in the list before.
const snapshotVersion = 1

// Bits of the flags.
const flagReleased = 1

const (
	flagDown = 1 << iota
	flagHit
	flagSilent
	flagAskDowntime
	flagAskRecovery
	flagAdopted
)

const (
	flagCall = 1 << iota
	flagEveryone
)

func flags(bits ...bool) (f uint64) {
	for i, b := range bits {
		if b {
			f |= 1 << i
		}
	}
	return f
}

// Changed says that the machine's durable form may differ from the last
// AppendSnapshot or Load. A snapshot that was written and not committed is
// written again: Undo makes it so.
func (m *Machine) Changed() bool { return m.changed }

// AppendSnapshot appends the machine's durable form, in one version of one
// format: a msgpack array. Times of heartbeats are not part of it, only which
// partitions are idle.
func (m *Machine) AppendSnapshot(dst []byte) []byte {
	m.changed = false
	dst = abi.AppendArrayHeader(dst, 10)
	dst = abi.AppendUint(dst, snapshotVersion)
	dst = abi.AppendMarker(dst, m.marker)
	if m.paused {
		dst = abi.AppendInt(dst, m.pausedAt)
	} else {
		dst = abi.AppendNil(dst)
	}
	dst = abi.AppendUint(dst, flags(m.released))
	dst = abi.AppendInt(dst, m.last)
	dst = appendPositions(dst, m.positions)
	dst = m.state.append(dst)
	dst = abi.AppendArrayHeader(dst, len(m.deps))
	for i := range m.deps {
		dst = m.deps[i].append(dst, m.spec.Dependencies[i].Name)
	}
	return appendActions(dst, m.queue[m.done:])
}

func (d *dependency) append(dst []byte, name string) []byte {
	dst = abi.AppendArrayHeader(dst, 7)
	dst = abi.AppendStr(dst, name)
	dst = abi.AppendMarker(dst, d.view)
	dst = abi.AppendUint(dst, flags(d.down, d.hit, d.silent, d.askDowntime, d.askRecovery, d.adopted))
	dst = abi.AppendInt(dst, d.downtime)
	dst = abi.AppendArrayHeader(dst, len(d.parts))
	for _, p := range d.parts {
		dst = abi.AppendArrayHeader(dst, 3)
		dst = abi.AppendInt(dst, int64(p.partition))
		dst = abi.AppendMarker(dst, p.marker)
		dst = abi.AppendBool(dst, p.idle)
	}
	dst = appendPositions(dst, d.healthy)
	return appendPositions(dst, d.detected)
}

// appendActions appends the states that actions share, each once, and the
// actions.
func appendActions(dst []byte, queue []Action) []byte {
	var states [][]byte
	places := make([]int, 0, len(queue))
	for i := range queue {
		place := -1
		if state := queue[i].State; len(state) > 0 {
			// Actions that share a state stand together.
			if n := len(states); n == 0 || !sameBytes(states[n-1], state) {
				states = append(states, state)
			}
			place = len(states) - 1
		}
		places = append(places, place)
	}
	dst = abi.AppendArrayHeader(dst, len(states))
	for _, state := range states {
		dst = append(dst, state...)
	}
	dst = abi.AppendArrayHeader(dst, len(queue))
	for i := range queue {
		a := &queue[i]
		dst = abi.AppendArrayHeader(dst, 11)
		dst = abi.AppendUint(dst, uint64(a.Kind))
		dst = abi.AppendInt(dst, int64(a.Dependency))
		dst = abi.AppendUint(dst, flags(a.Call, a.Everyone))
		dst = abi.AppendMarker(dst, a.DependentMarker)
		dst = abi.AppendMarker(dst, a.DependencyMarker)
		dst = abi.AppendInt(dst, a.DowntimeMs)
		dst = abi.AppendInt(dst, a.HeldMs)
		dst = abi.AppendInt(dst, int64(places[i]))
		dst = appendPositions(dst, a.Healthy)
		dst = appendPositions(dst, a.Detected)
		dst = appendPositions(dst, a.Positions)
	}
	return dst
}

func appendPositions(dst []byte, list []abi.Position) []byte {
	dst = abi.AppendArrayHeader(dst, len(list))
	for _, p := range list {
		dst = abi.AppendArrayHeader(dst, 3)
		dst = abi.AppendInt(dst, int64(p.Source))
		dst = abi.AppendInt(dst, int64(p.Partition))
		dst = abi.AppendInt(dst, p.Offset)
	}
	return dst
}
