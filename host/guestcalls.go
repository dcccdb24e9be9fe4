package host

import (
	"errors"
	"fmt"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// guestCalls answers the calls about state that a handler makes while it runs.
// One serves all instances of a worker, since only one of them runs at a time;
// begin says on whose behalf.
//
// What a call writes is noted in the journal of its call, with a mark for each
// record, so that the writes of single records can be taken back.
type guestCalls struct {
	w *worker
	// The call under way.
	r       *run
	c       *call
	b       *batch
	handler int
	from    int
	// pos is the record that runs, -1 before the first host call of this call.
	pos int
	// saves are the marks of the savepoints open in this record.
	saves []int
	// limits lists the records that hit a limit, in order.
	limits []limitHit
	// hints lists, in order, records with a call that contradicts what the manifest
	// says of a cache, which the guest is not told: it joins the record's error, if
	// it comes to one.
	hints []limitHit
	// err is why the store could not answer.
	err error

	told      []byte
	key, key2 []byte
	value     []byte
	page      state.Page
}

// limitHit is a record that wrote more than it may.
type limitHit struct {
	pos    int
	reason string
}

var _ module.State = (*guestCalls)(nil)

// begin names the call that runs next: records from from on of b.
func (g *guestCalls) begin(r *run, c *call, b *batch, handler, from int) {
	g.r, g.c, g.b, g.handler, g.from = r, c, b, handler, from
	g.pos, g.err = -1, nil
	g.limits, g.hints = g.limits[:0], g.hints[:0]
}

// at notes which record runs and returns its position.
func (g *guestCalls) at(at module.At) int {
	pos := g.from + int(at.Record)
	if pos == g.pos {
		return pos
	}
	if g.pos < 0 {
		g.w.overlay.Use(g.c.journal)
	}
	g.pos, g.saves = pos, g.saves[:0]
	g.c.mark(pos, g.w.overlay.Mark())
	g.w.overlay.SetTime(g.r.streamTime(g.b.root(pos)))
	return pos
}

// cache returns the partition behind a handler's cache and the key's stored
// form. A result below 0 is the answer to the guest.
func (g *guestCalls) cache(at module.At, cache int32, key, buf []byte) (p *state.Partition, stored []byte, result int64) {
	caches := g.c.handler.Caches
	if cache < 0 || int(cache) >= len(caches) || g.w.overlay == nil {
		return nil, nil, abi.ResultUnbound
	}
	g.at(at)
	id := caches[cache]
	if p = g.w.partition(g.r.in.task, id); p == nil {
		return nil, nil, abi.ResultUnbound
	}
	if len(key) > abi.MaxCacheKey {
		g.limit(fmt.Sprintf("a key of %d bytes for cache %q; the limit is %d", len(key), g.w.plan.Caches[id].ID, abi.MaxCacheKey))
		return nil, nil, abi.ResultLimit
	}
	stored, err := g.w.plan.Caches[id].Key.Encode(buf[:0], key)
	if err != nil {
		return nil, nil, g.wrongKey(id, err)
	}
	return p, stored, 0
}

// partition returns a task's partition of a cache, nil if it has none.
func (w *worker) partition(t *task, cache int) *state.Partition {
	if w.plan.Caches[cache].Kind == state.Global {
		return w.globals[cache]
	}
	if t == nil || t.caches == nil {
		return nil
	}
	return t.caches[cache]
}

// limit notes that the present record has failed by a limit.
func (g *guestCalls) limit(reason string) {
	if n := len(g.limits); n == 0 || g.limits[n-1].pos != g.pos {
		g.limits = append(g.limits, limitHit{g.pos, reason})
	}
}

// wrongKey notes a key that cannot be one of the cache's.
func (g *guestCalls) wrongKey(cache int, err error) int64 {
	c := &g.w.plan.Caches[cache]
	g.hint(fmt.Sprintf("the manifest declares cache %q with keys of type %s: %v", c.ID, c.Key, err))
	return abi.ResultInvalid
}

// hint notes the first of the present record.
func (g *guestCalls) hint(text string) {
	if n := len(g.hints); n == 0 || g.hints[n-1].pos != g.pos {
		g.hints = append(g.hints, limitHit{g.pos, text})
	}
}

// hinted is the reason of a record's error with what the host knows of it.
func (g *guestCalls) hinted(pos int, reason string) string {
	for i := range g.hints {
		if g.hints[i].pos == pos {
			return reason + "; " + g.hints[i].reason
		}
	}
	return reason
}

// failed turns an error of the store into the answer.
func (g *guestCalls) failed(err error, cache int) int64 {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, state.ErrReadOnly):
		g.hint(fmt.Sprintf("the manifest declares cache %q as global: it has what its topic has, and handlers cannot write to it", g.w.plan.Caches[cache].ID))
		return abi.ResultInvalid
	case errors.Is(err, state.ErrTooLarge):
		g.limit(fmt.Sprintf("cache %q: %v", g.w.plan.Caches[cache].ID, err))
		return abi.ResultLimit
	}
	g.err = fmt.Errorf("%w: cache %q: %w", errStore, g.w.plan.Caches[cache].ID, err)
	return module.StateFailed
}

// CacheGet implements module.State.
func (g *guestCalls) CacheGet(at module.At, cache int32, key, buf []byte) int64 {
	p, stored, result := g.cache(at, cache, key, g.key)
	if p == nil {
		return result
	}
	g.key = stored
	value, ok, err := p.Get(stored, buf[:0:len(buf)])
	switch {
	case err != nil:
		return g.failed(err, p.Cache())
	case !ok:
		return abi.ResultAbsent
	}
	return int64(len(value))
}

// CachePut implements module.State.
func (g *guestCalls) CachePut(at module.At, cache int32, key, value []byte) int32 {
	p, stored, result := g.cache(at, cache, key, g.key)
	if p == nil {
		return int32(result)
	}
	g.key = stored
	if !g.room(len(stored) + len(value)) {
		return abi.ResultLimit
	}
	return g.wrote(p, p.Put(stored, value))
}

// CacheDelete implements module.State.
func (g *guestCalls) CacheDelete(at module.At, cache int32, key []byte) int32 {
	p, stored, result := g.cache(at, cache, key, g.key)
	if p == nil {
		return int32(result)
	}
	g.key = stored
	if !g.room(len(stored)) {
		return abi.ResultLimit
	}
	return g.wrote(p, p.Delete(stored))
}

// CacheDeleteRange implements module.State.
func (g *guestCalls) CacheDeleteRange(at module.At, cache int32, from, to []byte) int32 {
	p, lo, hi, result := g.bounds(at, cache, from, to)
	if p == nil {
		return int32(result)
	}
	if !g.room(0) {
		return abi.ResultLimit
	}
	return g.wrote(p, p.DeleteRange(lo, hi, g.left()))
}

// bounds is cache for a range; an empty from or to is an open end.
func (g *guestCalls) bounds(at module.At, cache int32, from, to []byte) (p *state.Partition, lo, hi []byte, result int64) {
	caches := g.c.handler.Caches
	if cache < 0 || int(cache) >= len(caches) || g.w.overlay == nil {
		return nil, nil, nil, abi.ResultUnbound
	}
	g.at(at)
	id := caches[cache]
	if p = g.w.partition(g.r.in.task, id); p == nil {
		return nil, nil, nil, abi.ResultUnbound
	}
	kt := g.w.plan.Caches[id].Key
	if kt == state.KeyBool {
		return nil, nil, nil, g.wrongKey(id, errors.New("there are no ranges of them"))
	}
	var err error
	if len(from) > 0 {
		if lo, err = kt.Encode(g.key[:0], from); err != nil {
			return nil, nil, nil, g.wrongKey(id, err)
		}
		g.key = lo
	}
	if len(to) > 0 {
		if hi, err = kt.Encode(g.key2[:0], to); err != nil {
			return nil, nil, nil, g.wrongKey(id, err)
		}
		g.key2 = hi
	}
	return p, lo, hi, 0
}

// left is what the record may still write, below 0 for no limit.
func (g *guestCalls) left() int64 {
	if g.c.handler.Staged <= 0 {
		return -1
	}
	return g.c.handler.Staged - g.w.overlay.BytesSince(g.c.markOf(g.pos))
}

// room says whether the record may write n bytes more.
func (g *guestCalls) room(n int) bool {
	if limit := g.c.handler.Staged; limit > 0 && g.left() < int64(n) {
		g.limit(fmt.Sprintf("it writes more than %d bytes to caches (limits.staged)", limit))
		return false
	}
	return true
}

// wrote is the answer to a write; it ends the batch when much is staged.
func (g *guestCalls) wrote(p *state.Partition, err error) int32 {
	if err != nil {
		return int32(g.failed(err, p.Cache()))
	}
	g.r.in.task.changed = true
	if g.r.careful {
		g.w.writer = g.b.call(g.c.handler, g.pos)
	}
	if g.w.overlay.Staged() > maxStaged && !g.w.full {
		g.w.full = true
		g.w.invokers[g.c.handler.Module].RequestStop()
	}
	return 0
}

// maxStaged is how much is staged before a commit is due at once.
const maxStaged = 64 << 20

// Savepoint implements module.State.
func (g *guestCalls) Savepoint(at module.At, op int32) int32 {
	if op == abi.SavepointRollbackRecord {
		pos := g.from + int(at.Record)
		g.r.untell(func(t *told) bool { return t.call == g.c && t.pos == pos })
		if g.w.overlay == nil && len(g.c.handler.Checkpoints) > 0 {
			return 0
		}
	}
	if g.w.overlay == nil {
		return abi.ResultUnbound
	}
	pos := g.at(at)
	switch op {
	case abi.SavepointBegin:
		if len(g.saves) == abi.MaxSavepoints {
			return abi.ResultLimit
		}
		g.saves = append(g.saves, g.w.overlay.Mark())
	case abi.SavepointRelease, abi.SavepointRollback:
		if len(g.saves) == 0 {
			return abi.ResultInvalid
		}
		mark := g.saves[len(g.saves)-1]
		g.saves = g.saves[:len(g.saves)-1]
		if op == abi.SavepointRollback {
			g.w.overlay.Undo(g.c.journal, mark)
		}
	case abi.SavepointRollbackRecord:
		g.saves = g.saves[:0]
		if !keepStaged {
			g.w.overlay.Undo(g.c.journal, g.c.markOf(pos))
		}
	default:
		return abi.ResultInvalid
	}
	return 0
}

// StreamTime implements module.State.
func (g *guestCalls) StreamTime(at module.At) int64 {
	return g.r.streamTime(g.b.root(g.from + int(at.Record)))
}
