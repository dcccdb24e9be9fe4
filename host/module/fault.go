package module

import "fmt"

// fault is what host functions panic with to end a guest's call; wazero turns
// it into the error of that call, wrapped.
type fault struct {
	kind TrapKind
	// broken makes it a BrokenError with detail as its text.
	broken bool
	// state says that State could not do its work.
	state bool
	// ended is the error of the caller's context, which ended during the call.
	ended  error
	detail string
	code   uint32
	limit  *LimitError
}

// Error implements error.
func (f *fault) Error() string { return string(f.kind) + ": " + f.detail }

func brokenFault(format string, args ...any) *fault {
	return &fault{broken: true, detail: fmt.Sprintf(format, args...)}
}
