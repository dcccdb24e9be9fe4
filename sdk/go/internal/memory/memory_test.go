package memory

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/sliphost/sliphost/abi"
)

func number(v uint64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

func TestKeysSortByValueAndComeBack(t *testing.T) {
	floats := []float64{math.Inf(-1), -2, -1.5, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, 2, math.Inf(1)}
	ints := []int64{math.MinInt64, -256, -1, 0, 1, 255, 256, math.MaxInt64}
	var keys [3][][]byte
	for _, f := range floats {
		keys[0] = append(keys[0], number(math.Float64bits(f)))
	}
	for _, n := range ints {
		keys[1] = append(keys[1], number(uint64(n)))
	}
	keys[2] = [][]byte{{0}, {1}}
	for i, k := range []Key{Float, Int, Bool} {
		last := ""
		for _, key := range keys[i] {
			stored, ok := k.encode(key)
			if !ok || stored <= last {
				t.Errorf("key type %d: %v is not above the one before", k, key)
			}
			if !bytes.Equal(k.decode(stored), key) {
				t.Errorf("key type %d: %v came back as %v", k, key, k.decode(stored))
			}
			last = stored
		}
	}
	minus, _ := Float.encode(number(math.Float64bits(math.Copysign(0, -1))))
	if zero, _ := Float.encode(number(0)); minus != zero {
		t.Error("-0 is not 0")
	}
	for k, key := range map[Key][]byte{Float: number(math.Float64bits(math.NaN())), Int: []byte("7 bytes"), Bool: {2}} {
		if _, ok := k.encode(key); ok {
			t.Errorf("key type %d takes %v", k, key)
		}
	}
}

func TestALimitUndoesTheRecordAndNoOther(t *testing.T) {
	s := New([]Cache{{Name: "c"}, {Name: "b", Key: Bool}, {Name: "g", Global: true}})
	s.Staged = 10
	s.Begin(0, 5)
	for _, key := range []string{"a", "b", "c"} {
		if n := s.CachePut(0, []byte(key), []byte("v")); n != 0 {
			t.Fatal(n)
		}
	}
	s.Begin(0, 3)
	if s.StreamTime() != 5 {
		t.Errorf("stream time %d", s.StreamTime())
	}
	s.CachePut(0, []byte("a"), []byte("new v"))
	if n := s.CacheDeleteRange(0, nil, nil); n != 0 {
		t.Errorf("3 more bytes: %d", n)
	}
	if n := s.CacheDelete(0, []byte("zz")); n != abi.ResultLimit {
		t.Errorf("11 bytes: %d", n)
	}
	if !s.End() || s.End() {
		t.Error("the limit is not told, or twice")
	}
	var got []string
	s.Each(0, 0, func(key, value []byte) { got = append(got, string(key)+string(value)) })
	if !slices.Equal(got, []string{"av", "bv", "cv"}) {
		t.Errorf("left: %q", got)
	}
	for _, n := range []int32{
		s.CacheDeleteRange(1, nil, nil), s.CacheDeleteRange(2, nil, nil), s.CachePut(2, []byte("k"), nil),
		s.CacheDelete(2, []byte("k")), s.Savepoint(abi.SavepointRelease), s.Savepoint(9),
	} {
		if n != abi.ResultInvalid {
			t.Errorf("answered %d, want invalid", n)
		}
	}
	if n := s.CachePut(3, nil, nil); n != abi.ResultUnbound {
		t.Errorf("answered %d, want unbound", n)
	}
}

func TestPagesEndAtTheirBytes(t *testing.T) {
	s := New([]Cache{{Name: "c"}})
	for _, key := range []string{"a", "b", "c"} {
		s.Load(0, 0, []byte(key), make([]byte, abi.MaxScanBytes/2))
	}
	buf := make([]byte, 4*abi.MaxScanBytes)
	var cursor []byte
	var counts []int32
	for {
		n := s.CacheScan(0, abi.AppendScanRequest(nil, &abi.ScanRequest{Limit: 10, Cursor: cursor}), buf)
		r := abi.NewReader(buf[:n])
		var p abi.ScanPage
		abi.ReadScanPage(&r, &p)
		counts = append(counts, p.Count)
		if cursor = bytes.Clone(p.Next); cursor == nil {
			break
		}
	}
	if !slices.Equal(counts, []int32{1, 1, 1}) {
		t.Errorf("pages of %v entries", counts)
	}
}
