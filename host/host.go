package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Host runs a plan: its workers share the partitions of the inputs among
// themselves and with the other processes of the group.
type Host struct {
	plan     *Plan
	opts     Options
	backends Backends
	log      *slog.Logger
	sinks    []*sharedSink
	workers  []*worker
	globals  globals
	control  *control

	// rounds says when the handlers of each of plan.Advances are told that nothing
	// follows, lastRound when the last are; round is how far that has come.
	rounds    []int
	lastRound int32
	round     atomic.Int32

	state atomic.Int32
	drain chan struct{}
	// idled wakes watch when a worker has nothing left to do.
	idled chan struct{}
	once  sync.Once
	// draining ends when Drain is called.
	draining context.Context
	endDrain context.CancelFunc
}

// States of a host, in the order they are passed through.
const (
	stateStarting int32 = iota
	stateRunning
	stateDraining
	stateStopped
)

var stateNames = [...]string{"starting", "running", "draining", "stopped"}

// New makes a host. clusters has one entry per worker: the cluster it
// consumes from; connectors is the number of connector sinks in the plan.
func New(plan *Plan, opts Options, clusters []int, connectors int, b Backends, log *slog.Logger) *Host {
	opts.Defaults()
	draining, endDrain := context.WithCancel(context.Background())
	h := &Host{plan: plan, opts: opts, backends: b, log: log, drain: make(chan struct{}), idled: make(chan struct{}, 1), draining: draining, endDrain: endDrain, control: newControl()}
	for i := range connectors {
		h.sinks = append(h.sinks, &sharedSink{open: func(ctx context.Context) (ConnectorSink, error) { return b.Sink(ctx, i) }})
	}
	rounds, last := plan.finalRounds()
	h.rounds, h.lastRound = rounds, int32(last)
	if opts.GoesOn {
		h.lastRound = 0
	}
	h.globals = globals{whole: map[int]uint64{}, changed: make(chan struct{})}
	for _, cluster := range plan.globalClusters() {
		h.globals.whole[cluster] = noEpoch
	}
	for id, cluster := range clusters {
		h.workers = append(h.workers, newWorker(h, id, cluster))
	}
	return h
}

// ErrStopped is what Run's error wraps when, under UntilIdle, all that is left
// to do is held by partitions that stand still.
var ErrStopped = errors.New("stopped partitions")

// Run opens everything and works until Drain, until the inputs are drained
// (with UntilIdle), or until something fails that cannot be waited for. When
// it returns, all that was done is committed, unless the error says otherwise.
// Cancelling ctx stops at once, without a last commit.
//
// It may be called once.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer h.state.Store(stateStopped)
	if err := h.openSinks(ctx); err != nil {
		return errors.Join(err, h.closeSinks())
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(h.workers))
	opened := make(chan struct{}, len(h.workers))
	for _, w := range h.workers {
		wg.Go(func() {
			err := h.runWorker(ctx, w, opened)
			if err != nil {
				h.Drain()
			}
			failed <- err
		})
	}
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { h.watch(ctx, cancel, opened, done) })
	following, endFollowing := context.WithCancel(ctx)
	for _, cluster := range h.plan.globalClusters() {
		watch.Go(func() { h.followGlobals(following, cluster) })
	}
	for _, t := range h.plan.Control {
		watch.Go(func() { h.followControl(following, t) })
	}
	wg.Wait()
	close(done)
	endFollowing()
	watch.Wait()
	var errs []error
	for range h.workers {
		errs = append(errs, <-failed)
	}
	errs = append(errs, h.closeSinks())
	return errors.Join(errs...)
}

// runWorker is a worker's goroutine.
func (h *Host) runWorker(ctx context.Context, w *worker, opened chan<- struct{}) error {
	defer w.close(ctx)
	if err := w.open(ctx); err != nil {
		return err
	}
	opened <- struct{}{}
	if err := w.loop(ctx); err != nil {
		return err
	}
	if err := cmp.Or(w.standing(), w.stood); err != nil && h.opts.UntilIdle {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return nil
}

// watch carries orders to the workers: it follows their start, ends the run
// when all are idle, and cancels it when draining takes too long.
func (h *Host) watch(ctx context.Context, cancel func(), opened <-chan struct{}, done <-chan struct{}) {
	drain := h.drain
	var deadline <-chan time.Time
	for up := 0; ; {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-opened:
			if up++; up == len(h.workers) {
				h.state.CompareAndSwap(stateStarting, stateRunning)
			}
		case <-drain:
			drain = nil
			h.state.Store(stateDraining)
			for _, w := range h.workers {
				w.requestDrain()
			}
			t := time.NewTimer(h.opts.DrainTimeout)
			defer t.Stop()
			deadline = t.C
		case <-deadline:
			h.log.Error("draining took too long; stopping without the last commit", "timeout", h.opts.DrainTimeout)
			cancel()
		case <-h.idled:
		}
		if h.opts.UntilIdle && h.state.Load() == stateRunning && h.idle() {
			if r := h.round.Load(); r < h.lastRound {
				h.round.Store(r + 1) // what is told then may make work
				continue
			}
			h.Drain()
		}
	}
}

// idle says whether every worker found nothing to do after the last thing any
// of them did: what one wrote may be another's input.
func (h *Host) idle() bool {
	now := h.activity()
	for _, w := range h.workers {
		if !w.idle.Load() || w.idleAt.Load() != now {
			return false
		}
	}
	return true
}

// activity counts what all workers began and committed.
func (h *Host) activity() uint64 {
	n := uint64(h.round.Load())
	for _, w := range h.workers {
		n += w.accepted.Load() + w.stats.commits.Load()
	}
	return n
}

// Drain asks the host to finish the records in hand, commit and end Run. It
// returns at once and may be called from any goroutine, more than once.
func (h *Host) Drain() {
	h.once.Do(func() {
		h.endDrain()
		close(h.drain)
	})
}

// Ready says whether all workers are open and none is draining. Safe for
// concurrent use.
func (h *Host) Ready() bool { return h.state.Load() == stateRunning }

func (h *Host) openSinks(ctx context.Context) error {
	own := h.plan.ownSinks()
	for i, s := range h.sinks {
		if own[i] {
			continue
		}
		if err := s.reopen(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) closeSinks() error {
	var errs []error
	for _, s := range h.sinks {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// sourcePartition names a partition of a source.
type sourcePartition struct {
	source    string
	partition int32
}

// standing returns the partitions that stand still in one of the workers: all
// at once, since there may be thousands.
func (h *Host) standing() map[sourcePartition]bool {
	all := map[sourcePartition]bool{}
	for _, w := range h.workers {
		w.mu.Lock()
		for i := range w.status.Partitions {
			if p := &w.status.Partitions[i]; p.Stopped != "" || p.Held != "" {
				all[sourcePartition{p.Source, p.Partition}] = true
			}
		}
		w.mu.Unlock()
	}
	return all
}

// Status returns the counters and positions. Safe for concurrent use;
// positions are those of each worker's last commit.
func (h *Host) Status() Status {
	s := Status{App: h.plan.App, State: stateNames[h.state.Load()]}
	for i := range h.plan.Handlers {
		p := &h.plan.Handlers[i]
		hs := HandlerStatus{ID: p.ID, Module: h.plan.Modules[p.Module], SHA256: p.ModuleSHA256}
		for _, w := range h.workers {
			c := &w.stats.handlers[i]
			hs.Records += c.records.Load()
			hs.Outputs += c.outputs.Load()
			hs.Failed += c.failed.Load()
			hs.Traps += c.traps.Load()
			hs.Fuel += c.fuel.Load()
			hs.LastFuel = max(hs.LastFuel, c.lastFuel.Load())
			hs.CodecErrors += c.codec.Load()
			hs.Dropped += c.dropped.Load()
			hs.Skipped += c.skipped.Load()
			hs.DeadLetters += c.deadLetters.Load()
			hs.Letters = c.letters.addTo(hs.Letters)
		}
		s.Handlers = append(s.Handlers, hs)
	}
	for _, w := range h.workers {
		s.Records += w.stats.records.Load()
		s.Commits += w.stats.commits.Load()
		s.Rewinds += w.stats.rewinds.Load()
		s.Aborts = w.stats.abortsTo(s.Aborts)
		w.mu.Lock()
		ws := w.status
		ws.Partitions = append([]PartitionStatus{}, ws.Partitions...)
		ws.Tasks = append([]TaskStatus{}, ws.Tasks...)
		w.mu.Unlock()
		w.measured(&ws.WorkerState)
		s.Workers = append(s.Workers, ws)
	}
	return s
}

// BatchTimes returns each worker's histogram of the time that one partition's
// batch takes through the handlers.
func (h *Host) BatchTimes() []*Histogram {
	var all []*Histogram
	for _, w := range h.workers {
		all = append(all, &w.stats.batches)
	}
	return all
}
