package module

import (
	"sync/atomic"
	"unsafe"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/sliphost/sliphost/abi"
)

// linear is the memory of one instance: an address range reserved up to the
// limit, of which the guest sees what it has grown to. Its address never
// changes, which lets another goroutine set the stop word (requestStop) and
// spares a copy per growth; and being outside the Go heap it neither paces the
// collector nor waits for it to be returned.
//
// The engine is not told of the limit (wazero's own would refuse growth
// without a trace): linear enforces it and remembers that it did, so that a
// guest that dies of it can be told so.
type linear struct {
	limit uint64
	// base is the whole reservation.
	base []byte
	size uint64
	// refused says that the guest asked for more than the limit.
	refused bool
}

// Allocate implements experimental.MemoryAllocator. It is called once per
// instance.
func (l *linear) Allocate(_, _ uint64) experimental.LinearMemory {
	l.base = reserve(l.limit)
	return l
}

// Reallocate implements experimental.LinearMemory.
func (l *linear) Reallocate(size uint64) []byte {
	if size > l.limit {
		l.refused = true
		return nil
	}
	if l.base == nil || !commit(l.base, l.size, size) {
		return nil
	}
	l.size = size
	return l.base[:size:size]
}

// Free implements experimental.LinearMemory.
func (l *linear) Free() {
	if l.base != nil {
		release(l.base)
		l.base = nil
		l.size = 0
	}
}

// stopWord is the stop word of the progress block at address block, which must
// be aligned and inside the memory.
func (l *linear) stopWord(block uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(&l.base[block+abi.ProgressStopAt]))
}

// requestStop sets a stop word; the guest may be running.
func requestStop(word *uint32) { atomic.StoreUint32(word, 1) }

// clearStop clears it.
func clearStop(word *uint32) { atomic.StoreUint32(word, 0) }
