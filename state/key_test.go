package state

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func abiInt(n int64) []byte     { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
func abiFloat(f float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)) }

func mustEncode(t interface{ Fatal(...any) }, k KeyType, abi []byte) []byte {
	out, err := k.Encode(nil, abi)
	if err != nil {
		t.Fatal(k, err)
	}
	return out
}

func sign[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

var specialFloats = []float64{math.Inf(-1), -math.MaxFloat64, -1.5, -1, -math.SmallestNonzeroFloat64, math.Copysign(0, -1), 0, math.SmallestNonzeroFloat64, 1, 1.5, math.MaxFloat64, math.Inf(1)}

func TestStoredOrderIsValueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		if got := bytes.Compare(mustEncode(t, KeyInt, abiInt(a)), mustEncode(t, KeyInt, abiInt(b))); got != sign(a, b) {
			t.Fatalf("%d and %d: %d", a, b, got)
		}
		number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom(specialFloats))
		f, g := number.Draw(t, "f"), number.Draw(t, "g")
		if got := bytes.Compare(mustEncode(t, KeyFloat, abiFloat(f)), mustEncode(t, KeyFloat, abiFloat(g))); got != sign(f, g) {
			t.Fatalf("%g and %g: %d", f, g, got)
		}
	})
	for i, f := range specialFloats {
		for j, g := range specialFloats {
			if got := bytes.Compare(mustEncode(t, KeyFloat, abiFloat(f)), mustEncode(t, KeyFloat, abiFloat(g))); got != sign(f, g) {
				t.Errorf("floats %d and %d, %g and %g: %d", i, j, f, g, got)
			}
		}
	}
	if bytes.Compare(mustEncode(t, KeyBool, []byte{0}), mustEncode(t, KeyBool, []byte{1})) >= 0 {
		t.Error("true is not after false")
	}
}

func TestKeysThatAreNone(t *testing.T) {
	nan := math.Float64bits(math.NaN())
	for _, c := range []struct {
		key KeyType
		abi []byte
	}{
		{KeyInt, nil},
		{KeyInt, make([]byte, 7)},
		{KeyInt, make([]byte, 9)},
		{KeyFloat, make([]byte, 4)},
		{KeyFloat, binary.LittleEndian.AppendUint64(nil, nan)},
		{KeyFloat, binary.LittleEndian.AppendUint64(nil, nan|signBit)},
		{KeyBool, nil},
		{KeyBool, []byte{2}},
		{KeyBool, []byte{0, 0}},
	} {
		if out, err := c.key.Encode([]byte("x"), c.abi); err == nil || string(out) != "x" {
			t.Errorf("%s %x: %q %v", c.key, c.abi, out, err)
		}
	}
	for _, c := range []struct {
		key  KeyType
		text string
	}{{KeyInt, "1.5"}, {KeyInt, ""}, {KeyInt, "9223372036854775808"}, {KeyFloat, "x"}, {KeyFloat, "NaN"}, {KeyBool, "1"}, {KeyBytes, "0x1"}, {KeyBytes, "0xzz"}} {
		if out, err := c.key.Parse([]byte("x"), c.text); err == nil || string(out) != "x" {
			t.Errorf("%s %q: %q %v", c.key, c.text, out, err)
		}
	}
	if got := mustEncode(t, KeyFloat, abiFloat(math.Copysign(0, -1))); !bytes.Equal(got, mustEncode(t, KeyFloat, abiFloat(0))) {
		t.Error("-0 is another key than 0")
	}
}

func TestTextOfKeys(t *testing.T) {
	for _, c := range []struct {
		key  KeyType
		text string
		want string
	}{
		{KeyBytes, "user-1", "user-1"},
		{KeyBytes, "0x00ff", "0x00ff"},
		{KeyBytes, "0x6162", "ab"},
		{KeyBytes, "", ""},
		{KeyString, "0xzz", "0xzz"},
		{KeyInt, "-5", "-5"},
		{KeyInt, "+5", "5"},
		{KeyFloat, "-0", "0"},
		{KeyFloat, "inf", "+Inf"},
		{KeyFloat, "1e3", "1000"},
		{KeyBool, "true", "true"},
		{KeyBool, "false", "false"},
	} {
		stored, err := c.key.Parse(nil, c.text)
		if got := c.key.Text(stored); err != nil || got != c.want {
			t.Errorf("%s %q: %q %v, want %q", c.key, c.text, got, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for k := KeyBytes; k <= KeyBool; k++ {
		for _, seed := range [][]byte{nil, {0}, {1}, {2}, make([]byte, 8), bytes.Repeat([]byte{0xff}, 8), []byte("0x12"), {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} {
			f.Add(byte(k), seed)
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, stored []byte) {
		k := KeyType(kind % 5)
		abi, err := k.Decode(nil, stored)
		if (err == nil) != (k.Check(stored) == nil) {
			t.Fatalf("%s %x: decode says %v, check %v", k, stored, err, k.Check(stored))
		}
		text := k.Text(stored)
		if err != nil {
			return
		}
		if back, err := k.Encode(nil, abi); err != nil || !bytes.Equal(back, stored) {
			t.Fatalf("%s %x is decoded to %x and encoded to %x, %v", k, stored, abi, back, err)
		}
		if back, err := k.Parse(nil, text); err != nil || !bytes.Equal(back, stored) {
			t.Fatalf("%s %x is the text %q and parsed to %x, %v", k, stored, text, back, err)
		}
	})
}

func FuzzStoredValue(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendHeader(nil, hasExpiry, &stamp{expiry: 5}))
	f.Add(append(appendHeader(nil, hasExpiry|hasInsertion, &stamp{expiry: never, seq: 9}), "value"...))
	f.Fuzz(func(t *testing.T, stored []byte) {
		s, value, ok := parseHeader(stored)
		if !ok {
			return
		}
		back := append(appendHeader(nil, stored[0]&^headerTag, &s), value...)
		if !bytes.Equal(back, stored) || s.value != len(value) {
			t.Fatalf("%x becomes %x", stored, back)
		}
	})
}

func FuzzBatch(f *testing.F) {
	var b Batch
	b.Put(1, []byte("p"), []byte("key"), []byte("v"))
	b.Delete(2, nil, []byte("key"))
	b.DeleteRange(2, []byte("a"), []byte("b"))
	f.Add(b.Buf, 3)
	f.Add(b.Buf[:len(b.Buf)-1], 3)
	f.Fuzz(func(t *testing.T, buf []byte, count int) {
		var out Batch
		err := (&Batch{Buf: buf, Count: min(count, 1000)}).Each(func(family int, op uint32, key, value []byte) error {
			out.add(family, op, nil, key, value)
			return nil
		})
		if err == nil && len(out.Buf) != (len(buf)+3)&^3 {
			t.Fatalf("%d bytes become %d", len(buf), len(out.Buf))
		}
	})
}
