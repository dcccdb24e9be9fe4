package connector

import (
	"bytes"
	"errors"
)

// rows cuts a byte stream into the rows of a CSV file: lines, except that a
// newline between quotes belongs to its row. The first row is the header and
// stands in front of each row that is delivered. Blank lines are no rows.
type rows struct {
	header []byte // without a line end, nil before it was read
	record []byte // header, newline, row
}

// maxRow is the longest row with newlines in it. A quote that nobody closes
// would otherwise swallow what follows: then its first line alone is the row,
// which the codec refuses, and the next row begins at the next line.
const maxRow = 1 << 20

// bom is what some programs put in front of UTF-8.
var bom = []byte("\xef\xbb\xbf")

var errNoHeader = errors.New("the file has no header: its first line names the columns")

// nextRow cuts off a row that is complete; end says that nothing follows what is
// there. lines counts its lines.
func (l *lines) nextRow(end bool) (row []byte, size, count int, ok bool, err error) {
	rest := l.buf[l.start:]
	at, quotes := 0, 0
	first := -1 // behind the first line
	for at < len(rest) {
		n := bytes.IndexByte(rest[at:], '\n')
		if n < 0 {
			break
		}
		quotes += bytes.Count(rest[at:at+n], []byte{'"'})
		at += n + 1
		count++
		if first < 0 {
			first = at
		}
		if quotes%2 == 0 {
			return l.row(at, count)
		}
	}
	whole := quotes%2 == 0 && bytes.Count(rest[at:], []byte{'"'})%2 == 0
	switch {
	case end && first < 0 && len(rest) > 0, end && quotes%2 == 1 && bytes.Count(rest[at:], []byte{'"'})%2 == 1:
		return l.row(len(rest), count+1) // a last row without a newline
	case first > 0 && (end && !whole || len(rest) > min(maxRow, l.max)):
		return l.row(first, 1) // a quote that is never closed
	case len(rest) > l.max+1:
		return nil, 0, 0, false, errLongLine
	}
	return nil, 0, 0, false, nil
}

// row cuts n bytes off.
func (l *lines) row(n, count int) (row []byte, size, lines int, ok bool, err error) {
	row = withoutReturn(bytes.TrimSuffix(l.buf[l.start:l.start+n], []byte{'\n'}))
	if len(row) > l.max {
		return nil, 0, 0, false, errLongLine
	}
	l.cut(n)
	return row, n, count, true, nil
}

// take makes a record of a row; ok is false for the header and for blank lines.
func (r *rows) take(row []byte, check func([]byte) error) (record []byte, ok bool, err error) {
	if r.header == nil {
		row = bytes.TrimPrefix(row, bom)
		if len(row) == 0 {
			return nil, false, errNoHeader
		}
		if err := check(row); err != nil {
			return nil, false, err
		}
		r.header = bytes.Clone(row)
		return nil, false, nil
	}
	if len(row) == 0 {
		return nil, false, nil
	}
	r.record = append(append(append(r.record[:0], r.header...), '\n'), row...)
	return r.record, true, nil
}
