package boot

import (
	"slices"
	"strconv"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
	"github.com/sliphost/sliphost/kafka"
)

// replayTopic is the name of the topic through which dead letters come back to
// a sub-topology, "" if none of its handlers writes any, or if it reads no
// topic, or topics of several clusters.
func replayTopic(m *manifest.Manifest, s *topology.Sub) string {
	if s.Cluster < 0 || len(s.Inputs) == 0 || !slices.ContainsFunc(s.Handlers, func(h int) bool { return m.Handlers[h].OnError.Policy == manifest.PolicyDLQ }) {
		return ""
	}
	return m.Name + "-" + m.Handlers[s.Handlers[0]].Table() + "-replay"
}

// replayGroup is the group in which replay remembers what it has sent back.
func replayGroup(m *manifest.Manifest) string { return m.Name + "-replay" }

// planReplay adds to the plan the topics through which dead letters come back.
// It is no part of BuildPlan: only a host with a broker has them.
func (b *Build) planReplay() {
	m, p := b.Manifest, b.Plan
	real := len(p.Sources)
	for i := range b.Topology.Subs {
		s := &b.Topology.Subs[i]
		name := replayTopic(m, s)
		if name == "" {
			continue
		}
		var routes []int
		for _, h := range s.Handlers {
			if m.Handlers[h].OnError.Policy != manifest.PolicyDLQ {
				continue
			}
			for from := range real {
				src := &p.Sources[from]
				if src.Batch == abi.KindAdvance {
					continue // its failures are no letters
				}
				for _, hs := range src.Handlers {
					if hs.Handler != h {
						continue
					}
					routes = append(routes, len(p.Sources))
					b.addSource(name, host.Source{
						ID: src.ID, Kind: host.SourceReplayed, Batch: src.Batch, Cluster: s.Cluster, Sub: i,
						// A letter's handlers may share a cache whatever its source's do.
						Lockstep: len(s.Caches) > 0,
						Key:      src.Key, Value: src.Value, Handlers: []host.HandlerSource{hs},
					})
					src = &p.Sources[from]
				}
			}
		}
		p.Subs[i].Inputs = append(slices.Clone(p.Subs[i].Inputs), len(p.Sources))
		b.addSource(name, host.Source{
			ID: name, Kind: host.SourceTopic, Cluster: s.Cluster, Topic: name, Sub: i, Internal: true, Replays: routes,
		})
	}
}

// addSource adds a source that the manifest does not have: as its endpoint it
// has what a proxy has, which needs nothing from outside.
func (b *Build) addSource(name string, s host.Source) {
	b.Plan.Sources = append(b.Plan.Sources, s)
	b.Sources = append(b.Sources, manifest.Endpoint{Kind: manifest.EndpointProxy, Text: name})
}

// replays says whether letters come back to caches on a cluster: then the
// partitions of their topics must be where those of the inputs are.
func (b *Build) replays(cluster int) bool {
	return slices.ContainsFunc(b.Plan.Sources, func(s host.Source) bool {
		return len(s.Replays) > 0 && s.Cluster == cluster && len(b.Plan.Subs[s.Sub].Caches) > 0
	})
}

// replayRoom is what a topic of letters takes more than any other of its
// cluster: a letter has the record and what the handler said about it.
const replayRoom = 1 << 20

// replaySpec is the topic of a sub-topology's letters as it is created: one
// partition for each of the inputs, so that a letter comes to the caches that
// its root came to.
func (b *Build) replaySpec(i int, counts []int, partitions map[string]int) (t internalTopic, ok bool) {
	s := &b.Topology.Subs[i]
	name := replayTopic(b.Manifest, s)
	if name == "" || !slices.ContainsFunc(b.Plan.Sources, func(s host.Source) bool { return s.Topic == name && len(s.Replays) > 0 }) {
		return t, false
	}
	t = internalTopic{path: []string{"handler", b.Manifest.Handlers[s.Handlers[0]].Table()}, cleanup: "delete", cache: -1, loose: len(s.Caches) == 0, letters: true}
	t.TopicSpec = kafka.TopicSpec{Name: name, Config: map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "segment.bytes": "52428800",
	}}
	for _, input := range s.Inputs {
		n, of := b.inputPartitions([]int{input}, counts, partitions)
		if n > t.Partitions {
			t.Partitions, t.why = n, strconv.Quote(of)+" has"
		}
	}
	return t, true
}
