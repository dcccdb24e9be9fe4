package checkpoint

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// What seed-semantics.md 4.1 lists as the seed's bugs and surprises: compat
// has them, the default mode has what is written behind F, O has an option.

// lateBy brings a machine with dependency a at 10:00 to 11:30: down.
func lateBy(t tester, s *Spec) *Machine {
	m := machine(t, s)
	beat(t, m, 0, clock("10:00"))
	pulse(t, m, clock("11:30"), offset(1))
	return m
}

func recoveryOf(t tester, m *Machine) Action {
	t.Helper()
	for _, a := range m.queue[m.done:] {
		if a.Kind == ActionRecovery {
			return a
		}
	}
	t.Fatal("no recovery waits")
	return Action{}
}

func TestB1CheckpointStateIsTheLiveOne(t *testing.T) {
	s := specOf(time.Hour, "a")
	s.Pause = false
	m := machine(t, s)
	pulse(t, m, clock("10:00"), offset(1))
	beat(t, m, 0, clock("10:00"))
	pulse(t, m, clock("10:30"), offset(2))
	pulse(t, m, clock("11:30"), offset(3))
	pulse(t, m, clock("11:40"), offset(4))
	beat(t, m, 0, clock("12:00"))
	a := recoveryOf(t, m)
	want(t, "state", a.State, stateOf("o", 4))
	want(t, "healthy", a.Healthy, []abi.Position{offset(1)})
	want(t, "detected", a.Detected, []abi.Position{offset(3)})
}

func TestB2AllThatAreDownAreReturned(t *testing.T) {
	for _, s := range []*Spec{compatOf(time.Hour, "a", "b"), specOf(time.Hour, "a", "b")} {
		m := machine(t, s)
		beat(t, m, 0, clock("10:00"))
		beat(t, m, 1, clock("11:30"))
		expected := "a 90m"
		if s.Mode == Compat {
			expected = ""
		}
		want(t, "a is down, b is not", pulse(t, m, clock("11:30"), offset(0)), expected)
	}
}

func TestB3DowntimeIsReportedOnce(t *testing.T) {
	repeat := specOf(time.Hour, "a")
	repeat.RepeatDowntime = true
	for _, c := range []struct {
		spec     *Spec
		expected string
	}{
		{compatOf(time.Hour, "a"), "pause, downtime a 90m, pause, downtime a 91m"},
		{specOf(time.Hour, "a"), "pause, downtime a 90m"},
		{repeat, "pause, downtime a 90m, downtime a 91m"},
	} {
		m := lateBy(t, c.spec)
		pulse(t, m, clock("11:31"), offset(2))
		wantActions(t, m, c.expected)
	}
}

func TestB4EachRecoveryIsReported(t *testing.T) {
	for _, c := range []struct {
		spec     *Spec
		expected string
	}{
		{compatOf(time.Hour, "a", "b"), "resume, recovery b"},
		{specOf(time.Hour, "a", "b"), "recovery a, recovery b, all up, resume"},
	} {
		m := lateBy(t, c.spec) // b has adopted 11:30
		pulse(t, m, clock("12:40"), offset(2))
		carryOut(m)
		beat(t, m, 0, clock("12:41"))
		beat(t, m, 1, clock("12:41"))
		wantActions(t, m, c.expected)
	}
}

func TestB5AFailedDowntimeCall(t *testing.T) {
	for _, s := range []*Spec{compatOf(time.Hour, "a"), specOf(time.Hour, "a")} {
		m := lateBy(t, s)
		m.Done() // pause
		m.Failed()
		beat(t, m, 0, clock("12:00"))
		if s.Mode == Compat {
			wantActions(t, m, "")
			want(t, "held for ever", m.Held(), true)
		} else {
			wantActions(t, m, "recovery a, all up, resume")
		}
	}
}

func TestB6ResumeComesLast(t *testing.T) {
	for _, c := range []struct {
		on       OnRecovery
		mode     Mode
		expected string
	}{
		{Call, Compat, "resume, recovery a"},
		{Call, Default, "recovery a, all up, resume"},
		{SeekHealthy, Default, "recovery a, all up, seek 0/0@0, resume"},
	} {
		s := specOf(time.Hour, "a")
		s.Mode, s.OnRecovery = c.mode, c.on
		m := machine(t, s)
		pulse(t, m, clock("10:00"), offset(0))
		beat(t, m, 0, clock("10:00"))
		pulse(t, m, clock("11:30"), offset(1))
		carryOut(m)
		beat(t, m, 0, clock("11:40"))
		want(t, "held before resume", m.Held(), true)
		wantActions(t, m, c.expected)
		want(t, "held after it", m.Held(), false)
	}
}

func TestB7ADowntimeOutlivesARestart(t *testing.T) {
	for _, s := range []*Spec{compatOf(time.Hour, "a"), specOf(time.Hour, "a")} {
		m := lateBy(t, s)
		carryOut(m)
		m = reload(t, m, 0)
		if s.Mode == Compat {
			want(t, "held", m.Held(), false)
			wantActions(t, m, "")
			want(t, "late", beat(t, m, 0, clock("11:00")), false)
			continue
		}
		want(t, "held", m.Held(), true)
		wantActions(t, m, "pause")
		want(t, "late", beat(t, m, 0, clock("11:00")), true)
	}
}

func TestB8AnOldMarkerMovesNothingBack(t *testing.T) {
	last := specOf(time.Hour, "a")
	last.Markers = MarkersLast
	for _, c := range []struct {
		spec     *Spec
		expected string
	}{
		{compatOf(time.Hour, "a"), "a 90m"},
		{specOf(time.Hour, "a"), ""},
		{last, "a 90m"},
	} {
		m := machine(t, c.spec)
		beat(t, m, 0, clock("11:20"))
		beat(t, m, 0, clock("10:00"))
		want(t, "pulse", pulse(t, m, clock("11:30"), offset(0)), c.expected)
	}
	// The dependent's own too.
	m := machine(t, specOf(time.Hour, "a"))
	pulse(t, m, clock("11:30"), offset(0))
	pulse(t, m, clock("10:00"), offset(1))
	want(t, "dependent", m.Status().Marker, clock("11:30"))
	m = machine(t, last)
	pulse(t, m, clock("11:30"), offset(0))
	pulse(t, m, clock("10:00"), offset(1))
	want(t, "dependent, last", m.Status().Marker, clock("10:00"))
}

func TestB9ZeroIsAMarker(t *testing.T) {
	for _, s := range []*Spec{compatOf(time.Millisecond, "a"), specOf(time.Millisecond, "a")} {
		m := machine(t, s)
		beat(t, m, 0, num(0))
		down, err := m.Pulse(nil, num(100), nil, NoPosition, 0)
		if err != nil || (len(down) == 0) != (s.Mode == Compat) {
			t.Fatalf("mode %d: %v, %v", s.Mode, down, err)
		}
	}
}

// Two checkpoints on one dependent: each machine tells only of its own hold;
// compat's resume is for everyone.
func TestB10AResumeIsForItsHolder(t *testing.T) {
	for _, s := range []*Spec{compatOf(time.Hour, "a"), specOf(time.Hour, "a")} {
		one, other := lateBy(t, s), lateBy(t, s)
		carryOut(one)
		carryOut(other)
		beat(t, one, 0, clock("12:00"))
		for _, a := range one.queue[one.done:] {
			if a.Kind == ActionResume {
				want(t, "everyone", a.Everyone, s.Mode == Compat)
			}
		}
		want(t, "the other holds", other.Held(), true)
	}
}

func TestB11MaxPauseAndEqualMarkers(t *testing.T) {
	s := specOf(time.Hour, "a")
	s.EqualRecovers = true
	m := lateBy(t, s)
	want(t, "late at the same marker", beat(t, m, 0, clock("11:30")), false)

	s = specOf(time.Hour, "a")
	s.MaxPause = 10 * time.Minute
	m = lateBy(t, s)
	carryOut(m)
	now := clock("11:30").Int
	m.Tick(now + 10*minute - 1)
	wantActions(t, m, "")
	m.Tick(now + 10*minute)
	wantActions(t, m, "max pause 10m")
	m.Tick(now + 11*minute)
	wantActions(t, m, "")
	want(t, "held", m.Held(), true)
	m = reload(t, m, now+12*minute)
	m.Tick(now + 12*minute)
	wantActions(t, m, "pause, max pause 12m")

	s.MaxPausePolicy = PauseResume
	m = lateBy(t, s)
	carryOut(m)
	m.Tick(now + 10*minute)
	wantActions(t, m, "max pause 10m, resume")
	want(t, "goes on", pulse(t, m, clock("12:30"), offset(2)), "a 150m")
	wantActions(t, m, "")
	m = reload(t, m, now+11*minute)
	wantActions(t, m, "")
	want(t, "late", beat(t, m, 0, clock("12:00")), true)
	want(t, "late", beat(t, m, 0, clock("13:00")), false)
	wantActions(t, m, "recovery a, all up")
	pulse(t, m, clock("14:30"), offset(3))
	wantActions(t, m, "pause, downtime a 90m")
}

func TestB12TheClockFindsSilence(t *testing.T) {
	s := specOf(time.Hour, "a")
	s.WallClock = true
	m := machine(t, s)
	start := clock("10:00").Int
	m.Tick(start)
	m.Tick(start + hour)
	wantActions(t, m, "")
	m.Tick(start + hour + minute)
	wantActions(t, m, "pause, downtime a 61m")
	m.Tick(start + 2*hour)
	wantActions(t, m, "")
	beat(t, m, 0, clock("12:00"))
	wantActions(t, m, "recovery a, all up, resume")
	// The process was away, not the dependency.
	m = reload(t, m, start+9*hour)
	m.Tick(start + 9*hour + minute)
	wantActions(t, m, "")
	// A heartbeat that has not caught up with the dependent does not help.
	pulse(t, m, clock("12:30"), offset(0))
	m.Tick(start + 11*hour)
	wantActions(t, m, "pause, downtime a 120m")
	want(t, "late", beat(t, m, 0, clock("12:10")), true)
	m.Tick(start + 12*hour)
	want(t, "late", beat(t, m, 0, clock("12:31")), false)

	without := machine(t, specOf(time.Hour, "a"))
	beat(t, without, 0, clock("10:00"))
	without.Tick(start + 99*hour)
	wantActions(t, without, "")
}

func TestB13MarkersAreLookedAtFirst(t *testing.T) {
	for _, s := range []*Spec{compatOf(time.Hour, "a"), specOf(time.Hour, "a")} {
		m := machine(t, s)
		beat(t, m, 0, clock("10:00"))
		before := m.AppendSnapshot(nil)
		_, err := m.Pulse(nil, text("x"), stateOf("o", 1), offset(1), 0)
		var wrong *MarkerError
		if !errors.As(err, &wrong) || wrong.Dependency != "" || wrong.Got != abi.MarkerText {
			t.Fatalf("%v", err)
		}
		want(t, "unchanged", bytes.Equal(before, m.AppendSnapshot(nil)), s.Mode == Default)
	}
}

// B14 is about keys made of names; a snapshot has names as values.
func TestB14NamesDoNotCollide(t *testing.T) {
	s := specOf(time.Hour, "a_b", "a", "b")
	m := machine(t, s)
	for i := range s.Dependencies {
		beat(t, m, i, at(int64(i+1)*hour))
	}
	m = reload(t, m, 0)
	for i, d := range m.Status().Dependencies {
		want(t, d.Name, d.Marker, at(int64(i+1)*hour))
	}
}

// B15 is about an empty cache that counts as none: a machine without any
// event has a durable form too.
func TestB15AnEmptyMachineIsDurable(t *testing.T) {
	m := machine(t, specOf(time.Hour, "a"))
	if len(m.AppendSnapshot(nil)) == 0 {
		t.Fatal("no snapshot")
	}
	m = reload(t, m, 0)
	want(t, "due", m.Due(), false)
}

func TestB16RevokedPartitionsAreForgotten(t *testing.T) {
	s := specOf(time.Hour, "a")
	s.OnRecovery = SeekDetected
	m := machine(t, s)
	pulse(t, m, clock("10:00"), abi.Position{Partition: 0, Offset: 5})
	pulse(t, m, clock("10:00"), abi.Position{Partition: 1, Offset: 7})
	beat(t, m, 0, clock("10:00"))
	pulse(t, m, clock("11:30"), abi.Position{Partition: 1, Offset: 8})
	carryOut(m)
	mark := m.Mark()
	m.Prune(func(_, partition int32) bool { return partition == 1 })
	want(t, "positions", showPositions(m.Status().Positions), "0/1@8")
	beat(t, m, 0, clock("12:00"))
	want(t, "healthy", showPositions(recoveryOf(t, m).Healthy), "0/1@7")
	wantActions(t, m, "recovery a, all up, seek 0/1@8, resume")
	m.Undo(mark)
	want(t, "positions", showPositions(m.Status().Positions), "0/0@5 0/1@8")
	// What waits is pruned too.
	beat(t, m, 0, clock("12:00"))
	m.Prune(func(_, partition int32) bool { return partition == 0 })
	wantActions(t, m, "recovery a, all up, seek 0/0@5, resume")
}
