package topology

import (
	"github.com/sliphost/sliphost/host/manifest"
)

// Counts completes partition counts once the topics' are known. topic returns
// that of the manifest's topic of an index; it is asked for inputs only.
// repartitions has the count of each of the manifest's Repartitions: its own,
// else that of the other inputs of a sub-topology that joins, else the largest
// of its writers' inputs, at least 1. The findings, sorted, are inputs of a
// join whose counts differ; only without any can a host run.
func (t *Topology) Counts(topic func(index int) int) (repartitions []int, found manifest.Errors) {
	c := counter{t: t, topic: topic, reps: make([]int, len(t.manifest.Repartitions))}
	for i := range t.manifest.Repartitions {
		c.reps[i] = t.manifest.Repartitions[i].Partitions
	}
	for c.step(false) || c.step(true) {
		continue
	}
	for i := range c.reps {
		c.reps[i] = max(c.reps[i], 1) // Nobody uses it.
	}
	b := builder{m: t.manifest, t: t}
	for i := range t.Subs {
		s := &t.Subs[i]
		if !s.Joins {
			continue
		}
		first := s.Inputs[0]
		want := c.count(first)
		for _, in := range s.Inputs[1:] {
			if n := c.count(in); n != want {
				found = append(found, b.unequal(s, first, in, want, n, t.Sources[in].Pos))
			}
		}
	}
	found.Sort()
	return c.reps, found
}

// counter holds the counts of repartitions, 0 while not known.
type counter struct {
	t     *Topology
	topic func(index int) int
	reps  []int
}

// count returns the count of a source that is an input.
func (c *counter) count(source int) int {
	s := &c.t.Sources[source]
	if s.Kind == manifest.EndpointRepartition {
		return c.reps[s.Index]
	}
	return c.topic(s.Index)
}

// step finds one more count; ok is false when there was none to find. Unless
// forced it waits for the counts of all that leads to a repartition; in a
// circle there is a first one to force.
func (c *counter) step(force bool) (ok bool) {
	for i := range c.t.Sources {
		s := &c.t.Sources[i]
		if s.Kind != manifest.EndpointRepartition || c.reps[s.Index] > 0 {
			continue
		}
		n, all := 0, true
		if sub := &c.t.Subs[s.Sub]; sub.Joins {
			n, _ = c.most(sub.Inputs, n)
		}
		if n == 0 {
			n, all = c.written(s.Index)
		}
		if all || force {
			c.reps[s.Index] = max(n, 1)
			return true
		}
	}
	return false
}

// written returns the largest count of the inputs of a repartition's writers,
// and whether all are known.
func (c *counter) written(index int) (n int, all bool) {
	all = true
	for _, o := range c.t.Outputs {
		if o.Kind != manifest.EndpointRepartition || o.Index != index {
			continue
		}
		for _, w := range o.Writers {
			var known bool
			n, known = c.most(c.t.Subs[c.t.Handlers[w].Sub].Inputs, n)
			all = all && known
		}
	}
	return n, all
}

// most returns the larger of n and the counts of sources, and whether all are
// known.
func (c *counter) most(sources []int, n int) (most int, all bool) {
	all = true
	for _, in := range sources {
		count := c.count(in)
		n, all = max(n, count), all && count > 0
	}
	return n, all
}
