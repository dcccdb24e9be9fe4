package checkpoint

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sliphost/sliphost/abi"
)

const (
	minute = int64(time.Minute / time.Millisecond)
	hour   = 60 * minute
)

// tester is a test, of rapid's too.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func at(ms int64) abi.Marker   { return abi.Marker{Kind: abi.MarkerTime, Int: ms} }
func num(n int64) abi.Marker   { return abi.Marker{Kind: abi.MarkerInt, Int: n} }
func text(s string) abi.Marker { return abi.Marker{Kind: abi.MarkerText, Text: s} }

// clock reads "10:30".
func clock(s string) abi.Marker {
	var h, m int64
	if _, err := fmt.Sscanf(s, "%d:%d", &h, &m); err != nil {
		panic(err)
	}
	return at(h*hour + m*minute)
}

// offset is a position of the dependent's partition 0.
func offset(n int64) abi.Position { return abi.Position{Offset: n} }

// stateOf is a state with one text key.
func stateOf(key string, n int64) []byte {
	return abi.AppendInt(abi.AppendStr([]byte{0x81}, key), n)
}

// spec is a checkpoint with dependencies of one threshold.
func specOf(threshold time.Duration, names ...string) *Spec {
	s := &Spec{Name: "c", Pause: true, OnRecovery: Call}
	for _, name := range names {
		s.Dependencies = append(s.Dependencies, Dependency{Name: name, Threshold: threshold})
	}
	return s
}

func compatOf(threshold time.Duration, names ...string) *Spec {
	s := specOf(threshold, names...)
	s.Mode = Compat
	return s
}

func machine(t tester, s *Spec) *Machine {
	t.Helper()
	m, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pulse and beat take the marker for the time of the clock as well.
func pulse(t tester, m *Machine, marker abi.Marker, pos abi.Position) string {
	t.Helper()
	down, err := m.Pulse(nil, marker, stateOf("o", pos.Offset), pos, marker.Int)
	if err != nil {
		t.Fatalf("pulse: %v", err)
	}
	return showDown(down)
}

func beat(t tester, m *Machine, dep int, marker abi.Marker) bool {
	t.Helper()
	return beatOf(t, m, dep, 0, marker)
}

func beatOf(t tester, m *Machine, dep int, partition int32, marker abi.Marker) bool {
	t.Helper()
	latency, err := m.Heartbeat(dep, partition, marker, marker.Int)
	if err != nil {
		t.Fatalf("heartbeat: %v", err)
	}
	if latency.DependencyMarker != marker {
		t.Fatalf("the heartbeat's answer has the marker %v, it was given %v", latency.DependencyMarker, marker)
	}
	return latency.IsLate
}

func showDown(down []abi.DowntimeOf) string {
	var out []string
	for _, d := range down {
		out = append(out, fmt.Sprintf("%s %dm", d.Dependency, d.DowntimeMs/minute))
	}
	return strings.Join(out, ", ")
}

func showAction(m *Machine, a *Action) string {
	name := func() string { return m.spec.Dependencies[a.Dependency].Name }
	switch a.Kind {
	case ActionPause:
		return "pause"
	case ActionResume:
		return "resume"
	case ActionDowntime:
		return fmt.Sprintf("downtime %s %dm", name(), a.DowntimeMs/minute)
	case ActionRecovery:
		return "recovery " + name()
	case ActionAllUp:
		return "all up"
	case ActionSeek:
		return "seek " + showPositions(a.Positions)
	case ActionMaxPause:
		return fmt.Sprintf("max pause %dm", a.HeldMs/minute)
	}
	return fmt.Sprintf("kind %d", a.Kind)
}

func showPositions(list []abi.Position) string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%d/%d@%d", p.Source, p.Partition, p.Offset))
	}
	return strings.Join(out, " ")
}

// waiting shows the actions that wait and leaves them.
func waiting(m *Machine) (out []string) {
	for i := m.done; i < len(m.queue); i++ {
		out = append(out, showAction(m, &m.queue[i]))
	}
	return out
}

// carryOut takes all actions that wait.
func carryOut(m *Machine) (out []string) {
	for {
		a, ok := m.Next()
		if !ok {
			return out
		}
		out = append(out, showAction(m, a))
		m.Done()
	}
}

func want(t tester, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// wantActions carries out what waits: a list of it with commas.
func wantActions(t tester, m *Machine, list string) {
	t.Helper()
	want(t, "actions", strings.Join(carryOut(m), ", "), list)
}

func wantMarkerError(t tester, err error, expected MarkerError) {
	t.Helper()
	var got *MarkerError
	if !errors.As(err, &got) {
		t.Fatalf("%v is no *MarkerError", err)
	}
	want(t, "error", *got, expected)
}

// reload is a restart.
func reload(t tester, m *Machine, now int64) *Machine {
	t.Helper()
	next := machine(t, m.spec)
	if err := next.Load(m.AppendSnapshot(nil), now); err != nil {
		t.Fatalf("load: %v", err)
	}
	return next
}
