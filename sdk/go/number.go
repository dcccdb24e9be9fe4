package slip

import (
	"math"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Numbers as keys and values of caches are 8 bytes, little endian.

// IntKey returns n as a key of a cache with key = "int". The bytes are valid
// until the handler returns.
func (c *Call) IntKey(n int64) []byte { return c.number(uint64(n)) }

// FloatKey returns f as a key of a cache with key = "float". -0 and 0 are the
// same key; NaN is none, and caches refuse it. The bytes are valid until the
// handler returns.
func (c *Call) FloatKey(f float64) []byte { return c.number(math.Float64bits(f)) }

// BoolKey returns v as a key of a cache with key = "bool". The bytes are valid
// until the handler returns.
func (c *Call) BoolKey(v bool) []byte {
	c.check()
	b := c.in.arena.take(1)
	b[0] = 0
	if v {
		b[0] = 1
	}
	return b
}

// IntValue returns n as the value that [CacheRef.PutInt] writes. The bytes are
// valid until the handler returns.
func (c *Call) IntValue(n int64) []byte { return c.number(uint64(n)) }

// FloatValue returns f as the value that [CacheRef.PutFloat] writes. The bytes
// are valid until the handler returns.
func (c *Call) FloatValue(f float64) []byte { return c.number(math.Float64bits(f)) }

func (c *Call) number(bits uint64) []byte {
	c.check()
	b := c.in.arena.take(8)
	putNumber((*[8]byte)(b), bits)
	return b
}

// KeyInt returns the number that [Call.IntKey] made a key of; false for other
// bytes.
func KeyInt(key []byte) (n int64, ok bool) { return ValueInt(key) }

// KeyFloat returns the number that [Call.FloatKey] made a key of; false for
// other bytes.
func KeyFloat(key []byte) (f float64, ok bool) { return ValueFloat(key) }

// KeyBool returns what [Call.BoolKey] made a key of; false for other bytes.
func KeyBool(key []byte) (v, ok bool) {
	if len(key) != 1 || key[0] > 1 {
		return false, false
	}
	return key[0] == 1, true
}

// ValueInt returns the number in a value that [CacheRef.PutInt] or
// [Call.IntValue] wrote; false for bytes that are none.
func ValueInt(value []byte) (n int64, ok bool) {
	if len(value) != 8 {
		return 0, false
	}
	return int64(getNumber((*[8]byte)(value))), true
}

// ValueFloat returns the number in a value that [CacheRef.PutFloat] or
// [Call.FloatValue] wrote; false for bytes that are none.
func ValueFloat(value []byte) (f float64, ok bool) {
	if len(value) != 8 {
		return 0, false
	}
	return math.Float64frombits(getNumber((*[8]byte)(value))), true
}

func getNumber(b *[8]byte) uint64 {
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

func putNumber(b *[8]byte, v uint64) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	b[4], b[5], b[6], b[7] = byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56)
}

// GetInt returns the number that [CacheRef.PutInt] or [CacheRef.AddInt] left
// under key, and whether there is one. A value that is no number is an error.
func (k *CacheRef) GetInt(c *Call, key []byte) (n int64, ok bool, err error) {
	_, bits, ok, err := k.getNumber(c, key)
	return int64(bits), ok, err
}

// PutInt sets the value of key to n.
func (k *CacheRef) PutInt(c *Call, key []byte, n int64) error {
	return k.putNumber(c, key, uint64(n))
}

// AddInt adds delta to the number under key, 0 if there is none, and returns
// the sum. A sum that 64 bits do not hold, and a value that is no number, are
// errors that leave the value as it was.
func (k *CacheRef) AddInt(c *Call, key []byte, delta int64) (sum int64, err error) {
	id, bits, _, err := k.getNumber(c, key)
	if err != nil {
		return 0, err
	}
	old := int64(bits)
	if sum = old + delta; (sum > old) != (delta > 0) && delta != 0 {
		return 0, k.fault(abi.CodeFailed, "the sum does not fit into 64 bits")
	}
	putNumber(&c.in.number, uint64(sum))
	if err := k.put(c, id, key, c.in.number[:]); err != nil {
		return 0, err
	}
	return sum, nil
}

// GetFloat returns the number that [CacheRef.PutFloat] or [CacheRef.AddFloat]
// left under key, and whether there is one. A value that is no number is an
// error; whole numbers and others are not told apart.
func (k *CacheRef) GetFloat(c *Call, key []byte) (f float64, ok bool, err error) {
	_, bits, ok, err := k.getNumber(c, key)
	return math.Float64frombits(bits), ok, err
}

// PutFloat sets the value of key to f.
func (k *CacheRef) PutFloat(c *Call, key []byte, f float64) error {
	return k.putNumber(c, key, math.Float64bits(f))
}

// AddFloat adds delta to the number under key, 0 if there is none, and returns
// the sum.
func (k *CacheRef) AddFloat(c *Call, key []byte, delta float64) (sum float64, err error) {
	id, bits, _, err := k.getNumber(c, key)
	if err != nil {
		return 0, err
	}
	sum = math.Float64frombits(bits) + delta
	putNumber(&c.in.number, math.Float64bits(sum))
	if err := k.put(c, id, key, c.in.number[:]); err != nil {
		return 0, err
	}
	return sum, nil
}

// getNumber reads the number under key, 0 if there is none.
func (k *CacheRef) getNumber(c *Call, key []byte) (id int32, bits uint64, ok bool, err error) {
	if id, err = k.at(c, key); err != nil {
		return 0, 0, false, err
	}
	switch n := hostCacheGet(c.in, id, key, c.in.number[:]); {
	case n == 8:
		return id, getNumber(&c.in.number), true, nil
	case n == abi.ResultAbsent:
		return id, 0, false, nil
	case n < 0:
		return 0, 0, false, k.refused("get", n)
	default:
		return 0, 0, false, k.fault(abi.CodeDecode, "no number: the value has "+
			strconv.FormatInt(n, 10)+" bytes, not 8")
	}
}

func (k *CacheRef) putNumber(c *Call, key []byte, bits uint64) error {
	id, err := k.at(c, key)
	if err != nil {
		return err
	}
	putNumber(&c.in.number, bits)
	return k.put(c, id, key, c.in.number[:])
}
