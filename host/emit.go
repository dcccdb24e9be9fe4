package host

import (
	"context"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// assemble fills b with what the handlers run so far emitted to it, in the
// order of one record at a time, depth first. Usually one call feeds a proxy
// and its list of effects has that order; otherwise the tree is walked.
func (r *run) assemble(b *batch) {
	head := r.root.head
	head.Kind, head.Count = abi.KindRecords, 0
	b.reset(b.source, head)
	b.generation = r.w.generation
	feeders := r.w.feeders[b.source]
	if f, only := r.onlyFeeder(feeders); only {
		from := r.w.batches[f.source]
		c := &from.calls[f.call]
		for i := range c.effects {
			r.proxied(b, from, &c.effects[i])
		}
		return
	}
	for _, f := range feeders {
		r.rewind(r.w.batches[f.source])
	}
	for _, p := range r.w.reach[r.source] {
		r.rewind(r.w.batches[p])
	}
	r.rewind(r.root)
	for pos := range r.limit {
		r.walk(b, r.root, pos)
	}
}

// onlyFeeder returns the one call of this run that feeds a proxy, if it is one.
// The sources of letters feed it too, in runs of their own.
func (r *run) onlyFeeder(all []feeder) (only feeder, ok bool) {
	for _, f := range all {
		if !r.ran(r.w.batches[f.source]) {
			continue
		}
		if ok {
			return only, false
		}
		only, ok = f, true
	}
	return only, ok
}

func (r *run) rewind(b *batch) {
	for i := range b.calls {
		b.calls[i].walk = 0
	}
}

// walk passes over everything that record pos of from caused and adds what
// was emitted to b.
func (r *run) walk(b, from *batch, pos int) {
	for i := range from.calls {
		c := &from.calls[i]
		for ; c.walk < len(c.effects) && c.effects[c.walk].pos == pos; c.walk++ {
			e := &c.effects[c.walk]
			if e.sink == nil || e.sink.Kind != SinkProxy {
				continue
			}
			if to := r.w.batches[e.sink.Proxy]; to == b {
				r.proxied(b, from, e)
			} else if r.ran(to) {
				r.walk(b, to, e.child)
			}
		}
	}
}

// ran says whether b was assembled in this run already.
func (r *run) ran(b *batch) bool { return b.generation == r.w.generation }

// proxied adds e to b if it leads there and its root is still wanted.
func (r *run) proxied(b, from *batch, e *effect) {
	if e.sink == nil || e.sink.Kind != SinkProxy || r.w.batches[e.sink.Proxy] != b {
		return
	}
	root := from.root(e.pos)
	if root >= r.limit {
		return
	}
	e.child = b.len()
	b.appendProxied(root, e.offset, e)
}

// emit hands over everything that record pos of b caused, depth first. n
// counts the handler calls under one root, which numbers dead letters.
func (r *run) emit(ctx context.Context, b *batch, pos int, n *int) error {
	for i := range b.calls {
		c := &b.calls[i]
		call := *n
		*n++
		for ; c.next < len(c.effects) && c.effects[c.next].pos == pos; c.next++ {
			e := &c.effects[c.next]
			switch {
			case e.settled != nil:
				r.settle(e, call)
			case e.sink.Kind == SinkProxy:
				if err := r.emit(ctx, r.w.batches[e.sink.Proxy], e.child, n); err != nil {
					return err
				}
			case e.sink.Kind == SinkTopic:
				e.out.append(e.partition, e.key, e.value, e.headers, e.timestamp)
				r.sent(e.out, b, c.handler, pos)
			default:
				out := &r.w.sinkRecord
				*out = SinkRecord{
					Key: e.key, Value: e.value, Headers: e.headers, Timestamp: e.timestamp,
					Source: r.rootTopic(), Partition: r.root.head.Partition, Offset: r.offset(b, pos), N: r.outputs,
				}
				r.outputs++
				if err := e.out.conn.append(ctx, out); err != nil {
					return fmt.Errorf("handler %q: sink %q: %w", c.handler.ID, e.sink.ID, err)
				}
				r.sent(e.out, b, c.handler, pos)
			}
		}
	}
	return nil
}

// traceparent returns a header array with the traceparent header of headers
// alone, or nil: what an output without headers of its own inherits.
func (w *worker) traceparent(headers []byte) []byte {
	it := abi.ReadHeaders(headers)
	for {
		name, value, ok := it.Next()
		if !ok {
			return nil
		}
		if string(name) == "traceparent" {
			out := w.arena.tail(len(value) + 32)
			out = abi.AppendArrayHeader(out, 1)
			out = abi.AppendHeader(out, "traceparent", value)
			return w.arena.keep(out)
		}
	}
}

func millis(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), int64(24*time.Hour/time.Millisecond))) * time.Millisecond
}
