package metrics

import (
	"strconv"
	"time"
)

// Checkpoint is one checkpoint with the partitions of its dependent that this
// process owns.
type Checkpoint struct {
	ID                                   string
	Pauses, Downtimes, Recoveries, Seeks uint64
	// Paused sums the pauses that are over.
	Paused     time.Duration
	Partitions []CheckpointPartition
}

// CheckpointPartition is one partition of a dependent.
type CheckpointPartition struct {
	Partition int32
	// Held is for how long it is held now, 0 if it is not.
	Held         time.Duration
	Dependencies []CheckpointDependency
}

// CheckpointDependency is one dependency as that partition sees it.
type CheckpointDependency struct {
	ID   string
	Down bool
	// Lag is how far its marker is behind the dependent's; nil if the two have no
	// difference.
	Lag *time.Duration
}

func (s *scrape) checkpoint(c *Checkpoint) {
	for i := range c.Partitions {
		p := &c.Partitions[i]
		number := strconv.Itoa(int(p.Partition))
		s.put(checkpointHeld, p.Held.Seconds(), c.ID, number)
		for _, d := range p.Dependencies {
			s.put(checkpointDown, truth(d.Down), c.ID, d.ID, number)
			if d.Lag != nil {
				s.put(checkpointLag, d.Lag.Seconds(), c.ID, d.ID, number)
			}
		}
	}
	s.put(checkpointPauses, float64(c.Pauses), c.ID)
	s.put(checkpointPaused, c.Paused.Seconds(), c.ID)
	s.put(checkpointDowntimes, float64(c.Downtimes), c.ID)
	s.put(checkpointRecoveries, float64(c.Recoveries), c.ID)
	s.put(checkpointSeeks, float64(c.Seeks), c.ID)
}
