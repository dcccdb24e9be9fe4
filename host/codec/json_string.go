package codec

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

func load64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, by the high bit of each byte of w, the bytes that cannot
// stand for themselves in a JSON string: below 0x20, the quote, the
// backslash. Only the lowest mark is reliable, a borrow can leave false ones
// above it.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	m := (w - ones*0x20) & ^w
	m |= (quote - ones) & ^quote
	m |= (slash - ones) & ^slash
	return m & highs
}

// plain returns the position of the first special byte at or after i, or
// len(b), and whether bytes outside ASCII may be among those before it.
func plain(b []byte, i int) (end int, ascii bool) {
	var seen uint64
	for i+8 <= len(b) {
		w := load64(b[i:])
		if m := special(w); m != 0 {
			n := bits.TrailingZeros64(m) &^ 7
			seen |= w & (1<<n - 1)
			return i + n>>3, seen&highs == 0
		}
		seen |= w
		i += 8
	}
	for i < len(b) {
		c := b[i]
		if c < 0x20 || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
		i++
	}
	return i, seen&highs == 0
}

// appendString appends the string whose content begins at src[start], after
// the opening quote, and returns the position after the closing one.
func appendString(dst, src []byte, start int) ([]byte, int, *Error) {
	i, ascii := plain(src, start)
	if i < len(src) && src[i] == '"' {
		s := src[start:i]
		if !ascii && !utf8.Valid(s) {
			return dst, i, failJSON(start+invalidUTF8(s), notUTF8)
		}
		dst = abi.AppendStrHeader(dst, len(s))
		return append(dst, s...), i + 1, nil
	}
	return appendEscaped(dst, src, start)
}

const notUTF8 = "string is not UTF-8"

// appendEscaped is appendString for what is not one plain piece. The length
// is known only at the end, so room for the longest header is left and the
// content moved down.
func appendEscaped(dst, src []byte, i int) ([]byte, int, *Error) {
	header := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0)
	for {
		end, ascii := plain(src, i)
		piece := src[i:end]
		// Pieces end at ASCII bytes or the end: no sequence spans two of them.
		if !ascii && !utf8.Valid(piece) {
			return dst, i, failJSON(i+invalidUTF8(piece), notUTF8)
		}
		dst = append(dst, piece...)
		i = end
		if i >= len(src) {
			return dst, i, unexpected(src, i, "in a string")
		}
		switch src[i] {
		case '"':
			n := len(dst) - header - 5
			h := abi.AppendStrHeader(dst[:header], n)
			copy(dst[len(h):], dst[header+5:])
			return dst[:len(h)+n], i + 1, nil
		case '\\':
			var err *Error
			if dst, i, err = appendEscape(dst, src, i); err != nil {
				return dst, i, err
			}
		default:
			return dst, i, failJSON(i, "control character ("+show(src[i])+") in a string; it has to be written as an escape")
		}
	}
}

// appendEscape appends the character that the escape sequence at src[i]
// stands for, with the second half of a surrogate pair, and returns the
// position after it.
func appendEscape(dst, src []byte, i int) ([]byte, int, *Error) {
	if i+1 >= len(src) {
		return dst, i, unexpected(src, len(src), "in a string")
	}
	switch c := src[i+1]; c {
	case '"', '\\', '/':
		return append(dst, c), i + 2, nil
	case 'b':
		return append(dst, '\b'), i + 2, nil
	case 'f':
		return append(dst, '\f'), i + 2, nil
	case 'n':
		return append(dst, '\n'), i + 2, nil
	case 'r':
		return append(dst, '\r'), i + 2, nil
	case 't':
		return append(dst, '\t'), i + 2, nil
	case 'u':
	default:
		return dst, i, failJSON(i, "unknown escape '\\' followed by "+show(c))
	}
	r, err := hex4(src, i)
	if err != nil {
		return dst, i, err
	}
	if r < 0xd800 || r > 0xdfff {
		return utf8.AppendRune(dst, r), i + 6, nil
	}
	// Half a character: only a high half with a low half behind it is one.
	const lone = "unpaired surrogate in a string; it stands for no character"
	if r >= 0xdc00 || i+7 >= len(src) || src[i+6] != '\\' || src[i+7] != 'u' {
		return dst, i, failJSON(i, lone)
	}
	low, err := hex4(src, i+6)
	if err != nil {
		return dst, i, err
	}
	if low < 0xdc00 || low > 0xdfff {
		return dst, i, failJSON(i, lone)
	}
	return utf8.AppendRune(dst, 0x10000+(r-0xd800)<<10+(low-0xdc00)), i + 12, nil
}

// hex4 reads the four digits of the \u escape that begins at src[i].
func hex4(src []byte, i int) (rune, *Error) {
	var r rune
	for at := i + 2; at < i+6; at++ {
		if at >= len(src) {
			return 0, unexpected(src, at, "in a string")
		}
		switch c := src[at]; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, failJSON(at, "'\\u' wants four hexadecimal digits, not "+show(c))
		}
	}
	return r, nil
}
