package boot

import (
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/state"
)

// planState adds to the plan what handlers keep: sub-topologies, caches and
// what to do when the surroundings changed.
func (b *Build) planState(p *host.Plan) {
	m, topo := b.Manifest, b.Topology
	p.ExactlyOnce = m.Delivery == manifest.ExactlyOnce
	for i := range topo.Subs {
		s := &topo.Subs[i]
		sub := host.Sub{Inputs: s.Inputs, Caches: s.Caches}
		if len(s.Handlers) > 0 {
			sub.Name = m.Handlers[s.Handlers[0]].Table()
		}
		p.Subs = append(p.Subs, sub)
	}
	clusters := b.cacheClusters()
	for i := range m.Caches {
		mc := &m.Caches[i]
		c := host.Cache{ID: mc.ID, Kind: cacheKind(mc.Kind), Key: keyType(mc.Key), Cluster: clusters[i], Topic: mc.Changelog}
		if mc.Kind == manifest.CacheGlobal {
			t := &m.Topics[mc.TopicIndex]
			c.Topic, c.KeyCodec, c.ValueCodec = t.Name, b.modules.codecs.Of(t, true), b.modules.codecs.Of(t, false)
		}
		p.Caches = append(p.Caches, c)
	}
	for _, cluster := range controlClusters(m, topo) {
		p.Control = append(p.Control, host.ControlTopic{Cluster: cluster, Topic: controlTopic(m)})
	}
	p.OnChange = host.OnChange{
		RecordsGone: changePolicy(m.OnChange.RecordsGone), TopicRecreated: changePolicy(m.OnChange.TopicRecreated),
		OffsetsReset: changePolicy(m.OnChange.OffsetsReset), ChangelogGone: changePolicy(m.OnChange.ChangelogGone),
	}
}

// cacheClusters is where each cache's topic is; -1 for one that has none or
// that nobody uses.
func (b *Build) cacheClusters() []int {
	clusters := make([]int, len(b.Manifest.Caches))
	for i := range clusters {
		clusters[i] = -1
	}
	for i := range b.Topology.Subs {
		s := &b.Topology.Subs[i]
		for _, c := range s.Caches {
			if b.Manifest.Caches[c].Kind == manifest.CacheKV {
				clusters[c] = s.Cluster
			}
		}
		for _, c := range s.Globals {
			clusters[c] = b.Manifest.Topics[b.Manifest.Caches[c].TopicIndex].Cluster
		}
	}
	return clusters
}

func cacheKind(k manifest.CacheKind) state.Kind {
	switch k {
	case manifest.CacheGlobal:
		return state.Global
	case manifest.CacheLocal:
		return state.Local
	}
	return state.KV
}

func keyType(k manifest.KeyType) state.KeyType {
	switch k {
	case manifest.KeyString:
		return state.KeyString
	case manifest.KeyInt:
		return state.KeyInt
	case manifest.KeyFloat:
		return state.KeyFloat
	case manifest.KeyBool:
		return state.KeyBool
	}
	return state.KeyBytes
}

func changePolicy(p manifest.ChangePolicy) host.ChangePolicy {
	switch p {
	case manifest.ChangeEarliest:
		return host.ChangeEarliest
	case manifest.ChangeLatest:
		return host.ChangeLatest
	case manifest.ChangeRestart:
		return host.ChangeRestart
	case manifest.ChangeKeep:
		return host.ChangeKeep
	case manifest.ChangeClear:
		return host.ChangeClear
	case manifest.ChangeLocal:
		return host.ChangeLocal
	case manifest.ChangeEmpty:
		return host.ChangeEmpty
	}
	return host.ChangeFail
}

// Caches are the store's configuration of the plan's caches, by the same
// positions.
func (b *Build) Caches() []state.Cache {
	caches := make([]state.Cache, len(b.Manifest.Caches))
	for i := range caches {
		mc := &b.Manifest.Caches[i]
		caches[i] = state.Cache{
			Name: mc.ID, Kind: cacheKind(mc.Kind), Key: keyType(mc.Key),
			TTL: mc.TTL, MaxBytes: mc.MaxBytes, MaxEntry: b.entryLimits[i],
		}
	}
	return caches
}
