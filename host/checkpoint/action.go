package checkpoint

import "github.com/sliphost/sliphost/abi"

// ActionKind says what the driver must do.
type ActionKind uint8

// The numbers are part of the snapshot's format.
const (
	// ActionPause: hold the dependent's partition back. It may come for a
	// partition that is held already. Holders are counted per checkpoint: a
	// partition flows again when no checkpoint holds it.
	ActionPause ActionKind = 1 + iota
	// ActionResume: this checkpoint holds the partition no more.
	ActionResume
	// ActionDowntime: Dependency went down. The driver reports it and calls the
	// handler's downtime function if it has one. DependentMarker,
	// DependencyMarker, DowntimeMs and State are set.
	ActionDowntime
	// ActionRecovery: Dependency is up again. The driver reports it and, if
	// Call is set, calls the handler's recovery function if it has one, and
	// carries out its seeks before the next action. DependentMarker,
	// DependencyMarker, State, Healthy and Detected are set.
	ActionRecovery
	// ActionAllUp: no dependency is down any more. It comes behind the last
	// ActionRecovery. Not in compat.
	ActionAllUp
	// ActionSeek: the dependent goes back to Positions, which Prune may have
	// emptied. The machine has taken note already (see Rewind).
	ActionSeek
	// ActionMaxPause: the dependent was held for MaxPause; HeldMs says how long.
	// By the policy PauseFail the task must fail; it comes once, and again after
	// a Load. By PauseResume an ActionResume follows.
	ActionMaxPause
)

// Action is one thing to do. Slices belong to the machine and must not be
// changed; they stay as they are until the machine is gone.
type Action struct {
	Kind ActionKind
	// Dependency is the position in Spec.Dependencies, -1 if the action is
	// about none.
	Dependency int
	// Call: the handler's recovery function is to be called.
	Call bool
	// Everyone: compat's ActionResume, which opens the partition also for other
	// checkpoints in compat, as the seed's single gate does (see Open).
	Everyone bool
	// DependentMarker and DependencyMarker are those when the action was found.
	DependentMarker, DependencyMarker abi.Marker
	// DowntimeMs is what the check found, above 0.
	DowntimeMs int64
	// HeldMs is how long the dependent was held.
	HeldMs int64
	// State is the dependent's state then, a raw msgpack map. For a recovery it
	// is what the seed calls checkpoint_state: an alias of the live state, so
	// not that of the downtime but the one at the recovery.
	State []byte
	// Healthy and Detected are the dependent's positions at the last heartbeat
	// of Dependency before it went down and when that was detected.
	Healthy, Detected []abi.Position
	// Positions is where to seek: the offsets of the records to be delivered
	// again first.
	Positions []abi.Position

	// charge is what State adds to the bytes that wait: states are shared.
	charge int
	// turned: this downtime is the one that made the dependency count as down.
	turned bool
}

// Check is a check of the user's own that waits for its answer.
type Check struct {
	Dependency                        int
	Which                             abi.CheckOf
	DependentMarker, DependencyMarker abi.Marker
	ThresholdMs                       int64
}
