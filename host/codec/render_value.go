package codec

import (
	"encoding/base64"
	"math"
	"strconv"
)

// render appends the value at the cursor as JSON, with marks for what JSON has
// no word for. The value was checked to be msgpack.
func (in *input) render(dst []byte) []byte {
	switch in.class() {
	case classNil:
		in.i++
		return append(dst, "null"...)
	case classBool:
		v := in.src[in.i] == 0xc3
		in.i++
		return strconv.AppendBool(dst, v)
	case classInt:
		v, big := in.integer()
		if big {
			return strconv.AppendUint(dst, uint64(v), 10)
		}
		return strconv.AppendInt(dst, v, 10)
	case classFloat:
		return in.renderFloat(dst)
	case classStr:
		return appendBytes(dst, in.bytes())
	case classBin:
		return appendBase64(dst, in.bytes())
	case classArray:
		dst = append(dst, '[')
		for n, first := in.count(1), true; n > 0 && in.err == nil; n, first = n-1, false {
			if !first {
				dst = append(dst, ',')
			}
			dst = in.render(dst)
		}
		return append(dst, ']')
	case classMap:
		dst = append(dst, '{')
		n := in.count(2)
		alone := n == 1
		for first := true; n > 0 && in.err == nil; n, first = n-1, false {
			if !first {
				dst = append(dst, ',')
			}
			mark := len(dst)
			if dst = in.render(dst); len(dst) > mark && dst[mark] != '"' {
				name := string(dst[mark:])
				dst = appendBytes(dst[:mark], []byte(name))
			}
			if alone && in.err == nil {
				if _, _, ok := marked(dst[mark+1 : len(dst)-1]); ok {
					dst = append(dst, 0)
					copy(dst[mark+2:], dst[mark+1:])
					dst[mark+1] = '$'
				}
			}
			dst = in.render(append(dst, ':'))
		}
		return append(dst, '}')
	case classExt:
		return in.renderExt(dst)
	}
	return dst
}

func (in *input) renderFloat(dst []byte) []byte {
	bits, f := 64, 0.0
	if in.src[in.i] == 0xca {
		bits, f = 32, float64(math.Float32frombits(uint32(in.big(4))))
	} else {
		f = math.Float64frombits(in.big(8))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		dst = strconv.AppendFloat(append(dst, `{"$float":"`...), f, 'g', -1, bits)
		return append(dst, `"}`...)
	}
	return appendFloat(dst, f, bits)
}

func (in *input) renderExt(dst []byte) []byte {
	at := in.i
	in.skip()
	if in.err != nil {
		return dst
	}
	head := 1
	if c := in.src[at]; c >= 0xc7 && c <= 0xc9 {
		head += 1 << (c - 0xc7)
	}
	dst = strconv.AppendInt(append(dst, `{"$ext":[`...), int64(int8(in.src[at+head])), 10)
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"`...), in.src[at+head+1:in.i])
	return append(dst, `"]}`...)
}
