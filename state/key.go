package state

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// KeyType is the type of a cache's keys. A key has three forms: that of the
// ABI (SPEC 5.4: numbers are 8 bytes, little endian), the stored one, whose
// order as bytes is the order of the values, and text for people.
type KeyType uint8

// Types of keys.
const (
	// KeyBytes and KeyString are stored as they are.
	KeyBytes KeyType = iota
	KeyString
	// KeyInt is stored as 8 bytes, big endian, with the sign bit flipped.
	KeyInt
	// KeyFloat is stored as 8 bytes, big endian: the sign bit flipped if the
	// value is positive, all bits if it is negative. There is no NaN, and -0 is 0.
	KeyFloat
	// KeyBool is stored as one byte, 0 or 1.
	KeyBool
)

const signBit = 1 << 63

// String returns the type's name in a manifest.
func (k KeyType) String() string {
	switch k {
	case KeyBytes:
		return "bytes"
	case KeyString:
		return "string"
	case KeyInt:
		return "int"
	case KeyFloat:
		return "float"
	case KeyBool:
		return "bool"
	}
	return "key type " + strconv.Itoa(int(k))
}

// Encode appends the stored form of a key in the ABI's form to dst. The error
// says what is wrong with the key; dst is then returned as it was.
func (k KeyType) Encode(dst, abiKey []byte) ([]byte, error) {
	switch k {
	case KeyInt:
		if err := k.size(abiKey, 8); err != nil {
			return dst, err
		}
		return binary.BigEndian.AppendUint64(dst, binary.LittleEndian.Uint64(abiKey)^signBit), nil
	case KeyFloat:
		if err := k.size(abiKey, 8); err != nil {
			return dst, err
		}
		return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(abiKey)))
	case KeyBool:
		if err := k.bool(abiKey); err != nil {
			return dst, err
		}
	}
	return append(dst, abiKey...), nil
}

// Decode appends the ABI's form of a stored key to dst. The error says why
// the bytes are no stored key of this type.
func (k KeyType) Decode(dst, stored []byte) ([]byte, error) {
	switch k {
	case KeyInt:
		if err := k.size(stored, 8); err != nil {
			return dst, err
		}
		return binary.LittleEndian.AppendUint64(dst, binary.BigEndian.Uint64(stored)^signBit), nil
	case KeyFloat:
		f, err := k.float(stored)
		if err != nil {
			return dst, err
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
	case KeyBool:
		if err := k.bool(stored); err != nil {
			return dst, err
		}
	}
	return append(dst, stored...), nil
}

// Check says why bytes are no stored key of this type, nil if they are one.
func (k KeyType) Check(stored []byte) error {
	switch k {
	case KeyInt:
		return k.size(stored, 8)
	case KeyFloat:
		_, err := k.float(stored)
		return err
	case KeyBool:
		return k.bool(stored)
	}
	return nil
}

// Parse appends the stored form of a key given as text: a number, true or
// false, or the text itself. Bytes may also be given as 0x and hex digits.
func (k KeyType) Parse(dst []byte, text string) ([]byte, error) {
	switch k {
	case KeyBytes:
		if digits, ok := strings.CutPrefix(text, "0x"); ok {
			raw, err := hex.DecodeString(digits)
			if err != nil {
				return dst, fmt.Errorf("key %q: after 0x an even number of hex digits is expected", text)
			}
			return append(dst, raw...), nil
		}
	case KeyInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return dst, fmt.Errorf("key %q: the cache's keys are whole numbers of 64 bits", text)
		}
		return binary.BigEndian.AppendUint64(dst, uint64(n)^signBit), nil
	case KeyFloat:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return dst, fmt.Errorf("key %q: the cache's keys are numbers", text)
		}
		return appendFloat(dst, f)
	case KeyBool:
		switch text {
		case "true":
			return append(dst, 1), nil
		case "false":
			return append(dst, 0), nil
		}
		return dst, fmt.Errorf("key %q: the cache's keys are true and false", text)
	}
	return append(dst, text...), nil
}

// Text returns what Parse turns into the stored key again. Bytes that are no
// plain text, and a damaged key of another type, are shown as 0x and hex
// digits.
func (k KeyType) Text(stored []byte) string {
	switch k {
	case KeyString:
		return string(stored)
	case KeyBytes:
		if plain(stored) {
			return string(stored)
		}
	case KeyInt:
		if len(stored) == 8 {
			return strconv.FormatInt(int64(binary.BigEndian.Uint64(stored)^signBit), 10)
		}
	case KeyFloat:
		if f, err := k.float(stored); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	case KeyBool:
		if k.bool(stored) == nil {
			return strconv.FormatBool(stored[0] == 1)
		}
	}
	return "0x" + hex.EncodeToString(stored)
}

func plain(b []byte) bool {
	if !utf8.Valid(b) || strings.HasPrefix(string(b), "0x") {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func (k KeyType) size(b []byte, want int) error {
	if len(b) != want {
		return fmt.Errorf("a key of type %s has %d bytes, not %d", k, want, len(b))
	}
	return nil
}

func (k KeyType) bool(b []byte) error {
	if err := k.size(b, 1); err != nil {
		return err
	}
	if b[0] > 1 {
		return fmt.Errorf("a key of type bool is 0 or 1, not %d", b[0])
	}
	return nil
}

func (k KeyType) float(stored []byte) (float64, error) {
	if err := k.size(stored, 8); err != nil {
		return 0, err
	}
	bits := binary.BigEndian.Uint64(stored)
	if bits&signBit != 0 {
		bits ^= signBit
	} else {
		bits = ^bits
	}
	f := math.Float64frombits(bits)
	if math.IsNaN(f) || bits == signBit {
		return 0, errors.New("a stored key of type float is neither NaN nor -0")
	}
	return f, nil
}

func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) {
		return dst, errors.New("a key of type float is not a NaN")
	}
	if f == 0 {
		f = 0 // -0 is the same key
	}
	bits := math.Float64bits(f)
	if bits&signBit != 0 {
		bits = ^bits
	} else {
		bits ^= signBit
	}
	return binary.BigEndian.AppendUint64(dst, bits), nil
}
