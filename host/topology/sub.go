package topology

import (
	"slices"

	"github.com/sliphost/sliphost/host/manifest"
)

// subs divides the handlers into sub-topologies.
func (b *builder) subs() {
	t := b.t
	parent := make([]int, len(t.Handlers))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	// The smaller index becomes the root, so roots are first handlers.
	union := func(a, b int) {
		a, b = find(a), find(b)
		parent[max(a, b)] = min(a, b)
	}
	for _, s := range t.Sources {
		for _, r := range s.Readers[1:] {
			union(s.Readers[0].Handler, r.Handler)
		}
	}
	for _, p := range t.Proxies {
		var ends []int
		ends = append(ends, p.Writers...)
		for _, r := range p.Readers {
			ends = append(ends, r.Handler)
		}
		for i := 1; i < len(ends); i++ {
			union(ends[0], ends[i])
		}
	}
	owner := map[int]int{}
	for i := range t.Handlers {
		for _, c := range t.Handlers[i].Caches {
			if !b.m.Caches[c].Kind.Partitioned() {
				continue
			}
			if first, ok := owner[c]; ok {
				union(first, i)
			} else {
				owner[c] = i
			}
		}
	}
	number := map[int]int{}
	for i := range t.Handlers {
		root := find(i)
		at, ok := number[root]
		if !ok {
			at = len(t.Subs)
			number[root] = at
			t.Subs = append(t.Subs, Sub{})
		}
		t.Handlers[i].Sub = at
		t.Subs[at].Handlers = append(t.Subs[at].Handlers, i)
	}
	b.fillSubs()
}

// fillSubs lists what belongs to each sub-topology.
func (b *builder) fillSubs() {
	t := b.t
	cluster := func(s *Sub, e *manifest.Endpoint) {
		if c, ok := b.cluster(e); ok {
			s.Clusters = insert(s.Clusters, c)
		}
	}
	for i := range t.Sources {
		s := &t.Sources[i]
		s.Sub = t.Handlers[s.Readers[0].Handler].Sub
		sub := &t.Subs[s.Sub]
		sub.Sources = append(sub.Sources, i)
		if _, ok := b.cluster(&s.Endpoint); ok {
			sub.Inputs = append(sub.Inputs, i)
		}
		cluster(sub, &s.Endpoint)
	}
	for i := range t.Proxies {
		p := &t.Proxies[i]
		switch {
		case len(p.Writers) > 0:
			p.Sub = t.Handlers[p.Writers[0]].Sub
		case len(p.Readers) > 0:
			p.Sub = t.Handlers[p.Readers[0].Handler].Sub
		default:
			p.Sub = -1 // Nobody uses it.
			continue
		}
		t.Subs[p.Sub].Proxies = append(t.Subs[p.Sub].Proxies, i)
	}
	for i := range t.Outputs {
		o := &t.Outputs[i]
		for _, w := range slices.Concat(o.Writers, o.DeadLetters) {
			sub := &t.Subs[t.Handlers[w].Sub]
			sub.Outputs = insert(sub.Outputs, i)
			cluster(sub, &o.Endpoint)
		}
	}
}
