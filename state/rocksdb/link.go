package rocksdb

/*
#cgo CFLAGS: -O2 -Wall -Werror=implicit-function-declaration
#cgo noescape slip_get
#cgo nocallback slip_get
#cgo noescape slip_take
#cgo nocallback slip_take
#cgo noescape slip_scan_start
#cgo nocallback slip_scan_start
#cgo noescape slip_scan_go_on
#cgo nocallback slip_scan_go_on
#cgo noescape slip_write
#cgo nocallback slip_write
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"reflect"
	"sync"
	"unsafe"

	"github.com/linxGnu/grocksdb"
)

// The C side writes the ends of a page as int64.
const _ = -(unsafe.Sizeof(int(0)) ^ unsafe.Sizeof(int64(0)))

// checkLink finds out once whether grocksdb's types hold a C pointer and
// nothing in front of it. They have no accessor for it, and reading it is what
// lets options, opening and closing stay with that library.
var checkLink = sync.OnceValue(func() error {
	for t, name := range map[reflect.Type]string{
		reflect.TypeFor[grocksdb.DB]():                 "_Ctype_struct_rocksdb_t",
		reflect.TypeFor[grocksdb.ColumnFamilyHandle](): "_Ctype_struct_rocksdb_column_family_handle_t",
	} {
		f, ok := t.FieldByName("c")
		if !ok || f.Offset != 0 || f.Type.Kind() != reflect.Pointer || f.Type.Elem().Name() != name {
			return errors.New("this binary was built with a grocksdb whose " + t.Name() + " looks different inside; use v1.7.15, which sliphost names in its go.mod")
		}
	}
	return nil
})

func pointerOf(db *grocksdb.DB) *C.rocksdb_t {
	return *(**C.rocksdb_t)(unsafe.Pointer(db))
}

func familyOf(h *grocksdb.ColumnFamilyHandle) *C.rocksdb_column_family_handle_t {
	return *(**C.rocksdb_column_family_handle_t)(unsafe.Pointer(h))
}

// chars is the address of b's bytes, nil if there are none.
func chars(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

// text turns an error's text into a string and frees it.
func text(c *C.char) string {
	s := C.GoString(c)
	C.free(unsafe.Pointer(c))
	return s
}
