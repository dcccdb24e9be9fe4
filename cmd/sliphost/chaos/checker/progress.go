package checker

import (
	"fmt"
	"time"
)

// aborts makes sure that the faults did what they are for.
func (c *checking) aborts() {
	if c.MustAbort && c.Aborted == 0 {
		c.report("C8", &Topic{}, -1, -1, "", "records of aborted transactions, since hosts were killed at work", "none at all")
	}
}

// Progress is how far a run was at a moment.
type Progress struct {
	At   time.Duration // since the start
	Done int64         // grows with every committed input
	// Waiting says that inputs were waiting and a host should have worked:
	// false during outages that the driver caused.
	Waiting bool
}

// Stall is the longest time without progress.
const Stall = 30 * time.Second

// live finds times in which nothing moved although it should have.
func (c *checking) live() {
	var since time.Duration
	var done int64 = -1
	reported := false
	for _, p := range c.Progress {
		if p.Done != done || !p.Waiting {
			since, done, reported = p.At, p.Done, false
			continue
		}
		if p.At-since > Stall && !reported {
			reported = true
			c.report("C9", &Topic{}, -1, -1, "", fmt.Sprintf("progress within %s after %s", Stall, since.Round(time.Millisecond)), fmt.Sprintf("%d inputs committed all the while", p.Done))
		}
	}
}
