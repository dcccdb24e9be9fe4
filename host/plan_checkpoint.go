package host

import (
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/codec"
)

// Checkpoint is one entry of Plan.Checkpoints. Its id is Spec.Name.
type Checkpoint struct {
	Spec checkpoint.Spec
	// Dependent is the source that waits; Dependencies are those it waits for,
	// by the positions in Spec.Dependencies.
	Dependent    CheckpointSide
	Dependencies []CheckpointSide
	// Bound are the handlers that read the dependent and have the checkpoint:
	// they get records again after a seek.
	Bound []int
	// Downtime and Recovery are the ids of the sources of kind SourceCall that
	// stand for these calls, -1 if no handler takes them. Check is the handler
	// that answers checks, -1 for none.
	Downtime, Recovery, Check int
}

// CheckpointSide is one source of a checkpoint.
type CheckpointSide struct {
	// Source is the plan's id.
	Source int
	Marker Marker
}

// Marker says where a record's marker is.
type Marker struct {
	Kind MarkerKind
	// Field and Layout are for MarkerField; the layout is one of Go's package
	// time, empty for an integer, RFC 3339 or text.
	Field  codec.Pointer
	Layout string
}

// MarkerKind is the sort of a marker's place.
type MarkerKind uint8

// Places of markers.
const (
	MarkerTimestamp MarkerKind = iota
	MarkerField
	// MarkerCall: handlers say it.
	MarkerCall
)
