package module

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// ErrClosed is returned by calls into what was closed.
var ErrClosed = errors.New("module is closed")

// ErrBusy is returned when a Slot is used or closed while a call into it runs.
var ErrBusy = errors.New("another call into this slot is running")

// ErrState is returned by Process when State answered StateFailed. Nothing of
// the call counts; State knows why.
var ErrState = errors.New("the host could not answer a call about state")

// LoadKind says why a module was refused.
type LoadKind int

// Reasons for refusing a module.
const (
	// NotFound: the file does not exist or cannot be read.
	NotFound LoadKind = iota + 1
	// NotWasm: the file is no WebAssembly.
	NotWasm
	// ComponentModel: the file is a component, not a core module.
	ComponentModel
	// Malformed: the file is WebAssembly, but truncated or damaged.
	Malformed
	// TooLarge: the file exceeds MaxSize.
	TooLarge
	// MissingExport: an export of the ABI is not there.
	MissingExport
	// WrongExportType: an export of the ABI has another signature.
	WrongExportType
	// UnknownImport: the module imports what no host of this version offers.
	UnknownImport
	// WrongImportType: an import of the ABI has another signature.
	WrongImportType
	// OlderHost: the module was built for a later version of the ABI.
	OlderHost
	// NotAllowed: the module imports what needs a capability it was not given.
	NotAllowed
	// ABIVersion: slip_describe answers with another major version of the ABI.
	ABIVersion
	// BadDescribe: slip_describe traps or its answer cannot be read.
	BadDescribe
	// OverMemory: the module's least memory exceeds its limit.
	OverMemory
	// StartFailed: the module could not be instantiated, or _initialize failed.
	StartFailed
	// CompileFailed: the engine refused the code.
	CompileFailed
)

// LoadError says that a file cannot be used as a module, and what to do.
// Loading it again without a change gives the same answer.
type LoadError struct {
	Kind LoadKind
	// Module is the module's name in the manifest, Path its file, if any.
	Module, Path string
	// Detail is what is wrong, a clause; Hint what to do, a clause or empty.
	Detail, Hint string
	// Err is the cause, if there is one.
	Err error
}

// Error is one sentence.
func (e *LoadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %q", e.Module)
	if e.Path != "" {
		fmt.Fprintf(&b, " (%s)", e.Path)
	}
	b.WriteString(": " + e.Detail)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// InitError says that an instance could not be started: slip_init refused its
// bindings or parameters, or something trapped on the way. The same Init gives
// the same answer, unless a limit or the machine was the reason.
type InitError struct {
	Module string
	// Code is the module's reason for refusing, 0 when something trapped.
	Code    abi.ErrorCode
	Message string
}

// Error is one sentence.
func (e *InitError) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("module %q does not start: %s", e.Module, e.Message)
	}
	return fmt.Sprintf("module %q refused to start: %s (code %d)", e.Module, e.Message, e.Code)
}

// BrokenError says that a module contradicts the contract: nothing it said in
// that call can be believed. Trying again is pointless; the handler's task
// must stop whatever its policy.
type BrokenError struct {
	// Module is its name; Export the function the host had called.
	Module, Export string
	// What is the contradiction, a clause.
	What string
}

// Error is one sentence.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("module %q breaks the contract in %s: %s; rebuild it with a current SDK, or report a bug of the SDK", e.Module, e.Export, e.What)
}

// LimitError says which limit a module reached.
type LimitError struct {
	// Limit is one of Limit*: the key in [module.NAME.limits], but for
	// LimitStack, which has none. Value is what it is set to: bytes, nanoseconds
	// or units of fuel.
	Limit string
	Value int64
}

// Limits, by the word that stands for them in errors and metrics.
const (
	LimitMemory        = "memory"
	LimitOutput        = "output"
	LimitFuel          = "fuel"
	LimitDeadline      = "deadline"
	LimitBatchDeadline = "batch_deadline"
	LimitStack         = "stack"
)

// Error is a clause.
func (e *LimitError) Error() string {
	return fmt.Sprintf("limit %s of %s reached", e.Limit, e.value())
}

func (e *LimitError) value() string {
	switch e.Limit {
	case LimitFuel:
		return fmt.Sprintf("%d instructions", e.Value)
	case LimitDeadline, LimitBatchDeadline:
		return time.Duration(e.Value).String()
	}
	return sizeString(e.Value)
}

// write adds what happened when the limit was reached.
func (e *LimitError) write(b *strings.Builder) {
	switch e.Limit {
	case LimitOutput:
		fmt.Fprintf(b, "output limit of %s in one call reached", e.value())
	case LimitFuel:
		fmt.Fprintf(b, "fuel limit of %s for one record reached", e.value())
	case LimitDeadline:
		fmt.Fprintf(b, "deadline of %s for one record passed", e.value())
	case LimitBatchDeadline:
		fmt.Fprintf(b, "deadline of %s for one call passed", e.value())
	case LimitStack:
		fmt.Fprintf(b, "calls are nested too deep for a stack of %s", e.value())
	default:
		fmt.Fprintf(b, "%s limit of %s reached", e.Limit, e.value())
	}
}

// sizeString prints bytes in the largest unit that divides them.
func sizeString(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// TrapKind says how a call into a module ended.
type TrapKind string

// Kinds of traps.
const (
	// TrapPanic: the guest's language reported a panic before it trapped.
	TrapPanic TrapKind = "panic"
	// TrapUnreachable: an unreachable instruction without a reported panic.
	TrapUnreachable TrapKind = "unreachable"
	TrapOutOfBounds TrapKind = "out of bounds memory access"
	TrapDivide      TrapKind = "integer divide by zero"
	TrapOverflow    TrapKind = "integer overflow"
	TrapConversion  TrapKind = "invalid conversion to integer"
	// TrapTable: a call through a table entry that is absent or out of bounds.
	TrapTable TrapKind = "invalid table access"
	// TrapCallType: a call through a table with another signature.
	TrapCallType TrapKind = "indirect call type mismatch"
	TrapStack    TrapKind = "stack overflow"
	// TrapExit: the guest ended its program.
	TrapExit TrapKind = "exit"
	// TrapMemory and TrapOutput: a limit; Limit says which.
	TrapMemory TrapKind = "memory limit"
	TrapOutput TrapKind = "output limit"
	// TrapFuel and TrapDeadline: likewise, for work and for time.
	TrapFuel     TrapKind = "fuel limit"
	TrapDeadline TrapKind = "deadline"
	// TrapPointer: a host call named memory the guest does not have.
	TrapPointer TrapKind = "bad pointer in a host call"
	// TrapMisuse: a host call that is not allowed where it was made.
	TrapMisuse TrapKind = "host call not allowed"
	// TrapHost: the host itself failed during the call; a bug of the host.
	TrapHost TrapKind = "host failure"
	// TrapOther: anything the engine reports that is none of the above.
	TrapOther TrapKind = "trap"
)

// TrapError says that a call into a module trapped. The instance is gone; a
// fresh one takes the next call. It is the handler's policy that decides about
// the guilty record; whether another attempt can help is not known.
type TrapError struct {
	// Module is its name; Function the handler as the module names it (empty
	// when the trap was outside slip_process); Export what the host had called.
	Module, Function, Export string
	Kind                     TrapKind
	// Message is what the guest said about it, Location its "file:line" in the
	// handler's source; both empty when the guest said nothing.
	Message, Location string
	// Guilty is the record's position in the batch. It is -1 when no single
	// record is to blame: every one was finished, or the batch as a whole did
	// not fit into the guest's memory.
	Guilty int32
	// ExitCode is the guest's, for TrapExit.
	ExitCode uint32
	// Stack is the guest's own account if it gave one, else the wasm frames; a
	// few lines, for a log.
	Stack string
	// Limit is the limit that was reached, or nil.
	Limit *LimitError
}

// Unwrap returns the limit that was reached, if any.
func (e *TrapError) Unwrap() error {
	if e.Limit == nil {
		return nil
	}
	return e.Limit
}

// Error is one sentence without the stack.
func (e *TrapError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %q", e.Module)
	if e.Function != "" {
		fmt.Fprintf(&b, ", function %q", e.Function)
	} else {
		fmt.Fprintf(&b, ", export %s", e.Export)
	}
	b.WriteString(": ")
	e.write(&b)
	return b.String()
}

// clause is what an error of this package says without naming the module.
func clause(err error) string {
	switch e := err.(type) {
	case *TrapError:
		var b strings.Builder
		b.WriteString(e.Export + ": ")
		e.write(&b)
		return b.String()
	case *BrokenError:
		return e.Export + " breaks the contract: " + e.What
	}
	return err.Error()
}

// write adds what happened.
func (e *TrapError) write(b *strings.Builder) {
	switch {
	case e.Limit != nil:
		e.Limit.write(b)
	case e.Kind == TrapExit:
		fmt.Fprintf(b, "the module ended itself with exit code %d", e.ExitCode)
	case e.Kind == TrapPanic:
		b.WriteString("panic")
	default:
		b.WriteString(string(e.Kind))
	}
	if e.Location != "" {
		b.WriteString(" at " + e.Location)
	}
	if e.Message != "" && e.Limit == nil {
		b.WriteString(": " + e.Message)
	}
	if e.Limit != nil && e.Limit.Limit != LimitStack {
		fmt.Fprintf(b, "; raise %s in [module.%s.limits]", e.Limit.Limit, e.Module)
	}
}
