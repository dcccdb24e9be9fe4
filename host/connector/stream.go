package connector

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// Stream delivers the lines of a reader that cannot be sought, standard input
// as a rule, in the form File describes. It ends with the reader. What was
// read cannot be read again: after a crash, lines that were read and not
// committed are gone, so Commit keeps nothing.
//
// All methods but Ready belong to one goroutine.
type Stream struct {
	name  string
	cfg   StreamConfig
	r     io.Reader
	lines lines
	rows  *rows // nil unless CSV
	line  int64
	end   error // why the reader ended, once all it gave is in lines
	eof   bool
	err   error

	// The reader's goroutine takes buffers from free and returns them in full.
	free  chan []byte
	full  chan piece
	ready chan struct{}
	stop  chan struct{}
	done  chan struct{}
	ended atomic.Bool
}

// piece is the outcome of one Read.
type piece struct {
	data []byte
	err  error
}

// StreamConfig says how a stream is read; its fields are FileConfig's.
type StreamConfig struct {
	Topic       int32
	CheckHeader func(row []byte) error
	MaxLine     int
	Clock       Clock
}

// NewStream starts reading r, at most two buffers of 64 KiB ahead of Poll.
// name stands for r in errors.
func NewStream(name string, r io.Reader, cfg StreamConfig) (*Stream, error) {
	l, err := newLines(cfg.MaxLine)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &Stream{
		name: name, cfg: cfg, r: r, lines: l,
		free: make(chan []byte, 2), full: make(chan piece, 2),
		ready: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if cfg.CheckHeader != nil {
		s.rows = &rows{}
	}
	s.free <- make([]byte, chunk)
	s.free <- make([]byte, chunk)
	go s.read()
	return s, nil
}

// read runs until the reader ends or fails, or Close.
func (s *Stream) read() {
	defer close(s.done)
	defer s.ended.Store(true)
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-s.stop:
			return
		}
		var n int
		var err error
		for try := 0; n == 0 && err == nil; try++ {
			if try == 100 {
				err = io.ErrNoProgress
				break
			}
			n, err = s.r.Read(buf[:chunk])
		}
		// There are as many places in full as there are buffers.
		s.full <- piece{buf[:n], err}
		signal(s.ready)
		if err != nil {
			return
		}
	}
}

// Poll empties b and fills it with at most maxRecords lines and about
// maxBytes bytes of what was read so far; one longer line still comes. It
// does not wait. eof says that there will be nothing more; it may come
// together with the last lines. An error concerns what follows the lines
// already delivered, and stays.
func (s *Stream) Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error) {
	out := newBatch(b, s.cfg.Topic, s.line, s.cfg.Clock.Now().UnixMilli())
	for s.err == nil && !s.eof && !out.full(maxRecords, maxBytes) {
		line, count, ok := s.next()
		if !ok {
			break
		}
		if s.rows != nil {
			var err error
			if line, ok, err = s.rows.take(line, s.cfg.CheckHeader); err != nil {
				s.fail(err)
				break
			}
		}
		if ok {
			out.addAt(s.line, line)
		}
		s.line += int64(count)
	}
	if out.finish() > 0 {
		return s.eof, nil
	}
	return s.eof, s.err
}

// next returns the next line; otherwise there is none yet, or eof or err is
// set.
func (s *Stream) next() (line []byte, count int, ok bool) {
	for {
		var err error
		if s.rows != nil {
			line, _, count, ok, err = s.rows.next(&s.lines, s.end != nil)
		} else {
			line, _, ok, err = s.lines.next()
			count = 1
		}
		if ok {
			return line, count, true
		}
		if err != nil {
			s.fail(err)
			return nil, 0, false
		}
		if s.end != nil {
			break
		}
		select {
		case p := <-s.full:
			s.lines.filled(copy(s.lines.room(), p.data))
			if s.end = p.err; p.err == nil {
				s.free <- p.data[:chunk]
			}
		default:
			return nil, 0, false
		}
	}
	if s.end != io.EOF {
		s.fail(s.end)
		return nil, 0, false
	}
	if s.rows != nil {
		if s.rows.header == nil {
			s.fail(errNoHeader)
			return nil, 0, false
		}
		s.eof = true
		return nil, 0, false
	}
	line, _, ok, err := s.lines.last()
	if err != nil {
		s.fail(err)
		return nil, 0, false
	}
	s.eof = true
	return line, 1, ok
}

func (s *Stream) fail(err error) {
	if errors.Is(err, errLongLine) {
		err = fmt.Errorf("the line is longer than %d bytes", s.lines.max)
	}
	s.err = fmt.Errorf("%s:%d: %w", s.name, s.line+1, err)
}

// Ready delivers when Poll, having returned an empty batch, may have
// something.
func (s *Stream) Ready() <-chan struct{} { return s.ready }

// Place is the line of a record.
func (s *Stream) Place(offset int64) string { return fmt.Sprintf("%s:%d", s.name, offset+1) }

// Commit keeps nothing; see Stream.
func (s *Stream) Commit(int64) error { return nil }

// Close stops reading. It interrupts a Read under way where the reader allows
// it, as pipes, sockets and terminals opened by this process do. A Read that
// cannot be interrupted, which is the case of an inherited standard input
// that has nothing to say, keeps its goroutine until it returns or the
// process ends; nothing reads on after it.
func (s *Stream) Close() error {
	close(s.stop)
	d, ok := s.r.(interface{ SetReadDeadline(time.Time) error })
	if ok && d.SetReadDeadline(time.Unix(1, 0)) == nil || s.ended.Load() {
		<-s.done
	}
	return nil
}
