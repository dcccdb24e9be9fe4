package host

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
)

// checkpoints is what a worker has of the plan's checkpoints: a machine for
// each partition of a dependent that it owns, and how far the partitions of
// dependencies are that it owns. Both are kept in the control topic; from there
// come the markers of partitions that others own.
type checkpoints struct {
	w *worker
	// bySource lists, by source, the sides of checkpoints that it is.
	bySource [][]side
	guards   []*guard
	feeds    map[feedKey]*progressFeed
	// told is the journal of the run under way.
	told     []told
	down     []abi.DowntimeOf
	lastTime timeMemo
	// version is the control topic's that was looked at last; ticked is when the
	// clock was.
	version uint64
	ticked  time.Time
	seeks   []guestSeek
}

// side is a source as a part of a checkpoint: the dependent, or a dependency.
type side struct {
	checkpoint int
	dependency int // -1 for the dependent
	marker     *Marker
}

// guard is the machine of a checkpoint for one partition of its dependent.
type guard struct {
	checkpoint int
	in         *input
	machine    *checkpoint.Machine
	key        string
	// loaded says that the machine is what the control topic says: before that
	// the partition waits.
	loaded bool
	// dirty says that an abort took back what was staged of it.
	dirty bool
	// seen are the markers of partitions that others own, as far as they were
	// told; committed are those of the last commit.
	seen, committed map[feedKey]abi.Marker
	since           time.Time // since when it holds, for status
	// tooLong says that it has held for longer than the policy wants.
	tooLong error
	// behind says that markers which this worker has told itself may be missing:
	// those from before the machine was here, or before a rollback.
	behind bool
	// acted says that what it carried out is not committed yet; refused counts
	// how often outputs of that were refused.
	acted   bool
	refused int
}

type feedKey struct {
	checkpoint, dependency int
	partition              int32
}

func (k feedKey) compare(other feedKey) int {
	return cmp.Or(cmp.Compare(k.checkpoint, other.checkpoint), cmp.Compare(k.dependency, other.dependency), cmp.Compare(k.partition, other.partition))
}

// progressFeed is how far a partition of a dependency is that this worker owns.
type progressFeed struct {
	key    string
	cur    beat
	staged bool
	log    []beat
}

type beat struct {
	marker abi.Marker
	at     int64
}

func (f *progressFeed) set(m abi.Marker, at int64) {
	f.log = append(f.log, f.cur)
	f.cur, f.staged = beat{m, at}, true
}

// Mark implements undoer.
func (f *progressFeed) Mark() int { return len(f.log) }

// Undo implements undoer.
func (f *progressFeed) Undo(mark int) {
	if mark < len(f.log) {
		f.cur = f.log[mark]
		f.log = f.log[:mark]
	}
}

func newCheckpoints(w *worker) *checkpoints {
	if len(w.plan.Checkpoints) == 0 {
		return nil
	}
	cs := &checkpoints{w: w, bySource: make([][]side, len(w.plan.Sources)), feeds: map[feedKey]*progressFeed{}}
	for i := range w.plan.Checkpoints {
		c := &w.plan.Checkpoints[i]
		add := func(s *CheckpointSide, dependency int) {
			cs.bySource[s.Source] = append(cs.bySource[s.Source], side{i, dependency, &s.Marker})
		}
		add(&c.Dependent, -1)
		for d := range c.Dependencies {
			add(&c.Dependencies[d], d)
		}
	}
	return cs
}

func dependentKey(id string, partition int32) string {
	return "checkpoint/" + id + "/dependent/" + strconv.Itoa(int(partition))
}

func dependencyPrefix(id, dependency string) string {
	return "checkpoint/" + id + "/dependency/" + dependency + "/"
}

// takes says whether a source is part of a checkpoint.
func (cs *checkpoints) takes(source int) bool { return cs != nil && len(cs.bySource[source]) > 0 }

// enter begins with an input: its machines wait until the control topic was
// read up to what was committed before.
func (cs *checkpoints) enter(in *input, barrier int64) error {
	if !cs.takes(in.source) {
		return nil
	}
	in.barrier = barrier + 1
	for _, s := range cs.bySource[in.source] {
		if s.dependency >= 0 {
			continue
		}
		spec := &cs.w.plan.Checkpoints[s.checkpoint].Spec
		m, err := checkpoint.New(spec)
		if err != nil {
			return err
		}
		g := &guard{
			checkpoint: s.checkpoint, in: in, machine: m, key: dependentKey(spec.Name, in.partition),
			seen: map[feedKey]abi.Marker{}, committed: map[feedKey]abi.Marker{},
		}
		cs.guards = append(cs.guards, g)
		in.guards = append(in.guards, g)
	}
	return nil
}

// leave forgets what belonged to an input.
func (cs *checkpoints) leave(in *input) {
	if cs == nil {
		return
	}
	cs.guards = slices.DeleteFunc(cs.guards, func(g *guard) bool { return g.in == in })
	in.guards = nil
	for _, s := range cs.bySource[in.source] {
		delete(cs.feeds, feedKey{s.checkpoint, s.dependency, in.partition})
	}
}

// guard returns the machine of a checkpoint for an input, nil if it has none.
func (cs *checkpoints) guard(checkpoint int, in *input) *guard {
	for _, g := range in.guards {
		if g.checkpoint == checkpoint {
			return g
		}
	}
	return nil
}

// feed returns that of a dependency's partition.
func (cs *checkpoints) feed(s *side, partition int32) *progressFeed {
	key := feedKey{s.checkpoint, s.dependency, partition}
	f := cs.feeds[key]
	if f == nil {
		spec := &cs.w.plan.Checkpoints[s.checkpoint].Spec
		f = &progressFeed{key: dependencyPrefix(spec.Name, spec.Dependencies[s.dependency].Name) + strconv.Itoa(int(partition))}
		cs.feeds[key] = f
	}
	return f
}

// guarded says that a checkpoint holds the input back, or has something to do
// first.
func (in *input) guarded() bool {
	if in.barrier > 0 {
		return true
	}
	for _, g := range in.guards {
		if g.machine.Held() || g.machine.Due() {
			return true
		}
	}
	return false
}

// look brings in what others have told since the last look, and what the clock
// tells.
func (cs *checkpoints) look(now time.Time) error {
	if cs == nil {
		return nil
	}
	control := cs.w.host.control
	version := control.version.Load()
	news := version != cs.version
	tick := now.Sub(cs.ticked) >= time.Second
	if !news && !tick {
		return nil
	}
	cs.version = version
	for _, in := range cs.w.listed {
		if in.barrier > 0 && control.reached(cs.w.cluster, in.barrier-1) {
			in.barrier = 0
			for _, g := range in.guards {
				if err := cs.load(g, now); err != nil {
					return err
				}
			}
			cs.w.busy()
			news = true
		}
	}
	for _, g := range cs.guards {
		if !g.loaded {
			continue
		}
		if news {
			cs.hear(g, now)
		}
		if tick {
			g.machine.Tick(now.UnixMilli())
		}
		if g.machine.Changed() {
			cs.w.uncommitted, g.in.task.changed = true, true
		}
	}
	if tick {
		cs.ticked = now
	}
	return nil
}

// load makes a machine what the control topic says.
func (cs *checkpoints) load(g *guard, now time.Time) error {
	if value, ok := cs.w.controlValue(g.key); ok {
		if err := g.machine.Load(value, now.UnixMilli()); err != nil {
			return fmt.Errorf("checkpoint %q, partition %d: %w; forget it with sliphost checkpoint reset", g.machine.Spec().Name, g.in.partition, err)
		}
	}
	g.loaded, g.behind = true, true
	for d, dep := range g.machine.Status().Dependencies {
		for _, p := range dep.Partitions {
			g.seen[feedKey{g.checkpoint, d, p.Partition}] = p.Marker
		}
	}
	g.committed = cloneSeen(g.seen)
	if g.machine.Held() {
		g.since = now
		cs.w.log.Info("a checkpoint still holds a partition", "checkpoint", g.machine.Spec().Name, "partition", g.in.partition)
	}
	return nil
}

func cloneSeen(m map[feedKey]abi.Marker) map[feedKey]abi.Marker {
	c := make(map[feedKey]abi.Marker, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// hear tells a machine the markers of partitions that other workers own, and,
// if it is behind, those of this worker's.
func (cs *checkpoints) hear(g *guard, now time.Time) {
	plan := &cs.w.plan.Checkpoints[g.checkpoint]
	tell := func(at feedKey, m abi.Marker) {
		if _, err := g.machine.Heartbeat(at.dependency, at.partition, m, now.UnixMilli()); err != nil {
			cs.w.log.Error("a marker of a dependency cannot be used", "checkpoint", plan.Spec.Name, "dependency", plan.Spec.Dependencies[at.dependency].Name, "partition", at.partition, "error", err)
		}
	}
	if g.behind {
		g.behind = false
		for _, at := range slices.SortedFunc(maps.Keys(cs.feeds), feedKey.compare) {
			if m := cs.feeds[at].cur.marker; at.checkpoint == g.checkpoint && m.Kind != abi.MarkerNone {
				tell(at, m)
			}
		}
	}
	for d := range plan.Dependencies {
		prefix := dependencyPrefix(plan.Spec.Name, plan.Spec.Dependencies[d].Name)
		for _, key := range cs.w.host.control.list(prefix) {
			p, err := strconv.ParseInt(strings.TrimPrefix(key, prefix), 10, 32)
			if err != nil {
				continue
			}
			at := feedKey{g.checkpoint, d, int32(p)}
			if cs.feeds[at] != nil {
				continue // this worker's own: told already
			}
			value, ok := cs.w.host.control.get(key)
			b, good := decodeBeat(value)
			if !ok || !good || g.seen[at] == b.marker {
				continue
			}
			g.seen[at] = b.marker
			tell(at, b.marker)
		}
	}
}

func appendBeat(b []byte, v beat) []byte {
	b = abi.AppendMarker(append(b, 0x92), v.marker)
	return abi.AppendInt(b, v.at)
}

func decodeBeat(value []byte) (b beat, ok bool) {
	r := abi.NewReader(value)
	more := r.ArrayMin(2, "a marker and its time")
	b.marker = abi.ReadMarker(&r)
	b.at = r.Int()
	r.SkipN(more)
	r.End()
	return b, r.Err() == nil
}

// stage puts what has changed into the control records of this commit.
func (cs *checkpoints) stage() {
	if cs == nil {
		return
	}
	for _, g := range cs.guards {
		if g.loaded && (g.dirty || g.machine.Changed()) {
			cs.w.stageControl(g.key, g.machine.AppendSnapshot(nil))
		}
	}
	for _, f := range cs.feeds {
		if f.staged {
			cs.w.stageControl(f.key, appendBeat(nil, f.cur))
		}
	}
}

// committed makes everything final.
func (cs *checkpoints) keep() {
	if cs == nil {
		return
	}
	for _, g := range cs.guards {
		g.machine.Forget()
		g.dirty = false
		if g.acted {
			g.acted, g.refused = false, 0
		}
		g.committed = cloneSeen(g.seen)
	}
	for _, f := range cs.feeds {
		f.staged, f.log = false, f.log[:0]
	}
}

// rollback takes back everything since the last commit.
func (cs *checkpoints) rollback() {
	if cs == nil {
		return
	}
	for _, g := range cs.guards {
		g.machine.Undo(0)
		g.dirty, g.behind = g.loaded, true
		g.acted = false
		g.seen = cloneSeen(g.committed)
	}
	for _, f := range cs.feeds {
		f.Undo(0)
		f.staged = false
	}
	cs.told, cs.seeks = cs.told[:0], cs.seeks[:0]
	cs.version = 0 // look again
}

// suspected notes that outputs were refused, maybe those of what machines
// have carried out since the last commit.
func (cs *checkpoints) suspected() {
	if cs == nil {
		return
	}
	for _, g := range cs.guards {
		if g.acted {
			g.refused++
		}
	}
}

// waiting says that a machine waits for its control records or for others'
// markers, so that the worker looks often.
func (cs *checkpoints) waiting() bool {
	return cs != nil && slices.ContainsFunc(cs.guards, func(g *guard) bool { return g.in.guarded() })
}

// heldBy is why a checkpoint holds an input, nil if none does.
func (in *input) heldBy() error {
	for _, g := range in.guards {
		if g.machine.Held() {
			return cmp.Or(g.tooLong, g.held())
		}
	}
	return nil
}

// waitedTooLong says why an input counts as stopped by a checkpoint, nil if it
// does not.
func (in *input) waitedTooLong() error {
	for _, g := range in.guards {
		if g.tooLong != nil {
			return g.tooLong
		}
	}
	return nil
}

// held says what a machine that holds its partition waits for.
func (g *guard) held() error {
	s := g.machine.Status()
	for _, d := range s.Dependencies {
		if d.Down {
			return fmt.Errorf("checkpoint %q holds partition %d back: dependency %q is down, its marker is %s, the dependent's %s", g.machine.Spec().Name, g.in.partition, d.Name, markerText(d.Marker), markerText(s.Marker))
		}
	}
	return fmt.Errorf("checkpoint %q holds partition %d back", g.machine.Spec().Name, g.in.partition)
}

// markerText is a marker for people.
func markerText(m abi.Marker) string {
	switch m.Kind {
	case abi.MarkerInt:
		return strconv.FormatInt(m.Int, 10)
	case abi.MarkerText:
		return strconv.Quote(m.Text)
	case abi.MarkerTime:
		return time.UnixMilli(m.Int).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return "none"
}

// barrierFor asks how far the control topic has to be read before partitions
// that are part of checkpoints go on.
func (w *worker) barrierFor(ctx context.Context, parts []abi.TopicPartition) (int64, error) {
	for _, p := range parts {
		if w.checkpoints.takes(w.topics[p.Topic]) {
			return w.controlEnd(ctx)
		}
	}
	return 0, nil
}

// sortGuards keeps an order that does not depend on assignments.
func (cs *checkpoints) sortGuards() {
	slices.SortFunc(cs.guards, func(a, b *guard) int {
		return cmp.Or(cmp.Compare(a.checkpoint, b.checkpoint), cmp.Compare(a.in.partition, b.in.partition))
	})
}
