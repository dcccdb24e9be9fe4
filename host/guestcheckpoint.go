package host

import (
	"errors"
	"slices"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/module"
)

// bound returns the plan's checkpoint behind a handler's.
func (g *guestCalls) bound(checkpoint int32) (int, bool) {
	list := g.c.handler.Checkpoints
	if checkpoint < 0 || int(checkpoint) >= len(list) || g.w.checkpoints == nil || g.w.asking != nil {
		return 0, false
	}
	return list[checkpoint], true
}

// side returns the side of a checkpoint that the records at hand are, if their
// handlers say its markers.
func (g *guestCalls) side(checkpoint, dependency int) *side {
	source := g.r.in.source
	if g.r.letter != nil {
		return nil
	}
	sides := g.w.checkpoints.bySource[source]
	for i := range sides {
		if s := &sides[i]; s.checkpoint == checkpoint && s.dependency == dependency {
			if s.marker.Kind != MarkerCall {
				g.w.warnOnce("a handler says markers that the manifest wants elsewhere; write marker = \"call\"", "handler", g.c.handler.ID, "checkpoint", g.w.plan.Checkpoints[checkpoint].Spec.Name, "source", g.w.plan.Sources[source].ID)
				return nil
			}
			return s
		}
	}
	return nil
}

// Heartbeat implements module.State.
func (g *guestCalls) Heartbeat(at module.At, checkpoint int32, request, buf []byte) int64 {
	id, ok := g.bound(checkpoint)
	if !ok {
		return abi.ResultUnbound
	}
	r := abi.NewReader(request)
	more := r.ArrayMin(2, "a heartbeat of 2 fields")
	only := r.Nil()
	var name []byte
	if !only {
		name = r.Str()
	}
	marker := abi.ReadMarker(&r)
	r.SkipN(more)
	r.End()
	if r.Err() != nil {
		return abi.ResultInvalid
	}
	deps := g.w.plan.Checkpoints[id].Spec.Dependencies
	dep := 0
	if !only {
		dep = slices.IndexFunc(deps, func(d checkpointDependency) bool { return d.Name == string(name) })
	}
	if dep < 0 || only && len(deps) != 1 {
		return abi.ResultInvalid
	}
	s := g.side(id, dep)
	if s == nil {
		return abi.ResultInvalid
	}
	l, due, err := g.r.heartbeat(s, g.c, g.from+int(at.Record), marker, g.now())
	if err != nil {
		return g.refusedMarker(err)
	}
	if due {
		g.endBatch()
	}
	answer := abi.AppendLatency(g.told[:0], &l)
	g.told = answer
	return reply(buf, answer)
}

type checkpointDependency = checkpoint.Dependency

// Pulse implements module.State.
func (g *guestCalls) Pulse(at module.At, checkpoint int32, request, buf []byte) int64 {
	id, ok := g.bound(checkpoint)
	if !ok {
		return abi.ResultUnbound
	}
	p, err := abi.ReadPulse(request)
	if err != nil {
		return abi.ResultInvalid
	}
	s := g.side(id, -1)
	if s == nil {
		return abi.ResultInvalid
	}
	cs := g.w.checkpoints
	guard := cs.guard(id, g.r.in)
	if guard == nil {
		return abi.ResultUnbound
	}
	pos := g.from + int(at.Record)
	was := guard.machine.Due()
	g.r.note(guard.machine, g.c, pos)
	where := abi.Position{Source: int32(g.r.in.source), Partition: g.r.in.partition, Offset: g.r.offset(g.b, pos)}
	cs.down, err = guard.machine.Pulse(cs.down[:0], p.Marker, p.State, where, g.now())
	if err != nil {
		return g.refusedMarker(err)
	}
	if !was && guard.machine.Due() {
		g.endBatch()
	}
	g.told = abi.AppendDowntimeList(g.told[:0], cs.down)
	return reply(buf, g.told)
}

// Seek implements module.State.
func (g *guestCalls) Seek(_ module.At, source, partition int32, offset int64) int32 {
	a := g.w.asking
	if a == nil || a.g == nil {
		return abi.ResultUnbound
	}
	in := a.g.in
	if partition != in.partition || in.connector != nil || source != g.w.bindingOf(g.c.handler, in.source) {
		return abi.ResultUnbound
	}
	if offset < abi.OffsetBeginning {
		return abi.ResultInvalid
	}
	if g.w.plan.Sources[in.source].Internal {
		return abi.ResultUnbound // its records are gone once they are handled
	}
	cs := g.w.checkpoints
	cs.seeks = append(cs.seeks[:0], guestSeek{a.g, offset})
	return 0
}

// now is the time of what a record tells.
func (g *guestCalls) now() int64 { return g.w.backends.Clock.Now().UnixMilli() }

// endBatch makes the guest return after this record, so that what is due comes
// next.
func (g *guestCalls) endBatch() {
	g.w.due = true
	g.w.invokers[g.c.handler.Module].RequestStop()
}

// refusedMarker answers a marker or state that cannot be used.
func (g *guestCalls) refusedMarker(err error) int64 {
	if errors.Is(err, checkpoint.ErrBacklog) {
		return abi.ResultLimit
	}
	g.w.warnOnce("a marker that a handler says cannot be used", "handler", g.c.handler.ID, "error", err)
	return abi.ResultInvalid
}

// reply copies an answer to buf if it fits.
func reply(buf, answer []byte) int64 {
	if len(answer) <= len(buf) {
		copy(buf, answer)
	}
	return int64(len(answer))
}

// warnOnce writes a warning that would come with every record only once.
func (w *worker) warnOnce(msg string, args ...any) {
	if w.warned == nil {
		w.warned = map[string]bool{}
	}
	key := msg
	for _, a := range args {
		if s, ok := a.(string); ok {
			key += "\x00" + s
		}
	}
	if !w.warned[key] {
		w.warned[key] = true
		w.log.Warn(msg, args...)
	}
}
