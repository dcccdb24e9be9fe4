package checkpoint

import (
	"testing"
	"time"
)

// step is an event in short form: "p 10:30" is a pulse, "a 10:00" a heartbeat
// of dependency a, "restart" what it says.
type step = string

// The table of seed-semantics.md 4.1, with the threshold of an hour. before
// leads to the row's state; event is the row's. Answers and actions are shown
// for the event only. down is the dependencies' state after it.
func TestTransitionTable(t *testing.T) {
	type outcome struct{ answer, actions, down string }
	for _, row := range []struct {
		state, event, condition string
		deps                    []string
		custom                  bool
		// answers to checks of the user's own, asked at once
		downtime       int64
		recovered      bool
		before         []step
		do             step
		compat, normal outcome
	}{
		{
			state: "UP", event: "check_pulse", condition: "marker unset", do: "p 10:30",
			compat: outcome{"", "", ""}, normal: outcome{"", "", ""},
		},
		{
			state: "UP", event: "check_pulse", condition: "marker unset, custom check goes down at once", custom: true, downtime: 7 * minute, do: "p 10:30",
			compat: outcome{"a 7m", "pause, downtime a 7m", "a"}, normal: outcome{"a 7m", "pause, downtime a 7m", "a"},
		},
		{
			state: "UP", event: "check_pulse", condition: "check truthy", before: []step{"a 10:00"}, do: "p 11:01",
			compat: outcome{"a 61m", "pause, downtime a 61m", "a"}, normal: outcome{"a 61m", "pause, downtime a 61m", "a"},
		},
		{
			state: "UP", event: "check_pulse", condition: "check falsy, equal to the threshold", before: []step{"a 10:00"}, do: "p 11:00",
			compat: outcome{"", "", ""}, normal: outcome{"", "", ""},
		},
		{
			state: "UP", event: "heartbeat", condition: "years old", before: []step{"a 30:00", "p 30:10"}, do: "a 10:00",
			compat: outcome{"in time", "", ""}, normal: outcome{"in time", "", ""},
		},
		{
			state: "UP", event: "check_pulse after a heartbeat that is years old", condition: "check truthy in compat", before: []step{"a 30:00", "p 30:10", "a 10:00"}, do: "p 30:20",
			compat: outcome{"a 1220m", "pause, downtime a 1220m", "a"}, normal: outcome{"", "", ""},
		},
		{
			state: "DOWN", event: "check_pulse", condition: "check truthy", before: []step{"a 10:00", "p 11:30"}, do: "p 11:40",
			compat: outcome{"a 100m", "pause, downtime a 100m", "a"}, normal: outcome{"a 100m", "", "a"},
		},
		{
			state: "DOWN", event: "check_pulse", condition: "check falsy (dependent went back)", before: []step{"a 10:00", "p 11:30"}, do: "p 10:10",
			compat: outcome{"", "", "a"}, normal: outcome{"a 90m", "", "a"},
		},
		{
			state: "DOWN", event: "heartbeat", condition: "recovery falsy, equal markers", before: []step{"a 10:00", "p 11:30"}, do: "a 11:30",
			compat: outcome{"late", "", "a"}, normal: outcome{"late", "", "a"},
		},
		{
			state: "DOWN", event: "heartbeat", condition: "recovery truthy, another dep DOWN", deps: []string{"a", "b"}, before: []step{"a 10:00", "b 10:00", "p 11:30"}, do: "a 12:00",
			compat: outcome{"in time", "", "b"}, normal: outcome{"in time", "recovery a", "b"},
		},
		{
			state: "DOWN", event: "heartbeat", condition: "recovery truthy, none DOWN", before: []step{"a 10:00", "p 11:30"}, do: "a 11:31",
			compat: outcome{"in time", "resume, recovery a", ""}, normal: outcome{"in time", "recovery a, all up, resume", ""},
		},
		{
			state: "DOWN", event: "heartbeat", condition: "recovery truthy, the last of two", deps: []string{"a", "b"}, before: []step{"a 10:00", "b 10:00", "p 11:30", "a 12:00"}, do: "b 12:00",
			compat: outcome{"in time", "resume, recovery b", ""}, normal: outcome{"in time", "recovery b, all up, resume", ""},
		},
		{
			state: "DOWN", event: "heartbeat", condition: "custom recovery falsy", custom: true, downtime: 7 * minute, before: []step{"p 11:30"}, do: "a 12:00",
			compat: outcome{"late", "", "a"}, normal: outcome{"late", "", "a"},
		},
		{
			state: "DOWN", event: "heartbeat", condition: "custom recovery truthy", custom: true, downtime: 7 * minute, recovered: true, before: []step{"p 11:30"}, do: "a 10:00",
			compat: outcome{"in time", "resume, recovery a", ""}, normal: outcome{"in time", "recovery a, all up, resume", ""},
		},
		{
			state: "UP", event: "restart", before: []step{"a 10:00", "p 10:30"}, do: "restart",
			compat: outcome{"", "", ""}, normal: outcome{"", "", ""},
		},
		{
			state: "DOWN", event: "restart", before: []step{"a 10:00", "p 11:30"}, do: "restart",
			compat: outcome{"", "", ""}, normal: outcome{"", "pause", "a"},
		},
		{
			state: "DOWN, restarted", event: "check_pulse", condition: "re-detected", before: []step{"a 10:00", "p 11:30", "restart"}, do: "p 11:40",
			compat: outcome{"a 100m", "pause, downtime a 100m", "a"}, normal: outcome{"a 100m", "", "a"},
		},
		{
			state: "DOWN, restarted", event: "heartbeat", condition: "recovery truthy", before: []step{"a 10:00", "p 11:30", "restart"}, do: "a 12:00",
			compat: outcome{"in time", "", ""}, normal: outcome{"in time", "recovery a, all up, resume", ""},
		},
	} {
		for _, mode := range []Mode{Compat, Default} {
			expected := row.normal
			if mode == Compat {
				expected = row.compat
			}
			t.Run(map[Mode]string{Compat: "compat/", Default: "default/"}[mode]+row.state+"/"+row.event+"/"+row.condition, func(t *testing.T) {
				deps := row.deps
				if deps == nil {
					deps = []string{"a"}
				}
				s := specOf(time.Hour, deps...)
				s.Mode = mode
				for i := range s.Dependencies {
					s.Dependencies[i].CustomDowntime, s.Dependencies[i].CustomRecovery = row.custom, row.custom
				}
				r := runner{t: t, m: machine(t, s), downtime: row.downtime, recovered: row.recovered}
				for _, b := range row.before {
					r.do(b)
					carryOut(r.m)
				}
				want(t, "answer", r.do(row.do), expected.answer)
				wantActions(t, r.m, expected.actions)
				down := ""
				for _, d := range r.m.Status().Dependencies {
					if d.Down {
						down += d.Name
					}
				}
				want(t, "down", down, expected.down)
			})
		}
	}
}

// runner does steps and answers checks at once.
type runner struct {
	t         tester
	m         *Machine
	downtime  int64
	recovered bool
	offset    int64
}

func (r *runner) do(s step) string {
	r.t.Helper()
	if s == "restart" {
		r.m = reload(r.t, r.m, 0)
		return ""
	}
	who, marker := s[:1], clock(s[2:])
	if who == "p" {
		pulse(r.t, r.m, marker, offset(r.offset))
		r.offset++
		r.answer()
		return showDown(r.m.Downtimes(nil))
	}
	i, err := r.m.spec.Find(who, false)
	if err != nil {
		r.t.Fatal(err)
	}
	beat(r.t, r.m, i, marker)
	r.answer()
	if r.m.deps[i].down {
		return "late"
	}
	return "in time"
}

func (r *runner) answer() {
	r.t.Helper()
	for {
		c, ok := r.m.Check()
		if !ok {
			return
		}
		if c.ThresholdMs != hour || c.DependentMarker != r.m.marker {
			r.t.Fatalf("check %+v", c)
		}
		if c.Which == 0 {
			r.m.AnswerDowntime(c.Dependency, r.downtime, 0)
		} else {
			r.m.AnswerRecovery(c.Dependency, r.recovered)
		}
	}
}
