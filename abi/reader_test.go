package abi_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/sliphost/sliphost/abi"
)

// edges are the integers where msgpack changes its form, and their
// neighbours.
func edges() (list []int64) {
	for _, bits := range []uint{5, 7, 8, 15, 16, 31, 32, 62} {
		for _, off := range []int64{-1, 0, 1} {
			list = append(list, 1<<bits+off, -(1<<bits)+off)
		}
	}
	return append(list, 0, 1, -1, math.MaxInt64, math.MinInt64)
}

func TestIntegersHaveTheirShortestForm(t *testing.T) {
	for _, v := range edges() {
		got := abi.AppendInt(nil, v)
		var want bytes.Buffer
		e := msgpack.NewEncoder(&want)
		e.UseCompactInts(true)
		if err := e.EncodeInt(v); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("AppendInt(%d) = %x, another library writes %x", v, got, want.Bytes())
		}
		r := abi.NewReader(got)
		if back := r.Int(); back != v || r.Err() != nil || r.Len() != 0 {
			t.Errorf("%x reads as %d (%v), want %d", got, back, r.Err(), v)
		}
		r.Reset(got)
		back := r.Uint()
		if ok := r.Err() == nil; ok != (v >= 0) || ok && back != uint64(v) {
			t.Errorf("%x reads as unsigned %d (%v)", got, back, r.Err())
		}
	}
	if got := abi.AppendUint(nil, math.MaxUint64); !bytes.Equal(got, []byte{0xcf, 255, 255, 255, 255, 255, 255, 255, 255}) {
		t.Errorf("AppendUint(2^64-1) = %x", got)
	}
}

func TestLengthsHaveTheirShortestForm(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("x", n)
		for name, pair := range map[string][2][]byte{
			"str":   {abi.AppendStr(nil, s), mustMarshal(t, s)},
			"bin":   {abi.AppendBin(nil, []byte(s)), mustMarshal(t, []byte(s))},
			"array": {abi.AppendArrayHeader(nil, n), header(func(e *msgpack.Encoder) error { return e.EncodeArrayLen(n) })},
			"map":   {abi.AppendMapHeader(nil, n), header(func(e *msgpack.Encoder) error { return e.EncodeMapLen(n) })},
		} {
			if !bytes.Equal(pair[0], pair[1]) {
				t.Errorf("%s of %d: %x, another library writes %x", name, n, pair[0][:5], pair[1][:5])
			}
		}
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := msgpack.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func header(f func(*msgpack.Encoder) error) []byte {
	var b bytes.Buffer
	if err := f(msgpack.NewEncoder(&b)); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestFloatsAndBools(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), 0.1, math.MaxFloat64, math.Inf(-1), math.NaN()} {
		r := abi.NewReader(abi.AppendFloat(nil, v))
		if got := r.Float(); math.Float64bits(got) != math.Float64bits(v) {
			t.Errorf("%v reads as %v", v, got)
		}
	}
	for wire, want := range map[string]float64{
		"\xca\x3f\x00\x00\x00": 0.5, "\x05": 5, "\xff": -1,
		"\xcf\xff\xff\xff\xff\xff\xff\xff\xff": math.MaxUint64, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00": math.MinInt64,
	} {
		r := abi.NewReader([]byte(wire))
		if got := r.Float(); got != want || r.Err() != nil {
			t.Errorf("%x reads as %v (%v), want %v", wire, got, r.Err(), want)
		}
	}
	for _, v := range []bool{true, false} {
		r := abi.NewReader(abi.AppendBool(nil, v))
		if got := r.Bool(); got != v || r.Err() != nil {
			t.Errorf("%v reads as %v", v, got)
		}
	}
}

func TestFirstErrorSticks(t *testing.T) {
	r := abi.NewReader([]byte{0x01, 0xa1, 'x', 0x02, 0x03})
	if got := r.Int(); got != 1 {
		t.Fatalf("first integer is %d", got)
	}
	r.Int()
	first := r.Err()
	if first == nil || first.Error() != "message byte 1: want integer" {
		t.Fatalf("error is %v", first)
	}
	if r.Int() != 0 || r.Uint() != 0 || r.Bytes() != nil || r.Str() != nil || r.Bin() != nil || r.Name() != "" ||
		r.Array() != 0 || r.Map() != 0 || r.ArrayMin(0, "") != 0 || r.Bool() || r.Nil() || r.Float() != 0 || r.Skip() != nil || r.Len() != 0 {
		t.Error("a read after an error returned something")
	}
	r.Fail("something else")
	if r.Err() != first {
		t.Errorf("the error became %v", r.Err())
	}
	if r.Reset([]byte{0x07}); r.Int() != 7 || r.Err() != nil {
		t.Error("Reset kept the error")
	}
}

// A slice that a reader hands out must not let its holder write into the
// bytes behind it.
func TestSlicesEndWhereTheyEnd(t *testing.T) {
	b := abi.AppendResult(nil, 0, abi.StatusOK, 1)
	b = abi.AppendOutput(b, &abi.Output{Key: []byte("k"), Value: []byte("v"), Headers: []byte{0x91, 0x92, 0xa1, 'h', 0xc0}})
	r := abi.NewReader(b)
	var res abi.Result
	var o abi.Output
	abi.ReadResult(&r, &res)
	abi.ReadOutput(&r, &o)
	for name, s := range map[string][]byte{"key": o.Key, "value": o.Value, "headers": o.Headers} {
		if cap(s) != len(s) {
			t.Errorf("%s has room for %d bytes behind its end", name, cap(s)-len(s))
		}
	}
}

func TestLimitsOfMessages(t *testing.T) {
	big := abi.AppendPulse(nil, &abi.Pulse{State: append([]byte{0x81, 0x00}, abi.AppendBin(nil, make([]byte, abi.MaxState))...)})
	if _, err := abi.ReadPulse(big); err == nil || !strings.Contains(err.Error(), "at most 65536 bytes") {
		t.Errorf("state above the limit: %v", err)
	}
	long := abi.AppendDescribe(nil, &abi.Describe{Major: 1, SDK: strings.Repeat("s", abi.MaxDescribe)})
	if _, err := abi.ReadDescribe(long); err == nil || !strings.Contains(err.Error(), "at most 1048576 bytes") {
		t.Errorf("description above the limit: %v", err)
	}
	h := abi.MigrateHeader{To: 1, Count: abi.MaxBatch + 1}
	many := abi.AppendMigrateHeader(nil, &h)
	for range h.Count {
		many = abi.AppendEntry(many, []byte{}, []byte{})
	}
	r := abi.NewReader(many)
	abi.ReadMigrateHeader(&r, &h)
	if r.Err() == nil || h.Count != 0 {
		t.Errorf("%d entries were accepted", h.Count)
	}
	positions := abi.AppendRecovery(nil, &abi.Recovery{Healthy: make([]abi.Position, abi.MaxPositions+1)})
	if _, err := abi.ReadRecovery(positions); err == nil {
		t.Error("65537 positions were accepted")
	}
}

func TestDescribeOfAnotherMajorIsRecognised(t *testing.T) {
	d, err := abi.ReadDescribe([]byte{0x93, 0x02, 0x05, 0xc1})
	if err != nil || d.Major != 2 || d.Minor != 5 {
		t.Errorf("got version %d.%d, %v", d.Major, d.Minor, err)
	}
}

func TestMessageKind(t *testing.T) {
	for _, v := range loadVectors(t) {
		if v.Class != "canonical" {
			continue
		}
		kind, ok := abi.MessageKind(v.Wire)
		switch v.Message {
		case "Selftest":
			if !ok || kind != abi.KindSelftest {
				t.Errorf("%s: kind %d, %v", v.Name, kind, ok)
			}
		case "Advance":
			if !ok || kind != abi.KindAdvance {
				t.Errorf("%s: kind %d, %v", v.Name, kind, ok)
			}
		}
	}
	for _, wire := range []string{"", "\x90", "\xc0", "\x91\xcd\x01\x00", "\x91\xff"} {
		if kind, ok := abi.MessageKind([]byte(wire)); ok {
			t.Errorf("%x has kind %d", wire, kind)
		}
	}
}

func TestHeadersEndOnAnError(t *testing.T) {
	h := abi.ReadHeaders([]byte{0x92, 0x92, 0xa1, 'h', 0xc0, 0x92, 0xc0, 0xc0})
	if name, value, ok := h.Next(); !ok || string(name) != "h" || value != nil {
		t.Fatalf("first header %q %x %v", name, value, ok)
	}
	if _, _, ok := h.Next(); ok || h.Err() == nil || h.Len() != 0 {
		t.Errorf("a nil name was accepted: %v, %d left", h.Err(), h.Len())
	}
	for _, raw := range [][]byte{nil, {}, {0x90}} {
		h := abi.ReadHeaders(raw)
		if _, _, ok := h.Next(); ok || h.Err() != nil {
			t.Errorf("%x: %v", raw, h.Err())
		}
	}
}
