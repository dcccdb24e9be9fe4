package state

import (
	"errors"
	"time"
)

// writer is an overlay's way to the engine: one goroutine, one write at a
// time.
type writer struct {
	jobs  chan job
	done  chan error
	batch Batch
	busy  bool
	// err is a failure that Maintain has not told yet.
	err error
	// failed says that the last write did.
	failed bool
	// flushed is when the last write was due, landed how many have ended.
	flushed time.Time
	landed  uint64
}

// job is a batch, with the partitions without owner that it writes too.
type job struct {
	batch  *Batch
	parked []slot
	epoch  uint64
}

// stall is how many times FlushBytes may wait for the engine before Maintain
// waits too.
const stall = 4

// Maintain hands what is committed to a goroutine that writes it to the
// engine, in one atomic batch with positions, if FlushEvery has passed since
// the last time, FlushBytes have gathered or half of the record cache waits for
// it, and no write is under way. With force it writes at once and waits. now is
// as of Config.Now.
//
// It returns the error of a write that failed since the last call, with force
// that of this one alone. Then everything is still in memory and readable; it
// is written again after FlushEvery, or with force. When the engine does not
// keep up with several times FlushBytes, or with what would fill the record
// cache, Maintain waits for it.
func (o *Overlay) Maintain(now time.Time, force bool) error {
	o.renew()
	if o.closed {
		return ErrClosed
	}
	o.hitsSeen.Store(o.hits)
	o.finish(force || o.unwritten > stall*o.store.config.FlushBytes || o.pinned > 2*o.pinnedMost())
	if force {
		o.writer.err = nil // what failed is written now
	}
	if !o.writer.busy && (force || o.due(now)) {
		o.writer.flushed = now
		if o.launch() && force {
			o.finish(true)
		}
	}
	o.trim()
	err := o.writer.err
	o.writer.err = nil
	return err
}

func (o *Overlay) due(now time.Time) bool {
	c := &o.store.config
	full := o.unwritten >= c.FlushBytes || o.pinned > o.pinnedMost()
	return full && !o.writer.failed || now.Sub(o.writer.flushed) >= c.FlushEvery
}

// pinnedMost is how much of the record cache may wait to be written before
// that is due: half of it, so that the rest can be used meanwhile. Small
// entries take far more memory than their bytes, which FlushBytes counts.
func (o *Overlay) pinnedMost() int64 {
	members := max(o.store.budget.members.Load(), 1)
	return max(o.store.budget.limit/2, o.store.config.FlushBytes) / members
}

// launch starts a write, if there is anything to write.
func (o *Overlay) launch() bool {
	w := &o.writer
	w.batch.Reset()
	ms := o.store.config.Now().UnixMilli()
	for _, p := range o.parts {
		if p.reader == nil {
			o.pack(p, ms)
		}
	}
	parked := o.store.packParked(&w.batch, ms)
	if w.batch.Count == 0 {
		return false
	}
	if w.jobs == nil {
		w.jobs, w.done = make(chan job), make(chan error, 1)
		go o.store.serve(w.jobs, w.done)
	}
	w.busy = true
	w.jobs <- job{batch: &w.batch, parked: parked, epoch: o.epoch}
	return true
}

// serve is the goroutine of an overlay's writer.
func (s *Store) serve(jobs <-chan job, done chan<- error) {
	for j := range jobs {
		err := s.write(j.batch, j.epoch)
		s.unpark(j.parked, j.epoch, err)
		done <- err
	}
	close(done)
}

func (w *writer) stop() {
	if w.jobs != nil {
		close(w.jobs)
		<-w.done
		w.jobs = nil
	}
}

// pack adds a partition's dirty entries to the batch.
func (o *Overlay) pack(p *Partition, ms int64) {
	b := &o.writer.batch
	for _, sp := range p.spaces {
		if sp == nil {
			continue
		}
		sp.packDirty(b)
		for _, e := range sp.dirty {
			if e == nil {
				continue
			}
			e.flags = e.flags&^dirty | flying
			e.dirtyAt = 0
			if e.flags&present != 0 {
				e.flags &^= vacant
			}
			sp.flying = append(sp.flying, e)
		}
		clear(sp.dirty)
		sp.dirty = sp.dirty[:0]
	}
	// A position that does not move is written again now and then, so that it
	// does not look abandoned.
	if every := o.store.config.StaleAfter.Milliseconds() / 4; every > 0 && p.committed.positioned && ms-p.committed.written > every {
		p.metaDirty = true
	}
	if p.metaDirty {
		p.committed.written = ms
		p.packMeta(b)
		p.metaDirty, p.metaFlying = false, true
	}
}

func (sp *space) packDirty(b *Batch) {
	for _, e := range sp.dirty {
		switch {
		case e == nil:
		case e.flags&present != 0:
			b.Put(sp.family, sp.prefix, e.key, e.value)
		default:
			b.Delete(sp.family, sp.prefix, e.key)
		}
	}
}

// finish takes notice of a write that has ended; with wait it waits for it.
func (o *Overlay) finish(wait bool) {
	w := &o.writer
	if !w.busy {
		return
	}
	var err error
	if wait {
		err = <-w.done
	} else {
		select {
		case err = <-w.done:
		default:
			return
		}
	}
	w.busy, w.failed = false, err != nil
	w.landed++
	if cap(w.batch.Buf)/4 > len(w.batch.Buf) {
		w.batch.Buf = nil // it was far larger once
	}
	if err != nil && !errors.Is(err, ErrStale) {
		w.err = err
	}
	for _, p := range o.parts {
		if p.reader != nil {
			continue
		}
		if p.metaFlying {
			p.metaFlying = false
			p.metaDirty = p.metaDirty || err != nil
		}
		for _, sp := range p.spaces {
			if sp != nil {
				o.land(sp, err == nil)
			}
		}
	}
}

// land takes notice of a write's end for the entries it had.
func (o *Overlay) land(sp *space, ok bool) {
	if !sp.scanned {
		sp.order = nil
	}
	sp.scanned = false
	for i, e := range sp.flying {
		sp.flying[i] = nil
		e.flags &^= flying
		switch {
		case e.flags&dirty != 0: // committed again meanwhile
		case ok:
			if e.flags&present == 0 {
				e.flags |= vacant
			}
			o.unwritten -= e.debt
			e.debt = 0
		default:
			sp.dirtied(e)
		}
		o.settle(e)
	}
	sp.flying = sp.flying[:0]
}
