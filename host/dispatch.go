package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/module"
)

// run is the way of one batch through all handlers that its records reach.
// Every handler sees its whole batch in one call; outputs are kept and emitted
// afterwards in the order in which one record at a time, depth first, would
// have emitted them. DESIGN.md, "The way of a batch", has the argument.
type run struct {
	w  *worker
	in *input
	// source is the root batch's; letter is set when it is one letter.
	source int
	letter *letter
	root   *batch
	// limit is the first root whose effects are not emitted.
	limit int
	// hold says why limit is below the batch's length, nil if it is not or if
	// the run was told to stop.
	hold *hold
	// careful runs note which call each output comes from.
	careful bool
	// lockstep runs go through all handlers one record at a time; rootMarks are
	// the places in journal 0 where each root's writes begin.
	lockstep  bool
	rootMarks []int
	// journals counts the journals in use.
	journals int
	// times is the stream time at each root, as far as it was asked for.
	times []int64

	// outputs counts what one root has sent to connectors.
	outputs int
	// replayed says that the records came before: they go to the handlers of the
	// checkpoints in active.
	replayed bool
	active   []int

	keyEnc, valueEnc encoder
}

// dispatch runs count records in wire form and emits their outputs to the
// producers. It returns the number of records that are done with: their
// outputs are handed over, so the position may move behind them at the next
// commit. A hold says when to go on with the rest.
func (w *worker) dispatch(ctx context.Context, in *input, head abi.BatchHeader, wire []byte) (done int, h *hold, err error) {
	w.arena.reset()
	w.generation++
	source := w.sourceOf(in)
	src := &w.plan.Sources[source]
	root := w.batches[source]
	root.load(src, head, wire)
	root.generation = w.generation
	r := &w.run
	*r = run{
		w: w, in: in, source: source, letter: w.letter, root: root, limit: root.len(), careful: w.careful(in), lockstep: src.Lockstep,
		times: r.times[:0], rootMarks: r.rootMarks[:0], active: r.active[:0],
	}
	w.due = false
	if w.checkpoints != nil {
		w.checkpoints.told = w.checkpoints.told[:0]
		r.replays()
		r.scan()
	}
	if root.waits != nil {
		next := r.in.next
		if n := root.len(); n > 0 {
			next = r.offset(root, n-1) + 1
		}
		r.holdAt(hold{root: root.len(), stopped: true, reason: fmt.Errorf("%s[%d] from offset %d on: %w", src.ID, head.Partition, next, root.waits)})
	}
	if r.lockstep {
		err = r.deep(ctx)
	} else {
		err = r.wide(ctx)
	}
	if err != nil {
		return 0, nil, err
	}
	if swapOutputs(w) {
		r.emitBackwards(ctx)
	} else {
		r.emitRoots(ctx)
	}
	r.unwind()
	r.know()
	return r.limit, r.hold, nil
}

// emitRoots hands over the effects of every root below the limit.
func (r *run) emitRoots(ctx context.Context) {
	for pos := 0; pos < r.limit; pos++ {
		n := r.firstCall()
		r.outputs = 0
		if err := r.emit(ctx, r.root, pos, &n); err != nil {
			r.holdAt(hold{root: pos, stopped: true, reason: err})
			if r.w.plan.ExactlyOnce {
				// What the root emitted before is in the transaction, which must not
				// be committed: it would come twice.
				_ = r.w.refuse(err)
			}
		}
	}
}

// wide hands whole batches to the handlers, one source after the other.
func (r *run) wide(ctx context.Context) error {
	if err := r.handlers(ctx, r.root); err != nil {
		return err
	}
	for _, p := range r.w.reach[r.source] {
		b := r.w.batches[p]
		r.assemble(b)
		if b.len() == 0 {
			continue
		}
		if err := r.handlers(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// handlers hands b to each handler of its source.
func (r *run) handlers(ctx context.Context, b *batch) error {
	for i, hs := range b.source.Handlers {
		h := &r.w.plan.Handlers[hs.Handler]
		c := &b.calls[i]
		c.handler = h
		if b == r.root && r.skips(hs.Handler) {
			continue
		}
		if !r.gets(b, hs.Handler) {
			continue
		}
		b.head.Source = int32(hs.Position)
		c.journal = r.journals
		r.journals++
		if err := r.call(ctx, b, c, hs.Handler, 0, b.len()); err != nil {
			return err
		}
	}
	return nil
}

// call hands records from from to end-1 of b to one handler: stretch by stretch
// between the records that could not be decoded, and again behind each record
// that made it trap or whose failure only the host has seen.
func (r *run) call(ctx context.Context, b *batch, c *call, handler, from, end int) error {
	stats := &r.w.stats.handlers[handler]
	bad := b.bad
	for len(bad) > 0 && bad[0].pos < from {
		bad = bad[1:]
	}
	again := -1        // the record that is tried once more in a fresh instance
	most := end - from // records per call, fewer where a batch is too much for a guest
	for from < end && b.root(from) < r.limit {
		if text, ok := r.refusal(b, c.handler, from); ok {
			r.failed(c, failure{batch: b, handler: c.handler, pos: from, code: codeOutput, reason: text})
			from++
			continue
		}
		to := min(b.until(from, r.limit), end)
		if len(bad) > 0 {
			if to = min(to, bad[0].pos); to == from {
				r.countCodec(c.handler)
				r.failed(c, failure{batch: b, handler: c.handler, pos: from, code: codeUndecodable, reason: bad[0].reason})
				bad = bad[1:]
				from++
				continue
			}
		}
		if again == from || r.careful && len(r.in.refusals) > 0 {
			to = from + 1 // the next one's output may be the refused one
		}
		to = min(to, from+most)
		done, redo, err := r.process(ctx, b, c, handler, from, to)
		stats.records.Add(uint64(done))
		from += done
		trap := trapOf(err)
		if trap != nil || redo != nil {
			r.undo(c, from)
		}
		switch {
		case redo != nil:
			r.failed(c, *redo)
			from++
		case trap != nil:
			stats.traps.Add(1)
			if trap.Guilty < 0 && from == to {
				// Every record was finished; the instance is replaced already.
				r.w.log.Warn("module trapped after its last record; a fresh instance takes over", "handler", c.handler.ID, "error", trap)
				continue
			}
			if trap.Guilty < 0 && to-from > 1 {
				most = (to - from) / 2
				continue
			}
			if again != from {
				again = from
				r.w.log.Warn("handler trapped; the record is tried once more in a fresh instance", "handler", c.handler.ID, "record", r.where(b, from), "error", trap)
				continue
			}
			r.failed(c, failure{batch: b, handler: c.handler, pos: from, code: codeTrap, reason: trap.Error()})
			from++
		case err != nil:
			if ctx.Err() != nil {
				return err
			}
			if errors.Is(err, module.ErrState) {
				return cmp.Or(r.w.calls.err, err)
			}
			// The module breaks the ABI: nothing of this call counts.
			c.drop(from, b.len())
			r.undo(c, from)
			r.holdAt(hold{
				root: b.root(from), stopped: true,
				reason: fmt.Errorf("handler %q: %s: %w", c.handler.ID, r.where(b, from), err),
			})
			var reply *replyError
			if errors.As(err, &reply) {
				r.w.reopen(ctx, c.handler.Module)
			}
			return nil
		case from < to: // stopped early
			if root := b.root(from); root < r.limit {
				r.limit, r.hold = root, nil
			}
			return nil
		}
	}
	return nil
}

// fuelCounter is an Invoker that says what its last call took.
type fuelCounter interface{ Fuel() int64 }

// process makes one call into the guest with records from to to-1 and turns
// its reply into effects. redo is the failure of the first record that is not
// done, where what it wrote is still staged and what came after it may have
// read that: both are to be taken back, and the rest run again.
func (r *run) process(ctx context.Context, b *batch, c *call, handler, from, to int) (done int, redo *failure, err error) {
	b.head.Count = int32(to - from)
	r.w.calls.begin(r, c, b, handler, from)
	inv := r.w.invokers[c.handler.Module]
	records := b.buf[b.starts[from]:b.starts[to]]
	if r.w.asking != nil && b == r.root {
		r.w.head, records = r.w.message(r.w.head[:0], c.handler), nil
	} else {
		r.w.head = abi.AppendBatchHeader(r.w.head[:0], &b.head)
	}
	reply, n, err := inv.Process(ctx, int32(c.handler.Binding), b.head.Count, r.w.head, records)
	if f, ok := inv.(fuelCounter); ok {
		used := uint64(f.Fuel())
		stats := &r.w.stats.handlers[handler]
		stats.fuel.Add(used)
		stats.lastFuel.Store(used)
	}
	if err != nil && trapOf(err) == nil {
		return 0, nil, err
	}
	done = int(n)
	redo, bad := r.collect(b, c, handler, from, done, r.w.arena.copy(reply))
	if bad != nil {
		return 0, nil, bad
	}
	if redo != nil {
		return redo.pos - from, redo, nil
	}
	if err == nil && done < to-from && !r.w.stopping() {
		return 0, nil, r.broken(c, fmt.Sprintf("it ends after %d of %d records, and nobody asked it to stop", done, to-from))
	}
	return done, nil, err
}

// trapOf returns the trap that err is about, or nil. It allocates only where
// there is an error.
func trapOf(err error) *module.TrapError {
	if err == nil {
		return nil
	}
	var trap *module.TrapError
	errors.As(err, &trap)
	return trap
}

// collect reads the results of records from to from+done-1. redo is process's;
// an error means that the module breaks the ABI.
func (r *run) collect(b *batch, c *call, handler, from, done int, reply []byte) (redo *failure, err error) {
	told := from // the first record whose updates of caches are not effects yet
	fail := func(f failure) {
		told = r.updates(b, c, handler, told, f.pos)
		if !r.wrote(c, f.pos) {
			r.failed(c, f)
			return
		}
		c.drop(f.pos, b.len())
		redo = &f
	}
	limits := r.w.calls.limits
	rd := abi.NewReader(reply)
	next := 0           // the first index that may come
	open := int32(-1)   // the index whose outputs come in pieces
	voided := int32(-1) // the index the host gave up on
	stats := &r.w.stats.handlers[handler]
	for rd.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&rd, &res)
		if rd.Err() != nil {
			break
		}
		if int(res.Index) < next || open >= 0 && res.Index != open {
			return nil, r.broken(c, fmt.Sprintf("a result for record %d where %d or a later one was due", res.Index, next))
		}
		if int(res.Index) >= done {
			// The guilty record's pieces: nothing of them counts.
			if int(res.Index) > done || res.Status != abi.StatusMore {
				return nil, r.broken(c, fmt.Sprintf("a result for record %d of which %d are done", res.Index, done))
			}
		}
		pos := from + int(res.Index)
		for len(limits) > 0 && limits[0].pos <= pos && limits[0].pos < from+done {
			if limits[0].pos == pos {
				voided = res.Index
			}
			if fail(limitFailure(b, c, &limits[0])); redo != nil {
				return redo, nil
			}
			limits = limits[1:]
		}
		counts := int(res.Index) < done && res.Index != voided
		if counts && res.Status != abi.StatusError {
			told = r.updates(b, c, handler, told, pos+1)
		}
		if res.Status == abi.StatusError {
			if counts {
				f := failure{batch: b, handler: c.handler, pos: pos, code: guestCode(res.Code), reason: r.w.calls.hinted(pos, string(res.Message))}
				f.retryAfter = millis(res.RetryAfterMs)
				if fail(f); redo != nil {
					return redo, nil
				}
			}
			next, open = int(res.Index)+1, -1
			continue
		}
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&rd, &o)
			if rd.Err() != nil {
				break
			}
			if !counts {
				continue
			}
			if f := r.output(b, c, handler, pos, &o); f != nil {
				if fail(*f); redo != nil {
					return redo, nil
				}
				voided, counts = res.Index, false
				continue
			}
			stats.outputs.Add(1)
		}
		abi.EndResult(&rd, &res)
		if res.Status == abi.StatusMore {
			open = res.Index
		} else {
			next, open = int(res.Index)+1, -1
		}
	}
	if err := rd.Err(); err != nil {
		return nil, r.broken(c, err.Error())
	}
	if open >= 0 && int(open) < done {
		return nil, r.broken(c, fmt.Sprintf("no end to the outputs of record %d", open))
	}
	for ; len(limits) > 0 && limits[0].pos < from+done; limits = limits[1:] {
		if fail(limitFailure(b, c, &limits[0])); redo != nil {
			return redo, nil
		}
	}
	r.updates(b, c, handler, told, from+done)
	return nil, nil
}

// limitFailure is the failure of a record that hit a limit of its cache writes.
func limitFailure(b *batch, c *call, l *limitHit) failure {
	return failure{batch: b, handler: c.handler, pos: l.pos, code: abi.CodeLimit, reason: l.reason}
}

// output turns one output into an effect for each of its sinks.
func (r *run) output(b *batch, c *call, handler, pos int, o *abi.Output) *failure {
	sinks := c.handler.Sinks
	first := 0
	if o.Sink != abi.EverySink {
		if o.Sink < 0 || int(o.Sink) >= len(sinks) {
			return &failure{
				batch: b, handler: c.handler, pos: pos, code: codeOutput,
				reason: fmt.Sprintf("output names sink %d; the manifest binds %d", o.Sink, len(sinks)),
			}
		}
		first = int(o.Sink)
		sinks = sinks[first : first+1]
	}
	if o.HasPartition && o.Partition < 0 {
		return &failure{
			batch: b, handler: c.handler, pos: pos, code: codeOutput,
			reason: fmt.Sprintf("output names partition %d", o.Partition),
		}
	}
	if o.HasTimestamp && o.Timestamp < 0 {
		return &failure{
			batch: b, handler: c.handler, pos: pos, code: codeOutput,
			reason: fmt.Sprintf("output has the timestamp %d, before 1970", o.Timestamp),
		}
	}
	rec := b.record(pos)
	e := effect{pos: pos, headers: o.Headers, timestamp: o.Timestamp, offset: rec.OffsetDelta, partition: -1}
	if !o.HasTimestamp {
		e.timestamp = b.head.BaseTimestamp + rec.TimestampDelta
	}
	if o.HasPartition {
		e.partition = o.Partition
	}
	if e.headers == nil && rec.Headers != nil {
		e.headers = r.w.traceparent(rec.Headers)
	}
	for i := range sinks {
		s := &sinks[i]
		if s.Partitions > 0 && e.partition >= s.Partitions {
			return &failure{
				batch: b, handler: c.handler, pos: pos, code: codeOutput,
				reason: fmt.Sprintf("output names partition %d of topic %q, which has %d", e.partition, s.Topic, s.Partitions),
			}
		}
		e.sink, e.out = s, r.w.outlets[handler][first+i]
		var err error
		e.key, err = r.keyEnc.encode(&r.w.arena, s.Key, o.Key)
		what := "key"
		if err == nil {
			what = "value"
			e.value, err = r.valueEnc.encode(&r.w.arena, s.Value, o.Value)
		}
		if err != nil {
			r.countCodec(c.handler)
			code := codeOutput
			var unavailable *codec.Unavailable
			if errors.As(err, &unavailable) {
				code = codeUnavailable
			}
			return &failure{
				batch: b, handler: c.handler, pos: pos, code: code,
				reason: fmt.Sprintf("%s for sink %q cannot be encoded: %v", what, s.ID, err),
			}
		}
		if n := recordBytes(&e); s.MaxBytes > 0 && n > s.MaxBytes {
			return &failure{
				batch: b, handler: c.handler, pos: pos, code: codeTooLarge,
				reason: fmt.Sprintf("output for topic %q takes %d bytes; the limit is %d (%s)", s.Topic, n, s.MaxBytes, s.Limit),
			}
		}
		c.effects = append(c.effects, e)
	}
	return nil
}

// recordBytes is what the record takes in a batch of its own, from above:
// Kafka counts the batch's header of 61 bytes and each record's varints.
func recordBytes(e *effect) int {
	return len(e.key) + len(e.value) + len(e.headers) + 61 + 32
}

// replyError says that a module breaks the ABI in its replies. Its instance
// is not to be used again.
type replyError struct{ module, what string }

func (e *replyError) Error() string {
	return fmt.Sprintf("module %q breaks the ABI in its reply: %s; rebuild it with a current SDK", e.module, e.what)
}

func (r *run) broken(c *call, what string) error {
	return &replyError{r.w.plan.Modules[c.handler.Module], what}
}

// where names record pos of b for errors.
func (r *run) where(b *batch, pos int) string {
	if p, ok := r.in.connector.(Placed); ok {
		return p.Place(r.offset(b, pos))
	}
	return fmt.Sprintf("%s[%d]@%d", r.root.source.ID, r.root.head.Partition, r.offset(b, pos))
}

// offset is the root offset of record pos.
func (r *run) offset(b *batch, pos int) int64 {
	return b.head.BaseOffset + b.record(pos).OffsetDelta
}

func guestCode(c abi.ErrorCode) abi.ErrorCode {
	if c >= codeTrap {
		return abi.CodeFailed
	}
	return c
}
