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
	topic int32
	clock Clock
	r     io.Reader
	lines lines
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

// NewStream starts reading r, at most two buffers of 64 KiB ahead of Poll.
// name stands for r in errors; maxLine is as in FileConfig.
func NewStream(name string, r io.Reader, topic int32, maxLine int, clock Clock) (*Stream, error) {
	l, err := newLines(maxLine)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &Stream{
		name: name, topic: topic, clock: clock, r: r, lines: l,
		free: make(chan []byte, 2), full: make(chan piece, 2),
		ready: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
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
	out := newBatch(b, s.topic, s.line, s.clock.Now().UnixMilli())
	for s.err == nil && !s.eof && !out.full(maxRecords, maxBytes) {
		line, ok := s.next()
		if !ok {
			break
		}
		out.add(line)
		s.line++
	}
	if out.finish() > 0 {
		return s.eof, nil
	}
	return s.eof, s.err
}

// next returns the next line; otherwise there is none yet, or eof or err is
// set.
func (s *Stream) next() ([]byte, bool) {
	for {
		line, _, ok, err := s.lines.next()
		if ok {
			return line, true
		}
		if err != nil {
			return s.fail(err)
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
			return nil, false
		}
	}
	if s.end != io.EOF {
		return s.fail(s.end)
	}
	line, _, ok, err := s.lines.last()
	if err != nil {
		return s.fail(err)
	}
	s.eof = true
	return line, ok
}

func (s *Stream) fail(err error) ([]byte, bool) {
	if errors.Is(err, errLongLine) {
		err = fmt.Errorf("the line is longer than %d bytes", s.lines.max)
	}
	s.err = fmt.Errorf("%s:%d: %w", s.name, s.line+1, err)
	return nil, false
}

// Ready delivers when Poll, having returned an empty batch, may have
// something.
func (s *Stream) Ready() <-chan struct{} { return s.ready }

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
