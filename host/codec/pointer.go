package codec

import (
	"errors"
	"fmt"
	"strings"
)

// Pointer is a JSON Pointer (RFC 6901), such as /customer/id or /items/0: it
// names one value inside a document.
type Pointer struct {
	names []string // unescaped
}

// ErrAbsent is wrapped by the errors of Find for a document that has no value
// where the pointer points.
var ErrAbsent = errors.New("no such value")

// ParsePointer reads a pointer: empty for the whole document, or names and
// array positions with a slash before each; in a name "/" is written ~1 and
// "~" is written ~0.
func ParsePointer(s string) (Pointer, error) {
	if s == "" {
		return Pointer{}, nil
	}
	if s[0] != '/' {
		return Pointer{}, fmt.Errorf("JSON pointer %q: it has to begin with '/', as in %q", s, "/"+s)
	}
	names := strings.Split(s[1:], "/")
	for i, n := range names {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(n), "~") {
			return Pointer{}, fmt.Errorf("JSON pointer %q: '~' has to be written ~0, '/' in a name ~1", s)
		}
		names[i] = strings.NewReplacer("~0", "~", "~1", "/").Replace(n)
	}
	return Pointer{names}, nil
}

// String returns the pointer as ParsePointer reads it.
func (p Pointer) String() string {
	var b strings.Builder
	for _, n := range p.names {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(n))
	}
	return b.String()
}

// Find returns the value p points to, as it is written in doc, of which it is
// a part. doc has to be a document that JSON.Decode accepts; for any other
// the result is meaningless, though never a panic. It allocates only for an
// error, which wraps ErrAbsent.
func (p Pointer) Find(doc []byte) ([]byte, error) {
	i := skipSpace(doc, 0)
	for depth, name := range p.names {
		c := byte(0)
		if i < len(doc) {
			c = doc[i]
		}
		at := -1
		switch c {
		case '{':
			at = findMember(doc, i+1, name)
		case '[':
			at = findElement(doc, i+1, name)
		}
		if at < 0 {
			return nil, p.absent(depth, c)
		}
		i = at
	}
	end := skipValue(doc, i)
	if end <= i {
		return nil, p.absent(len(p.names), 0)
	}
	return doc[i:end], nil
}

func (p Pointer) absent(depth int, c byte) error {
	at := "the document"
	if depth > 0 {
		at = Pointer{p.names[:depth]}.String()
	}
	what := "is neither an object nor an array"
	switch {
	case depth == len(p.names):
		what = "is missing"
	case c == '{':
		what = fmt.Sprintf("has no member %q", p.names[depth])
	case c == '[':
		what = fmt.Sprintf("has no element %q", p.names[depth])
	}
	return fmt.Errorf("JSON pointer %s: %w: %s %s", p, ErrAbsent, at, what)
}

// findMember returns where the value of the named member begins, or -1. i is
// behind the opening brace.
func findMember(doc []byte, i int, name string) int {
	for {
		i = skipSpace(doc, i)
		if i >= len(doc) || doc[i] != '"' {
			return -1
		}
		end := skipString(doc, i)
		found := nameIs(doc[i:end], name)
		if i = skipSpace(doc, end); i >= len(doc) || doc[i] != ':' {
			return -1
		}
		i = skipSpace(doc, i+1)
		if found {
			return i
		}
		if i = nextValue(doc, i); i < 0 {
			return -1
		}
	}
}

// findElement is findMember for arrays, whose names are 0, 1, 2 and so on.
func findElement(doc []byte, i int, name string) int {
	if name == "" || len(name) > 9 || len(name) > 1 && name[0] == '0' {
		return -1
	}
	n := 0
	for _, c := range []byte(name) {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	i = skipSpace(doc, i)
	if i < len(doc) && doc[i] == ']' {
		return -1
	}
	for ; n > 0; n-- {
		if i = nextValue(doc, i); i < 0 {
			return -1
		}
		i = skipSpace(doc, i)
	}
	return i
}

// nextValue skips the value at doc[i] and the comma behind it; -1 if there is
// no comma.
func nextValue(doc []byte, i int) int {
	i = skipSpace(doc, skipValue(doc, i))
	if i >= len(doc) || doc[i] != ',' {
		return -1
	}
	return i + 1
}

// nameIs compares a name as it is written, with its quotes, with name.
func nameIs(written []byte, name string) bool {
	if len(written) < 2 || len(written)-2 < len(name) {
		return false
	}
	inner := written[1 : len(written)-1]
	if string(inner) == name {
		return true
	}
	if len(inner) == len(name) {
		return false // escapes only ever make it longer
	}
	var room [128]byte
	text, _, err := appendEscaped(room[:0], written, 1)
	return err == nil && string(text[strHeaderLen(text[0]):]) == name
}

// skipValue returns the position behind the value at doc[i].
func skipValue(doc []byte, i int) int {
	depth := 0
	for i < len(doc) {
		switch doc[i] {
		case '"':
			i = skipString(doc, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			if depth == 0 && i < len(doc) {
				continue // a number or a word goes on
			}
		}
		if depth == 0 && (i >= len(doc) || closes(doc[i-1])) {
			return i
		}
	}
	return i
}

func closes(c byte) bool { return c == '"' || c == '}' || c == ']' }

// skipString returns the position behind the string that begins at doc[i].
func skipString(doc []byte, i int) int {
	i++
	for {
		i, _ = plain(doc, i)
		if i >= len(doc) {
			return len(doc)
		}
		switch doc[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			i++
		}
	}
}

// AppendText appends what a value found by Find stands for as a key: the
// content of a string, anything else as JSON without white space, a number as
// the digits it is written with.
func AppendText(dst, raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '"' {
		return appendCompact(dst, raw)
	}
	n := len(dst)
	out, _, err := appendString(dst, raw, 1)
	if err != nil {
		return append(dst, raw...) // not from a valid document
	}
	h := strHeaderLen(out[n])
	return out[:n+copy(out[n:], out[n+h:])]
}
