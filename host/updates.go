package host

import "github.com/sliphost/sliphost/state"

// What handlers write to a cache whose updates are a source are effects of
// the call, like outputs to a proxy: they are dropped where the record fails
// or a savepoint is rolled back, assembled into the source's batch in the
// order of one record at a time, and emitted by running its handlers. A call's
// updates come before its outputs, in the order in which it made them.
//
// The journals of the overlay have them (state.Partition.Observe), so whatever
// takes writes back takes their updates back.

// updates turns what the call wrote on records from from to to-1 into effects
// and returns the record that is next. It must come before the effects of
// later records.
func (r *run) updates(b *batch, c *call, handler, from, to int) int {
	if from >= to || from >= len(c.marks) || !r.w.observed[handler] {
		return max(from, to)
	}
	o := r.w.overlay
	o.Use(c.journal)
	end := o.Mark()
	for pos := from; pos < min(to, len(c.marks)); pos++ {
		last := end
		if pos+1 < len(c.marks) {
			last = c.marks[pos+1]
		}
		for at := c.marks[pos]; at < last; at++ {
			if u, ok := o.Update(c.journal, at); ok {
				r.update(b, c, pos, &u)
			}
		}
	}
	return to
}

// update adds the effect of one write.
func (r *run) update(b *batch, c *call, pos int, u *state.Update) {
	cache := &r.w.plan.Caches[u.Partition.Cache()]
	root := b.root(pos)
	e := effect{
		pos: pos, sink: cache.Updates, key: u.Key, value: u.Value, partition: -1,
		timestamp: r.root.head.BaseTimestamp + r.root.record(root).TimestampDelta,
	}
	if cache.Key == state.KeyInt || cache.Key == state.KeyFloat {
		// Other keys are stored as the ABI has them. What was stored can be read.
		e.key, _ = cache.Key.Decode(r.w.arena.tail(8), u.Key)
		e.key = r.w.arena.keep(e.key)
	}
	rec := b.record(pos)
	e.offset = rec.OffsetDelta
	if rec.Headers != nil {
		e.headers = r.w.traceparent(rec.Headers)
	}
	c.effects = append(c.effects, e)
}
