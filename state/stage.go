package state

// undo is how to take one staged write back.
type undo struct {
	// entry is nil when the partition has left.
	entry *entry
	part  *Partition
	// tick is the write's number and before that of the write it replaced.
	tick, before uint64
	// bytes is what the write added to its partition's size.
	bytes int64
	// at is where the replaced staged value begins in the journal's buffer, now
	// where it ends. Where a partition is observed, the value written lies from
	// there to end.
	at, now, end int
	// total is the journal's bytes before the write.
	total int64
	// was are the entry's flags before the write; put says that it was no delete.
	was flag
	put bool
}

// journal notes staged writes.
type journal struct {
	undos []undo
	buf   []byte
	total int64
}

func (j *journal) empty() {
	clear(j.undos)
	j.undos, j.buf, j.total = j.undos[:0], j.buf[:0], 0
	if cap(j.buf) > maxJournal {
		j.buf = nil
	}
}

// find returns the entry of a key, making one about which nothing is known
// if there is none.
func (o *Overlay) find(sp *space, key []byte) *entry {
	if e := sp.entries[text(key)]; e != nil {
		return e
	}
	o.trim()
	var e *entry
	if n := len(o.free); n > 0 {
		e = o.free[n-1]
		o.free = o.free[:n-1]
	} else {
		e = new(entry)
	}
	e.space = sp
	e.key = append(e.key[:0], key...)
	sp.entries[text(e.key)] = e
	return e
}

// stage writes head and value, or with ok false a delete, over an entry; size
// is what that adds to the partition's size.
func (o *Overlay) stage(e *entry, head, value []byte, ok bool, size int64) {
	j := &o.journals[o.journal]
	o.tick++
	u := undo{entry: e, part: e.space.part, tick: o.tick, before: e.tick, bytes: size, at: len(j.buf), total: j.total, was: e.flags}
	if e.flags&staged != 0 {
		j.buf = append(j.buf, e.next...)
		o.staged -= int64(len(e.key) + len(e.next))
	} else {
		e.space.staging = append(e.space.staging, e)
		e.stagedAt = int32(len(e.space.staging))
	}
	u.now = len(j.buf)
	if e.space.observed {
		j.buf = append(j.buf, value...)
		u.put = ok
	}
	u.end = len(j.buf)
	j.undos = append(j.undos, u)
	e.tick = o.tick
	e.next = append(append(e.next[:0], head...), value...)
	e.flags |= staged
	if ok {
		e.flags |= stagedPresent
		e.space.lower(e.key)
	} else {
		e.flags &^= stagedPresent
	}
	n := int64(len(e.key) + len(e.next))
	o.staged += n
	if !e.space.index {
		j.total += n
	}
	e.space.part.size += size
	o.settle(e)
}

// unstage makes an entry's staged write not have been. It leaves the list of
// staged entries to the caller.
func (o *Overlay) unstage(e *entry) {
	o.staged -= int64(len(e.key) + len(e.next))
	e.flags &^= staged | stagedPresent
	e.stagedAt = 0
	if e.space.index {
		e.space.lower(e.key)
	}
	o.settle(e)
}

// settle puts an entry where its flags say: pinned, in the ring, or nowhere
// if it holds nothing worth keeping. Then the entry must not be used again.
func (o *Overlay) settle(e *entry) {
	sp, was := e.space, e.flags&pinned != 0
	is := e.flags&(staged|dirty|flying) != 0
	switch {
	case is && !was:
		if e.newer != nil {
			o.ring.remove(e)
		}
		e.flags |= pinned
		o.pinned += e.cost
		if sp.order != nil {
			sp.order.Set(e)
		}
	case !is:
		if was {
			e.flags &^= pinned
			o.pinned -= e.cost
			if sp.order != nil {
				sp.order.Delete(e)
			}
		}
		if e.flags&known == 0 || sp.index {
			o.drop(e)
			return
		}
		if cap(e.next) > maxSpare {
			e.next = nil
		}
		if e.newer == nil {
			o.ring.push(e)
		}
	}
	o.charge(e)
}

// charge brings the record cache's account of an entry up to date.
func (o *Overlay) charge(e *entry) {
	if cost := int64(cap(e.key)+cap(e.value)+cap(e.next)) + entryCost; cost != e.cost {
		o.account(cost - e.cost)
		if e.flags&pinned != 0 {
			o.pinned += cost - e.cost
		}
		e.cost = cost
	}
}

func (o *Overlay) account(n int64) {
	o.cached += n
	o.store.budget.used.Add(n)
}

// drop forgets an entry that is not pinned.
func (o *Overlay) drop(e *entry) {
	if e.newer != nil {
		o.ring.remove(e)
	}
	delete(e.space.entries, text(e.key))
	o.account(-e.cost)
	if len(o.free) < maxFree && cap(e.key)+cap(e.value)+cap(e.next) <= maxFreeBytes {
		*e = entry{key: e.key[:0], value: e.value[:0], next: e.next[:0]}
		o.free = append(o.free, e)
	}
}

const (
	// keepPart is the part of the record cache, 1/keepPart, above which a value
	// that was only read is not kept.
	keepPart = 16
	// maxSpare is the largest second buffer that a clean entry keeps.
	maxSpare = 4096
	// What is kept of dropped entries to be used again.
	maxFree = 1024
	// maxJournal is the largest buffer that an empty journal keeps.
	maxJournal   = 4 << 20
	maxFreeBytes = 1024
)

// trim gives up clean entries while the record cache is over its budget.
func (o *Overlay) trim() {
	for o.store.budget.over(o.cached) {
		e := o.ring.victim()
		if e == nil {
			return
		}
		o.drop(e)
	}
}

// fetch returns the entry of a key with what is committed, from the engine if
// need be. The next call of fetch or find may reuse an entry that is not
// pinned.
func (o *Overlay) fetch(sp *space, key []byte) (*entry, error) {
	if e := sp.entries[text(key)]; e != nil && e.flags&(known|staged) != 0 {
		e.touch()
		o.hits++
		return e, nil
	}
	value, ok, err := o.read(sp, key, o.valueBuf[:0])
	o.valueBuf = value
	if err != nil {
		return nil, err
	}
	return o.keep(sp, key, value, ok), nil
}

// read asks the engine for a key and appends its value to dst.
func (o *Overlay) read(sp *space, key, dst []byte) ([]byte, bool, error) {
	o.misses.Add(1)
	o.keyBuf = append(append(o.keyBuf[:0], sp.prefix...), key...)
	out, ok, err := o.store.engine.Get(sp.family, o.keyBuf, dst)
	if err != nil {
		return dst, false, sp.part.wrap("read", err)
	}
	// What a store answers that was made anew meanwhile is not about the entries
	// this partition had.
	if o.store.epoch.Load() != o.epoch {
		return dst, false, sp.part.wrap("read", ErrStale)
	}
	return out, ok, nil
}

// keep caches what the engine answered.
func (o *Overlay) keep(sp *space, key, value []byte, ok bool) *entry {
	e := o.find(sp, key)
	e.value = append(e.value[:0], value...)
	e.flags |= known
	if ok {
		e.flags |= present
	} else {
		e.flags |= vacant
	}
	o.settle(e)
	return e
}
