package kafka_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
)

func TestRunsFollowTopicPartitionAndOffset(t *testing.T) {
	var b abi.Packed
	add := func(topic, partition int32, offset, ts int64) {
		if err := kafka.AppendRecord(&b, tp(topic, partition), &kafka.Record{Offset: offset, Timestamp: ts, Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	add(0, 0, 10, 100)
	add(0, 0, 12, 90) // a gap, an earlier timestamp
	add(0, 1, 13, 100)
	add(1, 1, 14, -1)
	add(1, 1, 15, 5)
	add(1, 1, 15, 5) // not after the last one: a seek back
	add(1, 1, 3, math.MaxInt64)
	type run struct {
		Topic, Partition int32
		Base, Last       int64
		Count            int32
	}
	want := []run{{0, 0, 10, 12, 2}, {0, 1, 13, 13, 1}, {1, 1, 14, 15, 2}, {1, 1, 15, 15, 1}, {1, 1, 3, 3, 1}}
	var got []run
	end := 0
	var offsets, times []int64
	for _, r := range b.Runs {
		if r.Start != end {
			t.Errorf("a run starts at %d, the one before ended at %d", r.Start, end)
		}
		end = r.End
		got = append(got, run{r.Topic, r.Partition, r.BaseOffset, r.LastOffset, r.Count})
		for rec, err := range kafka.Records(&b, r) {
			if err != nil {
				t.Fatal(err)
			}
			offsets, times = append(offsets, rec.Offset), append(times, rec.Timestamp)
		}
	}
	if end != len(b.Buf) {
		t.Errorf("runs end at %d of %d", end, len(b.Buf))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{10, 12, 13, 14, 15, 15, 3}, offsets); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{100, 90, 100, -1, 5, 5, math.MaxInt64}, times); d != "" {
		t.Error(d)
	}
}

// FuzzRecords unpacks anything: it must end, stay inside its input, and what
// it accepts must pack to records that are equal.
func FuzzRecords(f *testing.F) {
	var b abi.Packed
	for i := range 3 {
		_ = kafka.AppendRecord(&b, tp(0, 0), &kafka.Record{
			Offset: int64(i), Timestamp: int64(i) * 1000, Key: []byte{}, Value: bytes.Repeat([]byte("x"), 300*i),
			Headers: []kafka.Header{{Name: "a", Value: nil}, {Name: "a", Value: []byte("1")}},
		})
	}
	f.Add(b.Buf)
	f.Add([]byte{0xce, 0, 0, 0, 6, 0x95, 0, 0, 0xc0, 0xc0, 0xc0})
	f.Add([]byte{0xce, 0xff, 0xff, 0xff, 0xff, 0x95})
	f.Add([]byte{0xce, 0, 0, 0, 8, 0x95, 0, 0, 0xc0, 0xc0, 0xdd, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := abi.Packed{Buf: raw}
		var records []kafka.Record
		for r, err := range kafka.Records(&in, abi.Run{End: len(raw)}) {
			if err != nil {
				return
			}
			records = append(records, r)
		}
		var out abi.Packed
		for i := range records {
			if err := kafka.AppendRecord(&out, tp(0, 0), &records[i]); err != nil {
				t.Fatal(err)
			}
		}
		var again []kafka.Record
		for _, run := range out.Runs {
			for r, err := range kafka.Records(&out, run) {
				if err != nil {
					t.Fatal(err)
				}
				again = append(again, r)
			}
		}
		if d := cmp.Diff(records, again, sameBytes); d != "" {
			t.Error(d)
		}
	})
}
