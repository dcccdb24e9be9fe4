//go:build !wasip1

package slip

import (
	"bytes"
	"math"
	"testing"

	"github.com/sliphost/sliphost/abi"
)

// compareRecord checks that the quick reader, where it answers, agrees with
// the general one.
func compareRecord(t *testing.T, b []byte) (quick bool) {
	var got, want Record
	size := quickRecord(b, &got)
	if size == 0 {
		return false
	}
	var in instance
	headers, n, err := in.readRecord(b, &want)
	if err != nil {
		t.Fatalf("%x: the quick reader takes what the general one refuses: %v", b, err)
	}
	if n != size || headers != nil || got.Offset != want.Offset || got.Timestamp != want.Timestamp ||
		!same(got.Key, want.Key) || !same(got.Value, want.Value) {
		t.Fatalf("%x: quick %d %+v, general %d %+v", b, size, got, n, want)
	}
	return true
}

func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func TestQuickRecordAgreesAtEveryBorder(t *testing.T) {
	deltas := []int64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, -1, math.MinInt64, math.MaxInt64}
	sizes := []int{-1, 0, 1, 31, 255, 256, 65535, 65536}
	quick := 0
	for _, offset := range deltas {
		for _, ts := range deltas {
			for _, key := range sizes {
				b := abi.AppendRecord(nil, offset, ts, sized(key), sized(1), nil)
				if compareRecord(t, append(b, 0x93)) {
					quick++
				}
			}
		}
	}
	for _, value := range sizes {
		if !compareRecord(t, abi.AppendRecord(nil, 300, 70000, sized(5), sized(value), nil)) {
			t.Errorf("a value of %d bytes takes the slow way", value)
		}
	}
	if quick == 0 {
		t.Error("nothing takes the quick way")
	}
	whole := abi.AppendRecord(nil, 300, 70000, sized(300), sized(300), nil)
	for n := range whole {
		if quickRecord(whole[:n], new(Record)) != 0 {
			t.Fatalf("%d of %d bytes are taken for a record", n, len(whole))
		}
	}
}

func sized(n int) []byte {
	if n < 0 {
		return nil
	}
	return make([]byte, n)
}

// compareHeader is compareRecord for the head of a batch.
func compareHeader(t *testing.T, b []byte) (quick bool) {
	var got, want abi.BatchHeader
	size := quickHeader(b, &got)
	if size == 0 {
		return false
	}
	r := abi.NewReader(b)
	abi.ReadBatchHeader(&r, &want)
	if !records(got.Kind) && r.Err() != nil {
		return true // another kind has another head: nothing of it is used
	}
	if r.Err() != nil || r.Offset() != size || got != want {
		t.Fatalf("%x: quick %d %+v, general %d %+v %v", b, size, got, r.Offset(), want, r.Err())
	}
	return true
}

func TestQuickHeaderAgreesAtEveryBorder(t *testing.T) {
	numbers := []int64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64, -1, math.MinInt64}
	quick := 0
	for _, offset := range numbers {
		for _, ts := range numbers {
			for _, count := range []int32{0, 1, 127, 128, 256, 65536} {
				h := abi.BatchHeader{Kind: abi.KindReplayed, Source: 3, Partition: 127, BaseOffset: offset, BaseTimestamp: ts, Count: count}
				b := abi.AppendBatchHeader(nil, &h)
				b = append(b, make([]byte, 2*count+16)...) // a real record has 16 bytes and more
				if compareHeader(t, b) {
					quick++
				} else if offset >= 0 && ts >= 0 {
					t.Errorf("%+v takes the slow way", h)
				}
				for n := range len(b) - int(2*count) - 16 {
					if quickHeader(b[:n], new(abi.BatchHeader)) != 0 {
						t.Fatalf("%d of %d bytes are taken for a head", n, len(b))
					}
				}
			}
		}
	}
	if quick == 0 {
		t.Error("nothing takes the quick way")
	}
}

func FuzzQuickHeader(f *testing.F) {
	f.Add(batchOf([]byte("v")))
	f.Add(abi.AppendBatchHeader(nil, &abi.BatchHeader{BaseOffset: math.MaxInt64, BaseTimestamp: -1}))
	f.Add([]byte{0xdd, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { compareHeader(t, b) })
}

func FuzzQuickRecord(f *testing.F) {
	f.Add(abi.AppendRecord(nil, 0, 0, []byte("k"), []byte("v"), nil))
	f.Add(abi.AppendRecord(nil, 1000, 100000, nil, sized(300), nil))
	f.Add(abi.AppendRecord(nil, 1, -1, sized(0), nil, []byte{0x90}))
	f.Add([]byte{0xce, 0, 0, 0, 1, 0x95, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { compareRecord(t, b) })
}

// TestOutputsAreWhatTheCodecWrites compares the SDK's writer with abi's, for
// every shape an output can have.
func TestOutputsAreWhatTheCodecWrites(t *testing.T) {
	headers := abi.AppendHeader(abi.AppendArrayHeader(nil, 1), "h", nil)
	c := Call{in: &instance{}}
	c.in.replies = replies{in: c.in, mem: make([]byte, 1<<20)}
	for _, index := range []int32{0, 127, 128, 65535} {
		for _, sink := range []int32{-1, 0, 127, 128, 1023} {
			for _, size := range []int{-1, 0, 1, 255, 256, 65535, 65536} {
				for shape := range 8 {
					want := abi.Output{Sink: sink, Key: sized(size), Value: sized(size), HasTimestamp: shape&1 != 0, HasPartition: shape&2 != 0}
					out := Out{Key: want.Key, Value: want.Value}
					if want.HasTimestamp {
						want.Timestamp = 1_700_000_000_000
						out = out.At(want.Timestamp)
					}
					if want.HasPartition {
						want.Partition = 7
						out = out.To(7)
					}
					if shape&4 != 0 {
						want.Headers, out.Headers = headers, Headers{headers}
					}
					r := &c.in.replies
					r.n = 0
					r.begin(index)
					c.live = true
					c.emit(sink, out.Key, out.Value, out.Headers.raw, out.at)
					wire := abi.AppendOutput(abi.AppendResult(nil, index, abi.StatusOK, 1), &want)
					if !bytes.Equal(r.bytes(), wire) {
						t.Fatalf("index %d sink %d size %d shape %d:\n%x\n%x", index, sink, size, shape, r.mem[:min(64, r.n)], wire[:min(64, len(wire))])
					}
				}
			}
		}
	}
}
