package rocksdb

import "github.com/linxGnu/grocksdb"

// flush writes the write buffers of all families to files.
func (d *DB) flush() error {
	h, err := d.use()
	if err != nil {
		return err
	}
	defer d.mu.RUnlock()
	o := grocksdb.NewDefaultFlushOptions()
	defer o.Destroy()
	return h.db.FlushCF(h.system, o)
}
