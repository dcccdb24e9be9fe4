//go:build unix

package module

import (
	"os"
	"syscall"
)

// ownerOf returns the owner of a file.
func ownerOf(st os.FileInfo) (uid int, ok bool) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(s.Uid), true
}
