package checkpoint

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"pgregory.net/rapid"
)

// anySpec draws a checkpoint of one to three dependencies.
func anySpec(t *rapid.T) *Spec {
	s := &Spec{
		Name: "c", Pause: rapid.Bool().Draw(t, "pause"), OnRecovery: OnRecovery(rapid.IntRange(0, 3).Draw(t, "on_recovery")),
		Mode: Mode(rapid.IntRange(0, 1).Draw(t, "mode")), Markers: Markers(rapid.IntRange(0, 1).Draw(t, "markers")),
		MaxPause: time.Duration(rapid.IntRange(0, 20).Draw(t, "max_pause")) * time.Millisecond, MaxPausePolicy: MaxPausePolicy(rapid.IntRange(0, 1).Draw(t, "policy")),
		RepeatDowntime: rapid.Bool().Draw(t, "repeat"), EqualRecovers: rapid.Bool().Draw(t, "equal"), WallClock: rapid.Bool().Draw(t, "wall clock"),
	}
	if s.Mode == Compat {
		s.OnRecovery, s.EqualRecovers, s.WallClock = Call, false, false
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "dependencies") {
		s.Dependencies = append(s.Dependencies, Dependency{
			Name: string(rune('a' + i)), Threshold: 5 * time.Millisecond, IdleAfter: 4 * time.Millisecond,
			CustomDowntime: rapid.IntRange(0, 3).Draw(t, "custom") == 0, CustomRecovery: rapid.IntRange(0, 3).Draw(t, "custom") == 0,
		})
	}
	return s
}

// anyEvent does one of everything that can happen to a machine but restarts.
func anyEvent(t *rapid.T, m *Machine, now int64) {
	n := len(m.deps)
	marker := num(rapid.Int64Range(0, 40).Draw(t, "marker"))
	if rapid.IntRange(0, 20).Draw(t, "wrong") == 0 {
		marker = text("x")
	}
	partition := rapid.Int32Range(0, 3).Draw(t, "partition")
	pos := abi.Position{Partition: partition, Offset: rapid.Int64Range(-1, 50).Draw(t, "offset")}
	dep := rapid.IntRange(0, n-1).Draw(t, "dependency")
	switch rapid.IntRange(0, 16).Draw(t, "event") {
	case 0, 1, 2, 3:
		state := stateOf(fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "key")), rapid.Int64Range(0, 1<<40).Draw(t, "value"))
		if rapid.IntRange(0, 20).Draw(t, "cut") == 0 {
			state = state[:len(state)-1]
		}
		_, _ = m.Pulse(nil, marker, state, pos, now)
	case 4, 5, 6, 7:
		_, _ = m.Heartbeat(dep, partition, marker, now)
	case 8:
		_ = m.Idle(dep, partition, now)
	case 9:
		m.Tick(now)
	case 10:
		m.Rewind(pos)
	case 11:
		if rapid.IntRange(0, 5).Draw(t, "prune") == 0 {
			m.Prune(func(_, p int32) bool { return p != partition })
		}
	case 12:
		if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
			m.Reset()
		}
	case 13:
		m.Failed()
	case 14:
		m.Done()
	default:
		if c, ok := m.Check(); ok {
			if c.Which == abi.CheckDowntime {
				m.AnswerDowntime(c.Dependency, rapid.Int64Range(-3, 3).Draw(t, "answer"), now)
			} else {
				m.AnswerRecovery(c.Dependency, rapid.Bool().Draw(t, "answer"))
			}
		}
	}
}

// inside is everything a machine has, times too.
func inside(m *Machine) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%+v\n% x\n", m.head, m.AppendSnapshot(nil))
	for i := range m.deps {
		d := &m.deps[i]
		fmt.Fprintf(&b, "%+v\n", d.depState)
		for _, p := range d.parts {
			fmt.Fprintf(&b, " %d %v %v %d at %d\n", p.partition, p.marker, p.idle, p.seen, d.index[p.partition])
		}
	}
	fmt.Fprintf(&b, "%d bytes of state, %d keys of %d, %d in the queue\n", m.state.bytes, len(m.state.index), len(m.state.pairs), len(m.queue))
	for i := range m.state.pairs {
		fmt.Fprintf(&b, " % x at %d\n", m.state.pairs[i].key, m.state.index[string(m.state.pairs[i].key)])
	}
	return b.String()
}

// sums looks at what the machine counts.
func sums(t *rapid.T, m *Machine) {
	down, open, charge := 0, 0, 0
	for i := range m.deps {
		d := &m.deps[i]
		for _, c := range []struct {
			n  *int
			is bool
		}{{&down, d.down}, {&open, d.askDowntime}, {&open, d.askRecovery}} {
			if c.is {
				*c.n++
			}
		}
	}
	for i := m.done; i < len(m.queue); i++ {
		charge += m.queue[i].charge
	}
	if m.down != down || m.open != open || m.waitingBytes != charge {
		t.Fatalf("counts %+v, should be %d down, %d open, %d bytes", m.head, down, open, charge)
	}
	if got := len(m.state.append(nil)); got != m.state.size() {
		t.Fatalf("state of %d bytes counts %d", got, m.state.size())
	}
}

func TestUndoBringsEverythingBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := machine(t, anySpec(t))
		type moment struct {
			mark   int
			inside string
		}
		var marks []moment
		now := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now += rapid.Int64Range(0, 3).Draw(t, "passes")
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2:
				marks = append(marks, moment{m.Mark(), inside(m)})
			case 3:
				if len(marks) > 0 {
					i := rapid.IntRange(0, len(marks)-1).Draw(t, "back to")
					m.Undo(marks[i].mark)
					want(t, "after undo", inside(m), marks[i].inside)
					marks = marks[:i+1]
				}
			case 4:
				if rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
					m.Forget()
					marks = marks[:0]
				}
			default:
				anyEvent(t, m, now)
			}
			sums(t, m)
		}
	})
}

// What is loaded is what was written, and goes on like it.
func TestSnapshotIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySpec(t)
		m := machine(t, s)
		now := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now += rapid.Int64Range(0, 3).Draw(t, "passes")
			anyEvent(t, m, now)
		}
		before := m.AppendSnapshot(nil)
		want(t, "changed", m.Changed(), false)
		again := machine(t, s)
		if err := again.Load(before, now); err != nil {
			t.Fatalf("load % x: %v", before, err)
		}
		sums(t, again)
		old, got := m.Status(), again.Status()
		if s.Mode == Compat {
			for i := range got.Dependencies {
				if got.Dependencies[i].Down || got.Dependencies[i].Marker != old.Dependencies[i].Marker {
					t.Fatalf("compat: %+v after %+v", got, old)
				}
			}
			want(t, "waiting", again.Due(), false)
			return
		}
		if !s.Pause {
			old.Held = got.Held
		}
		got.Waiting, old.Waiting = 0, 0
		want(t, "status", got, old)
		// What waited waits, behind a pause if the dependent is held.
		list, kept := waiting(again), waiting(m)
		if again.Held() && (len(kept) == 0 || kept[0] != "pause") {
			want(t, "first", list[0], "pause")
			list = list[1:]
		}
		if s.MaxPausePolicy == PauseResume {
			want(t, "waiting", list, kept)
		}
		// A second restart changes nothing more.
		once := again.AppendSnapshot(nil)
		if err := again.Load(once, now); err != nil {
			t.Fatal(err)
		}
		if twice := again.AppendSnapshot(nil); !bytes.Equal(once, twice) {
			t.Fatalf("restarted twice:\n% x\nonce:\n% x", twice, once)
		}
	})
}
