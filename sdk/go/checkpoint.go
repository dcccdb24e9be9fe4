package slip

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// CheckpointRef is a checkpoint: it watches how far a source, the dependent,
// is ahead of those it depends on, and holds it back while one of them is
// down. It is declared once, as a package variable, and bound to handlers by
// [Handle]; the manifest says which sources it is about and what is done when
// one goes down.
//
// Handlers tell it how far they are, each of a dependency with
// [CheckpointRef.Heartbeat] and each of the dependent with
// [CheckpointRef.CheckPulse], unless the manifest takes the markers from the
// records itself. They may be told in turn: [CheckpointRef.OnDowntime] and
// [CheckpointRef.OnRecovery]. What is down is decided by times or integers and
// a threshold, or by [CheckpointRef.DowntimeCheck] and
// [CheckpointRef.RecoveryCheck].
//
// What a record told a checkpoint counts with the record, and is undone when
// it fails.
type CheckpointRef struct{ ref }

// checkpointRefs counts the declared checkpoints.
var checkpointRefs int

// Checkpoint declares a checkpoint. name is the module's own name for it; the
// manifest says which checkpoint stands behind it.
func Checkpoint(name string) *CheckpointRef {
	mustName("slip.Checkpoint", name)
	checkpointRefs++
	return &CheckpointRef{ref{name: name, index: checkpointRefs - 1}}
}

// Name returns the name given to [Checkpoint].
func (k *CheckpointRef) Name() string { return k.name }

// bind may be called several times: what is bound of a checkpoint binds it.
func (k *CheckpointRef) bind(h *handler) {
	for _, r := range h.checkpoints {
		if r == k.ref {
			return
		}
	}
	h.clash("checkpoints", k.name, h.desc.Checkpoints)
	h.desc.Checkpoints = append(h.desc.Checkpoints, k.name)
	h.checkpoints = append(h.checkpoints, k.ref)
}

// Latency is what a heartbeat learns.
type Latency struct {
	// IsLate says that the dependency is down, also after this heartbeat.
	IsLate bool
	// Dependent is how far the dependent is, not set before its first pulse;
	// Dependency is the marker just given.
	Dependent, Dependency Marker
}

// Heartbeat tells how far a dependency is: the handler of its source calls it
// for each record. dependency is its name in the manifest, "" for the
// checkpoint's only one. If it was down and has caught up, the checkpoint
// recovers once the record counts.
//
// Errors: a dependency that is unknown, or "" where there are several; a
// marker that the checkpoint's check cannot compare.
func (k *CheckpointRef) Heartbeat(c *Call, marker Marker, dependency string) (l Latency, err error) {
	id, err := k.at(c, len(marker.m.Text))
	if err != nil {
		return l, err
	}
	in := c.in
	var req []byte
	switch n := len(dependency); {
	case n == 0:
		req = append(in.request[:0], 0x92, 0xc0)
	case n < 32:
		req = append(append(in.request[:0], 0x92, 0xa0|byte(n)), dependency...)
	default:
		req = abi.AppendStr(append(in.request[:0], 0x92), dependency)
	}
	if v := marker.m.Int; marker.m.Kind == abi.MarkerTime && v > math.MaxUint32 {
		req = append(req, 0x91, 0xcf, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
			byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	} else {
		req = abi.AppendMarker(req, marker.m)
	}
	in.request = req
	buf := in.arena.room(minRoom)
	n := hostCheckpointHeartbeat(in, id, req, buf)
	if n > int64(len(buf)) {
		buf = in.arena.room(int(n))
		n = hostCheckpointHeartbeat(in, id, req, buf)
	}
	if n < 0 || n > int64(len(buf)) {
		return l, k.refused("heartbeat", n)
	}
	if quickLatency(buf[:n], &l) {
		return l, nil
	}
	m, err := abi.ReadLatency(buf[:n])
	if err != nil {
		return l, k.unreadable("heartbeat")
	}
	return Latency{m.IsLate, Marker{m.DependentMarker}, Marker{m.DependencyMarker}}, nil
}

// quickLatency reads a Latency of times that are not before 1970, the
// dependent's perhaps absent, in the form a host writes; false for everything
// else, and package abi then decides: calls cost a guest more than the reading.
func quickLatency(b []byte, l *Latency) bool {
	if len(b) < 13 || b[0] != 0x93 || b[1] != 0xc2 && b[1] != 0xc3 {
		return false
	}
	p := 2
	if b[2] == 0xc0 {
		p = 3
	} else if len(b) != 22 || b[2] != 0x91 || b[3] != 0xcf || b[4] >= 0x80 {
		return false
	} else {
		w := (*[8]byte)(b[4:])
		l.Dependent.m.Int = int64(uint64(w[0])<<56 | uint64(w[1])<<48 | uint64(w[2])<<40 | uint64(w[3])<<32 |
			uint64(w[4])<<24 | uint64(w[5])<<16 | uint64(w[6])<<8 | uint64(w[7]))
		l.Dependent.m.Kind = abi.MarkerTime
		p = 12
	}
	if len(b) != p+10 || b[p] != 0x91 || b[p+1] != 0xcf || b[p+2] >= 0x80 {
		l.Dependent = Marker{}
		return false
	}
	w := (*[8]byte)(b[p+2:])
	l.Dependency.m.Int = int64(uint64(w[0])<<56 | uint64(w[1])<<48 | uint64(w[2])<<40 | uint64(w[3])<<32 |
		uint64(w[4])<<24 | uint64(w[5])<<16 | uint64(w[6])<<8 | uint64(w[7]))
	l.Dependency.m.Kind = abi.MarkerTime
	l.IsLate = b[1] == 0xc3
	return true
}

// Down is a dependency that is down and for how long, in milliseconds, as the
// check found it last.
type Down struct {
	Dependency string
	Ms         int64
}

// Downtimes are the dependencies that are down, in the order of the manifest.
type Downtimes []Down

// First returns the first of them; false if none is down.
func (d Downtimes) First() (down Down, ok bool) {
	if len(d) == 0 {
		return Down{}, false
	}
	return d[0], true
}

// Of returns for how long a dependency is down; false if it is not.
func (d Downtimes) Of(dependency string) (ms int64, ok bool) {
	for _, down := range d {
		if down.Dependency == dependency {
			return down.Ms, true
		}
	}
	return 0, false
}

// CheckPulse tells how far the dependent is: the handler of its source calls
// it for each record. It returns the dependencies that are down; if there are
// any, the record still counts and its outputs stand, and the dependent pauses
// behind it.
//
// state are fields to set in the dependent's state, which is kept with the
// checkpoint and comes with a downtime and a recovery: what was set before
// stays, and all of it has at most 65536 bytes. Their names differ.
//
// Errors: a marker that the checkpoint's check cannot compare, a state that is
// too large.
func (k *CheckpointRef) CheckPulse(c *Call, marker Marker, state ...StateField) (Downtimes, error) {
	id, err := k.at(c, len(marker.m.Text))
	if err != nil {
		return nil, err
	}
	in := c.in
	var req []byte
	if v := marker.m.Int; marker.m.Kind == abi.MarkerTime && v > math.MaxUint32 {
		req = append(in.request[:0], 0x92, 0x91, 0xcf, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
			byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	} else {
		req = abi.AppendMarker(append(in.request[:0], 0x92), marker.m)
	}
	if len(state) < 16 {
		req = append(req, 0x80|byte(len(state)))
	} else {
		req = abi.AppendMapHeader(req, len(state))
	}
	for i := range state {
		req = state[i].append(req)
	}
	in.request = req
	buf := in.arena.room(minRoom)
	n := hostCheckpointPulse(in, id, req, buf)
	if n == 0 {
		return nil, nil
	}
	if n > int64(len(buf)) {
		buf = in.arena.room(int(n))
		n = hostCheckpointPulse(in, id, req, buf)
	}
	if n < 0 || n > int64(len(buf)) {
		return nil, k.refused("check pulse", n)
	}
	list, err := abi.ReadDowntimeList(buf[:n])
	if err != nil {
		return nil, k.unreadable("check pulse")
	}
	down := make(Downtimes, len(list))
	for i := range list {
		down[i] = Down{list[i].Dependency, list[i].DowntimeMs}
	}
	return down, nil
}

// StateField is a field of a dependent's state; see [CheckpointRef.CheckPulse].
type StateField struct {
	name string
	kind Kind
	// bits is a number or truth value, raw a string or what is encoded already.
	bits uint64
	raw  []byte
}

// StateInt sets a field to a whole number, such as an offset.
func StateInt(name string, v int64) StateField {
	return StateField{name: name, kind: KindInt, bits: uint64(v)}
}

// StateFloat sets a field to a number.
func StateFloat(name string, v float64) StateField {
	return StateField{name: name, kind: KindFloat, bits: math.Float64bits(v)}
}

// StateBool sets a field to a truth value.
func StateBool(name string, v bool) StateField {
	f := StateField{name: name, kind: KindBool}
	if v {
		f.bits = 1
	}
	return f
}

// StateString sets a field to text.
func StateString(name, v string) StateField {
	return StateField{name: name, kind: KindString, raw: unsafe.Slice(unsafe.StringData(v), len(v))}
}

// StateRaw sets a field to one msgpack value, such as [Value.Raw] and
// [Call.Encode] give it; anything else is refused. It must not change before
// the field is used.
func StateRaw(name string, msgpack []byte) StateField {
	return StateField{name: name, kind: KindExtension, raw: msgpack}
}

func (f *StateField) append(b []byte) []byte {
	if n := len(f.name); n < 32 {
		b = append(append(b, 0xa0|byte(n)), f.name...)
	} else {
		b = abi.AppendStr(b, f.name)
	}
	switch f.kind {
	case KindInt:
		if f.bits < 0x80 {
			return append(b, byte(f.bits))
		}
		return abi.AppendInt(b, int64(f.bits))
	case KindFloat:
		return abi.AppendFloat(b, math.Float64frombits(f.bits))
	case KindBool:
		return abi.AppendBool(b, f.bits != 0)
	case KindString:
		return append(abi.AppendStrHeader(b, len(f.raw)), f.raw...)
	}
	return append(b, f.raw...)
}

// at returns the host's number of the checkpoint, if a marker of that much text
// can be given.
func (k *CheckpointRef) at(c *Call, text int) (int32, error) {
	if c.live && k.index < len(c.b.checkpointIDs) && text <= abi.MaxMarker {
		if id := c.b.checkpointIDs[k.index]; id >= 0 {
			c.in.touched = true
			return id, nil
		}
	}
	return -1, k.unusable(c, text)
}

// unusable says why at has no number.
func (k *CheckpointRef) unusable(c *Call, text int) error {
	c.check()
	if text > abi.MaxMarker {
		return k.fault(abi.CodeFailed, "a text marker has at most 255 bytes")
	}
	return &recordError{code: abi.CodeUnbound, text: "checkpoint \"" + k.name +
		"\" is not bound: add it to slip.Handle of handler \"" + c.b.h.desc.Name + "\""}
}

// checkpoint returns the host's number of the checkpoint with that index, -1 if
// it is not bound.
func (b *binding) checkpoint(index int) int32 {
	if index < len(b.checkpointIDs) {
		return b.checkpointIDs[index]
	}
	return -1
}

func (k *CheckpointRef) fault(code abi.ErrorCode, why string) error {
	return &recordError{code: code, text: "checkpoint \"" + k.name + "\": " + why}
}

func (k *CheckpointRef) unreadable(what string) error {
	return k.fault(abi.CodeMessage, what+": the host's answer could not be read")
}

// refused turns a negative answer of the host into an error.
func (k *CheckpointRef) refused(what string, n int64) error {
	switch n {
	case abi.ResultUnbound:
		return k.fault(abi.CodeUnbound, what+": not bound in the manifest or not allowed here")
	case abi.ResultInvalid:
		return k.fault(abi.CodeFailed, what+": the host refused it: an unknown dependency, "+
			"a marker that cannot be compared, or a state that is no map of at most 65536 bytes")
	case abi.ResultLimit:
		return k.fault(abi.CodeLimit, what+": a limit of this record was reached")
	}
	return k.fault(abi.CodeFailed, what+": the host answered "+strconv.FormatInt(n, 10))
}
