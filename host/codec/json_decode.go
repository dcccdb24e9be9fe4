package codec

import (
	"math"

	"github.com/sliphost/sliphost/abi"
)

// decode appends the document src to dst as msgpack.
//
// The header of an array or object is written before its length is known: one
// byte is reserved, which is what most need, and where 16 values or more
// turn up the content moves by 2 or 4 bytes at the end. That costs less than
// it looks (a byte moves once per such container around it, at most MaxDepth
// times) and less than the 4 bytes a fixed-size header would add to every
// container, and it makes the shortest form the only form.
func (t *transcoder) decode(dst, src []byte) ([]byte, *Error) {
	if len(src) >= 3 && src[0] == 0xef && src[1] == 0xbb && src[2] == 0xbf {
		return nil, failJSON(0, "starts with a byte order mark (EF BB BF), which JSON does not allow; write the document without it")
	}
	i := skipSpace(src, 0)
	if i == len(src) {
		return nil, failJSON(i, "empty document; a JSON value is expected (a deletion is a null value, not an empty one)")
	}
	var err *Error
	depth := 0
	where := "at the start"
	for {
		// A value begins at src[i], after any space.
		if i = skipSpace(src, i); i == len(src) {
			return nil, unexpected(src, i, where)
		}
		opened := false
		switch c := src[i]; c {
		case '"':
			dst, i, err = appendString(dst, src, i+1)
		case '{', '[':
			if depth == abi.MaxDepth {
				return nil, failJSON(i, tooDeep)
			}
			t.frames[depth] = frame{start: len(dst), mark: len(t.keys.refs), object: c == '{'}
			depth++
			dst = append(dst, 0)
			i++
			opened = true
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			dst, i, err = appendNumber(dst, src, i)
		default:
			dst, i, err = appendLiteral(dst, src, i, where)
		}
		if err != nil {
			return nil, err
		}

		// A value, or the bracket that opens one, ends before src[i].
		for {
			i = skipSpace(src, i)
			if depth == 0 {
				if i < len(src) {
					return nil, unexpected(src, i, "after the document")
				}
				return dst, nil
			}
			f := &t.frames[depth-1]
			if i == len(src) {
				return nil, unexpected(src, i, f.where(opened))
			}
			c := src[i]
			if !opened {
				f.count++
			}
			if f.object && c == '}' || !f.object && c == ']' {
				if f.object {
					if at := t.keys.close(f.mark, dst); at >= 0 {
						return nil, failJSON(at, duplicate)
					}
				}
				dst = closeContainer(dst, f)
				depth--
				i++
				opened = false
				continue
			}
			if !opened {
				if c != ',' {
					return nil, unexpected(src, i, f.where(false))
				}
				i++
			}
			break
		}
		f := &t.frames[depth-1]
		if !f.object {
			where = "in an array"
			if !opened {
				where = "after ','"
			}
			continue
		}
		where = "after ':'"
		if i = skipSpace(src, i); i == len(src) || src[i] != '"' {
			return nil, unexpected(src, i, f.whereName(opened))
		}
		at, header := i, len(dst)
		if dst, i, err = appendString(dst, src, i+1); err != nil {
			return nil, err
		}
		if !t.keys.add(f.mark, dst, header+strHeaderLen(dst[header]), len(dst), at) {
			return nil, failJSON(at, duplicate)
		}
		if i = skipSpace(src, i); i == len(src) || src[i] != ':' {
			return nil, unexpected(src, i, "after a member name, want ':'")
		}
		i++
	}
}

// where says what a value in f, or f's opening bracket, is followed by.
func (f *frame) where(opened bool) string {
	switch {
	case f.object && opened:
		return "after '{', want a member name or '}'"
	case f.object:
		return "after a member, want ',' or '}'"
	case opened:
		return "after '[', want a value or ']'"
	}
	return "after an array element, want ',' or ']'"
}

func (f *frame) whereName(opened bool) string {
	if opened {
		return f.where(true)
	}
	return "after ',', want a member name in double quotes"
}

// closeContainer writes the header of f, whose content is dst[f.start+1:].
func closeContainer(dst []byte, f *frame) []byte {
	n := f.count
	fix, c16 := byte(0x90), byte(0xdc)
	if f.object {
		fix, c16 = 0x80, 0xde
	}
	if n < 16 {
		dst[f.start] = fix | byte(n)
		return dst
	}
	size := len(dst)
	if n <= math.MaxUint16 {
		dst = append(dst, 0, 0)
		copy(dst[f.start+3:], dst[f.start+1:size])
		dst[f.start], dst[f.start+1], dst[f.start+2] = c16, byte(n>>8), byte(n)
		return dst
	}
	dst = append(dst, 0, 0, 0, 0)
	copy(dst[f.start+5:], dst[f.start+1:size])
	dst[f.start] = c16 + 1
	dst[f.start+1], dst[f.start+2], dst[f.start+3], dst[f.start+4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return dst
}

// strHeaderLen is the length of the header that begins with c.
func strHeaderLen(c byte) int {
	switch c {
	case 0xd9:
		return 2
	case 0xda:
		return 3
	case 0xdb:
		return 5
	}
	return 1
}

func appendLiteral(dst, src []byte, i int, where string) ([]byte, int, *Error) {
	var word string
	var code byte
	switch src[i] {
	case 't':
		word, code = "true", 0xc3
	case 'f':
		word, code = "false", 0xc2
	case 'n':
		word, code = "null", 0xc0
	default:
		return dst, i, unexpected(src, i, where)
	}
	if len(src)-i < len(word) || string(src[i:i+len(word)]) != word {
		return dst, i, failJSON(i, misspelt(src[i:], word))
	}
	return append(dst, code), i + len(word), nil
}

// misspelt says what is wrong with text that is not the word it begins like.
// Only a name that goes on like the word was meant to be it.
func misspelt(src []byte, word string) string {
	if len(src) < 2 || src[1]|0x20 != word[1] {
		return "unexpected '" + word[:1] + "', want a JSON value; text must be in quotes"
	}
	return "misspelt " + word
}

// skipSpace returns the position of the first byte at or after i that is not
// JSON's white space.
func skipSpace(src []byte, i int) int {
	for i < len(src) {
		switch src[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

const (
	tooDeep   = "more than 64 arrays and objects inside each other"
	duplicate = "member name occurs twice in the object; readers disagree about which one counts"
)

func failJSON(at int, reason string) *Error { return &Error{nameJSON, at, reason} }

// unexpected is the error for a byte, or the end, that the grammar has no
// place for.
func unexpected(src []byte, i int, where string) *Error {
	if i >= len(src) {
		return failJSON(len(src), "unexpected end "+where)
	}
	return failJSON(i, "unexpected "+show(src[i])+" "+where)
}

// show makes one byte readable.
func show(c byte) string {
	const hex = "0123456789abcdef"
	if c < 0x20 || c >= 0x7f {
		return "byte 0x" + string([]byte{hex[c>>4], hex[c&15]})
	}
	return "'" + string(rune(c)) + "'"
}
