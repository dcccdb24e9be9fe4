package checkpoint

import (
	"github.com/sliphost/sliphost/abi"
)

// NoPosition is for pulses that come from no partition.
var NoPosition = abi.Position{Offset: -1}

// Machine is the state of one checkpoint for one partition of its dependent.
// It is not safe for concurrent use.
type Machine struct {
	spec *Spec
}

// New returns a machine to which nothing has happened yet. The error is that
// of Validate.
func New(spec *Spec) (*Machine, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	return &Machine{spec: spec}, nil
}

// Spec returns what the machine was made from.
func (m *Machine) Spec() *Spec { return m.spec }

// Pulse takes note of a record of the dependent: its marker, keys to set in
// the state (a raw msgpack map; nil sets none; copied) and where it stands
// (NoPosition if nowhere), and looks for dependencies that are down. It
// appends to dst what the guest gets: the dependencies that are down after it,
// in the order of Spec, with what the check found last; compat: at most one,
// the last dependency's downtime, if any is down and the last one's check
// found one just now.
//
// Errors: *MarkerError, ErrState, ErrPositions, ErrBacklog. In the default
// mode nothing has changed then; compat has noted marker and state before it
// finds a marker it cannot compare.
//
// It allocates nothing unless a dependency goes down, the state grows or the
// partition is new.
func (m *Machine) Pulse(dst []abi.DowntimeOf, marker abi.Marker, state []byte, at abi.Position, now int64) ([]abi.DowntimeOf, error) {
	return dst, nil
}

// Heartbeat takes note of how far a partition of a dependency is and looks
// whether the dependency has recovered. The result says whether it is down
// also after this, the dependent's marker and the marker just given.
//
// Errors: *MarkerError, ErrBacklog, ErrDependency; nothing has changed then,
// except in compat, which has noted the marker before it finds that it cannot
// compare it.
func (m *Machine) Heartbeat(dependency int, partition int32, marker abi.Marker, now int64) (abi.Latency, error) {
	return abi.Latency{}, nil
}

// Idle says that a partition of a dependency is read to its end: it does not
// count until its next heartbeat. While all partitions are idle the one that
// is farthest counts, so that a dependency that ended is still found down when
// the dependent runs away. Compat ignores it.
func (m *Machine) Idle(dependency int, partition int32, now int64) error { return nil }

// Tick looks at what depends on time alone: partitions that become idle,
// MaxPause and WallClock.
func (m *Machine) Tick(now int64) {}

// Due says that a check or an action waits.
func (m *Machine) Due() bool { return false }

// Check returns the first open check; the order is that of Spec, downtime
// before recovery.
func (m *Machine) Check() (c Check, ok bool) { return c, false }

// AnswerDowntime answers an open downtime check: how long the dependency is
// down in milliseconds, 0 or less for not at all. Without such a check it does
// nothing. A check that failed is answered with 0, or the transaction aborts.
func (m *Machine) AnswerDowntime(dependency int, ms, now int64) {}

// AnswerRecovery answers an open recovery check.
func (m *Machine) AnswerRecovery(dependency int, recovered bool, now int64) {}

// Downtimes appends what the last Pulse would answer now, with the checks
// answered since.
func (m *Machine) Downtimes(dst []abi.DowntimeOf) []abi.DowntimeOf { return dst }

// Next returns the action to carry out now; the same one until Done or Failed.
func (m *Machine) Next() (*Action, bool) { return nil, false }

// Done says that the action of Next was carried out.
func (m *Machine) Done() {}

// Failed says that the handler's function for the action of Next failed and
// that the driver goes on all the same. It is like Done; in compat a failed
// downtime function leaves the dependent paused for a dependency that does not
// count as down, so that no heartbeat resumes it, as in the seed.
func (m *Machine) Failed() {}

// Held says whether the dependent's partition must be held, as it will be when
// the waiting ActionPause is carried out and is until the waiting ActionResume
// is.
func (m *Machine) Held() bool { return false }

// Rewind notes that the dependent was sent back to a position, by a seek of
// the handler's.
func (m *Machine) Rewind(to abi.Position) {}

// Prune forgets the positions of partitions that are not owned any more,
// those that wait in actions included.
func (m *Machine) Prune(owned func(source, partition int32) bool) {}

// Reset forgets everything that was noted, as if the machine were new, and
// resumes the dependent if it is held.
func (m *Machine) Reset() {}

// Mark names this moment for Undo. Marks are small numbers that grow with the
// changes; 0 is the last Forget.
func (m *Machine) Mark() int { return 0 }

// Undo takes back everything since mark, a result of Mark since the last
// Forget and not yet undone.
func (m *Machine) Undo(mark int) {}

// Forget makes everything until now final.
func (m *Machine) Forget() {}

// Changed says that the machine's durable form may differ from the last
// AppendSnapshot or Load.
func (m *Machine) Changed() bool { return false }

// AppendSnapshot appends the machine's durable form, in one version of one
// format: a msgpack array. Times of heartbeats are not part of it, only which
// partitions are idle.
func (m *Machine) AppendSnapshot(dst []byte) []byte { return dst }

// Load makes the machine what a snapshot says, after a restart at now, and
// forgets the journal. Dependencies are found by name: those that Spec does
// not have any more are left out, new ones begin. In the default mode it
// queues what is due: a pause if the dependent was held, then the actions that
// were not done. Compat knows markers and state only: as in the seed nothing
// is down after a restart.
//
// Errors wrap ErrSnapshot; the machine is unchanged then.
func (m *Machine) Load(snapshot []byte, now int64) error { return nil }

// Status is a copy of what there is to show of a machine.
type Status struct {
	Marker    abi.Marker
	Held      bool
	Positions []abi.Position
	// State is a raw msgpack map.
	State        []byte
	Dependencies []DependencyStatus
	// Waiting is the number of actions not yet carried out.
	Waiting int
}

// DependencyStatus is the part of Status about one dependency.
type DependencyStatus struct {
	Name string
	// Marker is the least of the partitions that are not idle, or the
	// dependent's if there was no heartbeat yet.
	Marker            abi.Marker
	Down              bool
	DowntimeMs        int64
	Healthy, Detected []abi.Position
	Partitions        []PartitionStatus
}

// PartitionStatus is what is known of a partition of a dependency.
type PartitionStatus struct {
	Partition int32
	Marker    abi.Marker
	Idle      bool
}

// Status returns a copy of what there is to show.
func (m *Machine) Status() Status { return Status{} }
