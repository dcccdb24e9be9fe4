package host

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sliphost/sliphost/abi"
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
	outlets   [][]*outlet // by handler and sink
	letters   []*outlet   // by handler

	tasks      map[abi.TopicPartition]*task
	connectors []*task // of worker 0
	listed     []*task // what retries goes through
	packed     abi.Packed
	lines      abi.Packed // of connectors

	// What dispatch works with.
	run        run
	arena      arena
	batches    []*batch // by source
	reach      [][]int  // by source: proxies it leads to, each after its feeders
	feeders    map[*Source][]feeder
	head       []byte
	generation uint64

	uncommitted bool
	lastCommit  time.Time
	// retryCommit and givenUp count the commits and rewinds since the last
	// commit that worked.
	retryCommit, givenUp int
	// restarts counts the clients made anew since then.
	restarts int
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

// connectorWait is the same where a connector may become ready meanwhile.
const connectorWait = 5 * time.Millisecond

func newWorker(h *Host, id, cluster int) *worker {
	w := &worker{
		host: h, id: id, cluster: cluster,
		plan: h.plan, opts: h.opts, backends: &h.backends,
		log:     h.log.With("worker", id),
		tasks:   map[abi.TopicPartition]*task{},
		feeders: map[*Source][]feeder{},
	}
	w.invokers = make([]Invoker, len(w.plan.Modules))
	w.stats.handlers = make([]handlerStats, len(w.plan.Handlers))
	w.status = WorkerStatus{ID: id, Cluster: w.plan.Clusters[cluster], Partitions: []PartitionStatus{}}
	for i := range w.plan.Sources {
		s := &w.plan.Sources[i]
		w.batches = append(w.batches, &batch{source: s})
		w.reach = append(w.reach, w.plan.reach(i))
		for j, hs := range s.Handlers {
			seen := map[int]bool{}
			for _, sink := range w.plan.Handlers[hs.Handler].Sinks {
				if sink.Kind == SinkProxy && !seen[sink.Proxy] {
					seen[sink.Proxy] = true
					to := &w.plan.Sources[sink.Proxy]
					w.feeders[to] = append(w.feeders[to], feeder{source: i, call: j})
				}
			}
		}
		if s.Kind == SourceTopic && s.Cluster == cluster {
			w.topics = append(w.topics, i)
		}
	}
	return w
}

// reach lists the proxies that records of a source can come to, in the order
// of Plan.Proxies.
func (p *Plan) reach(source int) []int {
	seen := map[int]bool{source: true}
	var ids []int
	for _, proxy := range p.Proxies {
		for s := range seen {
			if p.feeds(s, proxy) {
				seen[proxy] = true
				ids = append(ids, proxy)
				break
			}
		}
	}
	return ids
}

func (p *Plan) feeds(source, proxy int) bool {
	for _, hs := range p.Sources[source].Handlers {
		for _, s := range p.Handlers[hs.Handler].Sinks {
			if s.Kind == SinkProxy && s.Proxy == proxy {
				return true
			}
		}
	}
	return false
}

// open makes everything the worker needs; close gives it back, also after a
// failed open.
func (w *worker) open(ctx context.Context) error {
	for i, name := range w.plan.Modules {
		inv, err := w.backends.Invoker(ctx, i, w.id)
		if err != nil {
			return fmt.Errorf("module %q: %w", name, err)
		}
		w.setInvoker(i, inv)
	}
	if err := w.openOutlets(ctx); err != nil {
		return err
	}
	if w.id == 0 {
		for i := range w.plan.Sources {
			if w.plan.Sources[i].Kind != SourceConnector {
				continue
			}
			c, err := w.backends.Source(ctx, i)
			if err != nil {
				return fmt.Errorf("source %q: %w", w.plan.Sources[i].ID, err)
			}
			w.connectors = append(w.connectors, &task{source: i, connector: c, next: abi.OffsetNone, committed: abi.OffsetNone, careful: abi.OffsetNone})
		}
	}
	return w.join(ctx)
}

// join makes the consumer a member of the group.
func (w *worker) join(ctx context.Context) error {
	if len(w.topics) == 0 {
		return nil
	}
	c, err := w.backends.Consumer(ctx, w.cluster, w.id)
	if err != nil {
		return fmt.Errorf("open the consumer for cluster %q: %w", w.plan.Clusters[w.cluster], err)
	}
	w.consumer = c
	names := make([]string, len(w.topics))
	for i, s := range w.topics {
		names[i] = w.plan.Sources[s].Topic
	}
	return c.Subscribe(names,
		func(parts []abi.TopicPartition) []int64 { return w.assigned(ctx, parts) },
		func(parts []abi.TopicPartition, lost bool) { w.revoked(ctx, parts, lost) })
}

// close ends the membership and releases everything; ctx bounds the last
// commit, which the revoked callback does.
func (w *worker) close(ctx context.Context) {
	w.closeClients()
	for _, t := range w.connectors {
		if err := t.connector.Close(); err != nil {
			w.log.Error("close a source", "source", w.plan.Sources[t.source].ID, "error", err)
		}
	}
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
	inv, err := w.backends.Invoker(ctx, module, w.id)
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
func (absent) Close(context.Context) error { return nil }

// stopping says that handlers are asked to return after the current record.
func (w *worker) stopping() bool { return w.drain.Load() }

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
		if err != nil && ctx.Err() == nil && isFatal(err) {
			err = w.restart(ctx, err)
		}
		if err != nil {
			return err
		}
	}
	w.final = true
	if err := w.commit(ctx); err != nil {
		return fmt.Errorf("last commit: %w; the records since the commit before are processed again at the next start", err)
	}
	return nil
}

// step does one round: what is due, one poll, one commit if it is time.
func (w *worker) step(ctx context.Context) error {
	now := w.backends.Clock.Now()
	if err := w.retries(ctx, now); err != nil {
		return err
	}
	busy, err := w.pollConnectors(ctx)
	if err != nil {
		return err
	}
	if err := w.pollTopics(ctx, w.wait(now, busy)); err != nil {
		return err
	}
	if w.fatal != nil {
		return w.fatal
	}
	if w.refused != nil { // in a commit that a rebalance asked for
		return w.giveUp(ctx, w.refused)
	}
	if err := w.send(ctx); err != nil {
		return w.giveUp(ctx, err)
	}
	now = w.backends.Clock.Now()
	if w.uncommitted && now.Sub(w.lastCommit) >= w.opts.CommitInterval {
		if err := w.commit(ctx); err != nil {
			return w.giveUp(ctx, err)
		}
	}
	w.checkIdle(ctx, now)
	return nil
}

// wait is how long the next poll may sleep.
func (w *worker) wait(now time.Time, busy bool) time.Duration {
	if busy {
		return 0
	}
	d := pollWait
	for _, t := range w.connectors {
		if !t.eof && !t.held() {
			d = connectorWait
		}
	}
	if w.idle.Load() {
		d = connectorWait // the end of the run is near
	}
	for _, t := range w.tasks {
		if !t.reseek.IsZero() {
			d = min(d, t.reseek.Sub(now))
		}
	}
	if w.uncommitted {
		d = min(d, w.lastCommit.Add(w.opts.CommitInterval).Sub(now))
	}
	w.listed = w.allTasks(w.listed[:0])
	for _, t := range w.listed {
		switch {
		case t.held():
			d = min(d, t.due.Sub(now))
		case !t.backlog.empty():
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
	for _, run := range w.packed.Runs {
		t := w.tasks[abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}]
		if t == nil {
			continue // revoked in this very poll
		}
		if err := w.accept(ctx, t, run, w.packed.Buf[run.Start:run.End]); err != nil {
			return err
		}
		if w.drain.Load() {
			break
		}
	}
	if w.drain.Load() {
		return nil // runs may be left over, which the ends lie behind
	}
	for _, end := range w.packed.Ends {
		// What lies between the last record and the end are records of aborted
		// transactions and markers: nothing to process, but to pass.
		if t := w.tasks[end.TopicPartition]; t != nil {
			t.end = end.Offset
			w.passEnd(t)
		}
	}
	return nil
}

// passEnd moves t to the end of its partition, once nothing waits before it:
// the consumer tells an end once.
func (w *worker) passEnd(t *task) {
	if t.backlog.empty() && t.end > t.next {
		t.next = t.end
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
	for _, t := range w.connectors {
		if !t.eof && !t.held() {
			ready = t.connector.Ready() // one of them; the others within the wait
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

// pollConnectors takes what files, stdin and timers have. busy says that
// there may be more at once.
func (w *worker) pollConnectors(ctx context.Context) (busy bool, err error) {
	for _, t := range w.connectors {
		if t.eof || t.held() {
			continue
		}
		eof, err := t.connector.Poll(&w.lines, w.opts.MaxRecords, w.opts.MaxBytes)
		if err != nil {
			return false, fmt.Errorf("source %q: %w", w.plan.Sources[t.source].ID, err)
		}
		t.eof = eof
		for _, run := range w.lines.Runs {
			busy = true
			if w.drain.Load() {
				return busy, nil
			}
			if err := w.accept(ctx, t, run, w.lines.Buf[run.Start:run.End]); err != nil {
				return false, err
			}
		}
	}
	return busy, nil
}

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

// allTasks appends the tasks of topics and connectors to list.
func (w *worker) allTasks(list []*task) []*task {
	for _, t := range w.tasks {
		list = append(list, t)
	}
	return append(list, w.connectors...)
}

func (w *worker) handlerIndex(h *Handler) int {
	for i := range w.plan.Handlers {
		if &w.plan.Handlers[i] == h {
			return i
		}
	}
	return -1
}
