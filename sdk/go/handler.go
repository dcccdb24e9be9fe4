package slip

import "github.com/sliphost/sliphost/abi"

// Func handles one record: it emits any number of outputs through c and
// returns nil, or an error that says what becomes of the record:
//
//   - [Drop]: the record is skipped and counted;
//   - [Retry]: the record is handled again later;
//   - any other error: the handler's on_error policy in the manifest acts.
//
// With an error all outputs and cache writes of this record are undone, and
// of this record alone. A panic ends the instance: the host names the record,
// the file and the line.
//
// c and every byte slice of rec are valid until Func returns, on the calling
// goroutine: using c later panics. What is kept longer must be copied.
type Func func(c *Call, rec Record) error

// Binding is something that [Handle] ties to a handler: what [Sink], [Cache],
// [StringParam] and its sisters return, or an option such as [Stateless].
type Binding interface {
	bind(h *handler)
}

// handler is one registered handler. It does not change after init.
type handler struct {
	desc   abi.HandlerDesc
	fn     Func
	params []*param
	// sinks, caches and checkpoints are those that desc names.
	sinks, caches, checkpoints []ref
	// takers handle kinds beside records.
	takers []*taker
}

// registry holds the handlers in the order of registration. It is filled by
// init functions, before anything reads it.
var registry []*handler

// Handle registers fn as the handler name, which a manifest refers to by
// `function`. It is called from an init function. What fn uses must be among
// bindings: the host checks a manifest against it before any record flows.
//
// fn may be nil for a handler that takes no records but what its bindings
// bring, such as [CheckpointRef.DowntimeCheck].
//
// An empty or doubled name, a nil function without such bindings and two
// bindings of one kind with the same name are mistakes in the program: Handle
// panics.
func Handle(name string, fn Func, bindings ...Binding) {
	mustName("slip.Handle", name)
	if findHandler(name) != nil {
		panic("slip.Handle: two handlers are named " + name)
	}
	h := &handler{fn: fn, desc: abi.HandlerDesc{Name: name}}
	for _, b := range bindings {
		b.bind(h)
	}
	if fn == nil {
		if len(h.takers) == 0 {
			panic("slip.Handle: handler " + name + " has no function")
		}
		h.fn = noRecords
	}
	registry = append(registry, h)
}

// noRecords is the function of a handler that has none.
func noRecords(c *Call, _ Record) error {
	return &recordError{code: abi.CodeUnbound, text: "handler \"" + c.b.h.desc.Name + "\" takes no records"}
}

// mustName panics unless name is a name as the ABI has them.
func mustName(who, name string) {
	if name == "" || len(name) > abi.MaxName {
		panic(who + ": a name has 1 to 255 bytes")
	}
}

func findHandler(name string) *handler {
	for _, h := range registry {
		if h.desc.Name == name {
			return h
		}
	}
	return nil
}

// clash panics when name is already among names.
func (h *handler) clash(kind, name string, names []string) {
	for _, n := range names {
		if n == name {
			panic("slip.Handle: handler " + h.desc.Name + " binds two " + kind + " named " + name)
		}
	}
}

type flag abi.HandlerFlag

func (f flag) bind(h *handler) { h.desc.Flags |= abi.HandlerFlag(f) }

// Stateless declares that a handler keeps nothing from one record to the next:
// no caches, and no package variables that it changes. After a failure the
// host then goes on with the next record without replacing the instance's
// state.
func Stateless() Binding { return flag(abi.FlagStateless) }

// Nondeterministic declares that a handler's output depends on more than its
// records: on the wall clock or on entropy. The manifest must grant the
// capability of the same name, and replays of such a handler promise nothing.
func Nondeterministic() Binding { return flag(abi.FlagNondeterministic) }

type stateVersion uint64

func (v stateVersion) bind(h *handler) { h.desc.StateVersion = uint64(v) }

// StateVersion declares the version of what a handler writes to its caches;
// 0 if not declared. A swap to a module with another version is refused.
func StateVersion(v uint) Binding { return stateVersion(v) }
