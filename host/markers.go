package host

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// markerOf finds the marker of record pos of a root batch.
func (w *worker) markerOf(m *Marker, b *batch, pos int) (abi.Marker, error) {
	rec := b.record(pos)
	if m.Kind == MarkerTimestamp {
		ms := b.head.BaseTimestamp + rec.TimestampDelta
		if ms < 0 {
			return abi.Marker{}, errors.New("the record has no timestamp")
		}
		return abi.Marker{Kind: abi.MarkerTime, Int: ms}, nil
	}
	if rec.Value == nil {
		return abi.Marker{}, fmt.Errorf("field %s: the record has no value", m.Field)
	}
	raw, err := m.Field.FindValue(rec.Value)
	if err != nil {
		return abi.Marker{}, fmt.Errorf("field %s: %w", m.Field, err)
	}
	r := abi.NewReader(raw)
	switch c := raw[0]; {
	case c >= 0xa0 && c <= 0xbf || c >= 0xd9 && c <= 0xdb:
		return w.textMarker(m, r.Str())
	case m.Layout == "" && (c < 0x80 || c >= 0xe0 || c >= 0xcc && c <= 0xd3):
		if n := r.Int(); r.Err() == nil {
			return abi.Marker{Kind: abi.MarkerInt, Int: n}, nil
		}
	}
	want := "an integer or text"
	if m.Layout != "" {
		want = fmt.Sprintf("text in the layout %q", m.Layout)
	}
	return abi.Marker{}, fmt.Errorf("field %s is not %s", m.Field, want)
}

// String names the place for people.
func (m *Marker) String() string {
	switch m.Kind {
	case MarkerField:
		return "field " + m.Field.String()
	case MarkerCall:
		return "call"
	}
	return "timestamp"
}

// textMarker reads a marker written as text. The last time read is remembered:
// dates repeat.
func (w *worker) textMarker(m *Marker, text []byte) (abi.Marker, error) {
	c := &w.checkpoints.lastTime
	if c.of == m && c.ok && string(text) == c.text {
		return c.marker, nil
	}
	layout := m.Layout
	if layout == "" {
		layout = time.RFC3339
	}
	s := string(text)
	at, err := time.Parse(layout, s)
	switch {
	case err == nil:
		*c = timeMemo{of: m, text: s, ok: true, marker: abi.Marker{Kind: abi.MarkerTime, Int: at.UnixMilli()}}
		return c.marker, nil
	case m.Layout != "":
		return abi.Marker{}, fmt.Errorf("field %s: %q is not in the layout %q", m.Field, clip(s), m.Layout)
	case len(s) > abi.MaxMarker:
		return abi.Marker{}, fmt.Errorf("field %s: a marker has at most %d bytes, this one %d", m.Field, abi.MaxMarker, len(s))
	}
	return abi.Marker{Kind: abi.MarkerText, Text: s}, nil
}

type timeMemo struct {
	of     *Marker
	text   string
	ok     bool
	marker abi.Marker
}

// clip shortens a value for a message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// scan tells the checkpoints the markers of a run's records, as far as these
// are found without a handler. A record without its marker counts as one that
// cannot be decoded. Behind a record that makes something due the run ends.
func (r *run) scan() {
	cs := r.w.checkpoints
	if cs == nil || r.letter != nil || r.w.asking != nil {
		return
	}
	sides := cs.bySource[r.source]
	if len(sides) == 0 {
		return
	}
	now := r.w.backends.Clock.Now().UnixMilli()
	bad := 0
	for pos := 0; pos < r.limit; pos++ {
		for bad < len(r.root.bad) && r.root.bad[bad].pos < pos {
			bad++
		}
		if bad < len(r.root.bad) && r.root.bad[bad].pos == pos {
			continue
		}
		due := false
		for i := range sides {
			s := &sides[i]
			if s.marker.Kind == MarkerCall || r.replayed && !slices.Contains(r.active, s.checkpoint) {
				continue
			}
			marker, err := r.w.markerOf(s.marker, r.root, pos)
			if err == nil {
				var d bool
				if d, err = r.tell(s, nil, pos, marker, now); err != nil {
					err = fmt.Errorf("%s: %w", s.marker, err)
				}
				due = due || d
			}
			if err != nil {
				r.untell(func(t *told) bool { return t.call == nil && t.pos == pos })
				r.root.bad = slices.Insert(r.root.bad, bad, badRecord{pos, fmt.Sprintf("marker for checkpoint %q: %v", r.w.plan.Checkpoints[s.checkpoint].Spec.Name, err)})
				due = false
				break
			}
		}
		if due {
			r.limit, r.hold = pos+1, nil
			return
		}
	}
}

// tell gives a marker of record pos to the machines it is for; due says that
// one of them has something to do that it had not.
func (r *run) tell(s *side, c *call, pos int, marker abi.Marker, now int64) (due bool, err error) {
	cs := r.w.checkpoints
	if s.dependency < 0 {
		g := cs.guard(s.checkpoint, r.in)
		if g == nil {
			return false, nil
		}
		was := g.machine.Due()
		r.note(g.machine, c, pos)
		at := abi.Position{Source: int32(r.in.source), Partition: r.in.partition, Offset: r.offset(r.root, pos)}
		cs.down, err = g.machine.Pulse(cs.down[:0], marker, nil, at, now)
		return !was && g.machine.Due(), err
	}
	_, due, err = r.heartbeat(s, c, pos, marker, now)
	return due, err
}

// heartbeat tells how far a dependency's partition is: to the machines of this
// worker at once, to others with the commit.
func (r *run) heartbeat(s *side, c *call, pos int, marker abi.Marker, now int64) (l abi.Latency, due bool, err error) {
	cs := r.w.checkpoints
	f := cs.feed(s, r.in.partition)
	for _, g := range cs.guards {
		if g.checkpoint != s.checkpoint || !g.loaded {
			continue
		}
		was := g.machine.Due()
		r.note(g.machine, c, pos)
		one, err := g.machine.Heartbeat(s.dependency, r.in.partition, marker, now)
		if err != nil {
			return l, false, err
		}
		l.IsLate = l.IsLate || one.IsLate
		if l.DependentMarker.Kind == abi.MarkerNone || one.DependentMarker.Kind == l.DependentMarker.Kind && one.DependentMarker.Int > l.DependentMarker.Int {
			l.DependentMarker = one.DependentMarker
		}
		due = due || !was && g.machine.Due()
	}
	l.DependencyMarker = marker
	r.note(f, c, pos)
	f.set(marker, now)
	return l, due, nil
}

// undoer is what a record can change of checkpoints: a machine or a feed.
type undoer interface {
	Mark() int
	Undo(mark int)
}

// told is a place in the journal of what a record changed.
type told struct {
	what undoer
	call *call // nil for what was found without a handler
	pos  int
	root int
	mark int
}

// note remembers where the changes of a record begin.
func (r *run) note(what undoer, c *call, pos int) {
	cs := r.w.checkpoints
	root := pos
	if c != nil {
		root = r.w.calls.b.root(pos)
	}
	cs.told = append(cs.told, told{what, c, pos, root, what.Mark()})
}

// untell takes back what some records changed, the last first.
func (r *run) untell(which func(*told) bool) {
	cs := r.w.checkpoints
	if cs == nil {
		return
	}
	for i := len(cs.told) - 1; i >= 0; i-- {
		if t := &cs.told[i]; which(t) {
			t.what.Undo(t.mark)
			cs.told = slices.Delete(cs.told, i, i+1)
		}
	}
}
