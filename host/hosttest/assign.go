package hosttest

import "slices"

// Assignor is how a group shares out partitions.
type Assignor uint8

// Assignors.
const (
	// RoundRobin deals all partitions of all topics out in turn.
	RoundRobin Assignor = iota
	// Range gives each member a stretch of each topic, the same one of topics
	// with as many partitions.
	Range
)

// shares returns what each member of a group should own.
func (b *Broker) shares(g *group) [][]topicPartition {
	shares := make([][]topicPartition, len(g.members))
	var topics []string
	for _, m := range g.members {
		for _, name := range m.topics {
			if !slices.Contains(topics, name) {
				topics = append(topics, name)
			}
		}
	}
	turn := 0
	for _, name := range topics {
		t := b.topics[name]
		if t == nil {
			continue
		}
		var takers []int
		for i, m := range g.members {
			if slices.Contains(m.topics, name) {
				takers = append(takers, i)
			}
		}
		for p := range t.parts {
			var to int
			if b.Assignor == Range {
				to = takers[stretch(p, len(t.parts), len(takers))]
			} else {
				for to = turn % len(shares); !slices.Contains(takers, to); to = turn % len(shares) {
					turn++
				}
				turn++
			}
			shares[to] = append(shares[to], topicPartition{name, int32(p)})
		}
	}
	return shares
}

// stretch says whose stretch a partition belongs to: the first members get one
// partition more where they do not divide evenly.
func stretch(p, partitions, members int) int {
	size, more := partitions/members, partitions%members
	if p < more*(size+1) {
		return p / (size + 1)
	}
	return more + (p-more*(size+1))/size
}
