//go:build unix

package module

import "syscall"

// reserve returns an address range without memory behind it, or nil.
func reserve(n uint64) []byte {
	b, err := syscall.Mmap(-1, 0, int(n), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return b
}

// commit makes b[from:to] usable; it reads as zeros.
func commit(b []byte, from, to uint64) bool {
	return to <= from || syscall.Mprotect(b[from:to], syscall.PROT_READ|syscall.PROT_WRITE) == nil
}

// release returns the range. Nothing may refer to it any more.
func release(b []byte) { _ = syscall.Munmap(b) }
