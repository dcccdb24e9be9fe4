package state

// Use lets the writes that follow be noted in a journal. Journals are small
// numbers from 0, the one in use at first; each has its own marks. Journals
// whose writes touch the same partition must be undone so that the last
// writes are taken back first.
func (o *Overlay) Use(number int) {
	for len(o.journals) <= number {
		o.journals = append(o.journals, journal{})
	}
	o.journal = number
}

// Mark returns a place in the journal in use: behind its last write.
func (o *Overlay) Mark() int { return len(o.journals[o.journal].undos) }

// JournalBytes returns the bytes of keys and values that the writes noted in
// the journal in use have.
func (o *Overlay) JournalBytes() int64 { return o.journals[o.journal].total }

// BytesSince returns the bytes of keys and values that the writes noted behind
// a mark of the journal in use have. A value written twice counts twice.
func (o *Overlay) BytesSince(mark int) int64 {
	j := &o.journals[o.journal]
	if mark >= len(j.undos) {
		return 0
	}
	return j.total - j.undos[mark].total
}

// Undo takes back the writes that a journal notes behind mark, the last first:
// each key is as it was before, staged or not, and so are the sizes and the
// order of insertion of caches that have bounds. A mark from before Forget,
// Commit or Rollback undoes nothing written before these.
func (o *Overlay) Undo(journal, mark int) {
	if journal >= len(o.journals) {
		return
	}
	j := &o.journals[journal]
	for len(j.undos) > mark {
		u := j.undos[len(j.undos)-1]
		j.undos[len(j.undos)-1] = undo{}
		j.undos = j.undos[:len(j.undos)-1]
		j.total = u.total
		if u.entry != nil {
			o.revert(&u, j.buf[u.at:u.now])
		}
		j.buf = j.buf[:u.at]
	}
}

func (o *Overlay) revert(u *undo, old []byte) {
	e := u.entry
	if e.tick != u.tick || e.flags&staged == 0 {
		// Another journal wrote the key later. What is staged cannot be told any
		// more: it must not be committed.
		o.broken = errUndoOrder
		return
	}
	sp := e.space
	sp.part.size -= u.bytes
	e.tick = u.before
	if u.was&staged == 0 {
		if at := int(e.stagedAt); at == len(sp.staging) {
			sp.staging = sp.staging[:at-1]
		} else {
			sp.staging[at-1] = nil
		}
		o.unstage(e)
		return
	}
	o.staged += int64(len(old) - len(e.next))
	e.next = append(e.next[:0], old...)
	e.flags = e.flags&^stagedPresent | u.was&stagedPresent
	if sp.index {
		sp.lower(e.key)
	}
	o.charge(e)
}

// Update is one staged write to an observed partition.
type Update struct {
	// Partition is the one written to, Key the key in its stored form.
	Partition *Partition
	Key       []byte
	// Value is what was written, nil for a delete and never nil otherwise.
	Value []byte
}

// Observe lets the journals note what is written to p from here on, so that
// Update can tell it: puts, deletes whether or not there was an entry, the
// single deletes of a range, and what a put drives out of a cache with a
// bound. It doubles what the journals take for p.
func (p *Partition) Observe() {
	if sp := p.spaces[dataSpace]; sp != nil {
		sp.observed = true
	}
}

// Update returns the write that a journal notes at a place, which is not below
// a mark of Mark and below a later one. ok is false for a write to an index,
// to a partition that is not observed or to one that has left. Key and value
// belong to the overlay; they stay as they are until the write is undone or
// the journals are emptied.
func (o *Overlay) Update(journal, at int) (u Update, ok bool) {
	j := &o.journals[journal]
	n := &j.undos[at]
	if n.entry == nil || !n.entry.space.observed {
		return u, false
	}
	u = Update{Partition: n.part, Key: n.entry.key}
	if n.put {
		if u.Value = j.buf[n.now:n.end:n.end]; u.Value == nil {
			u.Value = []byte{}
		}
	}
	return u, true
}

// Forget empties all journals: what they noted stays staged and cannot be
// undone any more, except by Rollback.
func (o *Overlay) Forget() { o.forget() }

func (o *Overlay) forget() {
	for i := range o.journals {
		o.journals[i].empty()
	}
}

// leave makes a journal pass over the writes to a partition.
func (j *journal) leave(p *Partition) {
	for i := range j.undos {
		if u := &j.undos[i]; u.entry != nil && u.part == p {
			u.entry = nil
		}
	}
}

// Staged returns the bytes of keys and values, those of indexes included,
// that are staged since the last Commit or Rollback.
func (o *Overlay) Staged() int64 { return o.staged }
