package boot

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// stateDir is a state directory that this process holds.
type stateDir struct {
	path string
	lock *os.File
	// hostID names this directory's host in the group, for ever.
	hostID string
}

// openState creates the directory if needed, locks it and reads its host id.
// The lock ends with the process, however it ends.
func openState(path string) (*stateDir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("state directory %s cannot be created: %w; set state_dir in the manifest or --state-dir to a writable place", path, cause(err))
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("state directory %s is not writable: %w; set state_dir in the manifest or --state-dir to a writable place", path, cause(err))
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner, _ := os.ReadFile(lock.Name())
		lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s cannot be locked: %w", path, err)
		}
		who := "another process"
		if pid := strings.TrimSpace(string(owner)); pid != "" {
			who = "process " + pid
		}
		return nil, fmt.Errorf("state directory %s is in use by %s; stop that one, or give this one a directory of its own with --state-dir to share the work", path, who)
	}
	s := &stateDir{path: path, lock: lock}
	if err := s.identify(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// identify notes the process in the lock file and reads or makes the host id.
func (s *stateDir) identify() error {
	if err := s.lock.Truncate(0); err != nil {
		return s.unwritable(err)
	}
	if _, err := s.lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return s.unwritable(err)
	}
	file := filepath.Join(s.path, "host-id")
	id, err := os.ReadFile(file)
	switch {
	case err == nil && len(strings.TrimSpace(string(id))) >= 8:
		s.hostID = strings.TrimSpace(string(id))
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read %s: %w", file, cause(err))
	}
	var raw [6]byte
	rand.Read(raw[:])
	s.hostID = hex.EncodeToString(raw[:])
	tmp := file + ".new"
	if err := os.WriteFile(tmp, []byte(s.hostID+"\n"), 0o644); err != nil {
		return s.unwritable(err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return s.unwritable(err)
	}
	return nil
}

// unwritable says that the directory's files cannot be written.
func (s *stateDir) unwritable(err error) error {
	return fmt.Errorf("state directory %s cannot be written: %w; make room there, or set state_dir in the manifest or --state-dir to another place", s.path, cause(err))
}

// Close gives the directory back.
func (s *stateDir) Close() error { return s.lock.Close() }

// cause drops the operation and path that the sentence around it names.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
