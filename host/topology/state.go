package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sliphost/sliphost/host/manifest"
)

// maxCaches is the most kv caches of a sub-topology. Their positions travel in
// the metadata of committed offsets, 24 bytes each as text, beside attempt
// counters and times; a broker takes 4,096 bytes.
const maxCaches = 100

// cluster returns the index of the cluster that an endpoint is on; ok is false
// for one that is on none.
func (b *builder) cluster(e *manifest.Endpoint) (index int, ok bool) {
	switch e.Kind {
	case manifest.EndpointTopic:
		return b.m.Topics[e.Index].Cluster, true
	case manifest.EndpointRepartition:
		return b.m.Repartitions[e.Index].Cluster, true
	default:
		return 0, false
	}
}

// state finds out who shares caches, and what cannot share them.
func (b *builder) state() {
	b.home()
	for i := range b.t.Sources {
		b.reach(i)
	}
	for i := range b.t.Subs {
		b.subState(&b.t.Subs[i])
	}
	if b.m.Delivery == manifest.ExactlyOnce {
		b.oneCluster()
	}
}

// home chooses the cluster of what has none.
func (b *builder) home() {
	home := -1
	least := func(e *manifest.Endpoint) {
		if c, ok := b.cluster(e); ok && (home < 0 || c < home) {
			home = c
		}
	}
	for i := range b.t.Sources {
		least(&b.t.Sources[i].Endpoint)
	}
	if home < 0 {
		for i := range b.t.Outputs {
			least(&b.t.Outputs[i].Endpoint)
		}
	}
	b.t.Home = max(home, 0)
}

// calls returns the handlers that a record of the source can come to, one for
// each way: a handler that reads the source and a proxy behind it is there
// twice, because the engine calls it for each.
func (t *Topology) calls(source int) []int {
	var out []int
	seen := make([]bool, len(t.Proxies))
	add := func(readers []Reader) {
		for _, r := range readers {
			out = append(out, r.Handler)
		}
	}
	add(t.Sources[source].Readers)
	for n := 0; n < len(out); n++ {
		for _, to := range t.leads(out[n]) {
			if !seen[to] {
				seen[to] = true
				add(t.Proxies[to].Readers)
			}
		}
	}
	return out
}

// reach fills in which caches a source's records touch and whether handlers
// would see each other's effects.
func (b *builder) reach(source int) {
	t := b.t
	s := &t.Sources[source]
	users := map[int][]int{}
	for _, h := range t.calls(source) {
		for _, c := range t.Handlers[h].Caches {
			if b.m.Caches[c].Kind.Partitioned() {
				users[c] = append(users[c], h)
				s.Caches = insert(s.Caches, c)
			}
		}
	}
	for _, c := range s.Caches {
		if len(users[c]) < 2 {
			continue
		}
		slices.Sort(users[c])
		s.Shared = append(s.Shared, Shared{Cache: c, Handlers: slices.Compact(users[c])})
	}
	s.Lockstep = s.Shared != nil || b.sharesCheckpoint(source)
	_, partitioned := b.cluster(&s.Endpoint)
	if _, ticks := t.TimerHome(source); !partitioned && !ticks && s.Caches != nil {
		c := s.Caches[0]
		b.findings = append(b.findings, manifest.NewError(manifest.CodeNoPartition, s.Pos,
			fmt.Sprintf("records of %q have no partition, but the handler %q keeps state by partition in the cache %q", s.Text, t.Handlers[users[c][0]].ID, b.m.Caches[c].ID),
			"let a handler without a cache emit them into a [repartition.ID], and read that here"))
	}
}

// TimerHome returns the first topic or repartition that the handler of a timer
// reads as well: the timer ticks for each of its partitions. ok is false for a
// source that is no timer, or whose handler reads nothing with partitions.
func (t *Topology) TimerHome(source int) (home int, ok bool) {
	s := &t.Sources[source]
	if s.Kind != manifest.EndpointTimer {
		return 0, false
	}
	for _, in := range t.Handlers[s.Readers[0].Handler].Inputs {
		if in.Proxy {
			continue
		}
		if k := t.Sources[in.Index].Kind; k == manifest.EndpointTopic || k == manifest.EndpointRepartition {
			return in.Index, true
		}
	}
	return 0, false
}

// subState fills in what a sub-topology knows about its caches and inputs.
func (b *builder) subState(s *Sub) {
	kv := 0
	for _, h := range s.Handlers {
		for i, c := range b.t.Handlers[h].Caches {
			switch cache := &b.m.Caches[c]; {
			case !cache.Kind.Partitioned():
				s.Globals = insert(s.Globals, c)
			case !slices.Contains(s.Caches, c):
				s.Caches = insert(s.Caches, c)
				if cache.Kind == manifest.CacheKV {
					kv++
				}
				if kv == maxCaches+1 && cache.Kind == manifest.CacheKV {
					b.findings = append(b.findings, manifest.NewError(manifest.CodeTooManyCaches, b.m.Handlers[h].Caches[i].Pos,
						fmt.Sprintf("the handlers connected with %q have more than %d kv caches", b.t.Handlers[s.Handlers[0]].ID, maxCaches),
						"put entries under different keys into one cache, or divide the handlers by a [repartition.ID]"))
				}
			}
		}
	}
	s.Cluster = -1
	for i, in := range s.Inputs {
		src := &b.t.Sources[in]
		switch c, _ := b.cluster(&src.Endpoint); {
		case i == 0:
			s.Cluster = c
		case c != s.Cluster && s.Caches != nil:
			first := &b.t.Sources[s.Inputs[0]]
			b.findings = append(b.findings, manifest.NewError(manifest.CodeStateClusters, src.Pos,
				fmt.Sprintf("%q on the cluster %q and %q on %q come to handlers that share state with each other (%s)", first.Text, b.clusterName(s.Cluster), src.Text, b.clusterName(c), b.cacheNames(s.Caches)),
				"put both on one cluster: a worker owns the entries and reads one cluster only"))
			return
		case c != s.Cluster:
			s.Cluster = -1
			return
		}
	}
	s.Joins = s.Caches != nil && len(s.Inputs) > 1
	if s.Joins {
		b.joined(s)
	}
}

// joined checks that the inputs of a sub-topology can be read together.
func (b *builder) joined(s *Sub) {
	first := -1
	for _, in := range s.Inputs {
		src := &b.t.Sources[in]
		n, at := b.declared(&src.Endpoint)
		switch {
		case n == 0:
		case first < 0:
			first = in
		default:
			if want, _ := b.declared(&b.t.Sources[first].Endpoint); n != want {
				b.findings = append(b.findings, b.unequal(s, first, in, want, n, at))
			}
		}
		b.partitioner(s, src)
	}
}

// declared returns the partition count that the manifest gives an input, 0 if
// none, and where.
func (b *builder) declared(e *manifest.Endpoint) (int, manifest.Position) {
	if e.Kind == manifest.EndpointRepartition {
		r := &b.m.Repartitions[e.Index]
		return r.Partitions, b.m.ValuePos("repartition", r.ID, "partitions")
	}
	t := &b.m.Topics[e.Index]
	return t.Partitions, b.m.ValuePos("topic", t.ID, "partitions")
}

func (b *builder) unequal(s *Sub, one, other, first, second int, at manifest.Position) manifest.Error {
	return manifest.NewError(manifest.CodeUnequalPartitions, at,
		fmt.Sprintf("%q has %d partitions and %q has %d, but they are read together (%s)", b.t.Sources[one].Text, first, b.t.Sources[other].Text, second, b.cacheNames(s.Caches)),
		"give both the same number, or bring one of them through a [repartition.ID]")
}

// partitioner checks that what the host writes into an input of a join goes
// where other producers would put it.
func (b *builder) partitioner(s *Sub, src *Source) {
	c, _ := b.cluster(&src.Endpoint)
	written := slices.ContainsFunc(b.t.Outputs, func(o Output) bool {
		return o.Kind == src.Kind && o.Index == src.Index && o.Writers != nil
	})
	for _, p := range b.m.Clusters[c].Config {
		if v := p.Value.Reveal(); p.Name == "partitioner" && written && v != "murmur2_random" && v != "murmur2" {
			path := []string{"kafka", b.m.Clusters[c].Name, "config", p.Name}
			if c == 0 {
				path = slices.Delete(path, 1, 2)
			}
			b.findings = append(b.findings, manifest.NewError(manifest.CodePartitioner, b.m.Origin(path...).Pos,
				fmt.Sprintf("handlers write %q, which is read together with other topics (%s), under the partitioner %s", src.Text, b.cacheNames(s.Caches), p.Value),
				"leave partitioner out: equal keys must come to equal partitions"))
		}
	}
}

// oneCluster reports outputs that would need a transaction on a second
// cluster.
func (b *builder) oneCluster() {
	t := b.t
	seen := map[manifest.Position]bool{}
	for i := range t.Sources {
		s := &t.Sources[i]
		from, ok := b.cluster(&s.Endpoint)
		why := fmt.Sprintf("records of %q come from the cluster %q", s.Text, b.clusterName(from))
		if home, ticks := t.TimerHome(i); ticks {
			from, ok = b.cluster(&t.Sources[home].Endpoint)
		}
		if !ok {
			from = t.Home
			why = fmt.Sprintf("records of %q go with those of the cluster %q", s.Text, b.clusterName(from))
		}
		check := func(h int, o *Output, at manifest.Position, what string) {
			if to, ok := b.cluster(&o.Endpoint); ok && to != from && !seen[at] {
				seen[at] = true
				b.findings = append(b.findings, manifest.NewError(manifest.CodeTransactionClusters, at,
					fmt.Sprintf("%s, and %s of the handler %q go to %q on the cluster %q: one transaction cannot span both", why, what, t.Handlers[h].ID, o.Text, b.clusterName(to)),
					`put both on one cluster, or write delivery = "at_least_once"`))
			}
		}
		for _, h := range t.calls(i) {
			for j, sink := range t.Handlers[h].Sinks {
				if !sink.Proxy {
					check(h, &t.Outputs[sink.Index], b.m.Handlers[h].Sinks[j].Pos, "outputs")
				}
			}
			if d := t.Handlers[h].DeadLetters; d >= 0 {
				check(h, &t.Outputs[d], b.m.ValuePos(b.m.Handlers[h].Path("on_error", "topic")...), "dead letters")
			}
		}
	}
}

func (b *builder) clusterName(i int) string { return b.m.Clusters[i].Name }

// cacheNames names caches for a sentence.
func (b *builder) cacheNames(caches []int) string {
	var ids []string
	for _, c := range caches[:min(len(caches), 3)] {
		ids = append(ids, b.m.Caches[c].ID)
	}
	if len(caches) > 3 {
		ids = append(ids, "...")
	}
	if len(caches) == 1 {
		return "cache " + ids[0]
	}
	return "caches " + strings.Join(ids, ", ")
}

// sharesCheckpoint says whether several handlers, or one on several ways, tell
// markers of a source's records to one checkpoint: they see what the others
// told.
func (b *builder) sharesCheckpoint(source int) bool {
	s := &b.t.Sources[source]
	calls := b.t.calls(source)
	for i := range b.m.Checkpoints {
		c := &b.m.Checkpoints[i]
		said := c.Dependent.Marker.Kind == manifest.MarkerCall && c.Dependent.Source.Key() == s.Key()
		for d := range c.Dependencies {
			said = said || c.Dependencies[d].Marker.Kind == manifest.MarkerCall && c.Dependencies[d].Source.Key() == s.Key()
		}
		n := 0
		for _, h := range calls {
			if slices.ContainsFunc(b.m.Handlers[h].Checkpoints, func(k manifest.CheckpointBinding) bool { return k.CheckpointIndex == i }) {
				n++
			}
		}
		if said && n > 1 {
			return true
		}
	}
	return false
}
