package state

// Store is the process's state.
type Store struct{}
