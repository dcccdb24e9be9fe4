package boot

import (
	"fmt"
	"runtime"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/host/topology"
)

// Build is a manifest resolved into what the engine runs, before any broker
// is asked.
type Build struct {
	Manifest *manifest.Manifest
	Topology *topology.Topology
	Plan     *host.Plan
	// Sources holds the manifest's endpoint of each source of the plan, by the
	// same position; a proxy has kind EndpointProxy, the updates of a cache have
	// EndpointCache.
	Sources []manifest.Endpoint
	// Connectors are the sinks outside Kafka, by the plan's numbers.
	Connectors []manifest.Endpoint
	// Inits has the Init message of each module, nil for one not used.
	Inits []*abi.Init

	modules *Modules
	// entryLimits is what each cache's changelog takes, 0 if not known.
	entryLimits []int
}

// BuildPlan resolves a manifest with its loaded modules. Findings with level
// error mean that there is no Build.
func BuildPlan(m *manifest.Manifest, mods *Modules) (*Build, manifest.Errors) {
	inits, found := mods.Bind(m)
	topo, more := topology.Build(m)
	found = append(found, more...)
	codecs, more := OpenCodecs(m, mods, mods.o)
	mods.codecs = codecs
	found = append(found, more...)
	found.Sort()
	if found.Fatal() != nil {
		return nil, found
	}
	b := &Build{Manifest: m, Topology: topo, Inits: inits, modules: mods, entryLimits: make([]int, len(m.Caches))}
	b.plan()
	found = append(found, b.uncalled()...)
	found.Sort()
	if found.Fatal() != nil {
		return nil, found
	}
	return b, found
}

func (b *Build) plan() {
	m, topo := b.Manifest, b.Topology
	p := &host.Plan{App: m.Name}
	for i := range m.Clusters {
		p.Clusters = append(p.Clusters, m.Clusters[i].Name)
	}
	for i := range m.Modules {
		p.Modules = append(p.Modules, m.Modules[i].ID)
	}
	for i := range topo.Sources {
		s := &topo.Sources[i]
		b.Sources = append(b.Sources, s.Endpoint)
		src := b.source(s.Endpoint, s.Readers)
		src.Sub, src.Lockstep = s.Sub, s.Lockstep
		if home, ok := topo.TimerHome(i); ok {
			src.Timer, src.Home = host.TimerOfTask, home
		}
		p.Sources = append(p.Sources, src)
	}
	for i := range topo.Proxies {
		p.Proxies = append(p.Proxies, len(p.Sources))
		e := manifest.Endpoint{Kind: manifest.EndpointProxy, Text: topo.Proxies[i].ID, Index: topo.Proxies[i].Index}
		if topo.Proxies[i].Cache {
			e.Kind = manifest.EndpointCache
		}
		b.Sources = append(b.Sources, e)
		p.Sources = append(p.Sources, host.Source{ID: topo.Proxies[i].ID, Kind: host.SourceProxy, Handlers: readers(topo.Proxies[i].Readers)})
	}
	connector := make([]int, len(topo.Outputs))
	for i := range topo.Outputs {
		if k := topo.Outputs[i].Kind; k != manifest.EndpointTopic && k != manifest.EndpointRepartition {
			connector[i] = len(b.Connectors)
			b.Connectors = append(b.Connectors, topo.Outputs[i].Endpoint)
		}
	}
	bindings := make([]int, len(m.Modules))
	for i := range topo.Handlers {
		p.Handlers = append(p.Handlers, b.handler(i, connector, p.Proxies, bindings))
	}
	b.planState(p)
	for i := range topo.Proxies {
		if px := &topo.Proxies[i]; px.Cache {
			p.Caches[px.Index].Updates = &host.Sink{ID: px.ID, Kind: host.SinkProxy, Proxy: p.Proxies[i]}
		}
	}
	if len(topo.Loops) > 0 {
		p.TopicCycle = fmt.Sprint(topo.Loops[0].Path)
	}
	b.Plan = p
	b.planCheckpoints(p)
	b.planAdvances(p)
}

func readers(rs []topology.Reader) []host.HandlerSource {
	var out []host.HandlerSource
	for _, r := range rs {
		out = append(out, host.HandlerSource{Handler: r.Handler, Position: r.Position})
	}
	return out
}

func (b *Build) source(e manifest.Endpoint, rs []topology.Reader) host.Source {
	s := host.Source{ID: e.Text, Kind: host.SourceConnector, Value: codecOf(e.Codec), Handlers: readers(rs)}
	switch e.Kind {
	case manifest.EndpointTimer:
		s.Batch, s.Timer = abi.KindTimer, host.TimerOfProcess
	case manifest.EndpointTopic:
		t := &b.Manifest.Topics[e.Index]
		s.Kind, s.Cluster, s.Topic = host.SourceTopic, t.Cluster, t.Name
		s.Key, s.Value = b.modules.codecs.Of(t, true), b.modules.codecs.Of(t, false)
		s.Start = host.Start{Policy: startPolicy(t.Start.Kind)}
		if t.Start.Kind == manifest.StartTime {
			s.Start.Time = t.Start.Time.UnixMilli()
		}
	case manifest.EndpointRepartition:
		r := &b.Manifest.Repartitions[e.Index]
		s.Kind, s.Cluster, s.Topic, s.Internal = host.SourceTopic, r.Cluster, r.Name, true
	}
	return s
}

func startPolicy(k manifest.StartKind) host.StartPolicy {
	switch k {
	case manifest.StartLatest:
		return host.StartLatest
	case manifest.StartTime:
		return host.StartTime
	case manifest.StartError:
		return host.StartError
	}
	return host.StartEarliest
}

// Codecs are those of the manifest's topics.
func (b *Build) Codecs() *Codecs { return b.modules.codecs }

// codecOf is the codec of a connector's lines; nil for none.
func codecOf(c manifest.Codec) codec.Codec {
	found, _ := codec.ByName(string(c))
	return found
}

func (b *Build) handler(i int, connector, proxies, bindings []int) host.Handler {
	mh, th := &b.Manifest.Handlers[i], &b.Topology.Handlers[i]
	h := host.Handler{ID: mh.ID, Module: mh.ModuleIndex, Binding: bindings[mh.ModuleIndex], Staged: b.Manifest.Modules[mh.ModuleIndex].Limits.Staged}
	h.Caches = b.handlerCaches(i)
	h.Checkpoints = b.handlerCheckpoints(i)
	bindings[mh.ModuleIndex]++
	if mod := b.modules.list[mh.ModuleIndex]; mod != nil {
		h.ModuleSHA256 = mod.SHA256()
	}
	for j, ts := range th.Sinks {
		s := host.Sink{ID: mh.Sinks[j].Text, Value: codecOf(ts.Codec)}
		switch {
		case ts.Proxy:
			s.Kind, s.Proxy = host.SinkProxy, proxies[ts.Index]
			s.Value = nil
		case mh.Sinks[j].Kind == manifest.EndpointTopic:
			t := &b.Manifest.Topics[mh.Sinks[j].Index]
			s.Cluster, s.Topic, s.Key, s.Value = t.Cluster, t.Name, b.modules.codecs.Of(t, true), b.modules.codecs.Of(t, false)
		case mh.Sinks[j].Kind == manifest.EndpointRepartition:
			r := &b.Manifest.Repartitions[mh.Sinks[j].Index]
			s.Cluster, s.Topic = r.Cluster, r.Name
		default:
			s.Kind, s.Connector = host.SinkConnector, connector[ts.Index]
			kind := mh.Sinks[j].Kind
			s.PerWorker = kind == manifest.EndpointWebhook || kind == manifest.EndpointCustom
		}
		h.Sinks = append(h.Sinks, s)
	}
	h.OnError = host.OnError{Attempts: mh.OnError.Retry.Attempts, Backoff: mh.OnError.Retry.Backoff}
	switch mh.OnError.Policy {
	case manifest.PolicySkip:
		h.OnError.Policy = host.PolicySkip
	case manifest.PolicyDLQ:
		t := &b.Manifest.Topics[mh.OnError.TopicIndex]
		h.OnError.Policy, h.OnError.Cluster, h.OnError.Topic = host.PolicyDLQ, t.Cluster, t.Name
	}
	return h
}

// workers chooses the cluster of each worker. Each cluster that is read from
// gets as many workers as the manifest says, by default one per core, never
// more than there are partitions; without any, one worker serves files and
// timers.
func (b *Build) workers(partitions map[string]int) []int {
	var clusters []int
	for c := range b.Plan.Clusters {
		n := 0
		for i := range b.Plan.Sources {
			if s := &b.Plan.Sources[i]; s.Kind == host.SourceTopic && s.Cluster == c && len(s.Replays) == 0 {
				n += partitions[topicKey(c, s.Topic)]
			}
		}
		want := b.Manifest.Workers
		if want == 0 {
			want = runtime.GOMAXPROCS(0)
		}
		for range min(want, n) {
			clusters = append(clusters, c)
		}
	}
	if len(clusters) == 0 {
		return []int{b.Topology.Home}
	}
	return clusters
}

// handlerCaches lists the caches of a handler in the order in which its
// module declares them, which is that of its binding.
func (b *Build) handlerCaches(i int) []int {
	mh := &b.Manifest.Handlers[i]
	init := b.Inits[mh.ModuleIndex]
	if init == nil {
		return nil
	}
	var ids []int
	for k := range init.Bindings {
		if init.Bindings[k].Name != mh.ID {
			continue
		}
		for _, name := range init.Bindings[k].Caches {
			for _, c := range mh.Caches {
				if c.Name == name {
					ids = append(ids, c.CacheIndex)
				}
			}
		}
	}
	return ids
}

func topicKey(cluster int, topic string) string { return fmt.Sprintf("%d/%s", cluster, topic) }

// Module returns the loaded module of the manifest's i-th entry, nil if no
// handler uses it.
func (s *Modules) Module(i int) *module.Module { return s.list[i] }
