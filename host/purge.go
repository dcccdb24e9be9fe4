package host

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// purging deletes the records of internal topics once they are committed, on a
// goroutine of its own now and then: nobody else reads them.
type purging struct {
	busy atomic.Bool
	wg   sync.WaitGroup
	last time.Time
	// next is how far each input had committed at the last round. Only that much
	// is deleted in this one: should a commit that was long on its way set the
	// group's offset back, the records are still there. done is what was deleted.
	next, done map[*input]int64
}

func (p *purging) wait() { p.wg.Wait() }

// purge starts a round if it is time for one.
func (w *worker) purge() {
	now := w.backends.Clock.Now()
	if w.backends.Purge == nil || now.Sub(w.purging.last) < w.opts.PurgeInterval || w.purging.busy.Load() {
		return
	}
	w.purging.last = now
	type topic struct {
		cluster int
		name    string
	}
	due := map[topic]map[int32]int64{}
	p := &w.purging
	if p.done == nil {
		p.next, p.done = map[*input]int64{}, map[*input]int64{}
	}
	for _, in := range w.inputs {
		src := &w.plan.Sources[in.source]
		if !src.Internal {
			continue
		}
		before := p.next[in]
		p.next[in] = in.committed
		if before <= 0 || p.done[in] == before {
			continue
		}
		p.done[in] = before
		at := topic{src.Cluster, src.Topic}
		if due[at] == nil {
			due[at] = map[int32]int64{}
		}
		due[at][in.partition] = before
	}
	for in := range p.next {
		if w.inputs[in.kafka] != in {
			delete(p.next, in)
			delete(p.done, in)
		}
	}
	if len(due) == 0 {
		return
	}
	w.purging.busy.Store(true)
	w.purging.wg.Go(func() {
		defer w.purging.busy.Store(false)
		ctx, cancel := context.WithTimeout(w.host.draining, assignTimeout)
		defer cancel()
		for at, before := range due {
			if err := w.backends.Purge(ctx, at.cluster, at.name, before); err != nil && w.host.draining.Err() == nil {
				w.log.Warn("committed records of an internal topic are not deleted yet", "topic", at.name, "error", err)
			}
		}
	})
}
