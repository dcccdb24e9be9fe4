package codec

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// CSV is for rows of files. A wire value is a CSV document (RFC 4180) of two
// records, the header and one row, so that it can be read wherever it comes to,
// a dead-letter topic included. The guest sees a map from column to text, in
// the order of the columns.
//
// What two readers could take for different values is an error: a row with
// fewer or more cells than the header, a quote inside a cell that does not begin
// with one, anything between a closing quote and the comma, text that is not
// UTF-8. An empty cell is empty text.
//
// Nothing is encoded as CSV: a handler's values have no order of columns.
type CSV struct{}

const nameCSV = "csv"

// Name implements Codec.
func (CSV) Name() string { return nameCSV }

// Repr implements Codec.
func (CSV) Repr() Repr { return Msgpack }

// Encode implements Codec: it is always an error.
func (CSV) Encode(dst, _ []byte) ([]byte, error) {
	return dst, &Error{nameCSV, 0, "rows are read, not written: use codec json or string"}
}

// Decode implements Codec.
func (CSV) Decode(dst, src []byte) ([]byte, error) {
	start := len(dst)
	header := csvCells{text: src}
	columns := 0
	for header.next() {
		columns++
	}
	if header.err != nil {
		return dst, header.fail("header: ")
	}
	row := csvCells{text: src, at: header.at}
	header = csvCells{text: src}
	dst = abi.AppendMapHeader(dst, columns)
	cells := 0
	for row.next() {
		if cells++; cells > columns {
			continue
		}
		header.next()
		dst = appendCell(appendCell(dst, header.cell), row.cell)
	}
	switch {
	case row.err != nil:
		return dst[:start], row.fail("")
	case cells > columns:
		return dst[:start], &Error{nameCSV, len(src), fmt.Sprintf("the row has %d cells, the header has %d", cells, columns)}
	case cells < columns:
		var missing []string
		for header.next() && len(missing) < 5 {
			missing = append(missing, string(unquoted(header.cell)))
		}
		return dst[:start], &Error{nameCSV, len(src), fmt.Sprintf("the row has %d cells, the header has %d: nothing for %s", cells, columns, strings.Join(missing, ", "))}
	case row.at < len(src):
		return dst[:start], &Error{nameCSV, row.at, "a second row follows"}
	}
	return dst, nil
}

// CheckCSVHeader reports what keeps the first record of a file from naming
// columns: an empty or repeated name, or no CSV at all.
func CheckCSVHeader(line []byte) error {
	seen := map[string]bool{}
	c := csvCells{text: line}
	for c.next() {
		name := string(unquoted(c.cell))
		switch {
		case strings.TrimSpace(name) == "":
			return fmt.Errorf("column %d of the header has no name", len(seen)+1)
		case seen[name]:
			return fmt.Errorf("two columns of the header are called %q", name)
		}
		seen[name] = true
	}
	if c.err != nil {
		return c.fail("header: ")
	}
	return nil
}

// csvCells walks over the cells of one record.
type csvCells struct {
	text []byte
	at   int
	cell []byte // as it is written, with its quotes
	done bool
	err  *Error
}

func (c *csvCells) fail(what string) error {
	c.err.Reason = what + c.err.Reason
	return c.err
}

// next moves to the next cell; behind the last one at is the next record.
func (c *csvCells) next() bool {
	if c.done || c.err != nil {
		return false
	}
	begin := c.at
	if c.at < len(c.text) && c.text[c.at] == '"' {
		for c.at++; ; c.at++ {
			n := bytes.IndexByte(c.text[c.at:], '"')
			if n < 0 {
				c.err = &Error{nameCSV, begin, "a quote that opens a cell is never closed"}
				return false
			}
			if c.at += n + 1; c.at >= len(c.text) || c.text[c.at] != '"' {
				break
			}
		}
		c.cell = c.text[begin:c.at]
	} else {
		n := bytes.IndexAny(c.text[c.at:], ",\n")
		if n < 0 {
			n = len(c.text) - c.at
		}
		c.at += n
		c.cell = c.text[begin:c.at]
		if c.at == len(c.text) || c.text[c.at] == '\n' {
			c.cell = bytes.TrimSuffix(c.cell, []byte("\r"))
			c.at = begin + len(c.cell)
		}
		if q := bytes.IndexByte(c.cell, '"'); q >= 0 {
			c.err = &Error{nameCSV, begin + q, "a quote stands inside a cell that does not begin with one"}
			return false
		}
	}
	if !utf8.Valid(c.cell) {
		c.err = &Error{nameCSV, begin + invalidUTF8(c.cell), "not UTF-8"}
		return false
	}
	rest := c.text[c.at:]
	switch {
	case len(rest) == 0:
		c.done = true
	case rest[0] == ',':
		c.at++
	case rest[0] == '\n':
		c.at++
		c.done = true
	case rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n'):
		c.at += min(2, len(rest))
		c.done = true
	default:
		c.err = &Error{nameCSV, c.at, "something stands between a closing quote and the next comma"}
		return false
	}
	return true
}

// unquoted is the text of a cell; it allocates where quotes are doubled.
func unquoted(cell []byte) []byte {
	if len(cell) < 2 || cell[0] != '"' {
		return cell
	}
	cell = cell[1 : len(cell)-1]
	if bytes.IndexByte(cell, '"') >= 0 {
		cell = bytes.ReplaceAll(cell, []byte(`""`), []byte(`"`))
	}
	return cell
}

func appendCell(dst, cell []byte) []byte {
	text := unquoted(cell)
	return append(abi.AppendStrHeader(dst, len(text)), text...)
}
