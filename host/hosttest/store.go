package hosttest

import (
	"fmt"

	"github.com/sliphost/sliphost/state"
)

// Store opens an empty store in memory for caches; their positions are their
// ids.
func Store(caches ...state.Cache) (*state.Store, error) {
	return StoreOn(state.NewMemory(), caches...)
}

// StoreOn is Store on an engine: on one whose Restart was called, what a
// process finds that was killed.
func StoreOn(e state.Engine, caches ...state.Cache) (*state.Store, error) {
	s, err := state.Open(e, state.Config{App: "app", Caches: caches})
	if err != nil {
		return nil, fmt.Errorf("open a store in memory: %w", err)
	}
	return s, nil
}
