package codec

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// encode appends the msgpack value src to dst as JSON. Every length in src is
// checked against the bytes that are left before anything is done with it.
func (t *transcoder) encode(dst, src []byte) ([]byte, *Error) {
	var err *Error
	i, depth := 0, 0
	for {
		// A value begins at src[i].
		if i >= len(src) {
			return nil, truncated(len(src))
		}
		at, c := i, src[i]
		n, object, container := 0, false, true
		switch {
		case c <= 0x7f:
			dst, i, container = strconv.AppendUint(dst, uint64(c), 10), i+1, false
		case c <= 0x8f:
			n, object, i = int(c&0x0f), true, i+1
		case c <= 0x9f:
			n, i = int(c&0x0f), i+1
		case c <= 0xbf:
			dst, i, err = appendQuoted(dst, src, i+1, int(c&0x1f))
			container = false
		case c == 0xdc || c == 0xde:
			object = c == 0xde
			n, i, err = length(src, i, 2)
		case c == 0xdd || c == 0xdf:
			object = c == 0xdf
			n, i, err = length(src, i, 4)
		default:
			dst, i, err = appendScalar(dst, src, i)
			container = false
		}
		if err != nil {
			return nil, err
		}
		if container {
			need := n
			if object {
				need *= 2
			}
			switch {
			case need > len(src)-i:
				return nil, truncated(at)
			case depth == abi.MaxDepth:
				return nil, failJSON(at, tooDeep)
			}
			t.frames[depth] = frame{count: n, mark: len(t.keys.refs), object: object}
			depth++
			open := byte('[')
			if object {
				open = '{'
			}
			dst = append(dst, open)
		}

		// A value, or the header that opens one, ends before src[i].
		first := container
		for {
			if depth == 0 {
				if i < len(src) {
					return nil, failJSON(i, "bytes left over after the value")
				}
				return dst, nil
			}
			f := &t.frames[depth-1]
			if f.count > 0 {
				f.count--
				if !first {
					dst = append(dst, ',')
				}
				break
			}
			if f.object {
				if at := t.keys.close(f.mark, src); at >= 0 {
					return nil, failJSON(at, duplicate)
				}
				dst = append(dst, '}')
			} else {
				dst = append(dst, ']')
			}
			depth--
			first = false
		}
		if f := &t.frames[depth-1]; f.object {
			if dst, i, err = t.appendName(dst, src, i, f.mark); err != nil {
				return nil, err
			}
		}
	}
}

// appendName appends the member name at src[i] and a colon.
func (t *transcoder) appendName(dst, src []byte, i, mark int) ([]byte, int, *Error) {
	if i >= len(src) {
		return dst, i, truncated(len(src))
	}
	at := i
	n, start, err := 0, 0, (*Error)(nil)
	switch c := src[i]; {
	case c&0xe0 == 0xa0:
		n, start = int(c&0x1f), i+1
	case c == 0xd9:
		n, start, err = length(src, i, 1)
	case c == 0xda:
		n, start, err = length(src, i, 2)
	case c == 0xdb:
		n, start, err = length(src, i, 4)
	default:
		return dst, i, failJSON(at, "map key is "+kind(c)+"; the names in a JSON object are strings")
	}
	if err != nil {
		return dst, i, err
	}
	if dst, i, err = appendQuoted(dst, src, start, n); err != nil {
		return dst, i, err
	}
	if !t.keys.add(mark, src, start, start+n, at) {
		return dst, i, failJSON(at, duplicate)
	}
	return append(dst, ':'), i, nil
}

// appendScalar appends the value at src[i], which is neither one of the forms
// that carry a small number in their first byte nor an array nor a map.
func appendScalar(dst, src []byte, i int) ([]byte, int, *Error) {
	c := src[i]
	if c >= 0xe0 {
		return strconv.AppendInt(dst, int64(int8(c)), 10), i + 1, nil
	}
	switch c {
	case 0xc0:
		return append(dst, "null"...), i + 1, nil
	case 0xc2:
		return append(dst, "false"...), i + 1, nil
	case 0xc3:
		return append(dst, "true"...), i + 1, nil
	case 0xd9, 0xda, 0xdb:
		n, start, err := length(src, i, 1<<(c-0xd9))
		if err != nil {
			return dst, i, err
		}
		return appendQuoted(dst, src, start, n)
	}
	var size int
	switch c {
	case 0xcc, 0xd0:
		size = 1
	case 0xcd, 0xd1:
		size = 2
	case 0xce, 0xd2, 0xca:
		size = 4
	case 0xcf, 0xd3, 0xcb:
		size = 8
	default:
		return dst, i, failJSON(i, kind(c)+" is not JSON"+hint(c))
	}
	if len(src)-i <= size {
		return dst, i, truncated(i)
	}
	b, end := src[i+1:], i+1+size
	switch c {
	case 0xcc:
		dst = strconv.AppendUint(dst, uint64(b[0]), 10)
	case 0xcd:
		dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(b)), 10)
	case 0xce:
		dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(b)), 10)
	case 0xcf:
		dst = strconv.AppendUint(dst, binary.BigEndian.Uint64(b), 10)
	case 0xd0:
		dst = strconv.AppendInt(dst, int64(int8(b[0])), 10)
	case 0xd1:
		dst = strconv.AppendInt(dst, int64(int16(binary.BigEndian.Uint16(b))), 10)
	case 0xd2:
		dst = strconv.AppendInt(dst, int64(int32(binary.BigEndian.Uint32(b))), 10)
	case 0xd3:
		dst = strconv.AppendInt(dst, int64(binary.BigEndian.Uint64(b)), 10)
	default:
		var f float64
		if c == 0xca {
			f = float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
		} else {
			f = math.Float64frombits(binary.BigEndian.Uint64(b))
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return dst, i, failJSON(i, "NaN and infinities are not JSON; emit null or leave the field out")
		}
		dst = appendFloat(dst, f, size*8)
	}
	return dst, end, nil
}

// appendQuoted appends the n bytes at src[start] as a JSON string and returns
// the position after them. Only what must be escaped is.
func appendQuoted(dst, src []byte, start, n int) ([]byte, int, *Error) {
	if n > len(src)-start {
		return dst, start, truncated(start)
	}
	s := src[start : start+n]
	dst = append(dst, '"')
	from := 0
	for {
		end, ascii := plain(s, from)
		piece := s[from:end]
		if !ascii && !utf8.Valid(piece) {
			return dst, start, failJSON(start+from+invalidUTF8(piece), notUTF8)
		}
		dst = append(dst, piece...)
		if end == n {
			return append(dst, '"'), start + n, nil
		}
		dst = appendEscapeFor(dst, s[end])
		from = end + 1
	}
}

// appendEscapeFor appends the escape sequence of a quote, a backslash or a
// control character.
func appendEscapeFor(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// length reads the big-endian length of size bytes behind the type byte at
// src[i] and returns it with the position after it.
func length(src []byte, i, size int) (n, next int, err *Error) {
	if len(src)-i <= size {
		return 0, i, truncated(i)
	}
	for _, b := range src[i+1 : i+1+size] {
		n = n<<8 | int(b)
	}
	return n, i + 1 + size, nil
}

func truncated(at int) *Error {
	return failJSON(at, "message ends inside a value")
}

// kind names the type of the msgpack value that begins with c.
func kind(c byte) string {
	switch {
	case c <= 0x7f, c >= 0xe0, 0xcc <= c && c <= 0xd3:
		return "an integer"
	case c <= 0x8f, c == 0xde, c == 0xdf:
		return "a map"
	case c <= 0x9f, c == 0xdc, c == 0xdd:
		return "an array"
	case c <= 0xbf, 0xd9 <= c && c <= 0xdb:
		return "a string"
	case c == 0xc0:
		return "nil"
	case c == 0xc2, c == 0xc3:
		return "a boolean"
	case 0xc4 <= c && c <= 0xc6:
		return "a binary string"
	case c == 0xca, c == 0xcb:
		return "a float"
	case c == 0xc1:
		return "the reserved byte 0xc1"
	}
	return "an extension type"
}

// hint tells what to emit instead of a value that begins with c.
func hint(c byte) string {
	switch {
	case 0xc4 <= c && c <= 0xc6:
		return "; emit text as a string, other bytes as a string of base64"
	case c != 0xc1:
		return "; emit a time as a number or a string"
	}
	return ""
}
