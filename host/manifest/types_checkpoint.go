package manifest

import "time"

// Checkpoint holds a source, its dependent, back while sources that it depends
// on are too far behind.
type Checkpoint struct {
	ID           string
	Dependent    CheckpointSide
	Dependencies []Dependency
	// Pause says whether the dependent waits while a dependency is down.
	Pause bool
	// OnRecovery is where the dependent goes on.
	OnRecovery OnRecovery
	// MaxPause is the longest wait, 0 for no end; OnMaxPause what follows.
	MaxPause   time.Duration
	OnMaxPause MaxPausePolicy
	// WallClock also takes the present time for the dependent's marker, so that
	// a downtime is found while the dependent is silent too.
	WallClock bool
	Mode      CheckpointMode
	// Pos is where the manifest has the table.
	Pos Position
}

// Sources are the dependent's and the dependencies', those aside that could not
// be resolved.
func (c *Checkpoint) Sources() []Endpoint {
	all := []Endpoint{c.Dependent.Source}
	for i := range c.Dependencies {
		all = append(all, c.Dependencies[i].Source)
	}
	return all
}

// CheckpointSide is one source of a checkpoint.
type CheckpointSide struct {
	Source Endpoint
	Marker Marker

	source string
}

// Dependency is a source that a checkpoint waits for.
type Dependency struct {
	ID string
	CheckpointSide
	// Threshold is how far behind is too far.
	Threshold time.Duration
	// IdleAfter is how long a partition may be silent before it does not count.
	IdleAfter time.Duration
	// Checks are the checks that a handler of the module makes itself.
	Checks []CheckKind

	checks []string
}

// Marker says where a record's marker is found.
type Marker struct {
	Kind MarkerKind
	// At is a JSON pointer into the value, Layout the form of a time there in
	// the notation of Go's package time; both for MarkerField. Without a layout
	// the field is an integer or a text as it is.
	At, Layout string
}

// MarkerKind is the sort of a marker's place.
type MarkerKind uint8

// Places of markers.
const (
	// MarkerTimestamp: the record's timestamp.
	MarkerTimestamp MarkerKind = iota
	// MarkerField: a field of the record's value.
	MarkerField
	// MarkerCall: the handlers say it, by heartbeat and check_pulse.
	MarkerCall
)

// CheckKind is one of the two questions that a handler can answer itself.
type CheckKind string

// Checks.
const (
	CheckDowntime CheckKind = "downtime"
	CheckRecovery CheckKind = "recovery"
)

// OnRecovery is where the dependent goes on when no dependency is down any
// more.
type OnRecovery string

// Where the dependent goes on.
const (
	// RecoveryResume goes on where it stopped.
	RecoveryResume OnRecovery = "resume"
	// RecoverySeekHealthy and RecoverySeekDetected read again from the record
	// that was processed last when the dependency was heard of last before its
	// downtime, or from the one with which the downtime was found.
	RecoverySeekHealthy  OnRecovery = "seek:healthy"
	RecoverySeekDetected OnRecovery = "seek:detected"
	// RecoveryCall leaves it to the handlers' recovery call.
	RecoveryCall OnRecovery = "call"
)

// MaxPausePolicy is what follows when a dependent has waited for too long.
type MaxPausePolicy string

// Policies of max_pause.
const (
	MaxPauseFail   MaxPausePolicy = "fail"
	MaxPauseResume MaxPausePolicy = "resume"
)

// CheckpointMode chooses between the fixed and the old behaviour.
type CheckpointMode string

// Modes.
const (
	CheckpointDefault CheckpointMode = "default"
	CheckpointCompat  CheckpointMode = "compat"
)

// CheckpointBinding is a checkpoint under the name the module knows it by.
type CheckpointBinding struct {
	// Name is the module's name of the checkpoint, Checkpoint its id.
	Name, Checkpoint string
	// CheckpointIndex is the place in Checkpoints.
	CheckpointIndex int
	// Pos is where the manifest names it.
	Pos Position
}
