package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/host/crashpoint"
)

// begin opens a transaction if none is open: before the first record or offset
// of it is sent.
func (w *worker) begin() error {
	if !w.plan.ExactlyOnce || w.inTransaction {
		return nil
	}
	if err := w.own().Begin(); err != nil {
		return w.transactionError("begin a transaction", err)
	}
	w.inTransaction = true
	crashpoint.At("begin-after")
	return nil
}

// own is the producer of the worker's cluster, which carries its transactions.
func (w *worker) own() *output { return w.outputs[w.cluster] }

// commitTransaction makes the collected offsets part of the transaction and
// ends it. An error leaves it open, to be aborted.
func (w *worker) commitTransaction(ctx context.Context) error {
	if len(w.offsets) == 0 && !w.inTransaction {
		return nil
	}
	if err := w.begin(); err != nil {
		return err
	}
	if len(w.offsets) > 0 && w.consumer != nil {
		if w.consumer.Lost() {
			return w.transactionError("commit", errMembershipLost)
		}
		group, err := w.consumer.GroupMetadata()
		if err != nil {
			// Nothing is sent yet, and without a membership nothing can be.
			return w.transactionError("commit", &abortable{"no membership to commit under: " + err.Error()})
		}
		crashpoint.At("commit-before-offsets")
		if !skipOffsets(w) {
			if err := w.resume(ctx, func() error { return w.own().SendOffsets(ctx, group, w.topicNames, w.offsets) }); err != nil {
				return w.transactionError("commit positions", err)
			}
		}
		crashpoint.At("commit-after-offsets")
	}
	crashpoint.At("commit-before-end")
	if err := w.resume(ctx, func() error { return w.own().Commit(ctx) }); err != nil {
		return w.transactionError("commit the transaction", err)
	}
	w.inTransaction = false
	crashpoint.At("commit-after-end")
	return nil
}

// resumeTries bounds how often a call is made again that says it may be.
const resumeTries = 10

// resume makes a call again while its error says that this is the way on.
func (w *worker) resume(ctx context.Context, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		var known interface{ Retriable() bool }
		if err == nil || ctx.Err() != nil || try == resumeTries || !errors.As(err, &known) || !known.Retriable() {
			return err
		}
		if perr := w.pause(ctx, min(backoff(10*time.Millisecond, try), time.Second)); perr != nil {
			return err
		}
	}
}

// errMembershipLost says that the group has given the worker up.
var errMembershipLost = &abortable{"the group has given this member up"}

// abortable is an error after which the transaction is aborted and work goes
// on.
type abortable struct{ text string }

func (e *abortable) Error() string { return e.text }

// Abortable is true.
func (e *abortable) Abortable() bool { return true }

// transactionError makes of an error of a transaction's call what it means for
// the worker: to go back, or, where the outcome is not known, to start over with
// new clients, which settles it.
func (w *worker) transactionError(what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	if isAbortable(err) || isFatal(err) {
		return err
	}
	return &indefiniteError{err}
}

func isAbortable(err error) bool {
	var known interface{ Abortable() bool }
	return errors.As(err, &known) && known.Abortable()
}

// indefiniteError is one after which nobody knows whether the transaction was
// committed. The producer may not be used again (a delayed request could end a
// later transaction); its successor's Init waits for the outcome, and the
// committed offsets tell it.
type indefiniteError struct{ err error }

func (e *indefiniteError) Error() string {
	return fmt.Sprintf("%v; whether it was done is not known", e.err)
}
func (e *indefiniteError) Unwrap() error { return e.err }

// Fatal is true.
func (e *indefiniteError) Fatal() bool { return true }

// rollback ends the open transaction and forgets everything that is not
// committed, except for positions. An error means that the clients have to be
// replaced.
func (w *worker) rollback(ctx context.Context, why error) error {
	w.refused, w.aborted = nil, nil
	w.discard()
	serr := w.forgetStaged()
	w.stats.abort(abortReason(why))
	if !w.plan.ExactlyOnce {
		// What is under way may be refused as well. Told later, that would be taken
		// for a refusal of what is sent from here on.
		_ = w.settle(ctx)
		w.uncommitted = len(w.mending.undone) > 0
		return serr
	}
	if !w.inTransaction {
		return nil
	}
	w.inTransaction = false
	crashpoint.At("abort-before")
	if err := w.resume(ctx, func() error { return w.own().Abort(ctx) }); err != nil {
		return w.transactionError("abort the transaction", err)
	}
	crashpoint.At("abort-after")
	return nil
}

// forgetStaged drops what is staged and not committed, and the memory of guests
// that saw it. An error says that it is not known what to mend.
func (w *worker) forgetStaged() (err error) {
	w.uncommitted, w.full = false, false
	if w.overlay != nil && !keepStaged {
		err = w.takeBack()
	}
	clear(w.controls.values)
	w.checkpoints.rollback()
	for _, t := range w.tasks {
		t.changed = false
		t.forgetTimes()
		if t.unsettled {
			// What its beginning staged is gone as well.
			w.detach(t)
			w.entering = true
		}
	}
	for _, in := range w.connectors {
		in.task.forgetTimes()
	}
	for _, inv := range w.invokers {
		if inv != nil {
			inv.Renew()
		}
	}
	return err
}

// rewindWait is how long a worker waits before it goes on from its last
// commit: not at all the first times after a change of the group, which is how
// rebalances go, longer after outputs were refused.
func (w *worker) rewindWait(err error) time.Duration {
	w.givenUp++
	if isAbortable(err) && !errors.As(err, new(*refusedError)) {
		return min(backoff(10*time.Millisecond, w.givenUp), maxStopped)
	}
	most := w.givenUp
	for _, in := range w.inputs {
		most = max(most, in.refused) // a commit that did not reach the record says nothing
	}
	return min(backoff(time.Second, most), maxStopped)
}

// Reasons of aborts, for metrics.
const (
	abortRefused = iota
	abortGroup
	abortStore
	abortRestart
	abortOther
	abortReasons
)

// AbortReasons names why workers go back, by the positions in Status.
var AbortReasons = [abortReasons]string{"refused", "group", "store", "restart", "other"}

func abortReason(err error) int {
	switch {
	case errors.As(err, new(*refusedError)):
		return abortRefused
	case errors.Is(err, errStore):
		return abortStore
	case isAbortable(err):
		return abortGroup
	}
	return abortOther
}
