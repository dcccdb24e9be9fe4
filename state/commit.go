package state

// Changes calls f for every key staged since the last commit, with its last
// staged value in stored form, or nil for a delete: what a changelog has to
// hold. It goes from partition to partition in the order they were attached,
// and in one by the order in which keys were first staged. Local caches are
// left out. f must not change or keep the slices, nor call the overlay.
//
// Changes returns f's error, or why what is staged must not be committed:
// ErrStale after a Recreate. Then the worker rolls back.
func (o *Overlay) Changes(f func(p *Partition, key, value []byte) error) error {
	if o.broken != nil {
		return o.broken
	}
	stale := o.store.epoch.Load() != o.epoch
	for _, p := range o.parts {
		if p.reader != nil {
			continue
		}
		if stale {
			return p.wrap("commit", ErrStale)
		}
		if p.cache.Kind == Local {
			continue
		}
		for _, e := range p.spaces[dataSpace].staging {
			if e == nil {
				continue
			}
			value, ok := e.view()
			if !ok {
				value = nil
			} else if value == nil {
				value = emptyValue
			}
			if err := f(p, e.key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

var emptyValue = []byte{}

// Commit makes what is staged committed, with the positions set since the
// last commit. It empties the journals.
func (o *Overlay) Commit() {
	o.hitsSeen.Store(o.hits)
	o.forget()
	for _, p := range o.parts {
		if p.reader != nil {
			continue
		}
		for _, sp := range p.spaces {
			if sp == nil || len(sp.staging) == 0 {
				continue
			}
			for _, e := range sp.staging {
				if e != nil {
					o.commit(sp, e)
				}
			}
			clear(sp.staging)
			sp.staging = sp.staging[:0]
		}
		now := meta{position: p.position, positioned: p.positioned, size: p.size, seq: p.seq, written: p.committed.written}
		if now != p.committed {
			p.committed, p.metaDirty = now, true
		}
	}
	o.staged = 0
}

func (o *Overlay) commit(sp *space, e *entry) {
	_, ok := e.view()
	e.value, e.next = e.next, e.value[:0]
	e.flags &^= staged | stagedPresent | present
	e.flags |= known
	e.stagedAt = 0
	debt := int64(len(e.key) + len(e.value))
	switch {
	case !ok && e.flags&vacant != 0:
		// The engine never had it: there is nothing to remove.
		debt = 0
		if e.flags&dirty != 0 {
			sp.dirty[e.dirtyAt-1] = nil
			e.dirtyAt = 0
			e.flags &^= dirty
		}
	case e.flags&dirty == 0:
		sp.dirtied(e)
	}
	if ok {
		e.flags |= present
	}
	o.unwritten += debt - e.debt
	e.debt = debt
	o.settle(e)
}

// dirtied lists an entry as one to be written.
func (sp *space) dirtied(e *entry) {
	sp.dirty = append(sp.dirty, e)
	e.dirtyAt = int32(len(sp.dirty))
	e.flags |= dirty
}

// Rollback makes what is staged, positions included, not have been. It empties
// the journals.
func (o *Overlay) Rollback() {
	o.hitsSeen.Store(o.hits)
	o.forget()
	for _, p := range o.parts {
		if p.reader == nil {
			o.rollback(p)
		}
	}
	o.broken = nil
	o.renew()
}

func (o *Overlay) rollback(p *Partition) {
	for _, sp := range p.spaces {
		if sp == nil || len(sp.staging) == 0 {
			continue
		}
		for _, e := range sp.staging {
			if e != nil {
				o.unstage(e)
			}
		}
		clear(sp.staging)
		sp.staging = sp.staging[:0]
	}
	p.load(p.committed)
}
