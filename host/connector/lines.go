package connector

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	// DefaultMaxLine is the longest line a source accepts by default, in
	// bytes: sixteen times what a broker takes.
	DefaultMaxLine = 16 << 20
	// LargestMaxLine is the highest limit that can be set.
	LargestMaxLine = 100 << 20
)

var errLongLine = errors.New("line too long")

// lines cuts a byte stream into lines. Its memory is bounded by the longest
// line allowed: it holds what was read and not cut off yet.
//
// A line ends before "\n" or "\r\n"; a "\r" anywhere else belongs to it.
type lines struct {
	buf     []byte
	start   int // buf[start:] is not cut off yet
	scanned int // buf[start:start+scanned] holds no newline
	max     int
}

// chunk is how much is asked for at once.
const chunk = 64 << 10

func newLines(maxLine int) (lines, error) {
	if maxLine == 0 {
		maxLine = DefaultMaxLine
	}
	if maxLine < 1 || maxLine > LargestMaxLine {
		return lines{}, fmt.Errorf("line limit of %d bytes: want 1 to %d", maxLine, LargestMaxLine)
	}
	return lines{max: maxLine}, nil
}

// next cuts off a line that is complete. size counts its end as well. The
// line is valid until the next call of room or write.
func (l *lines) next() (line []byte, size int, ok bool, err error) {
	rest := l.buf[l.start:]
	n := bytes.IndexByte(rest[l.scanned:], '\n')
	if n < 0 {
		l.scanned = len(rest)
		if len(rest) > l.max+1 { // one more may be the "\r" of its end
			return nil, 0, false, errLongLine
		}
		return nil, 0, false, nil
	}
	n += l.scanned
	line = withoutReturn(rest[:n])
	if len(line) > l.max {
		l.scanned = n
		return nil, 0, false, errLongLine
	}
	l.cut(n + 1)
	return line, n + 1, true, nil
}

// last cuts off what follows the last newline, at the end of the stream.
func (l *lines) last() (line []byte, size int, ok bool, err error) {
	rest := l.buf[l.start:]
	if len(rest) == 0 {
		return nil, 0, false, nil
	}
	line = withoutReturn(rest)
	if len(line) > l.max {
		return nil, 0, false, errLongLine
	}
	l.cut(len(rest))
	return line, len(rest), true, nil
}

func withoutReturn(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

func (l *lines) cut(n int) {
	l.start += n
	l.scanned = 0
}

// pending is what was not cut off yet.
func (l *lines) pending() []byte { return l.buf[l.start:] }

// room returns space to read into; add what was read with filled.
func (l *lines) room() []byte {
	if l.start > 0 {
		n := copy(l.buf, l.buf[l.start:])
		l.buf, l.start = l.buf[:n], 0
	}
	if len(l.buf) == 0 && cap(l.buf) > 16*chunk {
		l.buf = nil // a single long line need not keep its memory for ever
	}
	if cap(l.buf)-len(l.buf) < chunk {
		// Twice the size, so that a long line is not copied for each chunk.
		grown := make([]byte, len(l.buf), max(2*cap(l.buf), 2*chunk))
		copy(grown, l.buf)
		l.buf = grown
	}
	return l.buf[len(l.buf) : len(l.buf)+chunk]
}

func (l *lines) filled(n int) { l.buf = l.buf[:len(l.buf)+n] }
