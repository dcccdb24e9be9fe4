package checkpoint

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"pgregory.net/rapid"
)

// seedCheckpoint is the seed's checkpointing.py put into Go line by line from
// seed-semantics.md, with maps, a callback that may fail and no journal. It
// shares nothing with the machine.
type seedCheckpoint struct {
	pause       bool
	order       []string
	deps        map[string]*seedDependency
	state       map[string]int64
	stateMarker any
	log         []string
	gate        bool // the stream is held
	// disk is what the cache holds of markers and state.
	disk struct {
		state       map[string]int64
		stateMarker any
		markers     map[string]any
	}
}

type seedDependency struct {
	name           string
	threshold      int64
	checkpoint     any
	isDown         bool
	downtimeAnswer *int64 // a check of the user's own
	recoveryAnswer *bool
	callbackFails  *bool
}

// seedTime stands for a datetime.
type seedTime int64

var errType = errors.New("TypeError")

func truthy(v any) bool {
	switch v := v.(type) {
	case seedTime:
		return true
	case int64:
		return v != 0
	case string:
		return v != ""
	}
	return false
}

// pair reads two markers as the default checks do. Integers are sliphost's
// own addition.
func seedPair(a, b any) (x, y int64, err error) {
	switch a := a.(type) {
	case seedTime:
		if b, ok := b.(seedTime); ok {
			return int64(a), int64(b), nil
		}
	case int64:
		if b, ok := b.(int64); ok {
			return a, b, nil
		}
	}
	return 0, 0, errType
}

func (c *seedCheckpoint) downtimeCheck(d *seedDependency) (int64, error) {
	if d.downtimeAnswer != nil {
		return *d.downtimeAnswer, nil
	}
	x, y, err := seedPair(c.stateMarker, d.checkpoint)
	if err != nil || x-y <= d.threshold {
		return 0, err
	}
	return x - y, nil
}

func (c *seedCheckpoint) recoveryCheck(d *seedDependency) (bool, error) {
	if d.recoveryAnswer != nil {
		return *d.recoveryAnswer, nil
	}
	x, y, err := seedPair(c.stateMarker, d.checkpoint)
	return err == nil && y > x, err
}

func (c *seedCheckpoint) showState() string {
	var out []string
	for _, k := range []string{"0", "1", "2"} {
		if v, ok := c.state[k]; ok {
			out = append(out, fmt.Sprintf("%s=%d", k, v))
		}
	}
	return strings.Join(out, " ")
}

func (c *seedCheckpoint) signal(held bool) {
	if c.pause {
		c.gate = held
		c.log = append(c.log, map[bool]string{true: "pause", false: "resume"}[held])
	}
}

// checkPulse returns 0 for None.
func (c *seedCheckpoint) checkPulse(marker any, kwargs map[string]int64) (int64, error) {
	for k, v := range kwargs {
		c.state[k] = v
	}
	c.stateMarker = marker
	c.save()
	var downtime int64
	for _, name := range c.order {
		d := c.deps[name]
		if !truthy(d.checkpoint) {
			d.checkpoint = c.stateMarker
			c.save()
		}
		var err error
		if downtime, err = c.downtimeCheck(d); err != nil {
			return 0, err
		}
		if downtime > 0 {
			c.signal(true)
			c.log = append(c.log, fmt.Sprintf("downtime %s %d {%s}", name, downtime, c.showState()))
			if !*d.callbackFails {
				d.isDown = true
			}
		}
	}
	if !c.anyDown() {
		return 0, nil
	}
	return downtime, nil
}

func (c *seedCheckpoint) anyDown() bool {
	for _, d := range c.deps {
		if d.isDown {
			return true
		}
	}
	return false
}

func (c *seedCheckpoint) heartbeat(marker any, name string) (late bool, err error) {
	d := c.deps[name]
	d.checkpoint = marker
	c.save()
	if d.isDown {
		recovered, err := c.recoveryCheck(d)
		if err != nil {
			return false, err
		}
		if recovered {
			d.isDown = false
			if !c.anyDown() {
				c.signal(false)
				c.log = append(c.log, fmt.Sprintf("recovery %s {%s}", name, c.showState()))
			}
		}
	}
	return d.isDown, nil
}

func (c *seedCheckpoint) save() {
	c.disk.state, c.disk.stateMarker, c.disk.markers = map[string]int64{}, c.stateMarker, map[string]any{}
	for k, v := range c.state {
		c.disk.state[k] = v
	}
	for name, d := range c.deps {
		c.disk.markers[name] = d.checkpoint
	}
}

func (c *seedCheckpoint) restart() {
	c.gate, c.stateMarker = false, c.disk.stateMarker
	c.state = map[string]int64{}
	for k, v := range c.disk.state {
		c.state[k] = v
	}
	for name, d := range c.deps {
		d.isDown, d.checkpoint = false, c.disk.markers[name]
	}
}

func seedMarker(m abi.Marker) any {
	switch m.Kind {
	case abi.MarkerTime:
		return seedTime(m.Int)
	case abi.MarkerInt:
		return m.Int
	case abi.MarkerText:
		return m.Text
	}
	return nil
}

// followSeed carries out the machine's actions at once, as the seed does
// within its calls, and checks that the stream is held like the seed's.
func followSeed(m *Machine, fails []bool, gate *bool, log *[]string) {
	for {
		a, ok := m.Next()
		if !ok {
			return
		}
		show := func() string {
			var out []string
			r := abi.NewReader(a.State)
			kept := map[string]int64{}
			for n := r.Map(); n > 0; n-- {
				k := string(r.Str())
				kept[k] = r.Int()
			}
			for _, k := range []string{"0", "1", "2"} {
				if v, ok := kept[k]; ok {
					out = append(out, fmt.Sprintf("%s=%d", k, v))
				}
			}
			return strings.Join(out, " ")
		}
		switch a.Kind {
		case ActionPause:
			*gate = true
			*log = append(*log, "pause")
		case ActionResume:
			*gate = false
			*log = append(*log, "resume")
		case ActionDowntime:
			*log = append(*log, fmt.Sprintf("downtime %s %d {%s}", m.spec.Dependencies[a.Dependency].Name, a.DowntimeMs, show()))
			if fails[a.Dependency] {
				m.Failed()
				continue
			}
		case ActionRecovery:
			*log = append(*log, fmt.Sprintf("recovery %s {%s}", m.spec.Dependencies[a.Dependency].Name, show()))
		default:
			*log = append(*log, showAction(m, a))
		}
		m.Done()
	}
}

func TestCompatIsTheSeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		custom := rapid.Bool().Draw(t, "custom")
		s := &Spec{Name: "c", Mode: Compat, Pause: rapid.Bool().Draw(t, "pause"), OnRecovery: Call}
		seed := &seedCheckpoint{pause: s.Pause, deps: map[string]*seedDependency{}, state: map[string]int64{}}
		n := rapid.IntRange(1, 3).Draw(t, "dependencies")
		answers := make([]int64, n)
		recovered, fails := make([]bool, n), make([]bool, n)
		for i := range n {
			name := string(rune('a' + i))
			threshold := rapid.Int64Range(0, 4).Draw(t, "threshold")
			s.Dependencies = append(s.Dependencies, Dependency{
				Name: name, Threshold: time.Duration(threshold) * time.Millisecond, CustomDowntime: custom, CustomRecovery: custom,
			})
			d := &seedDependency{name: name, threshold: threshold, callbackFails: &fails[i]}
			if custom {
				d.downtimeAnswer, d.recoveryAnswer = &answers[i], &recovered[i]
			}
			seed.deps[name], seed.order = d, append(seed.order, name)
		}
		seed.save()
		m := machine(t, s)
		var log []string
		gate := false
		marker := func() abi.Marker {
			v := rapid.Int64Range(0, 12).Draw(t, "marker")
			switch rapid.IntRange(0, 30).Draw(t, "kind") {
			case 0:
				return abi.Marker{}
			case 1:
				return num(v)
			case 2:
				return text(strings.Repeat("x", int(v%3)))
			}
			return at(v)
		}
		settle := func() {
			// With checks of the user's own the seed acts in the order of the
			// dependencies, and so does a driver that asks and acts in turn.
			for {
				followSeed(m, fails, &gate, &log)
				c, ok := m.Check()
				if !ok {
					return
				}
				if c.Which == abi.CheckDowntime {
					m.AnswerDowntime(c.Dependency, answers[c.Dependency], 0)
				} else {
					m.AnswerRecovery(c.Dependency, recovered[c.Dependency])
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			for i := range n {
				answers[i] = rapid.Int64Range(-2, 3).Draw(t, "answer")
				recovered[i] = rapid.Bool().Draw(t, "recovered")
				fails[i] = rapid.IntRange(0, 7).Draw(t, "fails") == 0
			}
			switch rapid.IntRange(0, 12).Draw(t, "event") {
			case 0:
				seed.restart()
				next := machine(t, s)
				if err := next.Load(m.AppendSnapshot(nil), 5); err != nil {
					t.Fatal(err)
				}
				m, gate = next, false
			case 1, 2, 3, 4, 5, 6:
				mk := marker()
				key := rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "key")
				v := rapid.Int64Range(0, 99).Draw(t, "value")
				downtime, errSeed := seed.checkPulse(seedMarker(mk), map[string]int64{key: v})
				_, err := m.Pulse(nil, mk, stateOf(key, v), NoPosition, 0)
				settle()
				if (err != nil) != (errSeed != nil) {
					t.Fatalf("pulse %v: %v, the seed %v", mk, err, errSeed)
				}
				if err != nil {
					break
				}
				var got int64
				if list := m.Downtimes(nil); len(list) > 0 {
					got = list[0].DowntimeMs
				}
				if got != max(downtime, 0) {
					t.Fatalf("pulse %v: downtime %d, the seed's %d", mk, got, downtime)
				}
			default:
				i := rapid.IntRange(0, n-1).Draw(t, "dependency")
				mk := marker()
				late, errSeed := seed.heartbeat(seedMarker(mk), seed.order[i])
				latency, err := m.Heartbeat(i, rapid.Int32Range(0, 3).Draw(t, "partition"), mk, 0)
				settle()
				if (err != nil) != (errSeed != nil) {
					t.Fatalf("heartbeat %v: %v, the seed %v", mk, err, errSeed)
				}
				if err == nil && (m.deps[i].down != late || seedMarker(latency.DependentMarker) != seed.stateMarker || latency.DependencyMarker != mk) {
					t.Fatalf("heartbeat %v: %+v, down %v, the seed's: late %v, marker %v", mk, latency, m.deps[i].down, late, seed.stateMarker)
				}
			}
			if got, expected := strings.Join(log, "\n"), strings.Join(seed.log, "\n"); got != expected {
				t.Fatalf("actions:\n%s\nthe seed's:\n%s", got, expected)
			}
			if gate != seed.gate {
				t.Fatalf("held: %v, the seed's stream %v", gate, seed.gate)
			}
			for i, name := range seed.order {
				if d := seed.deps[name]; m.deps[i].down != d.isDown || seedMarker(m.deps[i].view) != d.checkpoint {
					t.Fatalf("%s: down %v, marker %v; the seed's %v, %v", name, m.deps[i].down, m.deps[i].view, d.isDown, d.checkpoint)
				}
			}
		}
	})
}

// What another checkpoint's recovery has opened is closed by the next pulse that
// finds a downtime, and stays open where none does; an abort takes it back.
func TestCompatOpen(t *testing.T) {
	m := machine(t, compatOf(time.Hour, "a"))
	beat(t, m, 0, clock("10:00"))
	pulse(t, m, clock("11:10"), offset(1))
	wantActions(t, m, "pause, downtime a 70m")
	m.Forget()
	m.Open()
	if m.Held() {
		t.Fatal("held although it was opened")
	}
	m.Undo(0)
	if !m.Held() {
		t.Fatal("open although that was undone")
	}
	m.Open()
	pulse(t, m, clock("11:20"), offset(2))
	wantActions(t, m, "pause, downtime a 80m")
	if !m.Held() {
		t.Fatal("open although the downtime goes on")
	}
	other := machine(t, specOf(time.Hour, "a"))
	beat(t, other, 0, clock("10:00"))
	pulse(t, other, clock("11:10"), offset(1))
	if other.Open(); !other.Held() {
		t.Fatal("only compat has one gate for all")
	}
}
