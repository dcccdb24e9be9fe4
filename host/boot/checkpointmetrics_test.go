package boot

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

func TestCheckpointPartitionMetrics(t *testing.T) {
	now := time.UnixMilli(60_000)
	since := func(ms int64) *time.Time { at := time.UnixMilli(ms); return &at }
	behind := func(ms int64) *int64 { return &ms }
	lag := func(d time.Duration) *time.Duration { return &d }
	for _, c := range []struct {
		name string
		in   host.CheckpointPartition
		want metrics.CheckpointPartition
	}{
		{"free", host.CheckpointPartition{Partition: 2}, metrics.CheckpointPartition{Partition: 2}},
		{
			"held", host.CheckpointPartition{HeldSince: since(45_000), Dependencies: []host.CheckpointDependency{{ID: "a", Down: true, BehindMs: behind(3000)}, {ID: "b", BehindMs: behind(-5)}, {ID: "text"}}},
			metrics.CheckpointPartition{Held: 15 * time.Second, Dependencies: []metrics.CheckpointDependency{{ID: "a", Down: true, Lag: lag(3 * time.Second)}, {ID: "b", Lag: lag(-5 * time.Millisecond)}, {ID: "text"}}},
		},
		{"clock went back", host.CheckpointPartition{HeldSince: since(70_000)}, metrics.CheckpointPartition{Held: time.Millisecond}},
		{
			"integers far apart", host.CheckpointPartition{Dependencies: []host.CheckpointDependency{{BehindMs: behind(math.MaxInt64)}, {BehindMs: behind(math.MinInt64)}}},
			metrics.CheckpointPartition{Dependencies: []metrics.CheckpointDependency{{Lag: lag(math.MaxInt64 / time.Millisecond * time.Millisecond)}, {Lag: lag(-(math.MaxInt64 / time.Millisecond * time.Millisecond))}}},
		},
	} {
		if d := cmp.Diff(c.want, checkpointPartition(&c.in, now)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
