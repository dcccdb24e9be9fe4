package checkpoint

import (
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// hotMachine is a checkpoint as it runs most of the time: two dependencies of
// four partitions, all up.
func hotMachine(t tester, down bool) *Machine {
	m := machine(t, specOf(time.Hour, "a", "b"))
	for p := range int32(4) {
		beatOf(t, m, 0, p, at(hour))
		beatOf(t, m, 1, p, at(hour))
	}
	pulse(t, m, at(hour), offset(0))
	if down {
		pulse(t, m, at(9*hour), offset(0))
	}
	carryOut(m)
	m.Forget()
	return m
}

func TestNothingIsAllocated(t *testing.T) {
	for _, down := range []bool{false, true} {
		m := hotMachine(t, down)
		n := int64(0)
		state := stateOf("o", 1<<33)
		dst := make([]abi.DowntimeOf, 0, 2)
		round := func() {
			for range 100 {
				n++
				m.Mark()
				state[len(state)-1] = byte(n)
				if _, err := m.Pulse(dst, at(hour+n), state, offset(n), hour+n); err != nil {
					t.Fatal(err)
				}
				mark := m.Mark()
				if _, err := m.Heartbeat(int(n%2), int32(n%4), at(hour+n), hour+n); err != nil {
					t.Fatal(err)
				}
				if n%10 == 0 {
					m.Undo(mark)
				}
			}
			m.Tick(hour + n)
			m.Forget()
		}
		round()
		if got := testing.AllocsPerRun(20, round); got != 0 {
			t.Errorf("down %v: %v allocations in 100 records", down, got)
		}
	}
}

func BenchmarkPulse(b *testing.B) {
	m := hotMachine(b, false)
	state := stateOf("o", 1<<33)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		m.Mark()
		state[len(state)-1] = byte(n)
		if _, err := m.Pulse(nil, at(hour+n%hour), state, offset(n), hour); err != nil {
			b.Fatal(err)
		}
		if n%1024 == 0 {
			m.Forget()
		}
	}
}

func BenchmarkPulseOfMarkers(b *testing.B) {
	m := hotMachine(b, false)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		m.Mark()
		if _, err := m.Pulse(nil, at(hour+n%hour), nil, offset(n), hour); err != nil {
			b.Fatal(err)
		}
		if n%1024 == 0 {
			m.Forget()
		}
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	m := hotMachine(b, false)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		m.Mark()
		if _, err := m.Heartbeat(0, int32(n&3), at(hour+n), hour); err != nil {
			b.Fatal(err)
		}
		if n%1024 == 0 {
			m.Forget()
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	m := hotMachine(b, true)
	buf := m.AppendSnapshot(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.AppendSnapshot(buf[:0])
	}
}
