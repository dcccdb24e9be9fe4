package slip

import "github.com/sliphost/sliphost/abi"

// taker handles the messages of a kind that is not laid out as records. What
// it needs is linked into a module only if a binding of the module names it:
// so a handler must not have a field of a type that is a Binding, either.
type taker struct {
	kind abi.Kind
	// run writes the results of a message and says which are finished.
	run func(t *taker, in *instance, b *binding, msg []byte)
	// parts are what runEvent calls, and answers says that one of them has to
	// write an answer.
	parts   []func(c *Call, msg []byte) error
	answers bool
}

// takes returns what handles a kind, which flag tells the host that the
// handler takes.
func (h *handler) takes(flag abi.HandlerFlag, kind abi.Kind) *taker {
	h.desc.Flags |= flag
	for _, t := range h.takers {
		if t.kind == kind {
			return t
		}
	}
	t := &taker{kind: kind}
	h.takers = append(h.takers, t)
	return t
}

// event has f called with each message of a kind, after those that were bound
// before it.
func (h *handler) event(flag abi.HandlerFlag, kind abi.Kind, f func(c *Call, msg []byte) error) {
	t := h.takes(flag, kind)
	t.run, t.parts = runEvent, append(t.parts, f)
}

// taker returns what handles a message that is not a batch of records, nil if
// nothing does.
func (in *instance) taker(handler int32, msg []byte) *taker {
	if handler < 0 || int(handler) >= len(in.bindings) {
		return nil
	}
	kind := kindOfBatch(msg)
	for _, t := range in.bindings[handler].h.takers {
		if t.kind == kind {
			return t
		}
	}
	return nil
}

// runEvent calls the parts of a taker as a handler is called for a record:
// what they emit and write counts if none of them fails. The message is a
// batch of one.
func runEvent(t *taker, in *instance, b *binding, msg []byte) {
	r := &in.replies
	r.begin(0)
	in.progress[progressCurrent] = 0
	if in.metered {
		hostFuelMark(in)
	}
	if in.callAt == len(in.calls) {
		in.renewCalls()
	}
	c := &in.calls[in.callAt]
	in.callAt++
	c.b, c.source, c.headers, c.live = b, -1, nil, true
	in.head, in.msg, in.left = abi.BatchHeader{Partition: -1}, nil, 0
	in.arena.reset()
	in.mapsUsed, in.scans, in.touched = 0, 0, false
	var err error
	for _, part := range t.parts {
		if err = part(c, msg); err != nil || c.err != nil {
			break
		}
	}
	c.live = false
	if in.head.Partition == -1 {
		// Of which partition it was is not known.
		in.swept = in.swept[:0]
	}
	if c.err != nil {
		err, c.err = c.err, nil
	}
	if err == nil && t.answers && r.n == r.mark {
		err = &recordError{code: abi.CodeUnbound, text: "handler \"" + b.h.desc.Name + "\" has no answer to this call"}
	}
	if err != nil {
		in.undo()
		r.fail(err)
	} else {
		r.succeed()
	}
	in.finish(0)
}

// unreadable is the error of a message that cannot be read.
func unreadable(err error) error {
	return &recordError{code: abi.CodeMessage, text: err.Error()}
}

// undo takes back what the current record wrote.
func (in *instance) undo() {
	if in.touched {
		in.swept = in.swept[:0]
		hostSavepoint(in, abi.SavepointRollbackRecord)
	}
}
