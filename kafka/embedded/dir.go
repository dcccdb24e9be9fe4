package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	lockFile    = "lock"
	startFile   = "start.lock"
	addressFile = "address"
	portFile    = "port"
	logFile     = "broker.log"
)

func makeDir(dir string) error {
	if dir == "" {
		return errors.New("the embedded broker needs a directory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the embedded broker's directory: %w; choose a state_dir you may write to", err)
	}
	return nil
}

// tryLock takes an exclusive lock that lives as long as the file is open.
// held tells that another process has it.
func tryLock(path string) (f *os.File, held bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("lock the embedded broker's directory: %w; choose a state_dir you may write to", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, false, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, true, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w; the file system may not support locks, choose a state_dir on a local disk", path, err)
}

// locked reports whether a broker runs, starts or ends in dir.
func locked(dir string) bool {
	f, held, err := tryLock(filepath.Join(dir, lockFile))
	if f != nil {
		_ = f.Close()
	}
	return err == nil && held
}

// readAddress returns the address a broker wrote last, or "".
func readAddress(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// writeFile replaces a file at once or not at all.
func writeFile(dir, name, content string) error {
	f, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString(content); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}
