package memory

import "math"

// Key is the type of a cache's keys.
type Key uint8

// Types of keys.
const (
	Bytes Key = iota
	String
	Int
	Float
	Bool
)

// KeyOf returns the type that a manifest names so.
func KeyOf(name string) (k Key, ok bool) {
	for k, n := range [...]string{"bytes", "string", "int", "float", "bool"} {
		if n == name {
			return Key(k), true
		}
	}
	return 0, false
}

// encode returns the stored form of a key in the form of SPEC.md 5.4; false if
// it is not of the type.
func (k Key) encode(key []byte) (string, bool) {
	switch k {
	case Int:
		if len(key) != 8 {
			return "", false
		}
		return big(little(key) ^ 1<<63), true
	case Float:
		if len(key) != 8 {
			return "", false
		}
		f := math.Float64frombits(little(key))
		if f != f {
			return "", false
		}
		bits := math.Float64bits(f + 0) // -0 is the same key as 0
		if bits>>63 != 0 {
			return big(^bits), true
		}
		return big(bits | 1<<63), true
	case Bool:
		return string(key), len(key) == 1 && key[0] <= 1
	}
	return string(key), true
}

// decode reverses encode.
func (k Key) decode(stored string) []byte {
	b := []byte(stored)
	if k != Int && k != Float {
		return b
	}
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	switch {
	case k == Int || v>>63 != 0:
		v ^= 1 << 63
	default:
		v = ^v
	}
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

func little(b []byte) (v uint64) {
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func big(v uint64) string {
	var b [8]byte
	for i := range b {
		b[i] = byte(v >> (56 - 8*i))
	}
	return string(b[:])
}
