package rocksdb

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/sliphost/sliphost/state"
)

// Errors of Open beside state.ErrCorrupt and the system's (syscall.ENOSPC,
// EROFS, EACCES and so on, to be found with errors.Is).
var (
	// ErrInUse says that another process, or this one, has the directory open.
	ErrInUse = errors.New("the state directory is in use")
	// ErrForeign says that the directory holds what this package did not make.
	// Nothing in it was touched.
	ErrForeign = errors.New("the directory holds other things")
)

// system lists how RocksDB's texts end for errors of the system that have a
// way out, with that way.
var system = []struct {
	text  string
	errno syscall.Errno
	hint  string
}{
	{"No space left on device", syscall.ENOSPC, "make room on its disk"},
	{"Disk quota exceeded", syscall.EDQUOT, "raise the quota or make room"},
	{"Read-only file system", syscall.EROFS, "name a directory that can be written"},
	{"Permission denied", syscall.EACCES, "let the user of this process read and write the directory and all files in it"},
	{"Operation not permitted", syscall.EPERM, "let the user of this process read and write the directory and all files in it"},
	{"Too many open files", syscall.EMFILE, "raise the process's limit of open files (ulimit -n)"},
	{"Input/output error", syscall.EIO, "its disk fails: look at the system's log"},
}

// damage lists how RocksDB's texts look for what cannot have come from a
// failing system but only from files that changed.
var damage = []string{
	"Corruption:",
	"does not match existing comparator",
	"No such file or directory",
	"Column family not found",
	"Not implemented:",
}

// fault turns a text of RocksDB into an error.
func (d *DB) fault(doing, msg string) error {
	at := d.where()
	if strings.Contains(msg, "While lock file") || strings.Contains(msg, "lock hold by current process") {
		return fmt.Errorf("%s: %w by another program (%s): stop it first", at, ErrInUse, msg)
	}
	// A full disk can be wrapped in another class, damage in none.
	for _, s := range system {
		if strings.Contains(msg, s.text) {
			return fmt.Errorf("%s: %s: %w: %s (%s)", at, doing, s.errno, s.hint, msg)
		}
	}
	for _, s := range damage {
		if strings.Contains(msg, s) {
			return fmt.Errorf("%s: %s: %w: %s", at, doing, state.ErrCorrupt, msg)
		}
	}
	return fmt.Errorf("%s: %s: %s", at, doing, msg)
}

// damaged is an error about something that this package found out itself.
func (d *DB) damaged(format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", d.where(), state.ErrCorrupt, fmt.Sprintf(format, args...))
}

func (d *DB) where() string {
	if d.o.App == "" {
		return "state in " + d.dir
	}
	return "state of " + d.o.App + " in " + d.dir
}
