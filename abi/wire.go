// Package abi is the contract between host and module in Go: the messages of
// SPEC.md, their hand-written codec with hard limits, and the currency types
// that the engine, the Kafka client and the codecs share.
//
// Both sides of the boundary use it: the host (trusting nothing it reads) and
// the Go SDK inside the guest. So it imports nothing that would grow a guest:
// no fmt, no reflect, no encoding.
package abi

import (
	"math"
	"strconv"
)

//go:generate go run ./internal/abigen -root ..

// SyntaxError says that a message is not what the ABI asks for. It never
// carries message bytes, so it may be logged.
type SyntaxError struct {
	// Offset is the position in the message where reading stopped.
	Offset int
	// Want names what should have been there.
	Want string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return "message byte " + strconv.Itoa(e.Offset) + ": want " + e.Want
}

// AppendNil appends nil.
func AppendNil(b []byte) []byte { return append(b, 0xc0) }

// AppendBool appends a boolean.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}

// AppendInt appends v in its shortest form.
func AppendInt(b []byte, v int64) []byte {
	if v >= 0 {
		return AppendUint(b, uint64(v))
	}
	switch {
	case v >= -32:
		return append(b, byte(v))
	case v >= math.MinInt8:
		return append(b, 0xd0, byte(v))
	case v >= math.MinInt16:
		return append(b, 0xd1, byte(v>>8), byte(v))
	case v >= math.MinInt32:
		return append(b, 0xd2, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return append(b, 0xd3, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
		byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendUint appends v in its shortest form.
func AppendUint(b []byte, v uint64) []byte {
	switch {
	case v < 128:
		return append(b, byte(v))
	case v <= math.MaxUint8:
		return append(b, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return append(b, 0xcd, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return AppendUint32(b, uint32(v))
	}
	return append(b, 0xcf, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32),
		byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// AppendUint32 appends v in the fixed 5-byte form, which the length in front
// of each record of a batch must have.
func AppendUint32(b []byte, v uint32) []byte {
	return append(b, 0xce, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// PutUint32 overwrites the 5 bytes at b[0:5] with v in the fixed form.
func PutUint32(b []byte, v uint32) {
	_ = b[4]
	b[0], b[1], b[2], b[3], b[4] = 0xce, byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}

// AppendFloat appends v as a 64-bit float.
func AppendFloat(b []byte, v float64) []byte {
	u := math.Float64bits(v)
	return append(b, 0xcb, byte(u>>56), byte(u>>48), byte(u>>40), byte(u>>32),
		byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

// AppendStrHeader appends the header of a string of n bytes.
func AppendStrHeader(b []byte, n int) []byte {
	switch {
	case n < 32:
		return append(b, 0xa0|byte(n))
	case n <= math.MaxUint8:
		return append(b, 0xd9, byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xda, byte(n>>8), byte(n))
	}
	return append(b, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// AppendStr appends a string.
func AppendStr(b []byte, s string) []byte {
	return append(AppendStrHeader(b, len(s)), s...)
}

// AppendBinHeader appends the header of a byte string of n bytes.
func AppendBinHeader(b []byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(b, 0xc4, byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xc5, byte(n>>8), byte(n))
	}
	return append(b, 0xc6, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// AppendBin appends a byte string; a nil slice becomes nil, an empty one stays
// empty: a Kafka tombstone and an empty value are different things.
func AppendBin(b, v []byte) []byte {
	if v == nil {
		return append(b, 0xc0)
	}
	return append(AppendBinHeader(b, len(v)), v...)
}

// AppendArrayHeader appends the header of an array of n values.
func AppendArrayHeader(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, 0x90|byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xdc, byte(n>>8), byte(n))
	}
	return append(b, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// AppendMapHeader appends the header of a map of n pairs.
func AppendMapHeader(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, 0x80|byte(n))
	case n <= math.MaxUint16:
		return append(b, 0xde, byte(n>>8), byte(n))
	}
	return append(b, 0xdf, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
