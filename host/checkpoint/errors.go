package checkpoint

import (
	"errors"
	"fmt"

	"github.com/sliphost/sliphost/abi"
)

// MarkerError says that a marker cannot be used. The record that brought it is
// at fault; in the default mode nothing has changed. A driver that takes
// markers from a field adds the field's name.
type MarkerError struct {
	Checkpoint string
	// Dependency is whose marker it is, "" for the dependent's.
	Dependency string
	Got        abi.MarkerKind
	// Against is whose marker it should be compared with: "" for the
	// dependent's, else the dependency. Want is that one's kind; MarkerNone if
	// any kind with a difference would do.
	Against string
	Want    abi.MarkerKind
}

func (e *MarkerError) Error() string {
	whose := func(name string) string {
		if name == "" {
			return "the dependent"
		}
		return "dependency " + name
	}
	head := fmt.Sprintf("checkpoint %s: the marker of %s is %s", e.Checkpoint, whose(e.Dependency), kindName(e.Got))
	switch {
	case e.Got == abi.MarkerNone:
		return head + ": every record needs one, a time, an integer or text"
	case e.Want == abi.MarkerNone || e.Want == e.Got:
		return head + ": the default checks need times or integers; give the checkpoint checks of its own"
	case e.Against == e.Dependency:
		return fmt.Sprintf("%s, before it was %s: a source's markers must be of one kind (if the manifest changed it, reset the checkpoint)", head, kindName(e.Want))
	}
	return fmt.Sprintf("%s, that of %s is %s: they cannot be compared", head, whose(e.Against), kindName(e.Want))
}

func kindName(k abi.MarkerKind) string {
	switch k {
	case abi.MarkerInt:
		return "an integer"
	case abi.MarkerText:
		return "text"
	case abi.MarkerTime:
		return "a time"
	}
	return "none"
}

var (
	// ErrState: the state of a pulse is no map, or the dependent's state would
	// be larger than abi.MaxState bytes. Nothing has changed.
	ErrState = errors.New("state of a checkpoint")
	// ErrBacklog: too many actions wait to be carried out. Nothing has changed;
	// a driver that ends its batches when Due never sees it.
	ErrBacklog = errors.New("the actions of a checkpoint are not carried out")
	// ErrPositions: the dependent has more than abi.MaxPositions partitions.
	ErrPositions = errors.New("too many partitions in a checkpoint")
	// ErrSnapshot: a snapshot cannot be read.
	ErrSnapshot = errors.New("snapshot of a checkpoint")
)
