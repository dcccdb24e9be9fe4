package boot

import (
	"math"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

// checkpointMetrics are what the checkpoints did here, and how the partitions of
// their dependents stand that this process owns: every process knows of all.
func (a *App) checkpointMetrics(st *host.Status) []metrics.Checkpoint {
	counts := a.host.CheckpointCounts()
	if len(counts) == 0 {
		return nil
	}
	type place struct {
		source    string
		partition int32
	}
	owned := map[place]bool{}
	for i := range st.Workers {
		for _, p := range st.Workers[i].Partitions {
			owned[place{p.Source, p.Partition}] = true
		}
	}
	now := time.Now()
	var all []metrics.Checkpoint
	for i, info := range a.host.Checkpoints() {
		n := &counts[i]
		c := metrics.Checkpoint{ID: n.ID, Pauses: n.Pauses, Downtimes: n.Downtimes, Recoveries: n.Recoveries, Seeks: n.Seeks, Paused: n.Paused}
		for j := range info.Partitions {
			p := &info.Partitions[j]
			if p.Error == "" && owned[place{info.Dependent, p.Partition}] {
				c.Partitions = append(c.Partitions, checkpointPartition(p, now))
			}
		}
		all = append(all, c)
	}
	return all
}

func checkpointPartition(p *host.CheckpointPartition, now time.Time) metrics.CheckpointPartition {
	out := metrics.CheckpointPartition{Partition: p.Partition}
	if p.HeldSince != nil {
		// A clock that went back makes no time below 0; nor is held no time at all.
		out.Held = max(now.Sub(*p.HeldSince), time.Millisecond)
	}
	for i := range p.Dependencies {
		d := &p.Dependencies[i]
		dep := metrics.CheckpointDependency{ID: d.ID, Down: d.Down}
		if d.BehindMs != nil {
			const most = math.MaxInt64 / int64(time.Millisecond)
			lag := time.Duration(min(max(*d.BehindMs, -most), most)) * time.Millisecond
			dep.Lag = &lag
		}
		out.Dependencies = append(out.Dependencies, dep)
	}
	return out
}
