package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/sliphost/sliphost/host/codec"
)

// valueRenderer returns how values of a cache are shown: as a JSON value, or
// for people, where text that keeps the line whole has no quotes.
func valueRenderer(name string, asJSON bool) (func(dst, value []byte) []byte, error) {
	switch name {
	case "text":
		if asJSON {
			return func(dst, v []byte) []byte { return codec.RenderJSON(dst, nil, v) }, nil
		}
		return func(dst, v []byte) []byte { return appendReadable(dst, nil, v) }, nil
	case "msgpack":
		return func(dst, v []byte) []byte {
			if out, err := (codec.JSON{}).Encode(dst, v); err == nil {
				return out
			}
			return appendBase64(dst, v)
		}, nil
	case "int":
		return fixed(func(dst []byte, bits uint64) ([]byte, bool) {
			return strconv.AppendInt(dst, int64(bits), 10), true
		}), nil
	case "float":
		return fixed(func(dst []byte, bits uint64) ([]byte, bool) {
			f := math.Float64frombits(bits)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return dst, false
			}
			return strconv.AppendFloat(dst, f, 'g', -1, 64), true
		}), nil
	case "hex":
		return func(dst, v []byte) []byte {
			if !asJSON {
				return hex.AppendEncode(dst, v)
			}
			return append(hex.AppendEncode(append(dst, '"'), v), '"')
		}, nil
	}
	return nil, usagef("--value %q is none of text, msgpack, int, float, hex", name)
}

// fixed shows numbers as the SDKs store them: 8 bytes, little endian. What is
// none is marked.
func fixed(number func(dst []byte, bits uint64) ([]byte, bool)) func(dst, v []byte) []byte {
	return func(dst, v []byte) []byte {
		if len(v) == 8 {
			if out, ok := number(dst, binary.LittleEndian.Uint64(v)); ok {
				return out
			}
		}
		return appendBase64(dst, v)
	}
}

// appendBase64 marks bytes that are no value of the kind asked for.
func appendBase64(dst, v []byte) []byte {
	dst = append(dst, `{"$base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, v), `"}`...)
}

// appendCacheLine appends an entry as one JSON object and a newline; value is
// JSON already.
func appendCacheLine(dst []byte, partition int32, key string, value []byte) []byte {
	dst = append(dst, `{"partition":`...)
	dst = strconv.AppendInt(dst, int64(partition), 10)
	dst = append(dst, `,"key":`...)
	dst = codec.RenderJSON(dst, nil, []byte(key))
	dst = append(dst, `,"value":`...)
	return append(append(dst, value...), "}\n"...)
}
