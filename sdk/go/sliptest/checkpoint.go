package sliptest

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sliphost/sliphost/abi"
	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/internal/link"
	"github.com/sliphost/sliphost/sdk/go/internal/memory"
)

// Checkpoint is a checkpoint in memory: markers, thresholds and who is down,
// as the host has them with the default settings, for one partition of each
// dependency. Several harnesses may share it: that of the dependent's handler
// and those of the dependencies'. What is found is told with [Harness.Border].
type Checkpoint struct {
	m *memory.Checkpoint
}

// Dependency is a dependency of a checkpoint: its name, and how many
// milliseconds (or, with integers for markers, how much) the dependent may be
// ahead; 0 is 10 minutes.
type Dependency struct {
	Name        string
	ThresholdMs int64
}

// NewCheckpoint returns a checkpoint, named as handlers declare it, to which
// nothing has happened yet. Without dependencies it has one named
// "dependency", as a checkpoint has that no [Bind] names.
func NewCheckpoint(name string, dependencies ...Dependency) *Checkpoint {
	m := &memory.Checkpoint{Name: name}
	if len(dependencies) == 0 {
		dependencies = []Dependency{{Name: "dependency"}}
	}
	for _, d := range dependencies {
		if d.ThresholdMs == 0 {
			d.ThresholdMs = memory.DefaultThreshold
		}
		m.Dependencies = append(m.Dependencies, memory.Dependency{Name: d.Name, Threshold: d.ThresholdMs})
	}
	return &Checkpoint{m}
}

// Bind has a handler use a checkpoint that it declares by that name.
func Bind(k *Checkpoint) Option {
	return func(s *setup) { s.checkpoints[k.m.Name] = k.m }
}

// Heartbeat tells how far a dependency is, as the handler of another module
// would; "" is the only one.
func (k *Checkpoint) Heartbeat(marker slip.Marker, dependency string) (slip.Latency, error) {
	l, ok := k.m.Heartbeat(&abi.Heartbeat{Dependency: dependency, Only: dependency == "", Marker: link.MarkerOf(marker)})
	if !ok {
		return slip.Latency{}, errors.New("the checkpoint refuses the heartbeat: an unknown dependency or a marker that cannot be compared")
	}
	return slip.Latency{
		IsLate:     l.IsLate,
		Dependent:  link.Marker(l.DependentMarker).(slip.Marker),
		Dependency: link.Marker(l.DependencyMarker).(slip.Marker),
	}, nil
}

// Down returns for how long a dependency is down, in milliseconds; false if it
// is not.
func (k *Checkpoint) Down(dependency string) (ms int64, ok bool) { return k.m.Down(dependency) }

// DowntimeCheck has check say what is down, in place of the threshold: with
// what [Harness.CheckDowntime] returns, the check of a handler; with anything
// else, a script.
func (k *Checkpoint) DowntimeCheck(check func(slip.Check) (ms int64, err error)) {
	k.m.Downtime = func(m *abi.Check) (int64, error) { return check(checkOf(m)) }
}

// RecoveryCheck is [Checkpoint.DowntimeCheck] for the end of a downtime.
func (k *Checkpoint) RecoveryCheck(check func(slip.Check) (recovered bool, err error)) {
	k.m.Recovery = func(m *abi.Check) (bool, error) { return check(checkOf(m)) }
}

func checkOf(m *abi.Check) slip.Check {
	return slip.Check{
		Dependency:       m.Dependency,
		DependentMarker:  link.Marker(m.DependentMarker).(slip.Marker),
		DependencyMarker: link.Marker(m.DependencyMarker).(slip.Marker),
		ThresholdMs:      m.ThresholdMs,
	}
}

// bindCheckpoints makes those that the handler declares.
func (s *setup) bindCheckpoints(names []string) (all []*memory.Checkpoint, err error) {
	for _, name := range names {
		m := s.checkpoints[name]
		if m == nil {
			m = NewCheckpoint(name).m
		}
		all = append(all, m)
		delete(s.checkpoints, name)
	}
	for name := range s.checkpoints {
		return nil, fmt.Errorf("it has no checkpoint %q", name)
	}
	return all, nil
}

// Border is the border of a commit: it tells the handler which dependencies of
// its checkpoints went down and which recovered since the last one. In the
// result Record is the number of the call. Without anything to tell, or
// anything that the handler wants to know, the result is empty.
func (h *Harness) Border() *Result {
	h.help()
	res := &Result{}
	n := 0
	for i, k := range h.host.Checkpoints {
		for ; h.told[i] < len(k.Events); h.told[i]++ {
			e := &k.Events[h.told[i]]
			flag, msg := abi.FlagDowntime, []byte(nil)
			if e.Kind == abi.KindDowntime {
				msg = abi.AppendDowntime(nil, &abi.Downtime{
					Checkpoint: int32(i), Dependency: e.Dependency, DependentMarker: e.DependentMarker,
					DependencyMarker: e.DependencyMarker, DowntimeMs: e.Ms, State: e.State,
				})
			} else {
				flag = abi.FlagRecovery
				msg = abi.AppendRecovery(nil, &abi.Recovery{
					Checkpoint: int32(i), Dependency: e.Dependency, DependentMarker: e.DependentMarker,
					DependencyMarker: e.DependencyMarker, State: e.State, Healthy: e.Healthy, Detected: e.Detected,
				})
			}
			if h.flags&flag == 0 {
				continue
			}
			res.add(h.event(flag, "", 0, h.host.StreamTimeOf(0), msg), n)
			n++
		}
	}
	return res
}

// add takes over the result of call n.
func (r *Result) add(more *Result, n int) {
	for _, o := range more.Outputs {
		o.Record = n
		r.Outputs = append(r.Outputs, o)
	}
	for _, e := range more.Errors {
		e.Record = n
		r.Errors = append(r.Errors, e)
	}
	for _, l := range more.Logs {
		l.Record = n
		r.Logs = append(r.Logs, l)
	}
	r.Seeks = append(r.Seeks, more.Seeks...)
}

// Event is a downtime or a recovery by script; see [Harness.Downtime] and
// [Harness.Recovery].
type Event struct {
	// Checkpoint is the handler's name for it, Dependency that of the manifest.
	Checkpoint, Dependency            string
	DependentMarker, DependencyMarker slip.Marker
	// Ms is how long the dependency is down, of a downtime.
	Ms int64
	// State are fields of what slip.Marshal takes.
	State map[string]any
	// Healthy and Detected are those of a recovery.
	Healthy, Detected []slip.Position
}

// Downtime tells the handler that a dependency went down, whatever the
// checkpoint knows. It ends the test if the handler has no OnDowntime.
func (h *Harness) Downtime(e Event) *Result {
	h.help()
	return h.event(abi.FlagDowntime, "downtime", 0, h.host.StreamTimeOf(0), abi.AppendDowntime(nil, &abi.Downtime{
		Checkpoint: h.checkpoint(e.Checkpoint), Dependency: e.Dependency, DowntimeMs: e.Ms, State: h.state(e.State),
		DependentMarker: link.MarkerOf(e.DependentMarker), DependencyMarker: link.MarkerOf(e.DependencyMarker),
	}))
}

// Recovery tells the handler that a dependency recovered, whatever the
// checkpoint knows. It ends the test if the handler has no OnRecovery.
func (h *Harness) Recovery(e Event) *Result {
	h.help()
	return h.event(abi.FlagRecovery, "recovery", 0, h.host.StreamTimeOf(0), abi.AppendRecovery(nil, &abi.Recovery{
		Checkpoint: h.checkpoint(e.Checkpoint), Dependency: e.Dependency, State: h.state(e.State),
		DependentMarker: link.MarkerOf(e.DependentMarker), DependencyMarker: link.MarkerOf(e.DependencyMarker),
		Healthy: h.positions(e.Healthy), Detected: h.positions(e.Detected),
	}))
}

// CheckDowntime asks the handler's downtime check.
func (h *Harness) CheckDowntime(checkpoint string, ch slip.Check) (ms int64, err error) {
	h.help()
	r, err := h.check(checkpoint, abi.CheckDowntime, ch)
	if err != nil {
		return 0, err
	}
	return r.Int(), r.Err()
}

// CheckRecovery asks the handler's recovery check.
func (h *Harness) CheckRecovery(checkpoint string, ch slip.Check) (recovered bool, err error) {
	h.help()
	r, err := h.check(checkpoint, abi.CheckRecovery, ch)
	if err != nil {
		return false, err
	}
	return r.Bool(), r.Err()
}

// check asks as the host does: an instance of its own, which has nothing but
// the message.
func (h *Harness) check(checkpoint string, which abi.CheckOf, ch slip.Check) (r abi.Reader, err error) {
	h.help()
	if h.flags&abi.FlagCheck == 0 {
		h.end(fmt.Errorf("handler %q does not take kind check", h.binding.Function))
	}
	other := *h
	other.host = newHost()
	other.host.Store = memory.New(nil)
	other.guest = link.New(other.host)
	if err := other.init(); err != nil {
		h.end(err)
	}
	other.host.begin(0, []int64{-1})
	reply := other.guest.Process(0, abi.AppendCheck(nil, &abi.Check{
		Checkpoint: h.checkpoint(checkpoint), Which: which, Dependency: ch.Dependency, ThresholdMs: ch.ThresholdMs,
		DependentMarker: link.MarkerOf(ch.DependentMarker), DependencyMarker: link.MarkerOf(ch.DependencyMarker),
	}))
	r = abi.NewReader(reply)
	var a abi.Answer
	abi.ReadAnswer(&r, &a)
	if r.Err() != nil || r.Len() > 0 {
		h.end(fmt.Errorf("the module's answer to a check cannot be read: %v", r.Err()))
	}
	if a.Status == abi.StatusError {
		return r, errors.New(string(a.Message))
	}
	return abi.NewReader(a.Value), nil
}

func (h *Harness) checkpoint(name string) int32 {
	h.help()
	i := slices.Index(h.binding.Checkpoints, name)
	if i < 0 {
		h.end(fmt.Errorf("handler %q has no checkpoint %q", h.binding.Function, name))
	}
	return int32(i)
}

func (h *Harness) state(fields map[string]any) []byte {
	h.help()
	b := abi.AppendMapHeader(nil, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, err := slip.Marshal(fields[name])
		if err != nil {
			h.end(fmt.Errorf("state %q: %w", name, err))
		}
		b = append(abi.AppendStr(b, name), value...)
	}
	return b
}

func (h *Harness) positions(list []slip.Position) (all []abi.Position) {
	h.help()
	for _, p := range list {
		source := slices.IndexFunc(h.binding.Sources, func(e abi.Endpoint) bool { return e.Name == p.Source })
		if source < 0 {
			h.end(fmt.Errorf("handler %q has no source %q", h.binding.Function, p.Source))
		}
		all = append(all, abi.Position{Source: int32(source), Partition: p.Partition, Offset: p.Offset})
	}
	return all
}
