package state_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/sliphost/sliphost/state"
)

func TestPartitionsListsWhatIsStored(t *testing.T) {
	engine := state.NewMemory()
	s, err := state.Open(engine, state.Config{App: "a", Caches: []state.Cache{{Name: "c"}, {Name: "cc"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Partitions(0); err != nil || len(got) != 0 {
		t.Fatalf("an empty store has %v, %v", got, err)
	}
	var want []int32
	load := s.Load()
	// More than the engine gives at once.
	for p := range int32(3000) {
		load.Put(0, 2*p, []byte("k"), []byte("v"))
		load.SetPosition(0, 2*p, state.Position{Next: 1})
		want = append(want, 2*p)
	}
	load.Put(1, 7, []byte("k"), []byte("v"))
	load.SetPosition(1, 7, state.Position{Next: 1})
	if err := load.Write(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Partitions(0); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d partitions, %v", len(got), err)
	}
	if got, err := s.Partitions(1); err != nil || !slices.Equal(got, []int32{7}) {
		t.Errorf("the other cache has %v, %v", got, err)
	}
	gone := errors.New("gone")
	engine.Hook(func(state.Call) error { return gone })
	if _, err := s.Partitions(0); !errors.Is(err, gone) {
		t.Errorf("an engine that fails: %v", err)
	}
	engine.Hook(nil)
}
