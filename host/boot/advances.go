package boot

import (
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
)

// planAdvances adds a source for each sub-topology with handlers that are told
// when stream time moves.
func (b *Build) planAdvances(p *host.Plan) {
	for i := range b.Topology.Subs {
		sub := &b.Topology.Subs[i]
		s := host.Source{Kind: host.SourceCall, Batch: abi.KindAdvance, Sub: i, Lockstep: len(sub.Caches) > 0}
		for _, h := range sub.Handlers {
			if b.flags(h)&abi.FlagAdvance != 0 {
				s.Handlers = append(s.Handlers, host.HandlerSource{Handler: h})
			}
		}
		if len(s.Handlers) == 0 {
			continue
		}
		if len(sub.Clusters) > 0 {
			s.Cluster = sub.Clusters[0]
		}
		s.ID = "advance:" + p.Handlers[s.Handlers[0].Handler].ID
		b.addSource(s.ID, s)
		p.Advances = append(p.Advances, len(p.Sources)-1)
	}
}
