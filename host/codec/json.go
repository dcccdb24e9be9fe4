package codec

import (
	"sync"

	"github.com/sliphost/sliphost/abi"
)

// JSON translates JSON on the wire to msgpack for the guest and back, in one
// pass and without allocation. It accepts RFC 8259 with the stricter choices
// of RFC 7493 wherever two readers could come to different results:
//
//   - A member name that occurs twice in an object is an error.
//   - A string with an unpaired surrogate escape or with bytes that are not
//     UTF-8 is an error, as is a byte order mark.
//   - A number written without fraction and exponent is an integer and must
//     fit into 64 bits, signed or unsigned (-0 is 0). Any other number is a
//     float64; one too large for that is an error, one too small becomes 0,
//     digits beyond a float64's precision are rounded.
//   - Arrays and objects nest at most abi.MaxDepth deep.
//
// Decode writes every value in its shortest msgpack form, floats always in 64
// bits, members in the order of the document: equal documents give equal
// bytes.
//
// Encode writes compact JSON that Decode accepts. A float keeps a fraction or
// exponent (10.0 is written "10.0", not "10"), so decoding what was encoded
// gives the same kinds and values again. What JSON has no word for is an
// error, not an approximation: NaN, infinities, binary strings, extension
// types such as timestamps, member names that are not strings. A float32 is
// written with the digits that identify a float32.
//
// An empty or blank document is an error. A null value on the wire (a
// tombstone) is none: like all codecs, JSON never sees it.
type JSON struct{}

const nameJSON = "json"

// Name implements Codec.
func (JSON) Name() string { return nameJSON }

// Repr implements Codec.
func (JSON) Repr() Repr { return Msgpack }

// Decode implements Codec.
func (JSON) Decode(dst, src []byte) ([]byte, error) {
	t := transcoders.Get().(*transcoder)
	out, err := t.decode(dst, src)
	t.release()
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Encode implements Codec.
func (JSON) Encode(dst, src []byte) ([]byte, error) {
	t := transcoders.Get().(*transcoder)
	out, err := t.encode(dst, src)
	t.release()
	if err != nil {
		return dst, err
	}
	return out, nil
}

// transcoder is the memory that one translation needs besides dst. It holds
// no pointer into anyone's data.
type transcoder struct {
	frames [abi.MaxDepth]frame
	keys   keyset
}

// frame is an array or object that is not finished yet.
type frame struct {
	start  int  // decoding: where its header is in dst
	count  int  // decoding: values so far; encoding: values still to come
	mark   int  // its names are keys.refs[mark:]
	object bool // an object rather than an array
}

// transcoders keeps the memory of finished translations for later ones.
var transcoders = sync.Pool{New: func() any { return new(transcoder) }}

// keptNames bounds what a pooled transcoder holds on to after a document with
// very many names: 4096 names of 40 bytes.
const keptNames = 4096

func (t *transcoder) release() {
	if cap(t.keys.refs) > keptNames {
		t.keys.refs = nil
	}
	t.keys.refs = t.keys.refs[:0]
	transcoders.Put(t)
}
