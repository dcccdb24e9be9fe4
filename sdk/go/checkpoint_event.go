package slip

import (
	"errors"

	"github.com/sliphost/sliphost/abi"
)

// Downtime says that a dependency of a checkpoint went down.
type Downtime struct {
	// Dependency is its name in the manifest.
	Dependency string
	// DependentMarker and DependencyMarker are those at detection.
	DependentMarker, DependencyMarker Marker
	// Ms is what the check found, in milliseconds, above 0.
	Ms int64
	// State is the dependent's state at detection, a map; see
	// [CheckpointRef.CheckPulse]. It is valid until the function returns.
	State Value
}

// OnDowntime is a binding for [Handle]: f is called when a dependency goes
// down, at the commit border behind the record that found it. What it emits
// and writes to caches counts if it returns nil; an output without a timestamp
// has that of stream time. [Call.Seek] is allowed. It binds the checkpoint,
// too. c is valid until f returns.
func (k *CheckpointRef) OnDowntime(f func(c *Call, d Downtime) error) Binding {
	return checkpointEvent{k, func(h *handler) {
		h.event(abi.FlagDowntime, abi.KindDowntime, func(c *Call, msg []byte) error {
			m, err := abi.ReadDowntime(msg)
			if err != nil {
				return unreadable(err)
			}
			if m.Checkpoint != c.b.checkpoint(k.index) {
				return nil
			}
			return f(c, Downtime{
				Dependency:      m.Dependency,
				DependentMarker: Marker{m.DependentMarker}, DependencyMarker: Marker{m.DependencyMarker},
				Ms: m.DowntimeMs, State: Value{raw: m.State, c: c},
			})
		})
	}}
}

// Recovery says that a dependency of a checkpoint recovered.
type Recovery struct {
	// Dependency is its name in the manifest.
	Dependency string
	// DependentMarker and DependencyMarker are those at recovery.
	DependentMarker, DependencyMarker Marker
	// State is the dependency's checkpoint state, a map: the dependent's state
	// at the last heartbeat. It is valid until the function returns.
	State Value
	// Healthy are the dependent's positions at the last heartbeat before the
	// downtime, Detected those when it was found: what lies between was handled
	// without the dependency.
	Healthy, Detected []Position
}

// Position is the record last processed of a partition: [Call.SeekTo] has it
// delivered again, and those behind it.
type Position struct {
	// Source is the source's name in the manifest.
	Source    string
	Partition int32
	Offset    int64
}

// OnRecovery is a binding for [Handle]: f is called when a dependency has
// recovered, at the commit border before the dependent resumes, if the
// manifest has on_recovery = "call". It may go back: [Call.Seek] and
// [Call.SeekTo]. What it emits and writes to caches counts if it returns nil;
// an output without a timestamp has that of stream time. It binds the
// checkpoint, too. c is valid until f returns.
func (k *CheckpointRef) OnRecovery(f func(c *Call, r Recovery) error) Binding {
	return checkpointEvent{k, func(h *handler) {
		h.event(abi.FlagRecovery, abi.KindRecovery, func(c *Call, msg []byte) error {
			m, err := abi.ReadRecovery(msg)
			if err != nil {
				return unreadable(err)
			}
			if m.Checkpoint != c.b.checkpoint(k.index) {
				return nil
			}
			return f(c, Recovery{
				Dependency:      m.Dependency,
				DependentMarker: Marker{m.DependentMarker}, DependencyMarker: Marker{m.DependencyMarker},
				State:   Value{raw: m.State, c: c},
				Healthy: c.b.positions(m.Healthy), Detected: c.b.positions(m.Detected),
			})
		})
	}}
}

// positions puts names to sources. One that the host did not name in its Init
// message keeps an empty name, which Seek refuses.
func (b *binding) positions(list []abi.Position) []Position {
	all := make([]Position, len(list))
	for i, p := range list {
		all[i] = Position{Partition: p.Partition, Offset: p.Offset}
		if p.Source >= 0 && int(p.Source) < len(b.sources) {
			all[i].Source = b.sources[p.Source].Name
		}
	}
	return all
}

// Check is a question of a checkpoint's to a check of the handler's own.
type Check struct {
	// Dependency is the name of the dependency in question in the manifest.
	Dependency string
	// DependentMarker and DependencyMarker are to be judged; one that is not
	// set was not given yet.
	DependentMarker, DependencyMarker Marker
	// ThresholdMs is the dependency's threshold in the manifest, in
	// milliseconds.
	ThresholdMs int64
}

// DowntimeCheck is a binding for [Handle]: f says for how long a dependency is
// down, in milliseconds, 0 or less for not at all, in place of the check that
// compares times or integers with the threshold. It binds the checkpoint, too.
//
// f must depend on nothing but ch and the handler's parameters: it is called
// in an instance of its own, and caches and checkpoints are not there. It
// cannot emit.
func (k *CheckpointRef) DowntimeCheck(f func(c *Call, ch Check) (downMs int64, err error)) Binding {
	return k.check(abi.CheckDowntime, func(c *Call, ch Check) ([]byte, error) {
		ms, err := f(c, ch)
		return abi.AppendInt(nil, ms), err
	})
}

// RecoveryCheck is a binding for [Handle]: f says whether a dependency that
// was down has recovered, in place of the check that wants its marker ahead of
// the dependent's. The rules of [CheckpointRef.DowntimeCheck] hold.
func (k *CheckpointRef) RecoveryCheck(f func(c *Call, ch Check) (recovered bool, err error)) Binding {
	return k.check(abi.CheckRecovery, func(c *Call, ch Check) ([]byte, error) {
		ok, err := f(c, ch)
		return abi.AppendBool(nil, ok), err
	})
}

func (k *CheckpointRef) check(which abi.CheckOf, answer func(c *Call, ch Check) ([]byte, error)) Binding {
	return checkpointEvent{k, func(h *handler) {
		h.event(abi.FlagCheck, abi.KindCheck, func(c *Call, msg []byte) error {
			m, err := abi.ReadCheck(msg)
			if err != nil {
				return unreadable(err)
			}
			if m.Checkpoint != c.b.checkpoint(k.index) || m.Which != which {
				return nil
			}
			value, err := answer(c, Check{
				Dependency:      m.Dependency,
				DependentMarker: Marker{m.DependentMarker}, DependencyMarker: Marker{m.DependencyMarker},
				ThresholdMs: m.ThresholdMs,
			})
			if err != nil {
				return err
			}
			return c.answer(value)
		})
		h.takes(abi.FlagCheck, abi.KindCheck).answers = true
	}}
}

// answer writes the answer of a call that asks for a value.
func (c *Call) answer(value []byte) error {
	r := &c.in.replies
	if r.n > r.mark || r.spilled {
		return errors.New("slip: a check cannot emit")
	}
	r.set(append(abi.AppendAnswer(r.bytes(), r.index), value...))
	return nil
}

// checkpointEvent binds a checkpoint and something that is called by it.
type checkpointEvent struct {
	k     *CheckpointRef
	event func(h *handler)
}

func (e checkpointEvent) bind(h *handler) {
	e.k.bind(h)
	e.event(h)
}

// Offsets for [Call.Seek] beside those of records.
const (
	Beginning int64 = -2
	End       int64 = -1
)

// Seek has a partition of a source read again from an offset on, or from its
// [Beginning], or its [End]: at the next commit, if the call that it is made in
// succeeds; of several for a partition the last one counts. Only the handlers
// of the checkpoint get the records again, as [Record.Replayed]. It is allowed
// in [CheckpointRef.OnDowntime] and [CheckpointRef.OnRecovery].
//
// Errors: a source that is not the dependent's, a partition that is not this
// task's, an offset below -2.
func (c *Call) Seek(source string, partition int32, offset int64) error {
	c.check()
	n := int32(abi.ResultUnbound)
	for i := range c.b.sources {
		if c.b.sources[i].Name == source {
			n = hostSeek(c.in, int32(i), partition, offset)
			break
		}
	}
	switch n {
	case 0:
		return nil
	case abi.ResultUnbound:
		return &recordError{code: abi.CodeUnbound, text: "seek: source \"" + source +
			"\" is not the checkpoint's dependent, or the partition not this task's, or it is not allowed here"}
	}
	return &recordError{code: abi.CodeFailed, text: "seek: the host refused the offset"}
}

// SeekTo is [Call.Seek] to a position: the record there is the first that
// comes again.
func (c *Call) SeekTo(p Position) error { return c.Seek(p.Source, p.Partition, p.Offset) }
