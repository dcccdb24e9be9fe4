package host

import (
	"context"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// accept takes one run: through the handlers at once, or behind the records
// of its partition that wait already.
func (w *worker) accept(ctx context.Context, t *task, run abi.Run, wire []byte) error {
	t.delivered = run.LastOffset + 1
	if t.held() || !t.backlog.empty() || t.window > 0 && int(run.Count) > t.window {
		t.backlog.add(run, wire)
		return w.throttle(t)
	}
	done, err := w.process(ctx, t, &run, wire)
	if err != nil {
		return err
	}
	if done < int(run.Count) {
		t.backlog.add(run, wire)
		t.backlog.take(done)
		if t.stopped != nil {
			w.publish()
		}
	}
	return nil
}

// busy says that there is something to do after all.
func (w *worker) busy() {
	w.idle.Store(false)
	w.lastIdle = time.Time{}
	w.accepted.Add(1)
}

// process runs records of t and moves its position behind those that are done
// with. On a hold it sets the time of the next try.
func (w *worker) process(ctx context.Context, t *task, run *abi.Run, wire []byte) (int, error) {
	if t.next < t.careful {
		return w.processCarefully(ctx, t, run, wire)
	}
	return w.processBatch(ctx, t, run, wire)
}

func (w *worker) processBatch(ctx context.Context, t *task, run *abi.Run, wire []byte) (int, error) {
	head := abi.BatchHeader{
		Kind: w.plan.Sources[t.source].Batch, Partition: run.Partition,
		BaseOffset: run.BaseOffset, BaseTimestamp: run.BaseTimestamp, Count: run.Count,
	}
	w.busy()
	careful := t.next < t.careful
	start := w.backends.Clock.Now()
	done, h, err := w.dispatch(ctx, t, head, wire)
	if err != nil {
		return 0, err
	}
	w.stats.batches.Observe(w.backends.Clock.Now().Sub(start))
	if done > 0 {
		t.next = nextOffset(run, wire, done)
		if !careful {
			w.passed(t)
		}
		w.uncommitted = true
		w.stats.records.Add(uint64(done))
	}
	if h != nil {
		w.holdTask(t, h)
	}
	return done, nil
}

// passed forgets what was remembered about the record that t had before it.
func (w *worker) passed(t *task) {
	clear(t.attempts)
	clear(t.refusals)
	if t.stopped != nil {
		t.stopped, t.tries = nil, 0
		w.publish()
	}
}

// holdTask makes t wait.
func (w *worker) holdTask(t *task, h *hold) {
	if t.attempts == nil {
		t.attempts = map[callKey]int{}
	}
	if h.attempts > 0 {
		t.attempts[h.key] = h.attempts
	}
	wait := h.wait
	if h.stopped {
		t.tries++
		wait = min(backoff(time.Second, t.tries), maxStopped)
		t.stopped = h.reason
		w.log.Error("partition stopped; the record is tried again after a wait", "error", h.reason, "wait", wait, "tries", t.tries)
	} else {
		w.log.Info("record waits for its retry", "error", h.reason, "wait", wait, "attempts", h.attempts)
	}
	t.due = w.backends.Clock.Now().Add(wait)
	t.window = firstWindow
}

// firstWindow is how many records a partition runs at once after one of them
// had to wait; it doubles while none has to. What runs behind a record that
// waits runs in vain.
const firstWindow = 8

// maxStopped bounds the wait between tries of a stopped partition.
const maxStopped = 30 * time.Second

// retries goes on with the partitions whose wait is over.
func (w *worker) retries(ctx context.Context, now time.Time) error {
	w.listed = w.allTasks(w.listed[:0])
	for _, t := range w.listed {
		if !t.reseek.IsZero() && !now.Before(t.reseek) {
			t.reseek = time.Time{}
			if err := w.consumer.Seek(t.kafka, t.delivered); err != nil {
				w.readerStopped(ctx, t, err)
			}
		}
		if t.backlog.empty() || now.Before(t.due) {
			continue
		}
		// The record that waited goes alone: if it fails again, nothing behind it
		// has been run in vain.
		alone := t.held()
		t.due = time.Time{}
		for !t.backlog.empty() && !t.held() && w.refused == nil && !w.drain.Load() {
			run := t.backlog.runs[0]
			wire := t.backlog.buf[run.Start:run.End]
			most := t.window
			if alone {
				most = 1
			}
			if most > 0 && int(run.Count) > most {
				run.LastOffset = nextOffset(&run, wire, most) - 1
				run.Count = int32(most)
			}
			done, err := w.process(ctx, t, &run, wire)
			if err != nil {
				return err
			}
			t.backlog.take(done)
			if !alone && t.window > 0 && done == int(run.Count) {
				if t.window *= 2; t.window > w.opts.MaxRecords {
					t.window = 0
				}
			}
			alone = false
		}
		w.passEnd(t)
		if err := w.throttle(t); err != nil {
			return err
		}
	}
	return nil
}

// throttle stops or resumes the fetching of a partition by the size of its
// backlog.
func (w *worker) throttle(t *task) error {
	if t.connector != nil {
		return nil
	}
	part := []abi.TopicPartition{t.kafka}
	switch {
	case !t.paused && len(t.backlog.buf) > maxBacklog:
		t.paused = true
		return w.consumer.Pause(part)
	case t.paused && t.backlog.empty():
		t.paused = false
		return w.consumer.Resume(part)
	}
	return nil
}
