package checkpoint

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
)

func TestSpecSaysAllThatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  Spec
		texts []string
	}{
		{"no dependency", Spec{}, []string{"has no dependency"}},
		{"too many", Spec{Dependencies: make([]Dependency, abi.MaxBindings+1)}, []string{"has 1025 dependencies"}},
		{"names", *specOf(0, "", "a", "a", strings.Repeat("x", 256)), []string{"dependency 0 has 0 bytes", "a is there twice", "has 256 bytes"}},
		{"negative", Spec{MaxPause: -1, Dependencies: []Dependency{{Name: "a", Threshold: -1}}}, []string{"max_pause must", "threshold and idle_after"}},
		{"options", Spec{Mode: 2, Dependencies: []Dependency{{Name: "a"}}}, []string{"a value that does not exist"}},
		{
			"compat",
			Spec{Mode: Compat, OnRecovery: SeekHealthy, WallClock: true, Dependencies: []Dependency{{Name: "a"}}},
			[]string{"the seed leaves seeking", "neither recovery by an equal marker nor"},
		},
	} {
		_, err := New(&c.spec)
		if err == nil {
			t.Fatalf("%s: no error", c.name)
		}
		for _, text := range c.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is missing in:\n%v", c.name, text, err)
			}
		}
	}
}

func TestFind(t *testing.T) {
	one, two := specOf(0, "a"), specOf(0, "a", "b")
	for _, c := range []struct {
		spec *Spec
		name string
		only bool
		at   int
		ok   bool
	}{{one, "", true, 0, true}, {two, "", true, 0, false}, {two, "b", false, 1, true}, {two, "z", false, 0, false}} {
		at, err := c.spec.Find(c.name, c.only)
		if at != c.at || (err == nil) != c.ok || err != nil && !errors.Is(err, ErrDependency) {
			t.Errorf("%q, only %v of %d: %d, %v", c.name, c.only, len(c.spec.Dependencies), at, err)
		}
	}
}

func TestMarkersAtTheEndOfTheRange(t *testing.T) {
	for _, c := range []struct{ a, b, minus int64 }{
		{math.MaxInt64, -1, math.MaxInt64},
		{math.MinInt64, 1, math.MinInt64},
		{0, math.MinInt64, math.MaxInt64},
		{-1, math.MinInt64, math.MaxInt64},
		{5, 7, -2},
		{math.MinInt64, math.MinInt64, 0},
	} {
		if got := minus(c.a, c.b); got != c.minus {
			t.Errorf("%d - %d is %d, want %d", c.a, c.b, got, c.minus)
		}
	}
	m := machine(t, specOf(time.Hour, "a"))
	if _, err := m.Heartbeat(0, 0, num(math.MinInt64), math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	down, err := m.Pulse(nil, num(math.MaxInt64), nil, NoPosition, math.MinInt64)
	if err != nil || len(down) != 1 || down[0].DowntimeMs != math.MaxInt64 {
		t.Fatalf("%v, %v", down, err)
	}
	m.Tick(math.MaxInt64)
	wantActions(t, m, "pause, downtime a 153722867280912m")
}

// In compat a downtime function may fail while the user's own recovery check
// is open.
func TestCompatForgetsTheCheckOfAFailedDowntime(t *testing.T) {
	s := compatOf(time.Hour, "a")
	s.Dependencies[0].CustomRecovery = true
	m := lateBy(t, s)
	beat(t, m, 0, clock("12:00"))
	m.Done() // pause
	m.Failed()
	m.AnswerRecovery(0, true)
	wantActions(t, m, "")
	want(t, "due", m.Due(), false)
}
