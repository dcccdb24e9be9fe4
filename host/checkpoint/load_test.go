package checkpoint

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// manyStates is a machine that has something in every field of a snapshot.
func manyStates(t tester) *Machine {
	s := specOf(time.Hour, "a", "b")
	s.Dependencies[1].CustomDowntime, s.Dependencies[1].CustomRecovery = true, true
	s.OnRecovery = SeekHealthy
	m := machine(t, s)
	pulse(t, m, clock("10:00"), offset(1))
	m.AnswerDowntime(1, 5, 0)
	carryOut(m)
	beat(t, m, 0, clock("10:00"))
	beatOf(t, m, 0, 3, clock("10:10"))
	if _, err := m.Heartbeat(1, 0, text("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Idle(0, 3, 0); err != nil {
		t.Fatal(err)
	}
	pulse(t, m, clock("11:30"), offset(2))
	m.AnswerRecovery(1, true)
	beat(t, m, 0, clock("12:00"))
	pulse(t, m, clock("14:30"), offset(3))
	return m
}

// Killed after any action of a whole downtime, the rest is done by the next
// process.
func TestRestartBetweenAnyTwoActions(t *testing.T) {
	all := []string{"pause", "downtime a 90m", "recovery a", "all up", "seek 0/0@1", "resume"}
	for done := range len(all) + 1 {
		s := specOf(time.Hour, "a")
		s.OnRecovery = SeekDetected
		m := lateBy(t, s)
		beat(t, m, 0, clock("12:00"))
		for range done {
			m.Done()
		}
		m = reload(t, m, 0)
		expected := slices.Clone(all[done:])
		if done > 0 && done < len(all) {
			expected = append([]string{"pause"}, expected...)
		}
		want(t, "held", m.Held(), done < len(all))
		want(t, "actions", carryOut(m), append([]string(nil), expected...))
		want(t, "held", m.Held(), false)
	}
}

func TestLoadForAnotherSpec(t *testing.T) {
	load := func(s *Spec, from *Machine) *Machine {
		t.Helper()
		m := machine(t, s)
		if err := m.Load(from.AppendSnapshot(nil), 0); err != nil {
			t.Fatal(err)
		}
		return m
	}
	// The only dependency that was down is gone: the dependent goes on.
	m := load(specOf(time.Hour, "new", "b"), lateBy(t, specOf(time.Hour, "a", "b")))
	wantActions(t, m, "pause, all up, resume")
	want(t, "new", m.Status().Dependencies[0].Marker, abi.Marker{})
	want(t, "b", m.Status().Dependencies[1].Marker, clock("11:30"))
	want(t, "held", m.Held(), false)

	// The order changed.
	m = load(specOf(time.Hour, "b", "a"), lateBy(t, specOf(time.Hour, "a", "b")))
	wantActions(t, m, "pause, downtime a 90m")
	want(t, "a is down", m.Status().Dependencies[1].Down, true)

	// pause = false came, and went.
	s := specOf(time.Hour, "a")
	s.Pause = false
	down := lateBy(t, specOf(time.Hour, "a"))
	carryOut(down)
	m = load(s, down)
	want(t, "held", m.Held(), false)
	wantActions(t, m, "")
	wantActions(t, load(specOf(time.Hour, "a"), m), "pause")

	// From compat and to it.
	m = load(specOf(time.Hour, "a"), lateBy(t, compatOf(time.Hour, "a")))
	want(t, "late", beat(t, m, 0, clock("11:00")), true)
	m = load(compatOf(time.Hour, "a"), lateBy(t, specOf(time.Hour, "a")))
	want(t, "marker", m.Status().Dependencies[0].Marker, clock("10:00"))
	want(t, "down", m.Status().Dependencies[0].Down, false)

	// Markers that the checks of today cannot compare.
	custom := specOf(time.Hour, "a")
	custom.Dependencies[0].CustomDowntime, custom.Dependencies[0].CustomRecovery = true, true
	m = machine(t, custom)
	if _, err := m.Heartbeat(0, 0, text("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := machine(t, specOf(time.Hour, "a")).Load(m.AppendSnapshot(nil), 0); !errors.Is(err, ErrSnapshot) {
		t.Fatal(err)
	}
}

func TestLoadRefusesAndChangesNothing(t *testing.T) {
	m := manyStates(t)
	whole := m.AppendSnapshot(nil)
	before := inside(m)
	for n := range whole {
		if err := m.Load(whole[:n], 0); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	newer := slices.Clone(whole)
	newer[1] = 2
	for _, bad := range [][]byte{newer, append(slices.Clone(whole), 0), {}} {
		if err := m.Load(bad, 0); !errors.Is(err, ErrSnapshot) {
			t.Fatal(err)
		}
	}
	want(t, "machine", inside(m), before)
	if err := m.Load(whole, 0); err != nil {
		t.Fatal(err)
	}
	// A later version appends fields.
	longer := append([]byte{0x9b}, whole[1:]...)
	if err := m.Load(append(longer, 0xc0), 0); err != nil {
		t.Fatal(err)
	}
}

// What can be loaded is written the same way again, and can be driven.
func FuzzLoad(f *testing.F) {
	f.Add(manyStates(f).AppendSnapshot(nil))
	f.Add(machine(f, specOf(time.Hour, "a")).AppendSnapshot(nil))
	f.Add(lateBy(f, compatOf(time.Hour, "a", "b")).AppendSnapshot(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, mode := range []Mode{Default, Compat} {
			s := specOf(time.Hour, "a", "b")
			s.Mode = mode
			s.Dependencies[1].CustomDowntime, s.Dependencies[1].CustomRecovery = true, true
			m := machine(t, s)
			if m.Load(b, 0) != nil {
				continue
			}
			once := m.AppendSnapshot(nil)
			if err := m.Load(once, 0); err != nil {
				t.Fatalf("% x is written and refused: %v", once, err)
			}
			if twice := m.AppendSnapshot(nil); string(once) != string(twice) {
				t.Fatalf("% x became % x", once, twice)
			}
			mark, before := m.Mark(), inside(m)
			_, _ = m.Pulse(nil, at(1<<62), stateOf("o", 1), offset(1), 0)
			_, _ = m.Heartbeat(0, 0, at(1<<63-1), 0)
			m.Tick(1 << 62)
			m.Prune(func(int32, int32) bool { return false })
			m.Undo(mark)
			want(t, "after undo", inside(m), before)
			carryOut(m)
			if n := m.Status(); len(n.Dependencies) != 2 {
				t.Fatal(n)
			}
		}
	})
}
