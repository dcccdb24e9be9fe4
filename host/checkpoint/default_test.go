package checkpoint

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"pgregory.net/rapid"
)

func TestSeveralDependenciesSeekToTheEarliest(t *testing.T) {
	s := specOf(time.Hour, "a", "b")
	s.OnRecovery, s.Pause = SeekHealthy, false
	m := machine(t, s)
	pulse(t, m, clock("10:00"), offset(1))
	beat(t, m, 0, clock("10:00"))
	pulse(t, m, clock("10:20"), offset(2))
	beat(t, m, 1, clock("10:20"))
	want(t, "a", pulse(t, m, clock("11:10"), offset(3)), "a 70m")
	want(t, "both", pulse(t, m, clock("11:30"), offset(4)), "a 90m, b 70m")
	wantActions(t, m, "downtime a 70m, downtime b 70m")
	beat(t, m, 0, clock("12:00"))
	wantActions(t, m, "recovery a")
	// a is up, but the way back is its until b is up too.
	pulse(t, m, clock("11:50"), offset(5))
	beat(t, m, 0, clock("12:10"))
	beat(t, m, 1, clock("12:00"))
	wantActions(t, m, "recovery b, all up, seek 0/0@1")
	want(t, "rewound", showPositions(m.Status().Positions), "0/0@1")
}

func TestTheSlowestPartitionCounts(t *testing.T) {
	s := specOf(time.Hour, "a")
	s.Dependencies[0].IdleAfter = 10 * time.Minute
	m := machine(t, s)
	beatAt := func(partition int32, marker string, now int64) bool {
		t.Helper()
		l, err := m.Heartbeat(0, partition, clock(marker), now)
		if err != nil {
			t.Fatal(err)
		}
		return l.IsLate
	}
	pulseAt := func(marker string, now int64) string {
		t.Helper()
		down, err := m.Pulse(nil, clock(marker), nil, offset(1), now)
		if err != nil {
			t.Fatal(err)
		}
		return showDown(down)
	}
	beatAt(0, "12:00", 0)
	beatAt(7, "10:00", 0)
	want(t, "7 holds back", pulseAt("12:00", minute), "a 120m")
	want(t, "0 does not help", beatAt(0, "13:00", 2*minute), true)
	want(t, "7 on its way", beatAt(7, "11:00", 3*minute), true)
	want(t, "7 is there", beatAt(7, "12:30", 4*minute), false)
	carryOut(m)
	// 7 falls silent: 10 minutes later it does not count any more.
	beatAt(0, "14:00", 13*minute)
	want(t, "7 counts", pulseAt("13:40", 14*minute), "a 70m")
	carryOut(m)
	m.Tick(14 * minute)
	wantActions(t, m, "")
	m.Tick(14*minute + 1)
	wantActions(t, m, "recovery a, all up, resume")
	// If all are silent the farthest counts.
	want(t, "all idle", pulseAt("15:00", hour), "")
	want(t, "the dependent runs away", pulseAt("15:01", hour), "a 61m")
	want(t, "a heartbeat counts alone", beatAt(7, "14:30", hour), true)
	want(t, "is idle", m.Status().Dependencies[0].Partitions, []PartitionStatus{
		{Partition: 0, Marker: clock("14:00"), Idle: true}, {Partition: 7, Marker: clock("14:30")},
	})
	m = reload(t, m, 9*hour)
	want(t, "stays idle", m.Status().Dependencies[0].Partitions[0].Idle, true)
	want(t, "view", m.Status().Dependencies[0].Marker, clock("14:30"))
}

func TestAPartitionAtItsEndDoesNotCount(t *testing.T) {
	m := machine(t, specOf(time.Hour, "a"))
	for partition, marker := range []abi.Marker{clock("12:00"), clock("10:00")} {
		if _, err := m.Heartbeat(0, int32(partition), marker, 0); err != nil {
			t.Fatal(err)
		}
	}
	if down, err := m.Pulse(nil, clock("11:30"), nil, offset(0), 0); err != nil || len(down) != 1 {
		t.Fatal(down, err)
	}
	carryOut(m)
	if err := m.Idle(0, 5, 0); err != nil { // never seen
		t.Fatal(err)
	}
	wantActions(t, m, "")
	if err := m.Idle(0, 1, 0); err != nil {
		t.Fatal(err)
	}
	wantActions(t, m, "recovery a, all up, resume")
	if err := m.Idle(1, 0, 0); !errors.Is(err, ErrDependency) {
		t.Fatal(err)
	}
}

func TestCheckOfTheUsersOwn(t *testing.T) {
	s := specOf(time.Hour, "a", "b")
	s.Dependencies[0].CustomDowntime, s.Dependencies[0].CustomRecovery = true, true
	m := machine(t, s)
	beatMarker := text("x")
	if _, err := m.Heartbeat(0, 0, beatMarker, 0); err != nil {
		t.Fatal(err)
	}
	pulse(t, m, clock("10:00"), offset(0))
	pulse(t, m, clock("10:01"), offset(1))
	want(t, "due", m.Due(), true)
	c, ok := m.Check()
	want(t, "one check, of the last markers", c, Check{Which: abi.CheckDowntime, DependentMarker: clock("10:01"), DependencyMarker: beatMarker, ThresholdMs: hour})
	want(t, "open", ok, true)
	mark := m.Mark()
	m.AnswerDowntime(0, 5*minute, 0)
	m.AnswerDowntime(0, 5*minute, 0) // none is open
	wantActions(t, m, "pause, downtime a 5m")
	m.Undo(mark)
	want(t, "open again", m.Due(), true)
	m = reload(t, m, 0)
	m.AnswerDowntime(0, 5*minute, 0)
	want(t, "answer", showDown(m.Downtimes(nil)), "a 5m")
	wantActions(t, m, "pause, downtime a 5m")
	pulse(t, m, clock("10:02"), offset(2))
	want(t, "down: nothing to ask", m.Due(), false)
	if l, err := m.Heartbeat(0, 0, text("y"), 0); err != nil || !l.IsLate {
		t.Fatalf("%+v %v", l, err)
	}
	c, _ = m.Check()
	want(t, "which", c.Which, abi.CheckRecovery)
	m.AnswerRecovery(0, false)
	want(t, "not due", m.Due(), false)
	if _, err := m.Heartbeat(0, 0, text("z"), 0); err != nil {
		t.Fatal(err)
	}
	m.AnswerRecovery(0, true)
	wantActions(t, m, "recovery a, all up, resume")
}

func TestMarkersThatCannotBeCompared(t *testing.T) {
	fresh := func() *Machine { return machine(t, specOf(time.Hour, "a", "b")) }
	m := fresh()
	_, err := m.Heartbeat(0, 0, abi.Marker{}, 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c", Dependency: "a"})
	_, err = m.Heartbeat(0, 0, text("x"), 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c", Dependency: "a", Got: abi.MarkerText})
	_, err = m.Pulse(nil, abi.Marker{}, nil, NoPosition, 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c"})
	beat(t, m, 1, at(5))
	_, err = m.Heartbeat(1, 3, num(5), 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c", Dependency: "b", Got: abi.MarkerInt, Against: "b", Want: abi.MarkerTime})
	_, err = m.Pulse(nil, num(5), nil, NoPosition, 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c", Got: abi.MarkerInt, Against: "b", Want: abi.MarkerTime})
	pulse(t, m, at(5), NoPosition)
	_, err = m.Pulse(nil, num(5), nil, NoPosition, 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c", Got: abi.MarkerInt, Want: abi.MarkerTime})
	_, err = m.Heartbeat(0, 0, num(5), 0)
	wantMarkerError(t, err, MarkerError{Checkpoint: "c", Dependency: "a", Got: abi.MarkerInt, Want: abi.MarkerTime})
	for _, c := range []struct{ err, text string }{
		{(&MarkerError{Checkpoint: "c", Dependency: "a"}).Error(), "checkpoint c: the marker of dependency a is none: every record needs one, a time, an integer or text"},
		{err.Error(), "checkpoint c: the marker of dependency a is an integer, that of the dependent is a time: they cannot be compared"},
	} {
		want(t, "text", c.err, c.text)
	}
}

func TestStateIsMergedAndBounded(t *testing.T) {
	m := machine(t, specOf(time.Hour, "a"))
	put := func(raw []byte) error {
		_, err := m.Pulse(nil, at(1), raw, NoPosition, 0)
		return err
	}
	if err := errors.Join(put(stateOf("k", 1)), put(stateOf("l", 2)), put([]byte{0x81, 0xd9, 1, 'k', 0xc0})); err != nil {
		t.Fatal(err)
	}
	want(t, "state", m.Status().State, []byte{0x82, 0xa1, 'k', 0xc0, 0xa1, 'l', 2})
	for _, bad := range [][]byte{
		{0x90},
		{0x81, 0xa1, 'k'},
		{0x80, 0x80},
		{0x82, 0xa1, 'z', 1, 0xc1, 1},
		{0xc0},
		append([]byte{0x81, 0xa1, 'z', 0xc6, 0, 1, 0, 0}, make([]byte, 65536)...),
	} {
		if err := put(bad); !errors.Is(err, ErrState) {
			t.Fatalf("% x: %v", bad[:min(len(bad), 8)], err)
		}
		want(t, "unchanged", m.Status().State, []byte{0x82, 0xa1, 'k', 0xc0, 0xa1, 'l', 2})
	}
	nested := func(depth int) []byte {
		raw := append([]byte{0x81, 0xa1, 'k'}, bytes.Repeat([]byte{0x91}, depth)...)
		return append(raw, 0xc0)
	}
	if err := put(nested(abi.MaxDepth)); !errors.Is(err, ErrState) {
		t.Fatalf("%d levels in the map: %v", abi.MaxDepth, err)
	}
	if err := put(nested(abi.MaxDepth - 1)); err != nil {
		t.Fatal(err)
	}
	reload(t, m, 0)
	if err := put([]byte{0x81, 0xa1, 'k', 0xc0}); err != nil {
		t.Fatal(err)
	}
	fill := append([]byte{0x81, 0xa1, 'z', 0xc5, 0xff, 0xf4}, make([]byte, 0xfff4)...)
	if err := put(fill); err != nil {
		t.Fatal(err)
	}
	want(t, "bytes", len(m.Status().State), abi.MaxState)
	if err := put(stateOf("y", 1)); !errors.Is(err, ErrState) {
		t.Fatal(err)
	}
}

func TestABacklogIsRefused(t *testing.T) {
	s := compatOf(0, "a")
	m := machine(t, s)
	beat(t, m, 0, at(0))
	var err error
	for i := int64(1); err == nil && i < 5000; i++ {
		_, err = m.Pulse(nil, at(i), stateOf("o", i), offset(i), 0)
	}
	if !errors.Is(err, ErrBacklog) || len(m.queue) > maxActions {
		t.Fatalf("%v with %d actions", err, len(m.queue))
	}
	carryOut(m)
	want(t, "bytes", m.waitingBytes, 0)
	pulse(t, m, at(9), offset(1))
}

// plainView is the marker of a dependency by its definition.
type plainPart struct {
	marker, seen int64
	idle         bool
}

func plainView(parts map[int32]*plainPart, now, idle int64) (view int64, ok bool) {
	far := int64(-1)
	view = 1 << 62
	for _, p := range parts {
		p.idle = p.idle || now-p.seen > idle
		far = max(far, p.marker)
		if !p.idle {
			view = min(view, p.marker)
		}
	}
	if view == 1<<62 {
		view = far
	}
	return view, len(parts) > 0
}

// The default mode against its definition, without anything kept from one
// event to the next but what was said.
func TestDefaultIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "dependencies")
		s := specOf(5*time.Millisecond, []string{"a", "b", "c"}[:n]...)
		s.OnRecovery = SeekDetected
		s.EqualRecovers = rapid.Bool().Draw(t, "equal")
		for i := range s.Dependencies {
			s.Dependencies[i].IdleAfter = 4 * time.Millisecond
		}
		m := machine(t, s)
		type dep struct {
			parts    map[int32]*plainPart
			adopted  int64
			down     bool
			detected int64
			hit      bool
		}
		deps := make([]dep, n)
		for i := range deps {
			deps[i] = dep{parts: map[int32]*plainPart{}, adopted: -1}
		}
		marker, pos, now := int64(-1), int64(-1), int64(0)
		held := false
		var expected []string
		up := func(i int, view int64) {
			d := &deps[i]
			if !d.down || marker >= 0 && view < marker || view == marker && !s.EqualRecovers {
				return
			}
			d.down = false
			expected = append(expected, "recovery "+s.Dependencies[i].Name)
			seek := int64(1 << 62)
			for j := range deps {
				if deps[j].down {
					return
				}
				if deps[j].hit {
					seek = min(seek, deps[j].detected)
				}
			}
			expected = append(expected, "all up", "seek "+showPositions([]abi.Position{offset(seek)}), "resume")
			held, pos = false, seek
			for j := range deps {
				deps[j].hit = false
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += rapid.Int64Range(0, 3).Draw(t, "passes")
			expected = nil
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0, 1, 2, 3:
				value := rapid.Int64Range(0, 30).Draw(t, "pulse")
				pos = rapid.Int64Range(0, 50).Draw(t, "offset")
				got, err := m.Pulse(nil, num(value), nil, offset(pos), now)
				if err != nil {
					t.Fatal(err)
				}
				marker = max(marker, value)
				var down []string
				for i := range deps {
					d := &deps[i]
					view, ok := plainView(d.parts, now, 4)
					if ok {
						up(i, view)
					} else {
						if d.adopted < 0 {
							d.adopted = marker
						}
						view = d.adopted
					}
					if lag := marker - view; lag > 5 && !d.down {
						d.down = true
						if !d.hit {
							d.hit, d.detected = true, pos
						}
						if !held {
							expected = append(expected, "pause")
						}
						held = true
						expected = append(expected, "downtime "+s.Dependencies[i].Name+" 0m")
					}
				}
				for i := range deps {
					if deps[i].down {
						down = append(down, s.Dependencies[i].Name)
					}
				}
				var names []string
				for _, d := range got {
					names = append(names, d.Dependency)
				}
				want(t, "down", names, down)
			case 4, 5, 6, 7:
				i := rapid.IntRange(0, n-1).Draw(t, "dependency")
				partition := rapid.Int32Range(0, 3).Draw(t, "partition")
				value := rapid.Int64Range(0, 40).Draw(t, "heartbeat")
				latency, err := m.Heartbeat(i, partition, num(value), now)
				if err != nil {
					t.Fatal(err)
				}
				p := deps[i].parts[partition]
				if p == nil {
					p = &plainPart{marker: value}
					deps[i].parts[partition] = p
				}
				p.seen, p.idle, p.marker = now, false, max(p.marker, value)
				view, _ := plainView(deps[i].parts, now, 4)
				up(i, view)
				want(t, "late", latency.IsLate, deps[i].down)
			case 8:
				m.Tick(now)
				for i := range deps {
					if view, ok := plainView(deps[i].parts, now, 4); ok {
						up(i, view)
					}
				}
			case 9:
				i := rapid.IntRange(0, n-1).Draw(t, "dependency")
				partition := rapid.Int32Range(0, 3).Draw(t, "partition")
				if err := m.Idle(i, partition, now); err != nil {
					t.Fatal(err)
				}
				if p := deps[i].parts[partition]; p != nil && !p.idle {
					p.idle = true
					view, _ := plainView(deps[i].parts, now, 4)
					up(i, view)
				}
			}
			want(t, "actions", carryOut(m), expected)
			want(t, "held", m.Held(), held)
			if rapid.IntRange(0, 5).Draw(t, "forget") == 0 {
				m.Forget()
			}
		}
	})
}

// Where all heartbeats came before the dependent's first record, everything
// since that record was handled with what was known then.
func TestSeekHealthyWithoutAHeartbeatBetween(t *testing.T) {
	s := specOf(time.Hour, "a")
	s.OnRecovery = SeekHealthy
	m := machine(t, s)
	beat(t, m, 0, clock("10:00"))
	pulse(t, m, clock("10:10"), offset(4))
	pulse(t, m, clock("10:20"), offset(5))
	want(t, "down", pulse(t, m, clock("11:10"), offset(6)), "a 70m")
	wantActions(t, m, "pause, downtime a 70m")
	beat(t, m, 0, clock("12:00"))
	wantActions(t, m, "recovery a, all up, seek 0/0@4, resume")
}
