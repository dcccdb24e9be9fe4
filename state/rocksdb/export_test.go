package rocksdb

import (
	"os"
	"path/filepath"

	"github.com/linxGnu/grocksdb"
)

// flush writes the write buffers of all families to files, as RocksDB does by
// itself when they are full. Its C API can flush a single family only, but a
// checkpoint does it first of all.
func (d *DB) flush() error {
	h, err := d.use()
	if err != nil {
		return err
	}
	defer d.mu.RUnlock()
	tmp, err := os.MkdirTemp("", "sliphost-flush-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var c *grocksdb.Checkpoint
	if c, err = h.db.NewCheckpoint(); err != nil {
		return err
	}
	defer c.Destroy()
	return c.CreateCheckpoint(filepath.Join(tmp, "c"), 0)
}
