package host

import (
	"context"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// accept takes one run: through the handlers at once, or behind the records
// of its partition that wait already.
func (w *worker) accept(ctx context.Context, in *input, run abi.Run, wire []byte) error {
	if in.held() || !in.backlog.empty() || w.suspended != nil || w.full || in.window > 0 && int(run.Count) > in.window {
		in.queue(run, wire)
		return w.throttle(in)
	}
	in.delivered = run.LastOffset + 1
	done, err := w.process(ctx, in, &run, wire)
	if err != nil {
		return err
	}
	if done < int(run.Count) {
		in.backlog.add(run, wire)
		in.backlog.take(done)
		if in.stopped != nil {
			w.publish()
		}
	}
	return nil
}

// busy says that there is something to do after all.
func (w *worker) busy() {
	w.idle.Store(false)
	w.stood = nil
	w.lastIdle = time.Time{}
	w.accepted.Add(1)
}

// process runs records of t and moves its position behind those that are done
// with. On a hold it sets the time of the next try.
func (w *worker) process(ctx context.Context, in *input, run *abi.Run, wire []byte) (int, error) {
	if in.next < in.careful {
		return w.processCarefully(ctx, in, run, wire)
	}
	return w.processBatch(ctx, in, run, wire)
}

func (w *worker) processBatch(ctx context.Context, in *input, run *abi.Run, wire []byte) (int, error) {
	if w.letter == nil && len(w.plan.Sources[in.source].Replays) > 0 {
		return w.replay(ctx, in, run, wire)
	}
	source := w.sourceOf(in)
	head := abi.BatchHeader{
		Kind: w.plan.Sources[source].Batch, Partition: run.Partition,
		BaseOffset: run.BaseOffset, BaseTimestamp: run.BaseTimestamp, Count: run.Count,
	}
	w.busy()
	careful := in.next < in.careful
	start := w.backends.Clock.Now()
	done, h, err := w.dispatch(ctx, in, head, wire)
	if err != nil {
		return 0, err
	}
	w.stats.batches.Observe(w.backends.Clock.Now().Sub(start))
	if done > 0 {
		in.next = lossy(nextOffset(run, wire, done))
		in.task.see(run.BaseTimestamp, wire, done)
		if in.carrier != nil {
			in.carrier.changed = true
		}
		if !careful {
			w.passed(in)
		}
		w.uncommitted = true
		w.stats.records.Add(uint64(done))
	}
	if h != nil {
		w.holdInput(in, h)
	}
	return done, w.afterRun(ctx)
}

// passed forgets what was remembered about the record that t had before it.
func (w *worker) passed(in *input) {
	clear(in.attempts)
	clear(in.refusals)
	if in.stopped != nil {
		in.stopped, in.tries = nil, 0
		w.publish()
	}
}

// holdInput makes t wait.
func (w *worker) holdInput(in *input, h *hold) {
	if in.attempts == nil {
		in.attempts = map[callKey]int{}
	}
	if h.attempts > 0 {
		in.attempts[h.key] = h.attempts
	}
	wait := h.wait
	if h.stopped {
		in.tries++
		wait = min(backoff(time.Second, in.tries), maxStopped)
		in.stopped = h.reason
		w.log.Error("partition stopped; the record is tried again after a wait", "error", h.reason, "wait", wait, "tries", in.tries)
	} else {
		w.log.Info("record waits for its retry", "error", h.reason, "wait", wait, "attempts", h.attempts)
	}
	in.due = w.backends.Clock.Now().Add(wait)
	in.window = firstWindow
	// The number of tries is committed, so that it survives a crash and a move.
	in.task.changed, w.uncommitted = true, true
}

// firstWindow is how many records a partition runs at once after one of them
// had to wait; it doubles while none has to. What runs behind a record that
// waits runs in vain.
const firstWindow = 8

// maxStopped bounds the wait between tries of a stopped partition.
const maxStopped = 30 * time.Second

// retries goes on with the partitions whose wait is over.
func (w *worker) retries(ctx context.Context, now time.Time) error {
	for _, in := range w.listed {
		if !in.reseek.IsZero() && !now.Before(in.reseek) {
			in.reseek = time.Time{}
			if err := w.consumer.Seek(in.kafka, in.delivered); err != nil {
				w.readerStopped(ctx, in, err)
			}
		}
		if in.backlog.empty() || !in.task.ready() {
			if len(in.guards) > 0 {
				if err := w.throttle(in); err != nil {
					return err
				}
			}
			continue
		}
		for {
			next, until := w.earliest(in, now)
			if next == nil {
				break
			}
			if err := w.again(ctx, next, until); err != nil {
				return err
			}
		}
		for _, other := range in.task.inputs { // their records may have had their turn
			w.passEnd(other)
			if err := w.throttle(other); err != nil {
				return err
			}
		}
	}
	return nil
}

// again runs records from the head of the backlog of in. The record that
// waited goes alone: if it fails again, nothing behind it has been run in vain.
func (w *worker) again(ctx context.Context, in *input, until int64) error {
	alone := in.held()
	in.due = time.Time{}
	most := in.window
	if alone {
		most = 1
	}
	run, wire := in.backlog.head(most, until)
	careful := in.next < in.careful
	done, err := w.process(ctx, in, &run, wire)
	if err != nil {
		return err
	}
	in.backlog.take(done)
	w.behind = w.behind || careful && done > 0
	if !alone && in.window > 0 && done == int(run.Count) {
		if in.window *= 2; in.window > w.opts.MaxRecords {
			in.window = 0
		}
	}
	return nil
}

// throttle stops or resumes the fetching of a partition by the size of its
// backlog.
func (w *worker) throttle(in *input) error {
	if in.connector != nil {
		return nil
	}
	part := []abi.TopicPartition{in.kafka}
	switch {
	case !in.paused && (len(in.backlog.buf) > maxBacklog || in.guarded() && in.barrier == 0):
		in.paused = true
		return w.consumer.Pause(part)
	case in.paused && in.backlog.empty() && in.task.phase == taskRunning && !in.guarded():
		in.paused = false
		return w.consumer.Resume(part)
	}
	return nil
}
