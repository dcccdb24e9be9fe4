package boot

import (
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/manifest"
)

// planCheckpoints adds the checkpoints to the plan, and a source for each call
// into handlers that one of them makes.
func (b *Build) planCheckpoints(p *host.Plan) {
	for i := range b.Manifest.Checkpoints {
		mc := &b.Manifest.Checkpoints[i]
		c := host.Checkpoint{Spec: checkpointSpec(mc), Check: -1}
		c.Dependent = b.checkpointSide(&mc.Dependent)
		for d := range mc.Dependencies {
			c.Dependencies = append(c.Dependencies, b.checkpointSide(&mc.Dependencies[d].CheckpointSide))
		}
		src := &p.Sources[c.Dependent.Source]
		for _, hs := range src.Handlers {
			if slices.Contains(p.Handlers[hs.Handler].Checkpoints, i) {
				c.Bound = append(c.Bound, hs.Handler)
			}
		}
		for h := range p.Handlers {
			if c.Check < 0 && slices.Contains(p.Handlers[h].Checkpoints, i) && b.flags(h)&abi.FlagCheck != 0 {
				c.Check = h
			}
		}
		c.Downtime = b.callSource(p, i, c.Dependent.Source, abi.KindDowntime, abi.FlagDowntime)
		c.Recovery = b.callSource(p, i, c.Dependent.Source, abi.KindRecovery, abi.FlagRecovery)
		p.Checkpoints = append(p.Checkpoints, c)
	}
}

// callSource adds what stands for a call into the handlers that take it; -1 if
// there is none.
func (b *Build) callSource(p *host.Plan, checkpoint, dependent int, kind abi.Kind, flag abi.HandlerFlag) int {
	src := p.Sources[dependent]
	s := host.Source{
		ID:   fmt.Sprintf("checkpoint:%s/%s", b.Manifest.Checkpoints[checkpoint].ID, map[abi.Kind]string{abi.KindDowntime: "downtime", abi.KindRecovery: "recovery"}[kind]),
		Kind: host.SourceCall, Batch: kind, Cluster: src.Cluster, Sub: src.Sub, Lockstep: len(b.Topology.Subs[src.Sub].Caches) > 0,
	}
	for _, h := range b.Topology.Subs[src.Sub].Handlers {
		if slices.Contains(p.Handlers[h].Checkpoints, checkpoint) && b.flags(h)&flag != 0 {
			s.Handlers = append(s.Handlers, host.HandlerSource{Handler: h})
		}
	}
	if len(s.Handlers) == 0 {
		return -1
	}
	b.addSource(s.ID, s)
	return len(p.Sources) - 1
}

// flags are those of a handler's function.
func (b *Build) flags(handler int) abi.HandlerFlag {
	mh := &b.Manifest.Handlers[handler]
	mod := b.modules.list[mh.ModuleIndex]
	if mod == nil {
		return 0
	}
	for _, d := range mod.Describe().Handlers {
		if d.Name == mh.Function {
			return d.Flags
		}
	}
	return 0
}

// handlerCheckpoints lists the checkpoints of a handler in the order of its
// binding.
func (b *Build) handlerCheckpoints(i int) []int {
	mh := &b.Manifest.Handlers[i]
	var ids []int
	init := b.Inits[mh.ModuleIndex]
	if init == nil {
		return nil
	}
	for k := range init.Bindings {
		if init.Bindings[k].Name != mh.ID {
			continue
		}
		for _, name := range init.Bindings[k].Checkpoints {
			for _, c := range mh.Checkpoints {
				if c.Name == name {
					ids = append(ids, c.CheckpointIndex)
				}
			}
		}
	}
	return ids
}

func (b *Build) checkpointSide(s *manifest.CheckpointSide) host.CheckpointSide {
	out := host.CheckpointSide{Source: slices.IndexFunc(b.Sources, func(e manifest.Endpoint) bool {
		return e.Kind != manifest.EndpointProxy && e.Key() == s.Source.Key()
	})}
	switch s.Marker.Kind {
	case manifest.MarkerCall:
		out.Marker.Kind = host.MarkerCall
	case manifest.MarkerField:
		// The manifest has checked that it is a pointer.
		out.Marker.Kind = host.MarkerField
		out.Marker.Field, _ = codec.ParsePointer(s.Marker.At)
		out.Marker.Layout = s.Marker.Layout
	}
	return out
}

func checkpointSpec(mc *manifest.Checkpoint) checkpoint.Spec {
	s := checkpoint.Spec{Name: mc.ID, Pause: mc.Pause, MaxPause: mc.MaxPause, WallClock: mc.WallClock}
	switch mc.OnRecovery {
	case manifest.RecoverySeekHealthy:
		s.OnRecovery = checkpoint.SeekHealthy
	case manifest.RecoverySeekDetected:
		s.OnRecovery = checkpoint.SeekDetected
	case manifest.RecoveryCall:
		s.OnRecovery = checkpoint.Call
	}
	if mc.OnMaxPause == manifest.MaxPauseResume {
		s.MaxPausePolicy = checkpoint.PauseResume
	}
	if mc.Mode == manifest.CheckpointCompat {
		s.Mode = checkpoint.Compat
	}
	for i := range mc.Dependencies {
		d := &mc.Dependencies[i]
		s.Dependencies = append(s.Dependencies, checkpoint.Dependency{
			Name: d.ID, Threshold: d.Threshold, IdleAfter: d.IdleAfter,
			CustomDowntime: slices.Contains(d.Checks, manifest.CheckDowntime),
			CustomRecovery: slices.Contains(d.Checks, manifest.CheckRecovery),
		})
	}
	return s
}
