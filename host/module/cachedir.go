package module

import (
	"fmt"
	"os"
	"path/filepath"
)

// prepareCacheDir creates dir if needed and refuses one that others could
// write to: compiled code in it is run without a further check.
func prepareCacheDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the module cache: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open the module cache: %w", err)
	}
	if !st.IsDir() {
		return fmt.Errorf("module cache %s is not a directory", dir)
	}
	if mode := st.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("module cache %s is writable by other users (mode %04o): compiled code in it is executed; run chmod 700 on it after removing its content, or name another directory", dir, mode)
	}
	if uid, ok := ownerOf(st); ok && uid != os.Geteuid() {
		return fmt.Errorf("module cache %s belongs to user %d, not to the user %d that runs sliphost: compiled code in it is executed; name another directory", dir, uid, os.Geteuid())
	}
	return nil
}

// cacheDirOf is the part of the cache of one module, so that a damaged entry
// can be removed by itself.
func (r *Runtime) cacheDirOf(key string) string { return filepath.Join(r.cacheDir, key) }
