package checkpoint

import (
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// DefaultThreshold is how far a dependency may lag behind unless a manifest
// says otherwise; the seed's.
const DefaultThreshold = 10 * time.Minute

// Spec says what a checkpoint is. It must not change while machines use it.
type Spec struct {
	// Name is the checkpoint's id, for errors.
	Name string
	// Dependencies in the order of the manifest, at least 1, at most
	// abi.MaxBindings. Their position is how events name them.
	Dependencies []Dependency
	// Pause holds the dependent back while a dependency is down.
	Pause bool
	// OnRecovery is what happens when all dependencies are up again.
	OnRecovery OnRecovery
	// MaxPause is the longest time the dependent is held; 0 is without end.
	MaxPause time.Duration
	// MaxPausePolicy is what happens then.
	MaxPausePolicy MaxPausePolicy
	// Mode is the default, or the seed's behaviour.
	Mode Mode
	// Markers says what an older marker does to a newer one. Compat: always
	// MarkersLast.
	Markers Markers
	// RepeatDowntime reports a downtime again at each pulse that finds it, not
	// only at the first. Compat: always.
	RepeatDowntime bool
	// EqualRecovers lets a dependency recover when its marker equals the
	// dependent's. Not in compat.
	EqualRecovers bool
	// WallClock also detects a dependency that has given no heartbeat for
	// longer than its threshold, by the time of Tick: without it nothing is
	// found while the dependent has no records. Not in compat.
	WallClock bool
}

// Dependency is what Spec says about one dependency.
type Dependency struct {
	// Name is unique within the checkpoint, 1 to abi.MaxName bytes.
	Name string
	// Threshold: it is down if it lags behind the dependent by more than that.
	Threshold time.Duration
	// IdleAfter: a partition of it that has given no heartbeat for longer than
	// that does not count any more; 0 is the threshold. Compat knows no
	// partitions: the last heartbeat of any is the dependency's.
	IdleAfter time.Duration
	// CustomDowntime and CustomRecovery: the user's own checks are asked
	// instead of the default ones; see the package comment.
	CustomDowntime, CustomRecovery bool
}

// OnRecovery says what happens when all dependencies are up again.
type OnRecovery uint8

const (
	// Resume goes on where the dependent stopped.
	Resume OnRecovery = iota
	// SeekHealthy goes back to the dependent's position at the last heartbeat
	// before the downtime; of several dependencies that were down, the earliest.
	SeekHealthy
	// SeekDetected goes back to where the first of the downtimes was detected.
	SeekDetected
	// Call calls the handler's recovery function, which may seek.
	Call
)

// MaxPausePolicy says what happens when the dependent was held for too long.
type MaxPausePolicy uint8

const (
	// PauseFail stops the task.
	PauseFail MaxPausePolicy = iota
	// PauseResume goes on without the dependency, until all are up again and
	// one goes down anew.
	PauseResume
)

// Mode chooses between the documented behaviour and the seed's.
type Mode uint8

const (
	// Default is the documented behaviour.
	Default Mode = iota
	// Compat does what the seed does, its errors included.
	Compat
)

// Markers says what an older marker does to a newer one.
type Markers uint8

const (
	// MarkersMax keeps the newer one.
	MarkersMax Markers = iota
	// MarkersLast takes the last one given, whatever it is.
	MarkersLast
)

// Validate returns everything that is wrong with s, joined.
func (s *Spec) Validate() error {
	var found []error
	wrong := func(format string, args ...any) {
		found = append(found, fmt.Errorf("checkpoint %s: "+format, append([]any{s.Name}, args...)...))
	}
	if n := len(s.Dependencies); n == 0 {
		wrong("has no dependency")
	} else if n > abi.MaxBindings {
		wrong("has %d dependencies, at most %d are possible", n, abi.MaxBindings)
	}
	seen := make(map[string]bool, len(s.Dependencies))
	for i := range s.Dependencies {
		d := &s.Dependencies[i]
		switch {
		case d.Name == "" || len(d.Name) > abi.MaxName:
			wrong("the name of dependency %d has %d bytes, it needs 1 to %d", i, len(d.Name), abi.MaxName)
		case seen[d.Name]:
			wrong("dependency %s is there twice", d.Name)
		}
		seen[d.Name] = true
		if d.Threshold < 0 || d.IdleAfter < 0 {
			wrong("dependency %s: threshold and idle_after must not be negative", d.Name)
		}
	}
	if s.MaxPause < 0 {
		wrong("max_pause must not be negative")
	}
	if s.OnRecovery > Call || s.MaxPausePolicy > PauseResume || s.Mode > Compat || s.Markers > MarkersLast {
		wrong("an option has a value that does not exist")
	}
	if s.Mode == Compat {
		if s.OnRecovery == SeekHealthy || s.OnRecovery == SeekDetected {
			wrong("the seed leaves seeking to the recovery function: in mode compat on_recovery is \"resume\" or \"call\"")
		}
		if s.EqualRecovers || s.WallClock {
			wrong("mode compat has neither recovery by an equal marker nor detection by the clock")
		}
	}
	return errors.Join(found...)
}

// ErrDependency: there is no such dependency, or none was named and there are
// several.
var ErrDependency = errors.New("no such dependency")

// Find returns the position of the dependency of a heartbeat, which names it
// or, with only, means the checkpoint's single one. The error wraps
// ErrDependency.
func (s *Spec) Find(name string, only bool) (int, error) {
	if only {
		if len(s.Dependencies) == 1 {
			return 0, nil
		}
		return 0, fmt.Errorf("heartbeat of checkpoint %s: it has %d dependencies, the heartbeat must name one: %w", s.Name, len(s.Dependencies), ErrDependency)
	}
	for i := range s.Dependencies {
		if s.Dependencies[i].Name == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("heartbeat of checkpoint %s for %q: %w", s.Name, name, ErrDependency)
}
