package host

import (
	"context"

	"github.com/sliphost/sliphost/abi"
)

// deep runs the records one at a time through everything they cause, depth
// first: the handlers of such a source see each other's effects through a
// cache, so that they must run in the order that one record at a time has.
func (r *run) deep(ctx context.Context) error {
	for _, p := range r.w.reach[r.source] {
		b := r.w.batches[p]
		head := r.root.head
		head.Kind, head.Count = abi.KindRecords, 0
		b.reset(b.source, head)
		b.generation = r.w.generation
	}
	for pos := 0; pos < r.limit; pos++ {
		if r.w.overlay != nil {
			r.w.overlay.Use(0)
			r.rootMarks = append(r.rootMarks, r.w.overlay.Mark())
		}
		if err := r.descend(ctx, r.root, pos); err != nil {
			return err
		}
		if r.w.stopping() {
			// What is staged is enough for a commit, or the worker is asked to stop.
			r.stopBehind(pos)
		}
	}
	return nil
}

// stopBehind ends the run after a root.
func (r *run) stopBehind(pos int) {
	if pos+1 < r.limit {
		r.limit, r.hold = pos+1, nil
	}
}

// descend hands record pos of b to each handler of its source, and what they
// emit to proxies to the handlers of those, before it goes on.
func (r *run) descend(ctx context.Context, b *batch, pos int) error {
	for i, hs := range b.source.Handlers {
		c := &b.calls[i]
		c.handler = &r.w.plan.Handlers[hs.Handler]
		c.journal = 0
		if b == r.root && r.skips(hs.Handler) {
			continue
		}
		if !r.gets(b, hs.Handler) {
			continue
		}
		b.head.Source = int32(hs.Position)
		first := len(c.effects)
		if err := r.call(ctx, b, c, hs.Handler, pos, pos+1); err != nil {
			return err
		}
		if b.root(pos) >= r.limit {
			return nil
		}
		for n := first; n < len(c.effects); n++ {
			e := &c.effects[n]
			if e.sink == nil || e.sink.Kind != SinkProxy {
				continue
			}
			to := r.w.batches[e.sink.Proxy]
			r.proxied(to, b, e)
			child := e.child
			if err := r.descend(ctx, to, child); err != nil {
				return err
			}
			if b.root(pos) >= r.limit {
				return nil
			}
		}
	}
	return nil
}
