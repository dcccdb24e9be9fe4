package sdktest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/sdk/go/internal/memory"
	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
)

// state is what outlives an instance, and the batch now handled.
type state struct {
	*memory.Store
	caches    []string
	partition int32
	base      int64
	times     []int64
	begun     int
	// fast answers cache_get and cache_put without looking, for benchmarks.
	fast    bool
	limited map[int]bool
	// seeks are those of a call that allows them, nil otherwise.
	seeks *[]abi.Position
}

func newState(staged int, caches []string) *state {
	s := &state{caches: caches}
	var all []memory.Cache
	for _, name := range caches {
		key, _ := memory.KeyOf(cases.KeyType(name))
		all = append(all, memory.Cache{Name: name, Key: key, Global: cases.Global(name)})
	}
	s.Store = memory.New(all)
	s.Staged = staged
	return s
}

// reach tells the store of the first n records of the batch.
func (s *state) reach(n int) {
	for ; s.begun < n; s.begun++ {
		if s.Limited() {
			s.limited[s.begun-1] = true
		}
		s.Begin(s.partition, s.times[s.begun])
	}
}

// cacheCall returns the import of that name, nil if it is not about caches.
func (h *runner) cacheCall(name string) api.GoModuleFunc {
	s := h.state
	ask := func(f func(cache int32, request, buf []byte) int64) api.GoModuleFunc {
		return func(_ context.Context, _ api.Module, st []uint64) {
			s.reach(int(h.word(abi.ProgressCurrentAt)) + 1)
			s.At = abi.Position{Partition: s.partition, Offset: s.base + int64(h.word(abi.ProgressCurrentAt))}
			st[0] = uint64(f(int32(st[0]), h.bytes(st[1], st[2]), h.bytes(st[3], st[4])))
		}
	}
	tell := func(f func(cache int32, a, b []byte) int32, two bool) api.GoModuleFunc {
		return func(_ context.Context, _ api.Module, st []uint64) {
			s.reach(int(h.word(abi.ProgressCurrentAt)) + 1)
			var b []byte
			if two {
				b = h.bytes(st[3], st[4])
			}
			st[0] = uint64(uint32(f(int32(st[0]), h.bytes(st[1], st[2]), b)))
		}
	}
	switch name {
	case "cache_get":
		if s.fast {
			return func(_ context.Context, _ api.Module, st []uint64) {
				h.bytes(st[1], st[2])
				copy(h.bytes(st[3], st[4]), "eight by")
				st[0] = 8
			}
		}
		return ask(s.CacheGet)
	case "cache_scan":
		return ask(s.CacheScan)
	case "cache_get_many":
		return ask(s.CacheGetMany)
	case "cache_put":
		if s.fast {
			return func(_ context.Context, _ api.Module, st []uint64) {
				h.bytes(st[1], st[2])
				h.bytes(st[3], st[4])
				st[0] = 0
			}
		}
		return tell(s.CachePut, true)
	case "cache_delete_range":
		return tell(s.CacheDeleteRange, true)
	case "cache_delete":
		return tell(func(cache int32, key, _ []byte) int32 { return s.CacheDelete(cache, key) }, false)
	case "savepoint":
		return func(_ context.Context, _ api.Module, st []uint64) {
			s.reach(int(h.word(abi.ProgressCurrentAt)) + 1)
			st[0] = uint64(uint32(s.Savepoint(int32(st[0]))))
		}
	case "stream_time":
		if s.fast {
			return func(_ context.Context, _ api.Module, st []uint64) { st[0] = 0 }
		}
		return func(_ context.Context, _ api.Module, st []uint64) {
			s.reach(int(h.word(abi.ProgressCurrentAt)) + 1)
			st[0] = uint64(s.StreamTime())
		}
	case "checkpoint_heartbeat":
		if s.fast {
			return answering(h, fastLatency)
		}
		return ask(s.CheckpointHeartbeat)
	case "checkpoint_pulse":
		if s.fast {
			return answering(h, nil)
		}
		return ask(s.CheckpointPulse)
	case "seek":
		return func(_ context.Context, _ api.Module, st []uint64) {
			st[0] = uint64(uint32(s.seek(int32(st[0]), int32(st[1]), int64(st[2]))))
		}
	case "panic":
		return func(_ context.Context, _ api.Module, st []uint64) { h.stderr.Write(h.bytes(st[0], st[1])) }
	}
	return nil
}

// describe returns what a module says of a handler.
func (h *runner) describe(handler string) abi.HandlerDesc {
	h.t.Helper()
	d, err := abi.ReadDescribe(slices.Clone(h.result(h.call("slip_describe"))))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, desc := range d.Handlers {
		if desc.Name == handler {
			return desc
		}
	}
	h.t.Fatalf("the module has no handler %q", handler)
	return abi.HandlerDesc{}
}

// compiledGuest is a handler of a case in a WebAssembly module.
type compiledGuest struct {
	t       *testing.T
	path    string
	name    string
	state   *state
	binding abi.Binding
	run     *runner
	offset  int64
	// metrics are those of the instances before.
	metrics map[string]float64
}

// languages have the guests of the cases.
var languages = map[string]func(t testing.TB, guest string) (path string){
	"go": guestPath,
	"rust": func(t testing.TB, guest string) string {
		path := "../../../build/guests/rust-" + guest + ".wasm"
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: run make guests", err)
		}
		return path
	},
}

func TestCasesOfTheGuestState(t *testing.T) { runCases(t, "state") }

// runCases runs the cases of a guest over its modules in both languages.
func runCases(t *testing.T, guest string) {
	all, err := cases.Load("testdata/" + guest)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range slices.Sorted(maps.Keys(languages)) {
		t.Run(lang, func(t *testing.T) {
			path := languages[lang](t, guest)
			for i := range all {
				c := &all[i]
				t.Run(c.Handler+"/"+c.Name, func(t *testing.T) {
					cases.Run(t, c, func(t *testing.T, c *cases.Case) cases.Guest {
						return startCase(t, lang+"-"+guest, path, c)
					})
				})
			}
		})
	}
}

// startCase binds a case's handler as its description asks.
func startCase(t *testing.T, name, path string, c *cases.Case) *compiledGuest {
	t.Helper()
	g := &compiledGuest{t: t, name: name, path: path, metrics: map[string]float64{}}
	desc := startFile(t, name, path, nil).describe(c.Handler)
	b := abi.Binding{Function: c.Handler, Name: c.Handler, Caches: desc.Caches, Sources: []abi.Endpoint{{Name: "in"}}}
	for _, p := range desc.Params {
		value := p.Default
		if v, ok := c.Params[p.Name]; ok {
			value = abi.AppendInt(nil, v)
		}
		b.Params = append(b.Params, abi.Param{Name: p.Name, Value: value})
	}
	sinks := desc.Sinks
	if len(sinks) == 0 {
		sinks = []string{"out"}
	}
	for _, s := range sinks {
		b.Sinks = append(b.Sinks, abi.Endpoint{Name: s})
	}
	g.binding, g.state = b, newState(c.Staged, desc.Caches)
	g.open()
	return g
}

func (g *compiledGuest) open() {
	g.run = startFile(g.t, g.name, g.path, g.state)
	if reply := g.run.init(0, g.binding); reply.Status != abi.StatusOK {
		g.t.Fatalf("init refused: %s", reply.Message)
	}
}

func (g *compiledGuest) Restart() {
	for name, v := range g.run.metrics {
		g.metrics[name] += v
	}
	g.open()
}

func (g *compiledGuest) Metric(name string) float64 { return g.metrics[name] + g.run.metrics[name] }

func (g *compiledGuest) Load(cache string, e cases.Entry) {
	if !g.state.Load(slices.Index(g.state.caches, cache), e.Partition, e.Key, e.Value) {
		g.t.Fatalf("cache %s does not take %s", cache, e)
	}
}

func (g *compiledGuest) Entries(cache string) (entries []cases.Entry) {
	for _, partition := range g.state.Partitions() {
		if partition > 0 && cases.Global(cache) {
			break
		}
		g.state.Each(slices.Index(g.state.caches, cache), partition, func(key, value []byte) {
			entries = append(entries, cases.Entry{Key: key, Value: value, Partition: partition})
		})
	}
	return entries
}

func (g *compiledGuest) Send(records []cases.Record) []string {
	s := g.state
	s.partition, s.times, s.begun, s.limited = records[0].Partition, nil, 0, map[int]bool{}
	msg := abi.AppendBatchHeader(nil, &abi.BatchHeader{Partition: s.partition, BaseOffset: g.offset, Count: int32(len(records))})
	for i, r := range records {
		msg = abi.AppendRecord(msg, int64(i), r.Time, r.Key, r.Value, nil)
		s.times = append(s.times, r.Time)
	}
	g.offset += int64(len(records))
	return g.deliver(msg, len(records))
}

func (g *compiledGuest) Advance(r *cases.Record) string {
	s := g.state
	at := max(r.Time, s.StreamTimeOf(r.Partition))
	s.partition, s.times, s.begun, s.limited = r.Partition, []int64{at}, 0, map[int]bool{}
	return g.deliver(abi.AppendAdvance(nil, &abi.Advance{Partition: r.Partition, StreamTime: at, Final: r.Final}), 1)[0]
}

// deliver hands over a message of n records.
func (g *compiledGuest) deliver(msg []byte, n int) []string {
	s := g.state
	reply, err := g.run.run(0, msg)
	if err != nil {
		g.t.Fatal(err, g.run.stderr.String())
	}
	s.reach(n)
	if s.End() {
		s.limited[n-1] = true
	}
	return g.outcomes(reply, n)
}

// outcomes reads a reply to n records.
func (g *compiledGuest) outcomes(reply []byte, n int) []string {
	outputs, failed := make([][]cases.Output, n), make([]string, n)
	r := abi.NewReader(reply)
	for r.Len() > 0 {
		var res abi.Result
		abi.ReadResult(&r, &res)
		if res.Status == abi.StatusError {
			failed[res.Index] = cases.Failure(codeName(res.Code), string(res.Message))
		}
		for range res.Outputs {
			var o abi.Output
			abi.ReadOutput(&r, &o)
			for i, sink := range g.binding.Sinks {
				if o.Sink == int32(i) || o.Sink == abi.EverySink {
					outputs[res.Index] = append(outputs[res.Index], cases.Output{Sink: sink.Name, Key: o.Key, Value: o.Value})
				}
			}
		}
		abi.EndResult(&r, &res)
	}
	if r.Err() != nil {
		g.t.Fatal(r.Err())
	}
	for i := range failed {
		if g.state.limited[i] && failed[i] == "" {
			failed[i] = cases.Failure("limit", "")
		}
		if failed[i] == "" {
			failed[i] = cases.Outcome(outputs[i])
		}
	}
	return failed
}

func TestPoisonPanicsAndKeepsWhatWasBefore(t *testing.T) {
	for lang, path := range languages {
		g := startCase(t, lang+"-state", path(t, "state"), &cases.Case{Handler: "poison"})
		g.state.times, g.state.limited = []int64{0, 0}, map[int]bool{}
		reply, err := g.run.run(0, batch(abi.KindRecords, rec{key: []byte("a"), value: []byte("good")}, rec{key: []byte("a"), value: []byte("panic")}))
		if err == nil || !strings.Contains(g.run.stderr.String(), "poisoned") {
			t.Errorf("%s: %v\n%s", lang, err, g.run.stderr.String())
		}
		if got := g.outcomes(reply, 2); got[0] != `out "a"="good"` {
			t.Errorf("%s: %q", lang, got)
		}
	}
}

// BenchmarkCaches measures what the SDK and the border to the host take of a
// call about caches: the host itself does next to nothing. A scan goes over a
// thousand entries.
func BenchmarkCaches(b *testing.B) {
	const times = 100
	for _, handler := range []string{"time", "get", "put", "add", "scan"} {
		b.Run(handler, func(b *testing.B) {
			s := newState(0, []string{"cache"})
			s.fast = true
			for i := range 1000 {
				s.Load(0, 3, fmt.Appendf(nil, "key %04d", i), []byte("eight by"))
			}
			h := startFile(b, "caches", guestPath(b, "caches"), s)
			binding := bind(handler, []abi.Param{{Name: "times", Value: abi.AppendInt(nil, times)}})
			binding.Caches = s.caches
			if reply := h.init(0, binding); reply.Status != abi.StatusOK {
				b.Fatal(reply.Message)
			}
			s.partition, s.times, s.limited = 3, []int64{0}, map[int]bool{}
			msg := batch(abi.KindRecords, rec{key: []byte("a key of 16 byte"), value: []byte("eight by")})
			for b.Loop() {
				if _, err := h.run(0, msg); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*times), "ns/call")
		})
	}
}

// TestCachesLeaveMemoryConstant reads values of 100 KB and scans over a
// thousand entries, again and again.
func TestCachesLeaveMemoryConstant(t *testing.T) {
	for _, handler := range []string{"get", "add", "scan"} {
		s := newState(0, []string{"cache"})
		for i := range 1000 {
			s.Load(0, 3, fmt.Appendf(nil, "key %04d", i), []byte("eight by"))
		}
		s.Load(0, 3, []byte("large"), make([]byte, 100_000))
		h := startFile(t, "caches", guestPath(t, "caches"), s)
		binding := bind(handler, []abi.Param{{Name: "times", Value: abi.AppendInt(nil, 100)}})
		binding.Caches = s.caches
		h.init(0, binding)
		key := map[string]string{"get": "large"}[handler]
		msg := batch(abi.KindRecords, rec{key: []byte(key)}, rec{key: []byte("key 0001")})
		send := func(n int) uint32 {
			for range n {
				s.partition, s.times, s.begun, s.limited = 3, []int64{0, 0}, 0, map[int]bool{}
				if _, err := h.run(0, msg); err != nil {
					t.Fatal(err, h.stderr.String())
				}
			}
			return h.mem.Size()
		}
		if warm, after := send(20), send(100); after != warm {
			t.Errorf("%s: memory grew from %d to %d bytes", handler, warm, after)
		}
	}
}
