package rocksdb

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// openRoom is what an open database writes at its start beside what it
// recovers.
const openRoom = 4 << 20

// room says whether the disk has room for opening the database: what is in its
// write-ahead logs is written to files anew. Debian's RocksDB aborts the process
// when the disk is full in the middle of that (an assertion about files that
// were not flushed before they are closed), so it is not tried.
func (d *DB) room() error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &fs); err != nil {
		return fmt.Errorf("%s: ask for the free space: %w", d.where(), err)
	}
	need := int64(openRoom)
	logs, err := filepath.Glob(filepath.Join(d.dir, "*.log"))
	if err != nil {
		return fmt.Errorf("%s: %w", d.where(), err)
	}
	for _, name := range logs {
		if info, err := os.Stat(name); err == nil {
			need += info.Size()
		}
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < need {
		return fmt.Errorf("%s: opening it: %w: make room on its disk: %d MiB are free, %d are needed", d.where(), syscall.ENOSPC, free>>20, need>>20)
	}
	return nil
}
