package state

import (
	"errors"
	"fmt"
)

// Errors that say in which state something is.
var (
	// ErrCorrupt is about damaged data on disk: what was read cannot be
	// trusted. The way out is Recreate and a restore from the changelogs.
	ErrCorrupt = errors.New("damaged data")
	// ErrReadOnly answers writes to a global cache.
	ErrReadOnly = errors.New("the cache is read-only for handlers")
	// ErrTooLarge answers a write above a limit of the cache or of the call.
	ErrTooLarge = errors.New("too large")
	// ErrAttached says that a partition belongs to an overlay, maybe another's.
	ErrAttached = errors.New("the partition is in use by a worker of this process")
	// ErrDetached answers calls on a Partition after Detach.
	ErrDetached = errors.New("the partition was given back")
	// ErrStale answers calls on a Partition from before a Recreate.
	ErrStale = errors.New("the store was made anew")
	// ErrClosed answers calls after Close.
	ErrClosed = errors.New("the store is closed")

	errUndoOrder = errors.New("writes to a cache were taken back in another order than from the last to the first")
)

// ForeignError says that what is on disk was written by another application
// or by a newer version of this package. Nothing was changed. Engine.Recreate
// makes place.
type ForeignError struct {
	// App and Format are those on disk; WantApp is Config.App, and Newest the
	// newest format this version reads.
	App, WantApp   string
	Format, Newest uint32
}

func (e *ForeignError) Error() string {
	if e.Format > e.Newest {
		return fmt.Sprintf("the state on disk has format %d, this version of sliphost reads up to %d: start the newer version, or remove the state directory to restore from the changelogs", e.Format, e.Newest)
	}
	return fmt.Sprintf("the state on disk belongs to the application %q, not to %q: name another state directory, or remove this one to restore from the changelogs", e.App, e.WantApp)
}

// LayoutError says that a cache's entries on disk, and so those in its
// changelog, were written with settings that the present ones cannot read.
type LayoutError struct {
	Cache         string
	Stored, Wants string
}

func (e *LayoutError) Error() string {
	return fmt.Sprintf("cache %s was written with %s and is now declared with %s, which cannot read its changelog: give the cache another name, or delete its changelog topic and the state directory", e.Cache, e.Stored, e.Wants)
}
