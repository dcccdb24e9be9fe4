package rocksdb

/*
#include "shim.h"
*/
import "C"

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/sliphost/sliphost/state"
)

// DB is a state.Engine on disk. It is safe for concurrent use: calls that open
// and close wait for the others.
type DB struct {
	dir   string
	o     Options
	place *place

	// mu guards h, not what is behind it; writing keeps batches in the order of
	// their numbers. Locked in this order.
	mu      sync.RWMutex
	writing sync.Mutex
	order   order // of the batch being written
	h       *handle
	gone    error // why h is nil
	closed  bool
}

var _ state.Engine = (*DB)(nil)

// use returns the open database and what ends its use, or why there is none.
func (d *DB) use() (*handle, error) {
	d.mu.RLock()
	if d.h == nil {
		defer d.mu.RUnlock()
		return nil, fmt.Errorf("%s: %w", d.where(), d.gone)
	}
	return d.h, nil
}

func (d *DB) family(h *handle, i int) (*C.rocksdb_column_family_handle_t, error) {
	if i < 0 || i >= len(h.cs) {
		return nil, fmt.Errorf("%s: there is no family %d, only %d", d.where(), i, len(h.cs))
	}
	return h.cs[i], nil
}

// Get is state.Engine's. It allocates nothing if dst has room for the value.
func (d *DB) Get(family int, key, dst []byte) ([]byte, bool, error) {
	h, err := d.use()
	if err != nil {
		return dst, false, err
	}
	defer d.mu.RUnlock()
	cf, err := d.family(h, family)
	if err != nil {
		return dst, false, err
	}
	return d.get(h, cf, key, dst)
}

func (d *DB) get(h *handle, cf *C.rocksdb_column_family_handle_t, key, dst []byte) ([]byte, bool, error) {
	n := len(dst)
	v := C.slip_get(h.c, h.ro, cf, chars(key), C.size_t(len(key)), chars(dst[n:cap(dst)]), C.size_t(cap(dst)-n))
	if v.err != nil {
		return dst, false, d.fault("reading", text(v.err))
	}
	if v.len < 0 {
		return dst, false, nil
	}
	if v.left != nil {
		dst = slices.Grow(dst, int(v.len))
		C.slip_take(v.left, chars(dst[n:cap(dst)]))
	}
	return dst[:n+int(v.len)], true, nil
}

// Page is state.Engine's. It is one crossing to C if p has room, and allocates
// nothing then. On an error p is as before.
func (d *DB) Page(family int, from, to []byte, reverse bool, p *state.Page) (bool, error) {
	h, err := d.use()
	if err != nil {
		return false, err
	}
	defer d.mu.RUnlock()
	cf, err := d.family(h, family)
	if err != nil {
		return false, err
	}
	return d.scan(h, cf, from, to, reverse, p)
}

// A page that has no room yet starts with this much.
const (
	firstBytes   = 4 << 10
	firstEntries = 64
)

func (d *DB) scan(h *handle, cf *C.rocksdb_column_family_handle_t, from, to []byte, reverse bool, p *state.Page) (bool, error) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return false, nil
	}
	hasTo, back := C.int(0), C.int(0)
	if to != nil {
		hasTo = 1
	}
	if reverse {
		back = 1
	}
	buf, ends := p.Buf, p.Ends
	if cap(buf) == 0 {
		buf = make([]byte, 0, firstBytes)
	}
	if cap(ends) == 0 {
		ends = make([]int, 0, 2*firstEntries)
	}
	q := C.slip_page{
		used: C.int64_t(len(buf)), count: C.int64_t(len(ends) / 2),
		limit: C.int64_t(max(0, p.Limit)), max_bytes: C.int64_t(max(0, p.MaxBytes)),
	}
	q.room = C.int64_t((cap(ends) - len(ends)) / 2)
	s := C.slip_scan_start(h.c, cf, chars(from), C.size_t(len(from)), chars(to), C.size_t(len(to)), hasTo, back,
		chars(buf[:0]), C.size_t(cap(buf)), spare(ends), &q)
	for {
		buf, ends = buf[:q.used], ends[:2*q.count]
		if s == nil {
			break
		}
		// At least twice as much each time, so that few crossings are needed.
		if cap(buf)-len(buf) < int(q.need) {
			buf = slices.Grow(buf, max(int(q.need), len(buf)))
		}
		if q.room == 0 {
			ends = slices.Grow(ends, max(2*firstEntries, len(ends)))
		}
		q.room = C.int64_t((cap(ends) - len(ends)) / 2)
		s = C.slip_scan_go_on(s, chars(buf[:0]), C.size_t(cap(buf)), spare(ends), &q)
	}
	if q.err != nil {
		return false, d.fault("scanning", text(q.err))
	}
	p.Buf, p.Ends = buf, ends
	return q.more != 0, nil
}

// spare is the address behind the last of ends.
func spare(ends []int) *C.int64_t {
	return (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(ends[len(ends):cap(ends)])))
}

// Write is state.Engine's. The batch is checked before anything is written. A
// batch whose Write failed may be there after Reopen, whole, or not; it can be
// written again.
func (d *DB) Write(b *state.Batch) error {
	h, err := d.use()
	if err != nil {
		return err
	}
	defer d.mu.RUnlock()
	if err := b.Each(func(family int, _ uint32, _, _ []byte) error {
		_, err := d.family(h, family)
		return err
	}); err != nil {
		return fmt.Errorf("%s: writing: %w", d.where(), err)
	}
	return d.write(h, h.wo, b)
}

// write applies a batch that was checked. Family len(h.cs) is the system's
// while a database is being opened.
func (d *DB) write(h *handle, wo *C.rocksdb_writeoptions_t, b *state.Batch) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	done, next := batchKey(h.batch), batchKey(h.batch+1)
	at := d.order.of(b)
	defer d.order.release()
	err := C.slip_write(h.c, wo, h.array, chars(b.Buf), C.size_t(len(b.Buf)),
		(*C.uint32_t)(unsafe.SliceData(at)), C.size_t(len(at)), h.c0,
		chars(done[:]), C.size_t(len(done)), chars(next[:]), C.size_t(len(next)))
	if err != nil {
		return d.fault("writing", text(err))
	}
	h.batch++
	return nil
}

// Reopen is state.Engine's. What is damaged stays as it is: the error wraps
// state.ErrCorrupt, and the engine is of no use until Recreate. After any other
// error Reopen can be tried again; without room on the disk nothing is closed.
func (d *DB) Reopen() error {
	if err := d.room(); err != nil {
		return err
	}
	return d.again(func() error {
		_, err := d.place.inspect()
		return err
	})
}

// Recreate is state.Engine's.
func (d *DB) Recreate() error { return d.again(d.place.wipe) }

// again closes the database, prepares what is on disk, and opens it.
func (d *DB) again(prepare func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("%s: %w", d.where(), state.ErrClosed)
	}
	if d.h != nil {
		d.h.close()
		d.h = nil
	}
	err := prepare()
	if err == nil {
		d.h, _, err = d.open()
	}
	d.gone = err
	return err
}

// Close is state.Engine's. It waits for running calls; later ones answer
// state.ErrClosed. Closing twice does nothing.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	if d.h != nil {
		d.h.close()
		d.h = nil
	}
	d.closed, d.gone = true, state.ErrClosed
	d.place.release()
	return nil
}
