package host

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
)

func TestDescribeCheckpoint(t *testing.T) {
	spec := &checkpoint.Spec{Name: "c", Pause: true, Dependencies: []checkpoint.Dependency{{Name: "a", Threshold: time.Second}, {Name: "b", Threshold: time.Second}}}
	m, err := checkpoint.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	at := func(offset int64) abi.Position { return abi.Position{Partition: 3, Offset: offset} }
	ms := func(n int64) abi.Marker { return abi.Marker{Kind: abi.MarkerTime, Int: n} }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = m.Pulse(nil, ms(1000), nil, at(7), 50)
	must(err)
	_, err = m.Heartbeat(0, 2, ms(1100), 50)
	must(err)
	_, err = m.Pulse(nil, ms(4000), []byte("\x81\xa1o\x08"), at(8), 60)
	must(err)
	entries := map[string][]byte{
		dependentKey("c", 3):          m.AppendSnapshot(nil),
		dependentKey("c", 10):         []byte("no snapshot"),
		dependentKey("other", 3):      m.AppendSnapshot(nil),
		dependencyPrefix("c", "a"):    nil,
		"checkpoint/c/dependency/a/2": appendBeat(nil, beat{ms(1100), 50}),
	}
	got := DescribeCheckpoint(spec, "activity", entries)
	if len(got.Partitions) != 2 || got.Partitions[1].Partition != 10 || got.Partitions[1].Error == "" {
		t.Fatalf("got %+v", got)
	}
	n := func(n int64) *int64 { return &n }
	since := time.UnixMilli(60).UTC()
	want := CheckpointPartition{
		Partition: 3, Held: true, Marker: "1970-01-01T00:00:04.000Z", HeldSince: &since, Waiting: 2, Offset: 8, State: []byte(`{"o":8}`),
		Dependencies: []CheckpointDependency{
			{ID: "a", Down: true, Marker: "1970-01-01T00:00:01.100Z", DowntimeMs: 2900, BehindMs: n(2900), Healthy: 7, Detected: 8, Partitions: []CheckpointFeed{{Partition: 2, Marker: "1970-01-01T00:00:01.100Z"}}},
			{ID: "b", Down: true, Marker: "1970-01-01T00:00:01.000Z", DowntimeMs: 3000, BehindMs: n(3000), Healthy: 7, Detected: 8},
		},
	}
	if d := cmp.Diff(want, got.Partitions[0]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"checkpoint/c/dependency/a/2", "checkpoint/c/dependent/10", "checkpoint/c/dependent/3"}, CheckpointKeys("c", -1, entries)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"checkpoint/c/dependent/3"}, CheckpointKeys("c", 3, entries)); d != "" {
		t.Error(d)
	}
	if keys := CheckpointKeys("c", 1, entries); keys != nil {
		t.Errorf("partition 1 has %q", keys)
	}
}
