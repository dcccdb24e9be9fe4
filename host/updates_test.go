package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// keeper is what the handlers of this test work with: the engine's calls, or
// the model. Keys are in the ABI's form.
type keeper interface {
	get(cache int, key []byte) string
	put(cache int, key []byte, value string)
	del(cache int, key []byte)
	delAll(cache int)
	savepoint(op int32)
	emit(o abi.Output)
}

// updateNetwork is a random plan with caches whose updates are read.
type updateNetwork struct {
	plan  *Plan
	seeds []uint64
}

// drawUpdates draws a plan. Sources 1 to n are proxies or the updates of a
// cache, in an order in which each leads to later ones only.
func drawUpdates(t *rapid.T) updateNetwork {
	topics := []string{"out-a", "out-b"}
	p := &Plan{App: "prop", Clusters: []string{"default"}, Modules: []string{"fake"}, ExactlyOnce: true}
	p.Sources = append(p.Sources, topicSource("in"))
	place := map[int]int{} // cache -> its source
	for i := range rapid.IntRange(1, 4).Draw(t, "nodes") {
		id := len(p.Sources)
		p.Proxies = append(p.Proxies, id)
		if i > 0 && rapid.IntRange(0, 1).Draw(t, "proxy") == 0 {
			p.Sources = append(p.Sources, Source{ID: fmt.Sprint("p", i), Kind: SourceProxy})
			continue
		}
		c := len(p.Caches)
		name := fmt.Sprint("c", c)
		place[c] = id
		p.Sources = append(p.Sources, Source{ID: "cache:" + name, Kind: SourceProxy})
		p.Caches = append(p.Caches, Cache{
			ID: name, Kind: state.KV, Topic: "log-" + name, Partitions: 1, Key: []state.KeyType{state.KeyString, state.KeyInt}[c%2],
			Updates: &Sink{ID: "cache:" + name, Kind: SinkProxy, Proxy: id},
		})
	}
	p.Caches = append(p.Caches, Cache{ID: "quiet", Kind: state.KV, Topic: "log-quiet", Partitions: 1})
	place[len(p.Caches)-1] = len(p.Sources)
	n := updateNetwork{plan: p}
	for i := range rapid.IntRange(2, 6).Draw(t, "handlers") {
		src := 0
		if i > 0 {
			src = rapid.IntRange(0, len(p.Sources)-1).Draw(t, "source")
		}
		h := Handler{ID: fmt.Sprint("h", i), Binding: i, Staged: 300}
		for range rapid.IntRange(0, 2).Draw(t, "sinks") {
			if rapid.IntRange(0, 2).Draw(t, "sink") > 0 {
				h.Sinks = append(h.Sinks, topicSink(rapid.SampledFrom(topics).Draw(t, "topic")))
			} else if src < len(p.Sources)-1 {
				to := rapid.IntRange(src+1, len(p.Sources)-1).Draw(t, "to")
				if p.Sources[to].ID[0] == 'p' && !hasProxy(h.Sinks, to) {
					h.Sinks = append(h.Sinks, Sink{ID: p.Sources[to].ID, Kind: SinkProxy, Proxy: to})
				}
			}
		}
		for c := range p.Caches {
			if place[c] > src && rapid.IntRange(0, 2).Draw(t, "cache") > 0 {
				h.Caches = append(h.Caches, c)
			}
		}
		switch rapid.IntRange(0, 2).Draw(t, "policy") {
		case 0:
			h.OnError = OnError{Policy: PolicySkip}
		case 1:
			h.OnError = OnError{Policy: PolicyDLQ, Topic: "dead"}
		default:
			h.OnError = OnError{Policy: PolicySkip, Attempts: 1, Backoff: time.Microsecond}
		}
		p.Handlers = append(p.Handlers, h)
		p.Sources[src].Handlers = append(p.Sources[src].Handlers, HandlerSource{Handler: i})
		n.seeds = append(n.seeds, rapid.Uint64().Draw(t, "seed"))
	}
	p.Subs = []Sub{{Name: "h0", Inputs: []int{0}}}
	for c := range p.Caches {
		p.Subs[0].Caches = append(p.Subs[0].Caches, c)
	}
	p.Sources[0].Lockstep = n.shares()
	return n
}

// shares says whether two calls that a record leads to have a cache in common.
func (n updateNetwork) shares() bool {
	users := map[int]int{}
	for _, id := range append([]int{0}, n.plan.reach(0)...) {
		for _, hs := range n.plan.Sources[id].Handlers {
			for _, c := range n.plan.Handlers[hs.Handler].Caches {
				users[c]++
			}
		}
	}
	for _, k := range users {
		if k > 1 {
			return true
		}
	}
	return false
}

// work is what handler id does; it depends on the record and on what it reads.
func (n updateNetwork) work(id int, k keeper, rec *abi.Record) error {
	h := &n.plan.Handlers[id]
	value := string(rec.Value)
	if rec.Value == nil {
		value = "gone"
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%d/%s/%s", n.seeds[id], rec.Key, value)
	x := hash.Sum64()
	seen := ""
	for i, c := range h.Caches {
		bits := x >> (8 * i)
		key := func(shift int) []byte {
			if n.plan.Caches[c].Key == state.KeyInt {
				return binary.LittleEndian.AppendUint64(nil, uint64(int64(bits>>shift%3)-1))
			}
			return fmt.Appendf(nil, "k%d", bits>>shift%3)
		}
		seen += "," + k.get(i, key(0))
		short := fmt.Sprintf("%x.%d", bits%256, id)
		switch bits % 7 {
		case 0:
			k.del(i, key(1))
		case 1:
			k.put(i, key(1), "a"+short)
			k.put(i, key(2), "")
			k.put(i, key(1), "b"+short)
		case 2:
			k.savepoint(abi.SavepointBegin)
			k.put(i, key(1), "never")
			k.del(i, key(2))
			k.savepoint(abi.SavepointRollback)
			k.put(i, key(2), "c"+short)
		case 3:
			k.savepoint(abi.SavepointBegin)
			k.put(i, key(1), "d"+short)
			k.savepoint(abi.SavepointRelease)
		case 4:
			k.delAll(i)
		default:
			k.put(i, key(1), "e"+short)
		}
	}
	for i := range int(x>>40) % 3 {
		o := abi.Output{Sink: abi.EverySink, Key: []byte("o"), Value: fmt.Appendf(nil, "%d.%d:%x%s", id, i, x%4096, seen)}
		if len(h.Sinks) > 0 && x>>(48+i)&1 == 1 {
			o.Sink = int32(x>>52) & 0xff % int32(len(h.Sinks))
		}
		k.emit(o)
	}
	switch x >> 30 % 16 {
	case 0:
		return errors.New("refused")
	case 1:
		return errTrap
	case 2:
		return guestError{code: abi.CodeDrop}
	case 3:
		if len(h.Caches) > 0 {
			k.put(0, []byte("longkey8"), string(bytes.Repeat([]byte("x"), 400)))
			return errLimit // the engine finds it by itself
		}
	case 4:
		if len(h.Sinks) > 0 {
			k.emit(abi.Output{Sink: 100, Value: []byte("x")})
			return errLimit
		}
	}
	return nil
}

var errLimit = errors.New("limit")

// engineKeeper makes the calls of a guest.
type engineKeeper struct{ *fakeCall }

func (e engineKeeper) get(cache int, key []byte) string {
	v, ok := e.fakeCall.get(int32(cache), string(key))
	return fmt.Sprint(v, ok)
}

func (e engineKeeper) put(cache int, key []byte, value string) {
	e.fakeCall.put(int32(cache), string(key), value)
}

func (e engineKeeper) del(cache int, key []byte) {
	e.state.CacheDelete(e.at, int32(cache), key)
}
func (e engineKeeper) delAll(cache int)   { e.state.CacheDeleteRange(e.at, int32(cache), nil, nil) }
func (e engineKeeper) savepoint(op int32) { e.state.Savepoint(e.at, op) }

// modelKeeper is a call in the model.
type modelKeeper struct {
	n       *updateModel
	h       *Handler
	caches  []map[string]string // by the plan's numbers
	updates []modelUpdate
	outs    []abi.Output
	saves   []modelKeeper
}

type modelUpdate struct {
	cache int
	key   []byte
	value []byte
}

func (m *modelKeeper) get(cache int, key []byte) string {
	v, ok := m.caches[m.h.Caches[cache]][string(key)]
	return fmt.Sprint(v, ok)
}

func (m *modelKeeper) put(cache int, key []byte, value string) {
	c := m.h.Caches[cache]
	m.caches[c][string(key)] = value
	m.updates = append(m.updates, modelUpdate{c, key, []byte(value)})
}

func (m *modelKeeper) del(cache int, key []byte) {
	c := m.h.Caches[cache]
	delete(m.caches[c], string(key))
	m.updates = append(m.updates, modelUpdate{c, key, nil})
}

func (m *modelKeeper) delAll(cache int) {
	c := m.h.Caches[cache]
	t := m.n.plan.Caches[c].Key
	keys := slices.SortedFunc(maps.Keys(m.caches[c]), func(a, b string) int {
		x, _ := t.Encode(nil, []byte(a))
		y, _ := t.Encode(nil, []byte(b))
		return bytes.Compare(x, y)
	})
	for _, k := range keys {
		m.del(cache, []byte(k))
	}
}

func (m *modelKeeper) savepoint(op int32) {
	switch op {
	case abi.SavepointBegin:
		m.saves = append(m.saves, modelKeeper{caches: cloneCaches(m.caches), updates: slices.Clone(m.updates)})
	default:
		s := m.saves[len(m.saves)-1]
		m.saves = m.saves[:len(m.saves)-1]
		if op == abi.SavepointRollback {
			m.caches, m.updates = s.caches, s.updates
		}
	}
}
func (m *modelKeeper) emit(o abi.Output) { m.outs = append(m.outs, o) }

func cloneCaches(caches []map[string]string) []map[string]string {
	out := make([]map[string]string, len(caches))
	for i := range caches {
		out[i] = maps.Clone(caches[i])
	}
	return out
}

// updateModel is the meaning of a plan: one record at a time, depth first.
type updateModel struct {
	updateNetwork
	caches []map[string]string
	out    []hosttest.Record
}

func (n *updateModel) record(source int, rec abi.Record) {
	for _, hs := range n.plan.Sources[source].Handlers {
		h := &n.plan.Handlers[hs.Handler]
		k := &modelKeeper{n: n, h: h, caches: cloneCaches(n.caches)}
		var ge guestError
		if err := n.work(hs.Handler, k, &rec); err != nil {
			if !errors.As(err, &ge) && h.OnError.Policy == PolicyDLQ {
				n.out = append(n.out, hosttest.Record{Topic: "dead", Key: rec.Key, Value: rec.Value})
			}
			continue
		}
		n.caches = k.caches
		for _, u := range k.updates {
			if to := n.plan.Caches[u.cache].Updates; to != nil {
				n.record(to.Proxy, abi.Record{Key: u.key, Value: u.value})
			}
		}
		for _, o := range k.outs {
			sinks := h.Sinks
			if o.Sink >= 0 {
				sinks = sinks[o.Sink : o.Sink+1]
			}
			for _, s := range sinks {
				if s.Kind == SinkProxy {
					n.record(s.Proxy, abi.Record{Key: o.Key, Value: o.Value})
				} else {
					n.out = append(n.out, hosttest.Record{Topic: s.Topic, Key: o.Key, Value: o.Value})
				}
			}
		}
	}
}

// TestUpdatesComeAsOneByOne compares outputs, dead letters and caches of plans
// whose handlers read what others write to caches with the plan's meaning, for
// batches of 1, 7 and 1024 records.
func TestUpdatesComeAsOneByOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := drawUpdates(rt)
		count := rapid.IntRange(1, 30).Draw(rt, "records")
		m := &updateModel{updateNetwork: n}
		for range n.plan.Caches {
			m.caches = append(m.caches, map[string]string{})
		}
		for i := range count {
			m.record(0, abi.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "r%d", i)})
		}
		for _, size := range []int{1, 7, 1024} {
			var got []hosttest.Record
			var caches []map[string]string
			var err error
			synctest.Test(t, func(t *testing.T) { got, caches, err = n.run(t, count, size) })
			if err != nil {
				rt.Fatalf("batch size %d: %v", size, err)
			}
			if d := cmp.Diff(brief(m.out), brief(got)); d != "" {
				rt.Fatalf("batch size %d, lock-step %v (-want +got):\n%s", size, n.plan.Sources[0].Lockstep, d)
			}
			if d := cmp.Diff(m.caches, caches); d != "" {
				rt.Fatalf("batch size %d, caches (-want +got):\n%s", size, d)
			}
		}
	})
}

func (n updateNetwork) run(t *testing.T, count, size int) (out []hosttest.Record, caches []map[string]string, err error) {
	topics := map[string]int{"in": 1, "out-a": 1, "out-b": 1, "dead": 1}
	for i := range n.plan.Caches {
		topics[n.plan.Caches[i].Topic] = 1
	}
	b := hosttest.NewBroker(topics)
	for i := range count {
		produce(t, b, hosttest.Record{Topic: "in", Key: []byte("k"), Value: fmt.Appendf(nil, "r%d", i), Timestamp: int64(1000 + i)})
	}
	var funcs []statefulFunc
	for i := range n.plan.Handlers {
		funcs = append(funcs, func(c *fakeCall, rec *abi.Record) error {
			if err := n.work(i, engineKeeper{c}, rec); err != errLimit {
				return err
			}
			return nil
		})
	}
	l := &life{b, "h", state.NewMemory()}
	h := New(n.plan, Options{UntilIdle: true, MaxRecords: size, CommitInterval: 3 * time.Millisecond}, []int{0}, 0, l.backends(t, n.plan, funcs), discard)
	err = runIdle(t, h)
	for _, r := range b.All() {
		if r.Topic == "out-a" || r.Topic == "out-b" || r.Topic == "dead" {
			out = append(out, r)
		}
	}
	for i := range n.plan.Caches {
		fold := map[string]string{}
		for _, r := range b.View(n.plan.Caches[i].Topic, 0) {
			key, err := n.plan.Caches[i].Key.Decode(nil, r.Key)
			if err != nil {
				t.Fatal(err)
			}
			if delete(fold, string(key)); r.Value != nil {
				fold[string(key)] = string(r.Value)
			}
		}
		caches = append(caches, fold)
	}
	return out, caches, err
}
