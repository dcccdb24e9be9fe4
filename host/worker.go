package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/state"
)

// worker owns one consumer, its producers, its module instances and the tasks
// that the group assigned to it. Everything happens on one goroutine, loop's;
// only what is marked otherwise may be touched by another.
type worker struct {
	host     *Host
	id       int
	cluster  int
	plan     *Plan
	opts     Options
	backends *Backends
	log      *slog.Logger

	consumer  Consumer // nil when no topic of the cluster is read
	topics    []int    // subscribed topic -> source
	invokers  []Invoker
	outputs   []*output
	connSinks []*connSink
	ownSinks  map[int]*sharedSink
	outlets   [][]*outlet // by handler and sink
	letters   []*outlet   // by handler

	inputs     map[abi.TopicPartition]*input
	tasks      map[taskKey]*task
	connectors []*input
	timers     map[timerKey]*input // those of connectors that are timers
	listed     []*input            // inputs and connectors, by source and partition
	packed     abi.Packed
	lines      abi.Packed // of connectors

	// What dispatch works with.
	run        run
	arena      arena
	batches    []*batch // by source
	reach      [][]int  // by source: proxies it leads to, each after its feeders
	feeders    map[*Source][]feeder
	observed   []bool // by handler: updates of a cache that it writes are read
	head       []byte
	generation uint64

	// State: the overlay of the store, the views of global caches by id, who
	// answers the guests, changelogs by cache, and who restores them.
	overlay    *state.Overlay
	globals    []*state.Partition
	calls      guestCalls
	changelogs []*outlet
	restorer   *restorer
	mending    mending
	controls   stagedControl
	// checkpoints is nil without any; asking is the call about one that is under
	// way, due says that one has something to do after this record.
	checkpoints *checkpoints
	asking      *asking
	// advancing are the handlers that take kind advance; found is what places
	// works with.
	advancing []bool
	found     []place
	due       bool
	warned    map[string]bool
	// stood is what stood still when the worker found nothing left to do: who
	// leaves the group first takes partitions from the others.
	stood error
	// entering says that tasks may have become complete; full that enough is
	// staged for a commit at once; writer is the call that wrote to a cache last,
	// in a careful run.
	// behind says that status shows records as waiting that were committed one by
	// one since.
	entering, full, behind bool
	// enterAt is when that is tried again after the broker gave no answer.
	enterAt    time.Time
	enterTries int
	writer     callKey
	// epoch is the store's that the attached partitions belong to; suspended says
	// why nothing is processed while the store cannot be written, resumeAt when
	// that is tried again.
	epoch          uint64
	suspended      error
	resumeAt       time.Time
	suspendedTries int

	// inquiries are questions about caches; asked is when the last one came.
	inquiries chan *inquiry
	asked     time.Time

	// letter is the dead letter that is being delivered again, nil for anything
	// else.
	letter *letter

	// sinkRecord is what goes to a connector sink.
	sinkRecord SinkRecord

	// What one commit works with.
	topicNames []string
	touched    []*state.Partition
	moved      map[*state.Partition]state.Position
	sending    []*input
	offsets    []abi.TopicOffset
	meta       offsetMeta

	uncommitted bool
	// inTransaction says that one is open.
	inTransaction bool
	// aborted is why the worker has to go back, when that was found out inside a
	// callback.
	aborted    error
	purging    purging
	lastCommit time.Time
	// retryCommit and givenUp count the commits and rewinds since the last
	// commit that worked.
	retryCommit, givenUp int
	// restarts counts the clients made anew since then, vain those of them where
	// the broker was not just away.
	restarts, vain int
	// refused is the first refusal of an output, which the client tells once:
	// until the worker has gone back, no position may be committed.
	refused error
	// final says that the next commit is the last one.
	final    bool
	fatal    error // set by a rebalance callback
	lastIdle time.Time

	// drain and idle are shared with the host.
	drain atomic.Bool
	idle  atomic.Bool
	// accepted counts what the worker began, so that the host can tell whether
	// anything happened since it looked.
	accepted atomic.Uint64
	// idleAt is the host's activity before the look that found nothing to do.
	idleAt atomic.Uint64
	stats  stats

	// mu guards status and, against requestDrain, the elements of invokers.
	mu     sync.Mutex
	status WorkerStatus
}

// feeder is a handler's call on a source whose effects lead to a proxy.
type feeder struct{ source, call int }

// maxBacklog is how many bytes of a held partition are buffered before the
// consumer is told to stop fetching it.
const maxBacklog = 8 << 20

// pollWait bounds how long a worker sleeps without looking at its orders.
const pollWait = 100 * time.Millisecond

// controlWait bounds it while a partition waits for what comes by the control
// topic.
const controlWait = 10 * time.Millisecond

// connectorWait is the same where a connector may become ready meanwhile.
const connectorWait = 5 * time.Millisecond

func newWorker(h *Host, id, cluster int) *worker {
	w := &worker{
		host: h, id: id, cluster: cluster,
		plan: h.plan, opts: h.opts, backends: &h.backends,
		log:     h.log.With("worker", id),
		inputs:  map[abi.TopicPartition]*input{},
		tasks:   map[taskKey]*task{},
		moved:   map[*state.Partition]state.Position{},
		feeders: map[*Source][]feeder{},

		inquiries: make(chan *inquiry),
		ownSinks:  map[int]*sharedSink{},
		timers:    map[timerKey]*input{},
	}
	w.invokers = make([]Invoker, len(w.plan.Modules))
	w.stats.handlers = make([]handlerStats, len(w.plan.Handlers))
	w.stats.checkpoints = make([]checkpointStats, len(w.plan.Checkpoints))
	w.status = WorkerStatus{ID: id, Cluster: w.plan.Clusters[cluster], Partitions: []PartitionStatus{}}
	for i := range w.plan.Sources {
		s := &w.plan.Sources[i]
		w.batches = append(w.batches, &batch{source: s})
		w.reach = append(w.reach, w.plan.reach(i))
		for j, hs := range s.Handlers {
			for _, id := range w.plan.leads(hs.Handler) {
				to := &w.plan.Sources[id]
				w.feeders[to] = append(w.feeders[to], feeder{source: i, call: j})
			}
		}
		if s.Kind == SourceTopic && s.Cluster == cluster {
			w.topics = append(w.topics, i)
			w.topicNames = append(w.topicNames, s.Topic)
		}
	}
	for i := range w.plan.Handlers {
		w.observed = append(w.observed, slices.ContainsFunc(w.plan.Handlers[i].Caches, func(c int) bool { return w.plan.Caches[c].Updates != nil }))
	}
	w.advancing = make([]bool, len(w.plan.Handlers))
	for _, source := range w.plan.Advances {
		for _, hs := range w.plan.Sources[source].Handlers {
			w.advancing[hs.Handler] = true
		}
	}
	w.calls.w = w
	w.checkpoints = newCheckpoints(w)
	w.restorer = newRestorer(w)
	return w
}

// open makes everything the worker needs; close gives it back, also after a
// failed open.
func (w *worker) open(ctx context.Context) error {
	if err := w.openStore(); err != nil {
		return err
	}
	for i, name := range w.plan.Modules {
		inv, err := w.backends.Invoker(ctx, i, w.id, &w.calls)
		if err != nil {
			return fmt.Errorf("module %q: %w", name, err)
		}
		w.setInvoker(i, inv)
	}
	if err := w.openOutlets(ctx); err != nil {
		return err
	}
	if err := w.openConnectors(ctx); err != nil {
		return err
	}
	w.relist()
	return w.join(ctx)
}

// join makes the consumer a member of the group.
func (w *worker) join(ctx context.Context) error {
	if err := w.host.globals.await(ctx, w.host.draining, w.backends.Store); err != nil {
		return err
	}
	if len(w.topics) == 0 || w.host.draining.Err() != nil {
		return nil
	}
	c, err := w.backends.Consumer(ctx, w.cluster, w.id)
	if err != nil {
		return fmt.Errorf("open the consumer for cluster %q: %w", w.plan.Clusters[w.cluster], err)
	}
	w.consumer = c
	return c.Subscribe(w.topicNames,
		func(parts []abi.TopicPartition) []int64 { return w.assigned(ctx, parts) },
		func(parts []abi.TopicPartition, lost bool) { w.revoked(ctx, parts, lost) })
}

// close ends the membership and releases everything; ctx bounds the last
// commit, which the revoked callback does.
func (w *worker) close(ctx context.Context) {
	if w.uncommitted && w.overlay != nil {
		// The last commit failed; what is staged is nobody's.
		sent := w.mending.sent
		if err := w.takeBack(); err != nil {
			w.log.Warn("changelogs keep entries of calls that were taken back", "error", err)
		}
		if sent {
			w.discard()
			_ = w.settle(ctx) // revoked mends
		}
	}
	w.uncommitted = false
	if w.inTransaction && ctx.Err() == nil {
		// Otherwise others wait for it until its timeout.
		ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
		defer cancel()
		if err := w.own().Abort(ctx); err != nil {
			w.log.Warn("abort the last transaction", "error", err)
		}
	}
	w.inTransaction = false
	w.closeClients()
	w.dropAll()
	w.restorer.close()
	w.purging.wait()
	w.closeStore()
	w.closeConnectors()
	for _, inv := range w.invokers {
		if inv == nil {
			continue
		}
		if err := inv.Close(ctx); err != nil {
			w.log.Error("close a module instance", "error", err)
		}
	}
}

// setInvoker puts an instance in place; one that comes after the order to
// drain gets it too.
func (w *worker) setInvoker(i int, inv Invoker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.invokers[i] = inv
	if w.drain.Load() {
		inv.RequestStop()
	}
}

// reopen replaces an invoker whose replies broke the ABI. If no new instance
// can be had, each call says so until one can.
func (w *worker) reopen(ctx context.Context, module int) {
	if err := w.invokers[module].Close(ctx); err != nil {
		w.log.Warn("close a module instance", "module", w.plan.Modules[module], "error", err)
	}
	inv, err := w.backends.Invoker(ctx, module, w.id, &w.calls)
	if err != nil {
		inv = absent{fmt.Errorf("module %q: start a new instance: %w", w.plan.Modules[module], err)}
	}
	w.setInvoker(module, inv)
}

// absent stands for an instance that could not be started.
type absent struct{ err error }

func (a absent) Process(context.Context, int32, int32, []byte, []byte) ([]byte, int32, error) {
	return nil, 0, a.err
}
func (absent) RequestStop()                {}
func (absent) Renew()                      {}
func (absent) Close(context.Context) error { return nil }

// stopping says that handlers are asked to return after the current record.
func (w *worker) stopping() bool { return w.drain.Load() || w.full || w.due }

// requestDrain makes the worker stop at the next record border and commit.
// Any goroutine may call it.
func (w *worker) requestDrain() {
	w.drain.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, inv := range w.invokers {
		if inv != nil {
			inv.RequestStop()
		}
	}
}

// loop works until the worker is told to drain or cannot go on. It ends with
// a commit of what is done.
func (w *worker) loop(ctx context.Context) error {
	w.lastCommit = w.backends.Clock.Now()
	for !w.drain.Load() {
		err := ctx.Err()
		if err == nil {
			err = w.step(ctx)
		}
		for err != nil && ctx.Err() == nil && isFatal(err) && w.canRestart() {
			err = w.restart(ctx, err)
		}
		if err != nil {
			return err
		}
	}
	if err := cmp.Or(w.fatal, w.aborted); err != nil {
		return fmt.Errorf("last commit: %w; the records since the commit before are processed again at the next start", err)
	}
	w.final = true
	w.drainConnectors()
	if err := w.commit(ctx); err != nil {
		return fmt.Errorf("last commit: %w; the records since the commit before are processed again at the next start", err)
	}
	return nil
}

// step does one round: what is due, one poll, one commit if it is time.
func (w *worker) step(ctx context.Context) error {
	now := w.backends.Clock.Now()
	if err := w.keepStore(ctx, now); err != nil {
		return err
	}
	if err := w.admit(ctx); err != nil {
		return w.recover(ctx, err)
	}
	if err := w.checkpoints.look(now); err != nil {
		return err
	}
	if err := w.border(ctx, now); err != nil {
		return w.recover(ctx, err)
	}
	if err := w.retryAdvances(ctx, now); err != nil {
		return w.recover(ctx, err)
	}
	if err := w.finish(ctx); err != nil {
		return w.recover(ctx, err)
	}
	if err := w.matchTimers(ctx); err != nil {
		return err
	}
	if err := w.retries(ctx, now); err != nil {
		return w.recover(ctx, err)
	}
	busy, err := w.pollConnectors(ctx)
	if err != nil {
		return w.recover(ctx, err)
	}
	if err := w.pollTopics(ctx, w.wait(now, busy)); err != nil {
		return w.recover(ctx, err)
	}
	if w.fatal != nil {
		return w.fatal
	}
	if err := cmp.Or(w.refused, w.aborted); err != nil { // in a commit that a rebalance asked for
		return w.giveUp(ctx, err)
	}
	if err := w.send(ctx); err != nil {
		return w.giveUp(ctx, err)
	}
	now = w.backends.Clock.Now()
	if w.commitDue(now) <= 0 {
		if err := w.advance(ctx); err != nil {
			return w.recover(ctx, err)
		}
		if err := w.commit(ctx); err != nil {
			return w.giveUp(ctx, err)
		}
	}
	if err := w.answer(ctx); err != nil {
		return w.giveUp(ctx, err)
	}
	if w.behind {
		w.publish()
	}
	w.checkIdle(ctx, now)
	return nil
}

// commitDue is how long the next commit is away.
func (w *worker) commitDue(now time.Time) time.Duration {
	switch {
	case w.full && w.retryCommit == 0:
		return 0
	case w.uncommitted:
		return w.lastCommit.Add(w.opts.CommitInterval).Sub(now)
	}
	return math.MaxInt64
}

// recover goes on after an error of the store or of a commit, and passes every
// other one on.
func (w *worker) recover(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil || w.fatal != nil || isFatal(err):
		return err
	case errors.Is(err, errStore):
		return w.storeBroke(ctx, err)
	case isAbortable(err) || errors.As(err, new(*refusedError)):
		return w.giveUp(ctx, err)
	}
	return err
}

// admit lets tasks begin that have become complete or are restored.
func (w *worker) admit(ctx context.Context) error {
	if w.entering && !w.backends.Clock.Now().Before(w.enterAt) {
		if err := w.enter(ctx); err != nil {
			return w.enterAgain(ctx, err)
		}
		w.enterTries = 0
	}
	for {
		done := w.restorer.finished()
		if done == nil {
			return nil
		}
		t := done.task
		if done.err != nil {
			// What was read stays; the rest is compared anew.
			t.phase, w.entering = taskWaiting, true
			if err := w.enterAgain(ctx, done.err); err != nil {
				return err
			}
			continue
		}
		if err := w.start(ctx, t); err != nil {
			return err
		}
		w.log.Debug("task restored", "task", t.name, "partition", t.partition)
	}
}

// enterAgain decides about an error that kept tasks from beginning: where the
// broker gave no answer it is asked again, and the others go on meanwhile.
func (w *worker) enterAgain(ctx context.Context, err error) error {
	w.entering = true
	var unanswered *unansweredError
	if ctx.Err() != nil || !errors.As(err, &unanswered) {
		return err
	}
	w.enterTries++
	wait := min(backoff(100*time.Millisecond, w.enterTries), 10*time.Second)
	w.enterAt = w.backends.Clock.Now().Add(wait)
	w.log.Warn("tasks cannot begin yet; trying again", "error", err, "tries", w.enterTries, "wait", wait)
	return w.pauseWaiting()
}

// unansweredError says that the broker could not be asked about changelogs.
type unansweredError struct{ err error }

func (e *unansweredError) Error() string { return e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }

// wait is how long the next poll may sleep.
func (w *worker) wait(now time.Time, busy bool) time.Duration {
	if busy {
		return 0
	}
	d := pollWait
	if w.curious(now) {
		d = inquiryPace
	}
	d = min(d, w.connectorsDue(now))
	if w.idle.Load() || w.restorer.pending() {
		d = connectorWait // the end of the run, or of a restore, is near
	}
	d = min(d, w.commitDue(now))
	if w.entering {
		d = min(d, w.enterAt.Sub(now))
	}
	if w.checkpoints.waiting() {
		d = min(d, controlWait)
	}
	for _, in := range w.listed {
		if !in.reseek.IsZero() {
			d = min(d, in.reseek.Sub(now))
		}
		switch {
		case in.guarded():
			for _, g := range in.guards {
				if g.loaded && g.machine.Due() && !now.Before(in.due) {
					return 0
				}
			}
		case in.task.stuck && w.suspended == nil:
			d = min(d, in.due.Sub(now))
		case !in.task.ready() || w.suspended != nil || w.full:
		case in.held():
			d = min(d, in.due.Sub(now))
		case !in.backlog.empty():
			return 0
		}
	}
	return max(d, 0)
}

// pollTopics takes one batch from the consumer through the handlers.
func (w *worker) pollTopics(ctx context.Context, wait time.Duration) error {
	if w.consumer == nil {
		return w.sleep(ctx, wait)
	}
	if err := w.consumer.Poll(&w.packed, w.opts.MaxRecords, w.opts.MaxBytes, wait); err != nil {
		return w.consumerError(ctx, err)
	}
	if w.aborted != nil || w.fatal != nil {
		return nil // what came will come again
	}
	if w.entering {
		// What came belongs to tasks that do not run yet, and waits with them.
		if err := w.admit(ctx); err != nil {
			return err
		}
	}
	if left, err := w.takeRuns(ctx); err != nil || left {
		return err
	}
	for _, end := range w.packed.Ends {
		// What lies between the last record and the end are records of aborted
		// transactions and markers: nothing to process, but to pass.
		if in := w.inputs[end.TopicPartition]; in != nil {
			in.end = end.Offset
			w.passEnd(in)
		}
	}
	return nil
}

// passEnd moves t to the end of its partition, once nothing waits before it:
// the consumer tells an end once.
func (w *worker) passEnd(in *input) {
	if in.backlog.empty() && in.task.phase == taskRunning && in.end > in.next {
		in.next = in.end
		w.uncommitted = true
	}
}

// sleep stands in for a poll where nothing is consumed from Kafka.
func (w *worker) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer, stop := w.backends.Clock.NewTimer(d)
	defer stop()
	var ready <-chan struct{}
	for _, in := range w.connectors {
		if !in.eof && !in.held() && w.plan.Sources[in.source].Timer == NoTimer {
			ready = in.connector.Ready() // one of them; the others within the wait
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer:
	case <-ready:
	}
	return nil
}

// relist brings listed up to date after inputs or connectors have changed.
func (w *worker) relist() {
	w.listed = w.listed[:0]
	for _, in := range w.inputs {
		w.listed = append(w.listed, in)
	}
	w.listed = append(w.listed, w.connectors...)
	slices.SortFunc(w.listed, func(a, b *input) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.partition, b.partition))
	})
}

func (w *worker) handlerIndex(h *Handler) int {
	for i := range w.plan.Handlers {
		if &w.plan.Handlers[i] == h {
			return i
		}
	}
	return -1
}
