package host

import (
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
)

// isDecoding says whether a codec has to see what a source delivers: raw
// copies, so it need not.
func isDecoding(c codec.Codec) bool { return c != nil && c.Repr() != codec.Bytes }

// appendDecoded appends wire, decoded by c, as a byte string of the ABI. The
// length in front is in the 5-byte form, because it is known only afterwards.
func appendDecoded(out []byte, c codec.Codec, wire []byte) ([]byte, error) {
	if wire == nil || !isDecoding(c) {
		return abi.AppendBin(out, wire), nil
	}
	at := len(out)
	out = append(out, 0xc6, 0, 0, 0, 0)
	out, err := c.Decode(out, wire)
	if err != nil {
		return out[:at], err
	}
	n := len(out) - at - 5
	out[at+1], out[at+2], out[at+3], out[at+4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return out, nil
}

// encoder turns a guest's bytes into wire bytes and remembers the last
// result, since several sinks of a handler often share a codec.
type encoder struct {
	codec    codec.Codec
	src, out []byte
}

func (e *encoder) encode(a *arena, c codec.Codec, src []byte) ([]byte, error) {
	if src == nil || !isDecoding(c) {
		return src, nil
	}
	if e.codec == c && len(e.src) == len(src) && len(src) > 0 && &e.src[0] == &src[0] {
		return e.out, nil
	}
	out, err := c.Encode(a.tail(2*len(src)+64), src)
	if err != nil {
		return nil, err
	}
	e.codec, e.src, e.out = c, src, a.keep(out)
	return e.out, nil
}
