package slip

import "github.com/sliphost/sliphost/abi"

// Advance says that stream time moved without a record for the handler.
type Advance struct {
	// Partition is the task's.
	Partition int32
	// StreamTime is the new stream time in milliseconds since 1970; -1 if the
	// task has seen no record with a timestamp.
	StreamTime int64
	// Final says that no record follows: a run with --until-idle ends. What is
	// open is to be closed.
	Final bool
}

// OnAdvance is a binding for [Handle]: f is called when stream time of a task
// moved although the handler got no record that says so, at most once between
// two batches, and once more with Final when a run with --until-idle ends. A
// handler may have several: they are called in the order of binding until one
// fails.
//
// f does to a task what a handler does to a record: outputs and cache writes
// count if all return nil and are undone if one does not. An output without a
// timestamp has that of stream time. With an error the handler's on_error
// policy acts, but there is no record that could be kept: what would skip a
// record or send it to dead letters skips this call, to which the next one
// comes anyway, and what would retry or stop does so. c is valid until f
// returns.
//
// How often it is called depends on the run; what is emitted must not: go by
// StreamTime, which is the same for every order of calls. Stream time does not
// decrease within a task, but a new owner of the task may start lower.
func OnAdvance(f func(c *Call, a Advance) error) Binding {
	if f == nil {
		panic("slip.OnAdvance: no function")
	}
	return advanceFunc(f)
}

type advanceFunc func(c *Call, a Advance) error

func (f advanceFunc) bind(h *handler) {
	h.event(abi.FlagAdvance, abi.KindAdvance, func(c *Call, msg []byte) error {
		m, err := abi.ReadAdvance(msg)
		if err != nil {
			return unreadable(err)
		}
		c.in.head.Partition = m.Partition
		return f(c, Advance(m))
	})
}
