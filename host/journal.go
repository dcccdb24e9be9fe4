package host

import "slices"

// A run's writes to caches are noted in journals of the overlay, one for each
// call of a handler, so that a call's writes on single records can be taken
// back while those of other handlers stay. Calls of one run that have journals
// of their own share no cache; where they do, the run is in lock-step and all
// calls use journal 0, in the order of time.

// mark notes where in the call's journal the writes of record pos begin.
func (c *call) mark(pos, mark int) {
	for len(c.marks) <= pos {
		c.marks = append(c.marks, mark)
	}
}

// markOf is where the writes of record pos begin.
func (c *call) markOf(pos int) int { return c.marks[pos] }

// wrote says whether writes of record pos are left in the journal.
func (r *run) wrote(c *call, pos int) bool {
	if cs := r.w.checkpoints; cs != nil && slices.ContainsFunc(cs.told, func(t told) bool { return t.call == c && t.pos == pos }) {
		return true
	}
	if pos >= len(c.marks) {
		return false
	}
	end := 0
	if pos+1 < len(c.marks) {
		end = c.marks[pos+1]
	} else {
		r.w.overlay.Use(c.journal)
		end = r.w.overlay.Mark()
	}
	return end > c.marks[pos]
}

// undo takes back what the call wrote on record pos and after.
func (r *run) undo(c *call, pos int) {
	r.untell(func(t *told) bool { return t.call == c && t.pos >= pos })
	if pos >= len(c.marks) || keepStaged {
		return
	}
	r.w.overlay.Undo(c.journal, c.marks[pos])
	c.marks = c.marks[:pos]
}

// unwind takes back every write of roots that the run does not emit.
func (r *run) unwind() {
	r.untell(func(t *told) bool { return t.root >= r.limit })
	if r.w.overlay == nil {
		return
	}
	if r.lockstep {
		if r.limit < len(r.rootMarks) {
			r.w.overlay.Undo(0, r.rootMarks[r.limit])
		}
	} else if r.limit < r.root.len() {
		r.unwindBatch(r.root)
		for _, p := range r.w.reach[r.source] {
			if b := r.w.batches[p]; r.ran(b) {
				r.unwindBatch(b)
			}
		}
	}
	r.w.overlay.Forget()
}

func (r *run) unwindBatch(b *batch) {
	pos := b.until(0, r.limit)
	for i := range b.calls {
		r.undo(&b.calls[i], pos)
	}
}

// streamTime is the task's stream time at a root: the largest timestamp seen,
// the root's included.
func (r *run) streamTime(root int) int64 {
	for len(r.times) <= root {
		pos := len(r.times)
		ts := r.in.task.streamTime
		if pos > 0 {
			ts = r.times[pos-1]
		}
		r.times = append(r.times, max(ts, r.root.head.BaseTimestamp+r.root.record(pos).TimestampDelta))
	}
	return r.times[root]
}
