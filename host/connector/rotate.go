package connector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Rotation says when a file sink begins a new file. One process may write to
// such a file.
type Rotation struct {
	// Size is the most bytes of a file, 0 for no limit; a longer line is a file of
	// its own.
	Size int64
	// Every begins a new file at each multiple of it since 1970, 0 for never.
	Every time.Duration
	// Keep is how many old files stay: PATH.1 is the latest.
	Keep  int
	Clock Clock
}

// Rotating is a Sink that begins new files. Lines never lie across two of them,
// and what Flush has returned for is on disk in one of them.
//
// It belongs to one caller at a time.
type Rotating struct {
	path string
	r    Rotation
	sink *Sink
	size int64
	// period is the file's, in multiples of Rotation.Every.
	period int64
}

// OpenRotating opens the file at path as OpenSink does. A file that is there is
// as old as its last change.
func OpenRotating(path string, r Rotation) (*Rotating, error) {
	s := &Rotating{path: path, r: r}
	return s, s.open()
}

func (s *Rotating) open() (err error) {
	s.size, s.period = 0, s.now()
	if info, err := os.Stat(s.path); err == nil {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("open sink %s: it is no regular file, so it cannot be rotated", s.path)
		}
		if s.size = info.Size(); s.r.Every > 0 {
			s.period = info.ModTime().UnixNano() / int64(s.r.Every)
		}
	}
	s.sink, err = OpenSink(s.path)
	return err
}

func (s *Rotating) now() int64 {
	if s.r.Every <= 0 {
		return 0
	}
	return s.r.Clock.Now().UnixNano() / int64(s.r.Every)
}

// Append adds a line.
func (s *Rotating) Append(r *Output) error {
	n := int64(len(r.Value)) + 1
	if s.size > 0 && (s.r.Size > 0 && s.size+n > s.r.Size || s.now() != s.period) {
		if err := s.rotate(); err != nil {
			return fmt.Errorf("rotate sink %s: %w", s.path, err)
		}
	}
	s.period = s.now()
	s.size += n
	return s.sink.Append(r)
}

// rotate renames the files, each to the next number: up to the first one that
// is free, so that a crash between two of them loses none.
func (s *Rotating) rotate() error {
	if err := s.sink.Close(); err != nil {
		return err
	}
	old := func(n int) string {
		if n == 0 {
			return s.path
		}
		return s.path + "." + strconv.Itoa(n)
	}
	free := 0
	for free < s.r.Keep {
		free++
		if _, err := os.Lstat(old(free)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if free == 0 {
		if err := os.Remove(s.path); err != nil {
			return err
		}
	}
	for ; free > 0; free-- {
		if err := os.Rename(old(free-1), old(free)); err != nil {
			return err
		}
	}
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	return s.open()
}

// Flush is Sink's.
func (s *Rotating) Flush(ctx context.Context) error { return s.sink.Flush(ctx) }

// Close is Sink's.
func (s *Rotating) Close() error { return s.sink.Close() }
