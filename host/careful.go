package host

import (
	"context"
	"errors"

	"github.com/sliphost/sliphost/abi"
)

// carefulAfter is how often a worker goes back to its last commit before it
// looks for the record whose output is refused.
const carefulAfter = 2

// carefulTries bounds how often one record is run to find which of its calls
// have outputs that are refused. Each try finds one.
const carefulTries = 1024

// processCarefully runs records one by one, each with a flush of its own (with
// caches or exactly-once, a commit of its own), so that a refused output is known
// by its record and by the handler's call that emitted it. That call has then
// failed, and its policy acts. Without this an output that the broker never takes
// would be tried for ever, together with everything around it.
func (w *worker) processCarefully(ctx context.Context, in *input, run *abi.Run, wire []byte) (done int, err error) {
	// The outputs of other partitions must be out of the way: a refusal of one of
	// them is not this partition's alone, and the worker goes back.
	if w.refused != nil || w.aborted != nil {
		return 0, ctx.Err()
	}
	if err := w.settleAlone(ctx); err != nil {
		w.fail(err)
		return 0, ctx.Err()
	}
	at := 0
	for done < int(run.Count) && in.next < in.careful && !in.held() && !w.drain.Load() {
		size := prefixBytes(wire[at:], 1)
		one := *run
		one.Count = 1
		one.LastOffset = nextOffset(run, wire, done+1) - 1
		n, err := w.processAlone(ctx, in, &one, wire[at:at+size])
		if err != nil || n == 0 {
			return done, err
		}
		at += size
		done++
	}
	if rest := run.Count - int32(done); rest > 0 && in.next >= in.careful && !in.held() && !w.drain.Load() {
		// What the search was for is behind: the rest need not be alone.
		one := *run
		one.Count = rest
		n, err := w.processBatch(ctx, in, &one, wire[at:])
		return done + n, err
	}
	return done, nil
}

// careful says that the run that begins is to be watched for refused outputs.
func (w *worker) careful(in *input) bool {
	if w.asking != nil {
		return w.asking.careful
	}
	return in.next < in.careful
}

func (w *worker) processAlone(ctx context.Context, in *input, run *abi.Run, wire []byte) (int, error) {
	next, time := in.next, in.task.streamTime
	for try := 1; ; try++ {
		n, err := w.processBatch(ctx, in, run, wire)
		if err != nil || n == 0 {
			return 0, err
		}
		if err = w.settleAlone(ctx); err == nil {
			w.passed(in)
			return 1, nil
		}
		if ctx.Err() != nil || isFatal(err) {
			return 0, err
		}
		// The record is not done with after all.
		key, known := w.guilty(err)
		in.next, in.task.streamTime = next, time
		if err := w.rollback(ctx, err); err != nil {
			return 0, err
		}
		if _, again := in.refusals[key]; !known || again || try == carefulTries {
			w.holdInput(in, &hold{reason: err, stopped: true})
			return 0, nil
		}
		if in.refusals == nil {
			in.refusals = map[callKey]string{}
		}
		in.refusals[key] = err.Error()
	}
}

// settleAlone makes what was done so far stand by itself.
func (w *worker) settleAlone(ctx context.Context) error {
	if !w.plan.ExactlyOnce && w.overlay == nil {
		if err := w.send(ctx); err != nil {
			return err
		}
		return w.flush(ctx)
	}
	// What the next record stages may have to be taken back, and nothing else.
	if err := w.commit(ctx); err != nil {
		return err
	}
	if w.retryCommit > 0 {
		return errNotCommitted
	}
	return nil
}

// errNotCommitted says that the group did not take positions.
var errNotCommitted = &abortable{"positions were not committed"}

// settle waits for what was sent, whatever becomes of it.
func (w *worker) settle(ctx context.Context) error {
	var errs []error
	for _, o := range w.outputs {
		if o != nil {
			errs = append(errs, o.Flush(ctx))
		}
	}
	return errors.Join(errs...)
}

// guilty finds the call whose output a refusal is about.
func (w *worker) guilty(err error) (key callKey, known bool) {
	var refused *refusedError
	if !errors.As(err, &refused) {
		return key, false
	}
	i, sent := refused.record(), refused.sent()
	if i < 0 || i >= len(sent) {
		return key, false
	}
	return sent[i], sent[i].handler != nil // records of the control topic are nobody's
}

// sent notes the call behind a record that was appended to out.
func (r *run) sent(out *outlet, b *batch, h *Handler, pos int) {
	switch {
	case !r.careful:
	case out.conn != nil:
		out.conn.sent = append(out.conn.sent, b.call(h, pos))
	default:
		out.producer.sent = append(out.producer.sent, b.call(h, pos))
	}
}

// refusal takes note of a refused output of the call of h on record pos: the
// call counts as failed, once.
func (r *run) refusal(b *batch, h *Handler, pos int) (text string, ok bool) {
	if !r.careful || len(r.in.refusals) == 0 {
		return "", false
	}
	key := b.call(h, pos)
	text, ok = r.in.refusals[key]
	delete(r.in.refusals, key)
	return text, ok
}
