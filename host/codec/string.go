package codec

import "unicode/utf8"

// String is for text: it copies bytes and refuses, in both directions, what
// is not UTF-8, so that no handler and no reader of its outputs has to.
// U+FEFF, NUL and unassigned code points are text like any other.
type String struct{}

// Name implements Codec.
func (String) Name() string { return "string" }

// Repr implements Codec.
func (String) Repr() Repr { return Text }

// Decode implements Codec.
func (String) Decode(dst, src []byte) ([]byte, error) { return appendText(dst, src) }

// Encode implements Codec.
func (String) Encode(dst, src []byte) ([]byte, error) { return appendText(dst, src) }

func appendText(dst, src []byte) ([]byte, error) {
	if !utf8.Valid(src) {
		return dst, &Error{"string", invalidUTF8(src), "not UTF-8; a topic of arbitrary bytes wants codec raw"}
	}
	return append(dst, src...), nil
}

// invalidUTF8 returns the position of the first byte in b that does not
// belong to a well-formed UTF-8 sequence, or len(b).
func invalidUTF8(b []byte) int {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}
