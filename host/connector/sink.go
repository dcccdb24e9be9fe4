package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Sink appends values as lines to a file or a stream. A value is written as
// it is, with a newline behind it: a value that contains newlines becomes
// several lines, which a JSON encoded one never does. A null value gives an
// empty line, so there is a line for each record. Keys are not written.
//
// Only whole lines are handed to the operating system, in as few writes as
// possible, so lines of several workers or processes do not mix.
//
// After an error a sink stays failed, since nobody can tell what is stored:
// open it again and send again what was not flushed.
//
// It is safe for concurrent use.
type Sink struct {
	name string
	file *os.File // nil unless it has to be synced
	w    io.Writer
	own  io.Closer // nil if w is someone else's

	mu    sync.Mutex
	buf   []byte
	torn  bool // the next line has to begin on a new one
	dirty bool // written since the last sync
	err   error
}

// flushSize is how much is gathered before it is written.
const flushSize = 64 << 10

// OpenSink opens the file at path for appending, and creates it if it is not
// there; its directory must exist. If the file does not end with a newline,
// because a crash or a full disk cut its last line, the first line written
// begins on a new one: what is there is never changed, and at-least-once
// delivery repeats the line that was cut.
func OpenSink(path string) (*Sink, error) {
	created := false
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		created = true
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open sink: %w", err)
	}
	s := &Sink{name: path, w: file, own: file}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular(): // /dev/null, a pipe: nothing to sync
	case created:
		s.file = file
		err = syncDir(filepath.Dir(path))
	default:
		s.file = file
		s.torn, err = endsInsideLine(path, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open sink %s: %w", path, err)
	}
	return s, nil
}

func endsInsideLine(path string, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return true, nil // may be written but not read: rather an empty line
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], size-1)
	return last[0] != '\n', err
}

// NewSink writes to w, which it does not close. name stands for w in errors.
// Flush does not make more of it than w's Write does.
func NewSink(name string, w io.Writer) *Sink { return &Sink{name: name, w: w} }

// Append adds a line: the value. Nothing else of the output is kept.
func (s *Sink) Append(r *Output) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.torn {
		s.buf = append(s.buf, '\n')
		s.torn = false
	}
	s.buf = append(s.buf, r.Value...)
	s.buf = append(s.buf, '\n')
	if len(s.buf) < flushSize {
		return nil
	}
	return s.write()
}

// write hands the buffer over. s.mu is held.
func (s *Sink) write() error {
	if s.err != nil {
		return s.err
	}
	n, err := s.w.Write(s.buf)
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	s.buf = s.buf[:0]
	if cap(s.buf) > 16*flushSize {
		s.buf = nil // one large record need not keep its memory for ever
	}
	s.dirty = true
	return s.fail(err)
}

func (s *Sink) fail(err error) error {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("write sink %s: %w", s.name, err)
	}
	return s.err
}

// Flush returns when the lines appended before it are on disk, or with the
// stream. A disk cannot be interrupted: the context is not asked.
func (s *Sink) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buf) > 0 {
		if err := s.write(); err != nil {
			return err
		}
	}
	if s.file == nil || !s.dirty || s.err != nil {
		return s.err
	}
	s.dirty = false
	// After a failed sync the kernel may have dropped what it could not write
	// and call the next one a success, so the sink is not used any more.
	return s.fail(s.file.Sync())
}

// Close flushes and closes the file. It does not close NewSink's writer.
func (s *Sink) Close() error {
	err := s.Flush(context.Background())
	if s.own != nil {
		err = errors.Join(err, s.own.Close())
	}
	return err
}
