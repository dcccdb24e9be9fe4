// Package topology turns a Manifest into the graph that the engine runs: what
// is read, in which order handlers see it, where outputs go, which handlers
// form a unit. It is pure: the same manifest always gives the same Topology.
package topology

import (
	"cmp"
	"slices"

	"github.com/sliphost/sliphost/host/manifest"
)

// Topology is the graph of a manifest. Everything refers to everything else by
// index. It is immutable after Build and can be shared between goroutines.
type Topology struct {
	// Sources are the places records come from, in the order in which the
	// manifest's handlers name them first. Proxies are not among them.
	Sources []Source
	// Handlers has the order and indexes of the manifest's Handlers.
	Handlers []Handler
	// Proxies are in topological order: what is emitted into one never reaches
	// one before it. The updates of caches that handlers read are among them.
	Proxies []Proxy
	// Outputs are the places outside the host that records go to, dead-letter
	// topics included, in the order in which handlers name them first.
	Outputs []Output
	// Subs are the units that share nothing with each other, in the order of
	// their first handler.
	Subs []Sub
	// Loops are the ways on which a record's outputs can come back as input
	// through topics. An application with one is never idle.
	Loops []Loop
	// Home is the index in the manifest's Clusters of the one that files, stdin
	// and timers write to when a transaction must be on one cluster: the first
	// that is read, else the first that is written.
	Home int

	manifest *manifest.Manifest
	// updates are the places in Proxies of the updates of caches, by the
	// manifest's caches; -1 for those that nobody reads.
	updates []int
}

// Source is one place that records come from.
type Source struct {
	manifest.Endpoint
	// Readers are the handlers that get each record, in the manifest's order.
	Readers []Reader
	Sub     int
	// Caches are the indexes in the manifest's Caches of those of kind kv and
	// local that handling a record of the source can touch, ascending.
	Caches []int
	// Lockstep is set when handlers would see each other's effects inside a
	// batch, so that each record goes through all of them before the next one
	// does. Shared has the reasons, by ascending cache.
	Lockstep bool
	Shared   []Shared
}

// Shared is a cache of kind kv or local that several handlers touch on behalf
// of one source, or one handler on several ways.
type Shared struct {
	// Cache is the index in the manifest's Caches.
	Cache int
	// Handlers are ascending; a single one is reached on several ways.
	Handlers []int
}

// Reader is a handler as a reader of a source or proxy.
type Reader struct {
	// Handler is the index of the handler.
	Handler int
	// Position is the place of the source among the handler's sources: the
	// source id that the module knows it by.
	Position int
}

// Handler is a manifest's handler with its ends resolved.
type Handler struct {
	ID string
	// Inputs are the handler's sources in the manifest's order.
	Inputs []Input
	// Sinks are in the manifest's order: a sink's index is the id that the
	// module knows it by.
	Sinks []Sink
	// DeadLetters is the index in Outputs of the dead-letter topic, or -1.
	DeadLetters int
	// Caches are the indexes in the manifest's Caches, in the order of the
	// handler's bindings.
	Caches []int
	// Mixed is set when the sinks take both bytes and typed values, so that no
	// single output can go to every sink.
	Mixed bool
	Sub   int
}

// Input is one source of a handler.
type Input struct {
	// Proxy tells which list Index refers to: Proxies, else Sources.
	Proxy bool
	Index int
}

// Sink is one sink of a handler.
type Sink struct {
	// Name is what the module calls it.
	Name string
	// Proxy tells which list Index refers to: Proxies, else Outputs.
	Proxy bool
	Index int
	// Codec encodes what goes to the sink; none for a proxy.
	Codec manifest.Codec
}

// Proxy passes records from handlers to handlers: what is emitted into one of
// the manifest's, or the updates of a cache.
type Proxy struct {
	// ID is "cache:ID" for the updates of a cache.
	ID string
	// Index is the proxy's place in the manifest's Proxies; where Cache is set,
	// the cache's in its Caches.
	Index int
	Cache bool
	// Writers are the handlers that emit into it or write to the cache, Readers
	// those that get that, both in the manifest's order.
	Writers []int
	Readers []Reader
	Sub     int
}

// Output is one place outside the host that records go to.
type Output struct {
	manifest.Endpoint
	// Writers are the handlers that emit to it, DeadLetters those whose failed
	// records go to it, both in the manifest's order.
	Writers     []int
	DeadLetters []int
}

// Sub is a sub-topology: handlers connected through proxies, shared sources
// or caches that are not global. All lists are ascending.
type Sub struct {
	Handlers, Sources, Proxies, Outputs []int
	// Inputs are those of Sources that have partitions: topics and
	// repartitions.
	Inputs []int
	// Caches are the indexes in the manifest's Caches of those of kind kv and
	// local, Globals of the global ones that its handlers read.
	Caches, Globals []int
	// Cluster is the index in the manifest's Clusters of the one that all
	// Inputs and the changelogs are on; -1 without inputs, or with inputs on
	// several, which only a sub-topology without Caches can have.
	Cluster int
	// Clusters are the indexes in the manifest's Clusters of all topics and
	// repartitions that the sub-topology reads or writes.
	Clusters []int
	// Joins is set when there are Caches and several Inputs: these must have
	// equal partition counts, and one worker owns equal partition numbers of
	// all of them.
	Joins bool
}

// Loop is a way round through topics, as the nodes' names in the order in
// which records pass them; the last one leads to the first.
type Loop struct {
	Path []string
}

// Build returns the topology of m and what there is to say about it, sorted.
// The Topology is nil exactly when a finding has manifest.LevelError.
func Build(m *manifest.Manifest) (*Topology, manifest.Errors) {
	b := builder{
		m:       m,
		t:       &Topology{manifest: m},
		sources: map[string]int{},
		outputs: map[string]int{},
	}
	b.proxies()
	for i := range m.Handlers {
		b.handler(i)
	}
	b.findCycles()
	b.findings.Sort()
	if b.findings.Fatal() != nil {
		return nil, b.findings
	}
	b.orderProxies()
	b.subs()
	b.state()
	b.findings.Sort()
	if b.findings.Fatal() != nil {
		return nil, b.findings
	}
	return b.t, b.findings
}

// builder collects a topology.
type builder struct {
	m        *manifest.Manifest
	t        *Topology
	sources  map[string]int
	outputs  map[string]int
	findings manifest.Errors
}

func (b *builder) proxies() {
	for i, p := range b.m.Proxies {
		b.t.Proxies = append(b.t.Proxies, Proxy{ID: p.ID, Index: i})
	}
	b.t.updates = make([]int, len(b.m.Caches))
	for i := range b.t.updates {
		b.t.updates[i] = -1
	}
	for _, h := range b.m.Handlers {
		for _, e := range h.Sources {
			if e.Kind == manifest.EndpointCache && b.t.updates[e.Index] < 0 {
				b.t.updates[e.Index] = len(b.t.Proxies)
				b.t.Proxies = append(b.t.Proxies, Proxy{ID: e.Text, Index: e.Index, Cache: true})
			}
		}
	}
}

// leads lists the places in Proxies that a call of a handler can feed.
func (t *Topology) leads(handler int) []int {
	var out []int
	for _, s := range t.Handlers[handler].Sinks {
		if s.Proxy {
			out = append(out, s.Index)
		}
	}
	for _, c := range t.Handlers[handler].Caches {
		if at := t.updates[c]; at >= 0 {
			out = append(out, at)
		}
	}
	return out
}

// handler adds one handler with its ends.
func (b *builder) handler(i int) {
	mh := &b.m.Handlers[i]
	h := Handler{ID: mh.ID, DeadLetters: -1}
	for pos, e := range mh.Sources {
		r := Reader{Handler: i, Position: pos}
		if e.Kind == manifest.EndpointProxy || e.Kind == manifest.EndpointCache {
			at := e.Index
			if e.Kind == manifest.EndpointCache {
				at = b.t.updates[e.Index]
			}
			p := &b.t.Proxies[at]
			p.Readers = append(p.Readers, r)
			h.Inputs = append(h.Inputs, Input{Proxy: true, Index: at})
			continue
		}
		key := e.Key()
		if e.Kind == manifest.EndpointTimer {
			// A timer is its handler's own: two that tick alike have nothing else
			// in common.
			key += " " + mh.ID
		}
		at, ok := b.sources[key]
		if !ok {
			at = len(b.t.Sources)
			b.sources[key] = at
			b.t.Sources = append(b.t.Sources, Source{Endpoint: e})
		}
		s := &b.t.Sources[at]
		s.Readers = append(s.Readers, r)
		h.Inputs = append(h.Inputs, Input{Index: at})
	}
	var bytes, values bool
	for _, s := range mh.Sinks {
		sink := Sink{Name: s.Name, Index: s.Index, Codec: s.Codec}
		if s.Kind == manifest.EndpointProxy {
			sink.Proxy = true
			p := &b.t.Proxies[s.Index]
			p.Writers = append(p.Writers, i)
		} else {
			sink.Index = b.output(s.Endpoint)
			o := &b.t.Outputs[sink.Index]
			o.Writers = append(o.Writers, i)
		}
		bytes = bytes || s.Codec.Repr() == manifest.ReprBytes
		values = values || s.Codec.Repr() == manifest.ReprValue
		h.Sinks = append(h.Sinks, sink)
	}
	h.Mixed = bytes && values
	for _, c := range mh.Caches {
		h.Caches = append(h.Caches, c.CacheIndex)
		if at := b.t.updates[c.CacheIndex]; at >= 0 {
			p := &b.t.Proxies[at]
			p.Writers = append(p.Writers, i)
		}
	}
	if at := mh.OnError.TopicIndex; at >= 0 && mh.OnError.Policy == manifest.PolicyDLQ {
		topic := &b.m.Topics[at]
		h.DeadLetters = b.output(manifest.Endpoint{
			Kind: manifest.EndpointTopic, Text: topic.ID, Index: at, Codec: topic.Codec,
			Pos: b.m.ValuePos(mh.Path("on_error", "topic")...),
		})
		o := &b.t.Outputs[h.DeadLetters]
		o.DeadLetters = append(o.DeadLetters, i)
	}
	b.t.Handlers = append(b.t.Handlers, h)
}

// output returns the index of an output, which it adds if it is new.
func (b *builder) output(e manifest.Endpoint) int {
	// Two handlers may print to stdout in different forms; the codec is a
	// sink's, the place is one.
	key := e.Key()
	at, ok := b.outputs[key]
	if !ok {
		at = len(b.t.Outputs)
		b.outputs[key] = at
		b.t.Outputs = append(b.t.Outputs, Output{Endpoint: e})
	}
	return at
}

// orderProxies sorts the proxies topologically, those of the manifest first
// that come first there, and renumbers what refers to them.
func (b *builder) orderProxies() {
	t := b.t
	waiting := make([]int, len(t.Proxies))
	for p := range t.Proxies {
		for _, w := range t.Proxies[p].Writers {
			for _, in := range t.Handlers[w].Inputs {
				if in.Proxy {
					waiting[p]++
				}
			}
		}
	}
	order := make([]int, 0, len(t.Proxies))
	done := make([]bool, len(t.Proxies))
	for len(order) < len(t.Proxies) {
		next := slices.IndexFunc(waiting, func(n int) bool { return n == 0 })
		waiting[next], done[next] = -1, true
		order = append(order, next)
		for _, r := range t.Proxies[next].Readers {
			for _, to := range t.leads(r.Handler) {
				if !done[to] {
					waiting[to]--
				}
			}
		}
	}
	place := make([]int, len(order))
	sorted := make([]Proxy, len(order))
	for at, old := range order {
		place[old], sorted[at] = at, t.Proxies[old]
	}
	t.Proxies = sorted
	for c, at := range t.updates {
		if at >= 0 {
			t.updates[c] = place[at]
		}
	}
	for i := range t.Handlers {
		h := &t.Handlers[i]
		for j := range h.Inputs {
			if h.Inputs[j].Proxy {
				h.Inputs[j].Index = place[h.Inputs[j].Index]
			}
		}
		for j := range h.Sinks {
			if h.Sinks[j].Proxy {
				h.Sinks[j].Index = place[h.Sinks[j].Index]
			}
		}
	}
}

// insert adds n to an ascending list unless it is there.
func insert[T cmp.Ordered](list []T, n T) []T {
	at, ok := slices.BinarySearch(list, n)
	if ok {
		return list
	}
	return slices.Insert(list, at, n)
}
