package wasm

import "fmt"

// Problem says why a module is refused.
type Problem int

// Problems.
const (
	// NotWasm: the file does not begin as WebAssembly does.
	NotWasm Problem = iota + 1
	// Component: a component of the component model, not a core module.
	Component
	// Version: a core module of a version other than 1.
	Version
	// Truncated: the file ends inside a section.
	Truncated
	// Malformed: the bytes are not of the binary format.
	Malformed
	// Unsupported: a proposal that is not part of WebAssembly 2.0.
	Unsupported
	// Invalid: the format is kept, a rule of validation is not.
	Invalid
	// TooLarge: a valid module beyond one of Caps.
	TooLarge
)

// Error says where and why a module is refused.
type Error struct {
	Problem Problem
	// Offset is the position in the file.
	Offset int
	// Func is the index of the function whose code is wrong, -1 outside of code.
	Func int
	// Detail is one clause, such as "the import section ends early".
	Detail string
	// Cap, Value and Limit tell, for TooLarge, what was counted.
	Cap          string
	Value, Limit int64
}

// Error implements error.
func (e *Error) Error() string {
	if e.Func >= 0 {
		return fmt.Sprintf("wasm byte %d, function %d: %s", e.Offset, e.Func, e.Detail)
	}
	return fmt.Sprintf("wasm byte %d: %s", e.Offset, e.Detail)
}
