package topology

import (
	"slices"
	"strings"

	"github.com/sliphost/sliphost/host/manifest"
)

// network is the graph in which cycles are looked for: handlers first, then
// proxies and caches, then topics and repartitions.
type network struct {
	m        *manifest.Manifest
	next     [][]int
	handlers int
	proxies  int
	caches   int
	topics   int
}

// proxy, cache, topic and repartition return the node of an index.
func (n *network) proxy(i int) int       { return n.handlers + i }
func (n *network) cache(i int) int       { return n.proxy(n.proxies) + i }
func (n *network) topic(i int) int       { return n.cache(n.caches) + i }
func (n *network) repartition(i int) int { return n.topic(n.topics) + i }

// name returns a node's name for people.
func (n *network) name(node int) string {
	switch {
	case node < n.handlers:
		return "handler " + n.m.Handlers[node].ID
	case node < n.cache(0):
		return "proxy " + n.m.Proxies[node-n.handlers].ID
	case node < n.topic(0):
		return "cache " + n.m.Caches[node-n.cache(0)].ID
	case node < n.repartition(0):
		return "topic " + n.m.Topics[node-n.topic(0)].ID
	default:
		return "repartition " + n.m.Repartitions[node-n.repartition(0)].ID
	}
}

func newNetwork(m *manifest.Manifest, topics bool) *network {
	n := &network{m: m, handlers: len(m.Handlers), proxies: len(m.Proxies), caches: len(m.Caches), topics: len(m.Topics)}
	n.next = make([][]int, n.repartition(len(m.Repartitions)))
	node := func(e manifest.Endpoint) (int, bool) {
		switch {
		case e.Kind == manifest.EndpointProxy:
			return n.proxy(e.Index), true
		case e.Kind == manifest.EndpointCache:
			return n.cache(e.Index), true
		case e.Kind == manifest.EndpointTopic && topics:
			return n.topic(e.Index), true
		case e.Kind == manifest.EndpointRepartition && topics:
			return n.repartition(e.Index), true
		default:
			return 0, false
		}
	}
	for i, h := range m.Handlers {
		for _, e := range h.Sources {
			if from, ok := node(e); ok {
				n.next[from] = append(n.next[from], i)
			}
		}
		for _, s := range h.Sinks {
			if to, ok := node(s.Endpoint); ok {
				n.next[i] = append(n.next[i], to)
			}
		}
		for _, c := range h.Caches {
			// Who names a cache may write it, and its updates go to those that read
			// them.
			n.next[i] = append(n.next[i], n.cache(c.CacheIndex))
		}
		if topics && h.OnError.Policy == manifest.PolicyDLQ && h.OnError.TopicIndex >= 0 {
			n.next[i] = append(n.next[i], n.topic(h.OnError.TopicIndex))
		}
	}
	return n
}

// findCycles reports cycles through proxies and caches, and notes those that topics
// close.
func (b *builder) findCycles() {
	inner := newNetwork(b.m, false)
	for _, group := range inner.groups() {
		path := inner.shortestCycle(group[0], group)
		hint := "put a topic into the circle, or take a sink out"
		if slices.ContainsFunc(path, func(node int) bool { return node >= inner.cache(0) }) {
			hint = "a handler cannot read the updates of a cache that it, or what follows from it, may write: put a repartition or topic into the circle, or keep what it writes in another cache"
		}
		b.findings = append(b.findings, manifest.NewError(manifest.CodeCycle,
			b.place(inner, path),
			"records would go round for ever: "+inner.names(path), hint))
	}
	if b.findings != nil {
		return
	}
	outer := newNetwork(b.m, true)
	for _, group := range outer.groups() {
		// Without cycles through proxies and caches alone, every cycle has a topic.
		first := slices.IndexFunc(group, func(node int) bool { return node >= outer.topic(0) })
		path := outer.shortestCycle(group[first], group)
		b.findings = append(b.findings, manifest.NewError(manifest.CodeTopicLoop,
			b.place(outer, path),
			"records can come back through topics: "+outer.names(path), "`run --until-idle` would never end and refuses this"))
		loop := Loop{}
		for _, node := range path {
			loop.Path = append(loop.Path, outer.name(node))
		}
		b.t.Loops = append(b.t.Loops, loop)
	}
}

// names writes a cycle for a sentence.
func (n *network) names(path []int) string {
	var parts []string
	for _, node := range path {
		parts = append(parts, n.name(node))
	}
	return strings.Join(append(parts, parts[0]), " -> ")
}

// place returns where the manifest closes a cycle: the sink, or dead-letter
// topic, that leads from its last handler to its first node.
func (b *builder) place(n *network, path []int) manifest.Position {
	last := path[len(path)-1]
	if last >= n.handlers {
		// The cycle starts at a handler; the edge into the proxy closes it.
		last = path[0]
		path = path[1:]
	}
	h := &b.m.Handlers[last]
	for _, s := range h.Sinks {
		if s.Kind == manifest.EndpointProxy && n.proxy(s.Index) == path[0] ||
			s.Kind == manifest.EndpointTopic && n.topic(s.Index) == path[0] ||
			s.Kind == manifest.EndpointRepartition && n.repartition(s.Index) == path[0] {
			return s.Pos
		}
	}
	for _, c := range h.Caches {
		if n.cache(c.CacheIndex) == path[0] {
			return c.Pos
		}
	}
	return b.m.ValuePos(h.Path("on_error", "topic")...)
}

// groups returns the strongly connected components that hold a cycle, each
// ascending, in the order of their smallest node. The graph has no edges from
// a node to itself, so these are the components of more than one node.
func (n *network) groups() [][]int {
	var out [][]int
	taken := make([]bool, len(n.next))
	before := n.reversed()
	for node := range n.next {
		if taken[node] {
			continue
		}
		// What a node reaches and is reached from is its component. A manifest
		// is small; two walks for each component do.
		forth, back := walk(n.next, node), walk(before, node)
		var group []int
		for i := range n.next {
			if forth[i] && back[i] {
				group = append(group, i)
				taken[i] = true
			}
		}
		if len(group) > 1 {
			out = append(out, group)
		}
	}
	return out
}

func (n *network) reversed() [][]int {
	out := make([][]int, len(n.next))
	for from, list := range n.next {
		for _, to := range list {
			out[to] = append(out[to], from)
		}
	}
	return out
}

// walk marks start and every node that can be reached from it.
func walk(next [][]int, start int) []bool {
	seen := make([]bool, len(next))
	seen[start] = true
	for todo := []int{start}; len(todo) > 0; {
		node := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range next[node] {
			if !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return seen
}

// shortestCycle returns the shortest way from start through its group back to
// it.
func (n *network) shortestCycle(start int, group []int) []int {
	from := map[int]int{}
	for todo := []int{start}; len(todo) > 0; todo = todo[1:] {
		node := todo[0]
		for _, to := range n.next[node] {
			if to == start {
				path := []int{node}
				for node != start {
					node = from[node]
					path = append(path, node)
				}
				slices.Reverse(path)
				return path
			}
			if _, seen := from[to]; !seen && slices.Contains(group, to) {
				from[to] = node
				todo = append(todo, to)
			}
		}
	}
	return []int{start}
}
