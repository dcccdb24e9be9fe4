package checker

import (
	"fmt"
	"strconv"
)

// Offset is what the group committed in a partition.
type Offset struct {
	Topic     string
	Partition int
	Committed int64 // -1 if none
	// Next is the offset behind the last committed record, 0 if there is none;
	// End that behind everything, transaction markers included.
	Next, End int64
	Metadata  string
	// Stateful says that the partition's task has caches, whose positions the
	// metadata must carry.
	Stateful bool
}

// offsets compares what is committed with what was there to process.
func (c *checking) offsets() {
	for _, o := range c.Offsets {
		t := &Topic{Name: o.Topic}
		switch {
		case o.Committed < 0 && o.Next > 0:
			c.report("C6", t, o.Partition, -1, "", fmt.Sprintf("a committed offset of %d", o.Next), "none")
		case o.Committed >= 0 && o.Committed < o.Next:
			c.report("C6", t, o.Partition, -1, "", fmt.Sprintf("offset %d committed, behind the last record", o.Next), strconv.FormatInt(o.Committed, 10))
		case o.Committed > o.End:
			c.report("C6", t, o.Partition, -1, "", fmt.Sprintf("an offset up to the end, %d, committed", o.End), strconv.FormatInt(o.Committed, 10))
		case o.Stateful && o.Next > 0 && o.Metadata == "" && c.Delivery == ExactlyOnce:
			c.report("C6", t, o.Partition, -1, "", "the changelogs' positions beside the offset", "none")
		}
	}
}
