package connector

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// rows cuts a byte stream into the rows of a CSV file: lines, except that a
// newline inside a quoted cell belongs to its row. The first row is the header
// and stands in front of each row that is delivered. Blank lines are no rows.
//
// Rows are cut where a reader of well-formed CSV would cut them, and a row that
// is none is delivered as it is, for the codec to refuse:
//   - A quote opens a cell only at its start; anywhere else it is a character.
//   - A cell that is never closed would swallow all that follows: its first line
//     alone is the row. At the end of a file or stream that is known; a file that
//     is followed has openWait to close it.
//   - Of a row longer than lines.max its beginning and a note are delivered, as
//     one record. Its end is where it would be anyway: to go on within it would
//     make records of what its cells hold.
type rows struct {
	header []byte // without a line end, nil before it was read
	record []byte // header, newline, row

	// The row that is being looked for.
	at      int       // how much of the pending bytes was looked at
	cell    cellState // where that ends
	first   int       // behind its first newline; 0 means none yet
	count   int       // its newlines
	dropped int       // bytes in front of the pending ones, of a row too long
	head    []byte    // its beginning, if bytes were dropped
	alone   bool      // its first line is all of it
	since   time.Time // when the end of the file was met inside a cell
}

// cellState is where in a row a byte stands.
type cellState byte

const (
	cellStart  cellState = iota // a quote opens the cell
	cellPlain                   // a quote is a character
	cellQuoted                  // newlines belong to the cell
	cellClosed                  // behind a quote that closes it, or is the first of two
)

const (
	// openWait is how long a cell of a followed file may stay open at the end of
	// the file: longer than any program takes to write one row.
	openWait = 10 * time.Second
	// maxHead is how much of a row that is too long is delivered: enough to find
	// it by, and little enough for any dead-letter topic.
	maxHead = 4 << 10
)

// bom is what some programs put in front of UTF-8.
var bom = []byte("\xef\xbb\xbf")

var errNoHeader = errors.New("the file has no header: its first line names the columns")

// next cuts off a row that is complete; end says that nothing follows what is
// there. size counts its bytes and count its lines. row is valid until the next
// call, or until l changes.
func (r *rows) next(l *lines, end bool) (row []byte, size, count int, ok bool, err error) {
	text := l.pending()
	switch {
	case r.scan(text, end):
	case end && r.open() && r.dropped == 0:
		r.at, r.count = r.first, 1
	case end && r.dropped+len(text) > 0: // a last row without a newline
		r.at = len(text)
		r.count++
	case end, r.dropped == 0 && len(text) <= l.max+len("\r\n"):
		return nil, 0, 0, false, nil
	case r.header == nil:
		return nil, 0, 0, false, errLongLine
	default:
		if r.dropped == 0 {
			r.head = append(r.head[:0], text[:min(len(text), maxHead)]...)
		}
		r.dropped += r.at
		l.cut(r.at)
		r.at = 0
		return nil, 0, 0, false, nil
	}
	row = withoutReturn(bytes.TrimSuffix(text[:r.at], []byte{'\n'}))
	if r.dropped > 0 || len(row) > l.max {
		if r.header == nil {
			r.reset()
			return nil, 0, 0, false, errLongLine
		}
		if r.dropped == 0 {
			r.head = append(r.head[:0], row[:min(len(row), maxHead)]...)
		}
		// The quote and what follows it are wrong wherever the head was cut.
		r.head = fmt.Appendf(r.head, "... [cut: the row is longer than %d bytes\"]", l.max)
		row = r.head
	}
	size, count = r.dropped+r.at, r.count
	l.cut(r.at)
	r.reset()
	return row, size, count, true, nil
}

// reset begins a row.
func (r *rows) reset() {
	r.at, r.cell, r.first, r.count, r.dropped = 0, cellStart, 0, 0, 0
	r.alone, r.since = false, time.Time{}
}

// open says that what was looked at ends in a quoted cell, on another line than
// the row began.
func (r *rows) open() bool { return r.cell == cellQuoted && r.first > 0 }

// scan looks at what follows r.at and says whether that completes the row, which
// then ends at r.at.
func (r *rows) scan(text []byte, end bool) bool {
	if r.at == 0 && r.dropped == 0 && r.header == nil {
		if len(text) < len(bom) && bytes.HasPrefix(bom, text) && !end {
			return false
		}
		if bytes.HasPrefix(text, bom) {
			r.at = len(bom)
		}
	}
	for r.at < len(text) {
		rest := text[r.at:]
		if r.cell == cellQuoted {
			n := bytes.IndexByte(rest, '"')
			cell := rest
			if n >= 0 {
				cell = rest[:n]
				r.cell = cellClosed
			}
			if nl := bytes.IndexByte(cell, '\n'); nl >= 0 && r.first == 0 {
				r.first = r.at + nl + 1
			}
			r.count += bytes.Count(cell, []byte{'\n'})
			r.at += len(cell) + min(1, n+1)
			continue
		}
		line := rest
		nl := bytes.IndexByte(rest, '\n')
		if nl >= 0 {
			line = rest[:nl]
		}
		if q := bytes.IndexByte(line, '"'); q >= 0 && !r.alone {
			r.pass(line[:q])
			r.at += q + 1
			switch r.cell {
			case cellStart, cellClosed:
				r.cell = cellQuoted
			default:
				r.cell = cellPlain
			}
			continue
		}
		if nl >= 0 {
			r.at += nl + 1
			r.count++
			return true
		}
		r.pass(line)
		r.at += len(line)
	}
	return false
}

// pass goes over bytes without quotes and newlines, outside a quoted cell.
func (r *rows) pass(text []byte) {
	if n := len(text); n > 0 && text[n-1] == ',' {
		r.cell = cellStart
	} else if n > 0 {
		r.cell = cellPlain
	}
}

// again begins the row anew, with its first line as all of it.
func (r *rows) again() {
	r.reset()
	r.alone = true
}

// take makes a record of a row; ok is false for the header and for blank lines.
func (r *rows) take(row []byte, check func([]byte) error) (record []byte, ok bool, err error) {
	if r.header == nil {
		row = bytes.TrimPrefix(row, bom)
	}
	if len(row) == 0 {
		return nil, false, nil
	}
	if r.header == nil {
		if err := check(row); err != nil {
			return nil, false, err
		}
		r.header = bytes.Clone(row)
		return nil, false, nil
	}
	r.record = append(append(append(r.record[:0], r.header...), '\n'), row...)
	return r.record, true, nil
}
