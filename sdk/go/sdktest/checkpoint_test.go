package sdktest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/sdk/go/internal/memory"
	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
)

// seek is import seek.
func (s *state) seek(source, partition int32, offset int64) int32 {
	switch {
	case s.seeks == nil || source != 0:
		return abi.ResultUnbound
	case offset < abi.OffsetBeginning:
		return abi.ResultInvalid
	}
	*s.seeks = append(*s.seeks, abi.Position{Source: source, Partition: partition, Offset: offset})
	return 0
}

// fastLatency is what a heartbeat is answered by a host that does nothing.
var fastLatency = abi.AppendLatency(nil, &abi.Latency{
	DependentMarker:  abi.Marker{Kind: abi.MarkerTime, Int: 1_700_000_000_000},
	DependencyMarker: abi.Marker{Kind: abi.MarkerTime, Int: 1_700_000_000_500},
})

// answering answers each call with the same bytes.
func answering(h *runner, b []byte) api.GoModuleFunc {
	return func(_ context.Context, _ api.Module, st []uint64) {
		h.bytes(st[1], st[2])
		copy(h.bytes(st[3], st[4]), b)
		st[0] = uint64(len(b))
	}
}

// compiledSteps are the handlers of a case in a WebAssembly module, each in an
// instance of its own.
type compiledSteps struct {
	t          *testing.T
	lang, path string
	c          *cases.Steps
	k          *memory.Checkpoint
	handlers   map[string]*stepHandler
}

type stepHandler struct {
	*compiledGuest
	told int
}

func TestCasesOfTheGuestCheckpoint(t *testing.T) {
	all, err := cases.LoadSteps("testdata/checkpoint/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range slices.Sorted(maps.Keys(languages)) {
		t.Run(lang, func(t *testing.T) {
			path := languages[lang](t, "checkpoint")
			for i := range all {
				c := &all[i]
				t.Run(c.Name, func(t *testing.T) {
					g := &compiledSteps{t: t, lang: lang, path: path, c: c, handlers: map[string]*stepHandler{}}
					g.k = &memory.Checkpoint{Name: "weather-first"}
					for _, d := range c.Dependencies {
						g.k.Dependencies = append(g.k.Dependencies, memory.Dependency{Name: d.Name, Threshold: d.Threshold})
					}
					if c.Checks {
						g.k.Downtime = func(m *abi.Check) (int64, error) {
							r, err := g.check("checked", m)
							return r.Int(), err
						}
						g.k.Recovery = func(m *abi.Check) (bool, error) {
							r, err := g.check("checked", m)
							return r.Bool(), err
						}
					}
					cases.RunSteps(t, c, g)
				})
			}
		})
	}
}

// start makes an instance that is bound to a handler.
func (g *compiledSteps) start(name string) *compiledGuest {
	h := &compiledGuest{t: g.t, name: g.lang + "-checkpoint", path: g.path, metrics: map[string]float64{}}
	desc := startFile(g.t, h.name, g.path, nil).describe(name)
	h.binding = abi.Binding{
		Function: name, Name: name, Checkpoints: desc.Checkpoints,
		Sources: []abi.Endpoint{{Name: "in"}}, Sinks: []abi.Endpoint{{Name: "out"}},
	}
	for _, p := range desc.Params {
		value := p.Default
		if p.Name == "seek" && g.c.Seek != "" {
			value = abi.AppendStr(nil, g.c.Seek)
		}
		h.binding.Params = append(h.binding.Params, abi.Param{Name: p.Name, Value: value})
	}
	if len(desc.Checkpoints) > 1 {
		g.t.Fatalf("%s describes checkpoints %q", name, desc.Checkpoints)
	}
	h.state = newState(0, nil)
	for range desc.Checkpoints {
		h.state.Checkpoints = append(h.state.Checkpoints, g.k)
	}
	h.open()
	return h
}

func (g *compiledSteps) handler(name string) *stepHandler {
	if g.handlers[name] == nil {
		g.handlers[name] = &stepHandler{compiledGuest: g.start(name)}
	}
	return g.handlers[name]
}

func (g *compiledSteps) Record(handler, value string, time int64, replayed bool) []string {
	h := g.handler(handler)
	kind := abi.KindRecords
	if replayed {
		kind = abi.KindReplayed
	}
	msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{Kind: kind, BaseOffset: h.offset, BaseTimestamp: time, Count: 1})
	msg = abi.AppendRecord(msg, 0, 0, []byte("k"), []byte(value), nil)
	h.state.base, h.state.Quiet = h.offset, false
	h.offset++
	return h.say(msg, time)
}

// say hands over a message that is a batch of one.
func (h *stepHandler) say(msg []byte, time int64) (lines []string) {
	s := h.state
	s.partition, s.times, s.begun, s.limited = 0, []int64{time}, 0, map[int]bool{}
	reply, err := h.run.run(0, msg)
	if err != nil {
		h.t.Fatal(err, h.run.stderr.String())
	}
	s.reach(1)
	s.End()
	r := abi.NewReader(reply)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		if res.Status == abi.StatusError {
			lines = append(lines, "error: "+string(res.Message))
		}
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			lines = append(lines, string(o.Key)+"="+string(o.Value))
		}
		abi.EndResult(&r, &res)
	}
	if r.Err() != nil {
		h.t.Fatal(r.Err())
	}
	return lines
}

func (g *compiledSteps) Border(handler string) (lines []string) {
	h := g.handler(handler)
	var seeks []abi.Position
	h.state.Quiet, h.state.seeks = true, &seeks
	for ; h.told < len(g.k.Events); h.told++ {
		e := &g.k.Events[h.told]
		msg := abi.AppendDowntime(nil, &abi.Downtime{
			Dependency: e.Dependency, DependentMarker: e.DependentMarker, DependencyMarker: e.DependencyMarker, DowntimeMs: e.Ms, State: e.State,
		})
		if e.Kind == abi.KindRecovery {
			msg = abi.AppendRecovery(nil, &abi.Recovery{
				Dependency: e.Dependency, DependentMarker: e.DependentMarker, DependencyMarker: e.DependencyMarker,
				State: e.State, Healthy: e.Healthy, Detected: e.Detected,
			})
		}
		lines = append(lines, h.say(msg, 0)...)
	}
	h.state.seeks = nil
	for _, p := range seeks {
		lines = append(lines, cases.SeekLine("in", p.Partition, p.Offset))
	}
	return lines
}

func (g *compiledSteps) Advance(time int64, final bool) []string {
	h := g.handler("advance")
	time = max(time, h.state.StreamTimeOf(0))
	return h.say(abi.AppendAdvance(nil, &abi.Advance{StreamTime: time, Final: final}), time)
}

func (g *compiledSteps) Ask(which string, dependent, dependency cases.Marker) string {
	m := abi.Check{Dependency: "weather", DependentMarker: marker(dependent), DependencyMarker: marker(dependency), ThresholdMs: 1000}
	if which == "recovery" {
		m.Which = abi.CheckRecovery
	}
	r, err := g.check("check", &m)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case m.Which == abi.CheckDowntime:
		return strconv.FormatInt(r.Int(), 10)
	}
	return strconv.FormatBool(r.Bool())
}

func marker(m cases.Marker) abi.Marker {
	switch m.Kind {
	case "t":
		return abi.Marker{Kind: abi.MarkerTime, Int: m.Number}
	case "i":
		return abi.Marker{Kind: abi.MarkerInt, Int: m.Number}
	case "s":
		return abi.Marker{Kind: abi.MarkerText, Text: m.Text}
	}
	return abi.Marker{}
}

// checkError is a check's error.
type checkError string

func (e checkError) Error() string { return string(e) }

// check asks another instance, as a host does in the middle of a batch.
func (g *compiledSteps) check(handler string, m *abi.Check) (abi.Reader, error) {
	h := g.start(handler)
	h.state.times, h.state.limited = []int64{-1}, map[int]bool{}
	reply, err := h.run.run(0, abi.AppendCheck(nil, m))
	if err != nil {
		g.t.Fatal(err, h.run.stderr.String())
	}
	r := abi.NewReader(reply)
	var a abi.Answer
	abi.ReadAnswer(&r, &a)
	if r.Err() != nil || r.Len() > 0 {
		g.t.Fatalf("the answer %q: %v", reply, r.Err())
	}
	if a.Status == abi.StatusError {
		return abi.Reader{}, checkError(a.Message)
	}
	return abi.NewReader(slices.Clone(a.Value)), nil
}

// BenchmarkCheckpoints measures what the SDK and the border to the host take
// of a call: the host itself does next to nothing.
func BenchmarkCheckpoints(b *testing.B) {
	const times = 100
	for _, lang := range slices.Sorted(maps.Keys(languages)) {
		for _, handler := range []string{"many-heartbeats", "many-pulses"} {
			b.Run(lang+"/"+handler, func(b *testing.B) {
				s := newState(0, nil)
				s.fast = true
				h := startFile(b, lang+"-checkpoint", languages[lang](b, "checkpoint"), s)
				binding := bind(handler, []abi.Param{{Name: "times", Value: abi.AppendInt(nil, times)}})
				binding.Checkpoints = []string{"weather-first"}
				if reply := h.init(0, binding); reply.Status != abi.StatusOK {
					b.Fatal(reply.Message)
				}
				s.times, s.limited = []int64{0}, map[int]bool{}
				msg := batch(abi.KindRecords, rec{key: []byte("k"), value: []byte("v")})
				for b.Loop() {
					if reply, err := h.run(0, msg); err != nil || len(reply) > 0 {
						b.Fatalf("%q %v", reply, err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*times), "ns/call")
			})
		}
	}
}
