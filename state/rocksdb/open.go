package rocksdb

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/linxGnu/grocksdb"
	"github.com/sliphost/sliphost/state"
)

// Report says what Open found.
type Report struct {
	// Rebuilt says that there was a store that cannot be used any more, and that
	// an empty one is there now. Reason says what was wrong with the old one.
	Rebuilt bool
	Reason  string
	// Created and Dropped are names of families: made anew and empty (all of
	// them on a first start), and dropped with their entries because they were
	// not asked for. What is stored elsewhere about a created one's content is
	// out of date.
	Created, Dropped []string
}

// Open opens the store in dir or makes one where there is none. dir may be
// absent or empty, otherwise it must be one that Open made; anything else is
// ErrForeign and stays untouched. A store that is found to be damaged is removed
// and replaced by an empty one, which the Report says. Everything else that is
// in the way (another process, permissions, a full disk, a newer format) is an
// error and changes nothing.
//
// What is damaged and not found at once is an error of a later call, which
// wraps state.ErrCorrupt.
func Open(dir string, o Options) (*DB, Report, error) {
	var r Report
	if err := errors.Join(o.check(), checkLink()); err != nil {
		return nil, r, fmt.Errorf("opening the state in %s: %w", dir, err)
	}
	p, err := claim(dir)
	if err != nil {
		return nil, r, err
	}
	d := &DB{dir: dir, o: o, place: p}
	h, r, err := d.open()
	if errors.Is(err, state.ErrCorrupt) {
		reason := err.Error()
		o.Log.Error("the stored state cannot be used and is made anew", "reason", reason)
		if err = p.wipe(); err == nil {
			h, r, err = d.open()
		}
		r.Rebuilt, r.Reason = true, reason
	}
	if err != nil {
		p.release()
		return nil, Report{}, err
	}
	d.h = h
	return d, r, nil
}

// handle is an open database. What it holds is destroyed in the order of
// close: with a family open RocksDB aborts the process.
type handle struct {
	settings settings
	db       *grocksdb.DB
	c        *C.rocksdb_t
	ro       *C.rocksdb_readoptions_t
	wo, sync *C.rocksdb_writeoptions_t

	system   *grocksdb.ColumnFamilyHandle
	families []*grocksdb.ColumnFamilyHandle
	c0       *C.rocksdb_column_family_handle_t // of system
	cs       []*C.rocksdb_column_family_handle_t
	array    **C.rocksdb_column_family_handle_t // cs, for C

	// batch is the number of the last batch, in the family system.
	batch uint64
}

func (h *handle) close() {
	for _, f := range append(h.families, h.system) {
		f.Destroy()
	}
	h.db.Close()
	C.free(unsafe.Pointer(h.array))
	C.rocksdb_readoptions_destroy(h.ro)
	C.rocksdb_writeoptions_destroy(h.wo)
	C.rocksdb_writeoptions_destroy(h.sync)
	h.settings.destroy()
}

// open opens what is on disk, or makes a store where there is nothing. Damage
// is an error that wraps state.ErrCorrupt.
func (d *DB) open() (*handle, Report, error) {
	var r Report
	if d.place.unfit != "" {
		return nil, r, d.damaged("%s", d.place.unfit)
	}
	c, err := d.place.list()
	if err != nil {
		return nil, r, err
	}
	if err := d.room(); err != nil {
		return nil, r, err
	}
	s := d.o.settings()
	found := []string{systemFamily}
	if c.current {
		if found, err = grocksdb.ListColumnFamilies(s.db, d.dir); err != nil {
			s.destroy()
			return nil, r, d.fault("reading its manifest", err.Error())
		}
	}
	names := []string{systemFamily}
	for _, name := range d.o.Families {
		names = append(names, familyPrefix+name)
		if !slices.Contains(found, familyPrefix+name) {
			r.Created = append(r.Created, name)
		}
	}
	wanted := len(names)
	for _, name := range found {
		if !slices.Contains(names, name) {
			names = append(names, name)
			r.Dropped = append(r.Dropped, strings.TrimPrefix(name, familyPrefix))
		}
	}
	opts := slices.Repeat([]*grocksdb.Options{s.db}, len(names))
	db, fs, err := grocksdb.OpenDbColumnFamilies(s.db, d.dir, names, opts)
	if err != nil {
		s.destroy()
		return nil, r, d.fault("opening it", err.Error())
	}
	h := &handle{settings: s, db: db, c: pointerOf(db), system: fs[0], families: fs[1:]}
	h.ro = C.rocksdb_readoptions_create()
	C.rocksdb_readoptions_set_verify_checksums(h.ro, 1)
	h.wo, h.sync = C.rocksdb_writeoptions_create(), C.rocksdb_writeoptions_create()
	C.rocksdb_writeoptions_set_sync(h.sync, 1)
	h.c0 = familyOf(h.system)
	for _, f := range h.families {
		h.cs = append(h.cs, familyOf(f))
	}
	h.array = (**C.rocksdb_column_family_handle_t)(C.malloc(C.size_t(len(h.cs)+1) * C.size_t(unsafe.Sizeof(h.c0))))
	copy(unsafe.Slice(h.array, len(h.cs)+1), append(slices.Clone(h.cs), h.c0))

	if err := d.settle(h, !c.current, found, names[:wanted]); err != nil {
		h.close()
		return nil, r, err
	}
	if len(r.Dropped) > 0 {
		d.o.Log.Info("dropped caches that are not declared any more from the state", "caches", r.Dropped)
	}
	return h, r, nil
}

// The family system holds the number of the last batch as the only key with
// this prefix, the names of all families, and how long the manifest was at the
// last start. The last one is for what a start recovers from the write-ahead
// log, because the manifest gets that one family after the other: cut between
// two records it would name old files of some families.
const (
	batchPrefix = "b"
	familiesKey = "families"
	manifestKey = "manifest"
)

func batchKey(n uint64) [9]byte {
	k := [9]byte{batchPrefix[0]}
	binary.BigEndian.PutUint64(k[1:], n)
	return k
}

// settle checks that nothing of a store's history is missing, writes down its
// families, and drops those that are not wanted.
func (d *DB) settle(h *handle, fresh bool, found, wanted []string) error {
	var page state.Page
	if _, err := d.scan(h, h.c0, []byte(batchPrefix), []byte{batchPrefix[0] + 1}, false, &page); err != nil {
		return err
	}
	known, listed, err := d.get(h, h.c0, []byte(familiesKey), nil)
	if err != nil {
		return err
	}
	noted, _, err := d.get(h, h.c0, []byte(manifestKey), nil)
	if err != nil {
		return err
	}
	// A process that ends while it makes the store leaves one without a first
	// batch. It has no entries, and what is missing of a store with some RocksDB or
	// the list of families would tell.
	fresh = fresh || page.Len() == 0 && !listed
	switch {
	case fresh:
	case d.place.manifest.shorter(string(noted)):
		return d.damaged("%s is shorter than it was", d.place.manifest.name)
	case page.Len() != 1 || len(page.Buf) != len(batchKey(0)):
		return d.damaged("writes are missing from its history (%d ends of it)", page.Len())
	default:
		h.batch = binary.BigEndian.Uint64(page.Buf[1:])
		for name := range strings.SplitSeq(string(known), "\n") {
			if !slices.Contains(found, name) {
				return d.damaged("the entries of %s are missing", strings.TrimPrefix(name, familyPrefix))
			}
		}
	}
	now, fault, err := checkManifest(d.dir)
	if fault != "" {
		err = d.damaged("%s", fault)
	}
	if err != nil {
		return err
	}
	// Durable before anything is dropped: a family that is listed and not there
	// is damage.
	var b state.Batch
	b.Put(len(h.cs), nil, []byte(familiesKey), []byte(strings.Join(wanted, "\n")))
	b.Put(len(h.cs), nil, []byte(manifestKey), []byte(now.String()))
	if err := d.write(h, h.sync, &b); err != nil {
		return err
	}
	if fresh {
		// So that a first write-ahead log that goes missing is noticed.
		o := grocksdb.NewDefaultFlushOptions()
		defer o.Destroy()
		if err := h.db.FlushCF(h.system, o); err != nil {
			return d.fault("making it", err.Error())
		}
	}
	for len(h.families) >= len(wanted) {
		last := h.families[len(h.families)-1]
		if err := h.db.DropColumnFamily(last); err != nil {
			return d.fault("dropping a cache", err.Error())
		}
		last.Destroy()
		h.families = h.families[:len(h.families)-1]
		h.cs = h.cs[:len(h.families)]
	}
	return nil
}
