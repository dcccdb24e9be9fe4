package hosttest

import (
	"testing"
	"time"

	"github.com/sliphost/sliphost/state"
)

func TestStoreSurvivesARestart(t *testing.T) {
	caches := []state.Cache{{Name: "a"}, {Name: "b"}}
	m := state.NewMemory()
	for round, want := range []string{"", "v"} {
		s, err := StoreOn(m, caches...)
		must(t, err)
		o := s.Overlay()
		p, err := o.Attach(1, 3)
		must(t, err)
		v, _, err := p.Get([]byte("k"), nil)
		must(t, err)
		equal(t, "value", string(v), want)
		if round == 0 {
			must(t, p.Put([]byte("k"), []byte("v")))
			p.SetPosition(state.Position{Next: 5, Log: 7})
			o.Commit()
			must(t, o.Maintain(time.Now(), true))
		}
		equal(t, "position", p.Position(), state.Position{Next: 5, Log: 7})
		m = m.Restart()
		must(t, o.Close())
		_ = s.Close() // its engine was killed
	}
}

func TestStoreIsEmpty(t *testing.T) {
	s, err := Store(state.Cache{Name: "a"})
	must(t, err)
	if _, ok, err := s.Position(0, 0); ok || err != nil {
		t.Fatal(ok, err)
	}
	must(t, s.Close())
}
