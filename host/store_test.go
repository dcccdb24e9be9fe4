package host

import (
	"errors"
	"testing"
	"time"

	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// An engine that refuses writes after one failed is opened anew; one that takes
// them again, as when another worker opened it, is left alone.
func TestStoreIsReopenedOnlyWhileItCannotBeWritten(t *testing.T) {
	full := errors.New("no room")
	for name, tc := range map[string]struct {
		broken        bool // until it is opened anew
		tries, reopen int
		suspended     bool
	}{
		"works again":             {false, reopenEvery, 0, false},
		"refuses, its time":       {true, reopenEvery, 1, false},
		"refuses, not yet":        {true, reopenEvery - 1, 0, true},
		"works again, not yet":    {false, reopenEvery - 1, 0, false},
		"refuses, a later chance": {true, 2 * reopenEvery, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			engine := state.NewMemory()
			b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "app-counts-changelog": 1})
			plan := countPlan()
			h := New(plan, Options{}, []int{0}, 0, (&life{b, "h", engine}).backends(t, plan, nil), discard)
			w := newWorker(h, 0, 0)
			if err := w.openStore(); err != nil {
				t.Fatal(err)
			}
			defer w.closeStore()
			p, err := w.overlay.Attach(0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Put([]byte("k"), []byte("v")); err != nil {
				t.Fatal(err)
			}
			w.overlay.Commit()
			engine.Hook(func(c state.Call) error {
				switch {
				case c == state.CallReopen:
					tc.broken = false
				case c == state.CallWrite && tc.broken:
					return full
				}
				return nil
			})
			defer engine.Hook(nil)
			w.suspended, w.suspendedTries = full, tc.tries
			if err := w.tryStore(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			if n := engine.Calls(state.CallReopen); n != tc.reopen {
				t.Errorf("opened anew %d times, want %d", n, tc.reopen)
			}
			if got := w.suspended != nil; got != tc.suspended {
				t.Errorf("suspended: %v, want %v", w.suspended, tc.suspended)
			}
		})
	}
}
