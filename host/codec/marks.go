package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"

	"github.com/sliphost/sliphost/abi"
)

// A mark is an object with one member, by which JSON says what it has no word
// for. A map that has such a name by itself, and no other, is told apart by one
// "$" more in front of the name; so is one that has a name with several "$".

// marked says that a name is one of a mark, behind one "$" or more.
func marked(name []byte) (word []byte, dollars int, ok bool) {
	for dollars < len(name) && name[dollars] == '$' {
		dollars++
	}
	word = name[dollars:]
	if dollars == 0 {
		return nil, 0, false
	}
	switch string(word) {
	case "base64", "float", "ext", "text", "raw":
		return word, dollars, true
	}
	return nil, 0, false
}

// ReadJSON appends the msgpack value that RenderJSON shows as doc, for codecs
// whose form is msgpack, other than JSON itself, whose documents are shown as
// they are. It reads what JSON.Decode reads, and in it, in place of any value:
//
//	{"$base64": "AP8="}        a byte string
//	{"$float": "NaN"}          a float, also "+Inf" and "-Inf"
//	{"$ext": [5, "AP8="]}      an extension of type 5
//	{"$$base64": value}        a map whose one name is $base64, and so on
//
// {"$text": ...} and {"$raw": ...} show what a codec refused; they are errors,
// as are marks that hold anything else. What RenderJSON shows alike comes back
// as one of them: floats have 64 bits, names are strings, strings that are not
// UTF-8 are byte strings.
//
// dst and doc may not overlap and doc is not kept. On error dst is returned as
// it was. Without a "$" in doc it allocates nothing besides dst.
func ReadJSON(dst, doc []byte) ([]byte, error) {
	n := len(dst)
	msg, err := (JSON{}).Decode(dst, doc)
	if err != nil || bytes.IndexByte(msg[n:], '$') < 0 {
		return msg, err
	}
	in := input{src: msg, i: n}
	// Behind msg, because source and destination must not overlap.
	out := in.unmark(msg)
	if in.err != nil {
		return dst, errors.New(nameJSON + ": " + in.err.Reason)
	}
	return out[:n+copy(out[n:], out[len(msg):])], nil
}

// unmark appends the value at the cursor with what its marks stand for. The
// value came from a JSON document.
func (in *input) unmark(dst []byte) []byte {
	at := in.i
	switch in.class() {
	case classArray:
		n := in.count(1)
		dst = abi.AppendArrayHeader(dst, n)
		for ; n > 0 && in.err == nil; n-- {
			dst = in.unmark(dst)
		}
	case classMap:
		n := in.count(2)
		if n == 1 {
			first := in.i
			name := in.str("a name")
			if word, dollars, ok := marked(name); ok && dollars == 1 {
				return in.mark(dst, string(word))
			} else if ok {
				dst = append(abi.AppendMapHeader(dst, 1), abi.AppendStrHeader(nil, len(name)-1)...)
				return in.unmark(append(dst, name[1:]...))
			}
			in.i = first
		}
		dst = abi.AppendMapHeader(dst, n)
		for ; n > 0 && in.err == nil; n-- {
			dst = in.unmark(dst) // a name, which is no map
			dst = in.unmark(dst)
		}
	default:
		in.skip()
		dst = append(dst, in.src[at:in.i]...)
	}
	return dst
}

// mark appends what the mark stands for whose content is at the cursor.
func (in *input) mark(dst []byte, word string) []byte {
	switch word {
	case "base64":
		if b, ok := in.base64(); ok {
			return append(abi.AppendBinHeader(dst, len(b)), b...)
		}
		in.failMark(word, "base64 in a string, with its padding")
	case "float":
		if in.class() == classStr {
			switch string(in.bytes()) {
			case "NaN":
				return abi.AppendFloat(dst, math.NaN())
			case "+Inf":
				return abi.AppendFloat(dst, math.Inf(1))
			case "-Inf":
				return abi.AppendFloat(dst, math.Inf(-1))
			}
		}
		in.failMark(word, `"NaN", "+Inf" or "-Inf"`)
	case "ext":
		if in.class() == classArray && in.count(1) == 2 && in.class() == classInt {
			if typ, big := in.integer(); !big && typ == int64(int8(typ)) {
				if b, ok := in.base64(); ok {
					return append(appendExtHeader(dst, int8(typ), len(b)), b...)
				}
			}
		}
		in.failMark(word, "a type from -128 to 127 and base64, as in [5, \"AP8=\"]")
	default:
		in.fail(in.i, `{"$`+word+`": ...} shows bytes that a codec refused: send them with --raw, or write "$$`+word+`" for a map with this one name`)
	}
	return dst
}

func (in *input) failMark(word, want string) {
	in.fail(in.i, `{"$`+word+`": ...} has to hold `+want+`; write "$$`+word+`" for a map with this one name`)
}

// base64 reads a string of base64.
func (in *input) base64() ([]byte, bool) {
	if in.class() != classStr {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(nil, in.bytes())
	return b, err == nil
}

// appendExtHeader appends the shortest header of an extension of n bytes.
func appendExtHeader(dst []byte, typ int8, n int) []byte {
	switch {
	case n == 1 || n == 2 || n == 4 || n == 8 || n == 16:
		fix := byte(0xd4)
		for ; n > 1; n >>= 1 {
			fix++
		}
		dst = append(dst, fix)
	case n <= math.MaxUint8:
		dst = append(dst, 0xc7, byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, 0xc8, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xc9, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, byte(typ))
}
