package manifest

import (
	"slices"
	"strconv"
	"strings"
)

// checkpoints resolves the sources of checkpoints, once the handlers are, and
// checks that their settings act on them.
func (d *decoder) checkpoints(u *uses) {
	m := d.m
	for i := range m.Checkpoints {
		c := &m.Checkpoints[i]
		path := []string{"checkpoint", c.ID}
		c.Pos = d.doc.place(path).key.pos()
		if i == 0 {
			d.internalTopic(m.Name+"-control", path)
		}
		dependent := d.side(&c.Dependent, join(path, "dependent"), u)
		if len(c.Dependencies) == 0 {
			d.report(CodeNoDependency, d.doc.place(path).key, path, "the checkpoint "+quoteName(c.ID)+" has no dependency, so its dependent would never wait", `write dependency.weather = { source = "weather" }`)
		}
		for j := range c.Dependencies {
			d.dependency(c, j, path, dependent, u)
		}
		if dependent {
			d.checkpointSettings(c, path)
		}
	}
}

// side resolves one source; ok is false if it was reported.
func (d *decoder) side(s *CheckpointSide, path []string, u *uses) (ok bool) {
	at := join(path, "source")
	if s.source == "" {
		return false // reported already
	}
	e, ok := d.resolveEndpoint(s.source, at, asSource)
	if !ok {
		return false
	}
	s.Source = e
	switch {
	case e.Kind == EndpointProxy:
		d.reportAt(CodeCheckpointSource, at, "the proxy "+quoteName(e.Text)+" cannot be waited for or held back: it has no position of its own", "name the topic whose records lead to it; handlers behind the proxy can say their markers by marker = \"call\"")
		return false
	case e.Kind == EndpointTimer:
		d.reportAt(CodeCheckpointSource, at, "the timer "+quoteName(e.Text)+" cannot be waited for or held back: it is its handler's own", "name a topic, a repartition, a file or stdin")
		return false
	case !u.brokenSources && !d.read(&e):
		d.reportAt(CodeCheckpointSource, at, "no handler reads "+quoteName(e.Text)+", so its markers are never seen", "make it a source of a handler; one without a sink does")
		return false
	}
	return d.markerFits(&s.Marker, &e, join(path, "marker"))
}

// read reports whether a handler has the source.
func (d *decoder) read(e *Endpoint) bool {
	return slices.ContainsFunc(d.m.Handlers, func(h Handler) bool { return h.reads(e) })
}

// reads reports whether the handler has the source itself.
func (h *Handler) reads(e *Endpoint) bool {
	return slices.ContainsFunc(h.Sources, func(s Endpoint) bool { return s.Key() == e.Key() })
}

// markerFits checks that values have fields where a field is asked for.
func (d *decoder) markerFits(m *Marker, e *Endpoint, path []string) bool {
	if m.Kind != MarkerField || e.Codec.Repr() == ReprValue {
		return true
	}
	what, hint := "are "+string(e.Codec), `give the source a codec with fields, such as "json", or write marker = "timestamp" or "call"`
	if e.Kind == EndpointRepartition {
		what, hint = "are whatever is emitted into it", `write marker = "timestamp" or "call"`
	}
	d.reportAt(CodeCheckpointMarker, path, "a marker in the field "+quoteName(m.At)+" needs values with fields; those of "+quoteName(e.Text)+" "+what, hint)
	return false
}

// dependency resolves the j-th one of c.
func (d *decoder) dependency(c *Checkpoint, j int, path []string, dependent bool, u *uses) {
	dep := &c.Dependencies[j]
	path = join(join(path, "dependency"), dep.ID)
	resolved := d.side(&dep.CheckpointSide, path, u)
	if dep.IdleAfter == 0 {
		dep.IdleAfter = dep.Threshold
		d.note("the threshold", join(path, "idle_after")...)
	}
	for i, text := range dep.checks {
		switch k := CheckKind(text); k {
		case CheckDowntime, CheckRecovery:
			dep.Checks = append(dep.Checks, k)
		default:
			d.reportAt(CodeChoice, join(join(path, "checks"), strconv.Itoa(i)), quoteName(text)+" is not a check", `one of: "downtime", "recovery"`)
		}
	}
	if !resolved {
		return
	}
	if dependent && dep.Source.Key() == c.Dependent.Source.Key() {
		d.reportAt(CodeCheckpointSource, join(path, "source"), "the checkpoint "+quoteName(c.ID)+" makes "+quoteName(dep.source)+" wait for itself", "name another source")
	}
	for _, other := range c.Dependencies[:j] {
		if other.Source.Text != "" && other.Source.Key() == dep.Source.Key() {
			d.reportAt(CodeCheckpointSource, join(path, "source"), "the checkpoint "+quoteName(c.ID)+" already waits for "+quoteName(dep.source)+", its dependency "+quoteName(other.ID), "keep the one with the lesser threshold; a checkpoint of its own can have another")
			break
		}
	}
	if dep.Marker.Kind == MarkerCall && !d.bound(c, &dep.Source) {
		d.noCaller(c, join(path, "marker"), dep.source)
	}
}

// bound reports whether a handler that records of the source come to has the
// checkpoint.
func (d *decoder) bound(c *Checkpoint, e *Endpoint) bool {
	return slices.ContainsFunc(d.m.reached(e), func(h int) bool { return d.m.Handlers[h].has(c) })
}

// has reports whether the handler has the checkpoint.
func (h *Handler) has(c *Checkpoint) bool {
	return slices.ContainsFunc(h.Checkpoints, func(b CheckpointBinding) bool { return b.Checkpoint == c.ID })
}

// reached lists the handlers that records of a source come to, directly or
// through proxies.
func (m *Manifest) reached(e *Endpoint) []int {
	var out []int
	for i := range m.Handlers {
		if m.Handlers[i].reads(e) {
			out = append(out, i)
		}
	}
	for n := 0; n < len(out); n++ {
		for _, s := range m.Handlers[out[n]].Sinks {
			if s.Kind != EndpointProxy {
				continue
			}
			for i := range m.Handlers {
				if m.Handlers[i].reads(&s.Endpoint) && !slices.Contains(out, i) {
					out = append(out, i)
				}
			}
		}
	}
	return out
}

func (d *decoder) noCaller(c *Checkpoint, path []string, source string) {
	d.reportAt(CodeCheckpointMarker, path, "no handler that records of "+quoteName(source)+" come to has the checkpoint "+quoteName(c.ID)+", so nobody says its markers", "write checkpoint = ["+quote(c.ID)+"] in the handler that calls heartbeat or check_pulse")
}

// checkpointSettings checks what depends on the dependent.
func (d *decoder) checkpointSettings(c *Checkpoint, path []string) {
	e := &c.Dependent.Source
	if c.Dependent.Marker.Kind == MarkerCall && !d.bound(c, e) {
		d.noCaller(c, join(join(path, "dependent"), "marker"), e.Text)
	}
	at := join(path, "on_recovery")
	seeks := strings.HasPrefix(string(c.OnRecovery), "seek:")
	readers := slices.ContainsFunc(d.m.Handlers, func(h Handler) bool { return h.reads(e) && h.has(c) })
	switch {
	case seeks && c.Mode == CheckpointCompat:
		d.reportAt(CodeCheckpointSetting, at, "in mode compat nothing seeks by itself", `write on_recovery = "call" and seek in the handler's recovery call, or leave mode out`)
	case seeks && e.Kind != EndpointTopic:
		why := "its records cannot be read again"
		if e.Kind == EndpointRepartition {
			why = "a repartition loses its records once they are handled"
		}
		d.reportAt(CodeCheckpointSetting, at, quoteName(string(c.OnRecovery))+" has to go back in "+quoteName(e.Text)+", and "+why, `write on_recovery = "resume" or "call"`)
	case seeks && !readers:
		d.reportAt(CodeCheckpointSetting, at, "no handler that reads "+quoteName(e.Text)+" has the checkpoint "+quoteName(c.ID)+", so nobody would get the records again", "write checkpoint = ["+quote(c.ID)+"] in the handlers that must")
	}
	if c.MaxPause == 0 && d.written(join(path, "on_max_pause")) {
		d.report(CodeCheckpointSetting, d.doc.place(join(path, "on_max_pause")).key, join(path, "on_max_pause"), "on_max_pause has no effect without max_pause", `write max_pause = "1h"`)
	}
	if c.WallClock && c.Mode == CheckpointCompat {
		d.reportAt(CodeCheckpointSetting, join(path, "wall_clock"), "mode compat has no detection by the clock", "leave one of the two out")
	}
}

// checkpointsOf resolves the checkpoints that the handler binds.
func (d *decoder) checkpointsOf(h *Handler) {
	for _, b := range h.checkpoints.entries {
		text := b.text.Reveal()
		at := d.m.CheckpointIndex(text)
		if at < 0 {
			var have []string
			for _, c := range d.m.Checkpoints {
				have = append(have, c.ID)
			}
			d.reportAt(CodeUnknownCheckpoint, b.path, "there is no checkpoint "+quoteName(b.text.String()), didYouMean(text, have, "checkpoints"))
			continue
		}
		if slices.ContainsFunc(h.Checkpoints, func(c CheckpointBinding) bool { return c.CheckpointIndex == at }) {
			d.reportAt(CodeRepeated, b.path, "the checkpoint "+quoteName(text)+" is named twice", "one name in the module does for one checkpoint")
			continue
		}
		c := CheckpointBinding{Name: b.name, Checkpoint: text, CheckpointIndex: at, Pos: d.doc.place(b.path).val.pos()}
		if !h.checkpoints.named {
			c.Name = text
		}
		h.Checkpoints = append(h.Checkpoints, c)
	}
}

// CheckpointIndex returns the place of a checkpoint's id in Checkpoints, or -1.
func (m *Manifest) CheckpointIndex(id string) int {
	return slices.IndexFunc(m.Checkpoints, func(c Checkpoint) bool { return c.ID == id })
}
