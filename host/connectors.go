package host

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// newConnector makes the input of a connector's source.
func newConnector(source int, c ConnectorSource) *input {
	return &input{
		task: &task{streamTime: -1, committedTime: -1, phase: taskRunning}, source: source, connector: c,
		next: abi.OffsetNone, committed: abi.OffsetNone, start: abi.OffsetNone, careful: abi.OffsetNone,
	}
}

// openConnectors opens what belongs to the process: worker 0 has it.
func (w *worker) openConnectors(ctx context.Context) error {
	if w.id != 0 {
		return nil
	}
	for i := range w.plan.Sources {
		src := &w.plan.Sources[i]
		if src.Kind != SourceConnector || src.Timer > TimerOfProcess {
			continue
		}
		c, err := w.backends.Source(ctx, i)
		if err != nil {
			return fmt.Errorf("source %q: %w", src.ID, err)
		}
		in := newConnector(i, c)
		w.connectors = append(w.connectors, in)
		if err := w.resumeConnector(in); err != nil {
			return fmt.Errorf("source %q: %w", src.ID, err)
		}
		if err := w.checkpoints.enter(in, 0); err != nil {
			return err
		}
	}
	return nil
}

// positionKey is the key of a source's position in the control topic.
func (w *worker) positionKey(in *input) string {
	return "connector/" + w.plan.HostID + "/" + w.plan.Sources[in.source].ID
}

// resumeConnector lets a source begin where the last commit ended.
func (w *worker) resumeConnector(in *input) error {
	s, ok := in.connector.(Resumable)
	if !ok || w.plan.controlOf(w.cluster) == "" {
		return nil
	}
	position, ok := w.controlValue(w.positionKey(in))
	if !ok {
		return nil
	}
	return s.Resume(position)
}

// stagePositions makes the positions of connectors part of the commit.
func (w *worker) stagePositions() error {
	if w.plan.controlOf(w.cluster) == "" {
		return nil
	}
	for _, in := range w.connectors {
		s, ok := in.connector.(Resumable)
		if !ok || in.next == in.committed {
			continue
		}
		position, err := s.Position(in.next)
		if err != nil {
			return fmt.Errorf("source %q: %w", w.plan.Sources[in.source].ID, err)
		}
		if position != nil {
			w.stageControl(w.positionKey(in), position)
		}
	}
	return nil
}

// closeConnectors gives sources back, and the sinks of this worker alone.
func (w *worker) closeConnectors() {
	for _, in := range w.connectors {
		w.closeConnector(in)
	}
	for _, s := range w.ownSinks {
		if err := s.close(); err != nil {
			w.log.Error("close a sink", "error", err)
		}
	}
}

func (w *worker) closeConnector(in *input) {
	if err := in.connector.Close(); err != nil {
		w.log.Error("close a source", "source", w.plan.Sources[in.source].ID, "error", err)
	}
}

// drainConnectors tells sources that the last commit is next.
func (w *worker) drainConnectors() {
	for _, in := range w.connectors {
		if d, ok := in.connector.(Draining); ok {
			d.Drain()
		}
	}
}

// pollConnectors takes what sources outside Kafka have. busy says that there
// may be more at once.
func (w *worker) pollConnectors(ctx context.Context) (busy bool, err error) {
	for _, in := range w.connectors {
		if in.eof || in.held() || !in.backlog.empty() || w.full || w.suspended != nil {
			continue
		}
		eof, err := in.connector.Poll(&w.lines, w.opts.MaxRecords, w.opts.MaxBytes)
		if err != nil {
			return false, fmt.Errorf("source %q: %w", w.plan.Sources[in.source].ID, err)
		}
		in.eof = eof
		for i := range w.lines.Runs {
			run := w.lines.Runs[i]
			wire := w.lines.Buf[run.Start:run.End]
			if in.home != nil {
				run.Partition = in.partition
			}
			in.kept.add(run, wire)
			busy = true
			if w.drain.Load() {
				return busy, nil
			}
			if err := w.accept(ctx, in, run, wire); err != nil {
				return false, err
			}
		}
		if len(in.kept.buf) > maxBacklog {
			w.full = true // what is committed need not be kept
		}
	}
	return busy, nil
}

// rewindConnectors goes back to the last commit: what came since waits in the
// backlogs, to be processed again.
func (w *worker) rewindConnectors() {
	for _, in := range w.connectors {
		in.rewind()
		in.task.streamTime = in.task.committedTime
		in.backlog.copyFrom(&in.kept)
	}
}

// connectorsDue is when the next of the connectors may have something.
func (w *worker) connectorsDue(now time.Time) time.Duration {
	d := time.Duration(math.MaxInt64)
	for _, in := range w.connectors {
		if in.eof || in.held() {
			continue
		}
		if t, ok := in.connector.(Ticking); ok {
			d = min(d, t.Due().Sub(now))
		} else {
			d = min(d, connectorWait)
		}
	}
	return d
}

// tellSource tells the source of the root what became of a record that a
// handler could not process.
func (r *run) tellSource(f *failure, letter bool) {
	if s, ok := r.in.connector.(Failing); ok {
		s.Failed(r.offset(f.batch, f.pos), codeName(f.code), f.reason, letter)
	}
}
