package host

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
	"github.com/sliphost/sliphost/state/rocksdb"
)

// BenchmarkCacheGet is what a guest pays for a read of a cache, everything
// from its own code to the store included. hit-us is a read that the record
// cache answers (goal 0.3), miss-us one of a key among 1,000,000 on disk that
// it does not have; store-us is the same read asked of RocksDB, by turns with
// it, and over-us the difference (goal 0.4).
func BenchmarkCacheGet(b *testing.B) {
	for _, language := range []string{"rust", "go"} {
		b.Run(language, func(b *testing.B) {
			k := newCacheKit(b)
			const times, records = 1000, 256
			hits := k.worker(b, language, times)
			single := k.worker(b, language, 1)
			hot := k.wire(records, func(int) int { return 7 })
			var hit, one, far, store time.Duration
			n := 0
			for b.Loop() {
				hit += timed(func() { hits(hot) })
				one += timed(func() { single(hot) })
				cold := k.wire(records, func(i int) int { return n + i })
				far += timed(func() { single(cold) })
				n += records
				store += timed(func() { k.readStore(b, n, records) })
				n += records
			}
			per := func(d time.Duration, calls int) float64 {
				return float64(d.Nanoseconds()) / 1000 / float64(b.N) / float64(calls)
			}
			h, s := per(hit, times*records), per(store, records)
			miss := per(far-one, records) + h
			b.ReportMetric(h, "hit-us")
			b.ReportMetric(miss, "miss-us")
			b.ReportMetric(s, "store-us")
			b.ReportMetric(miss-s, "over-us")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timed is the processor's time that f takes on this thread: other work on the
// machine does not count.
func timed(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	f()
	return threadTime() - began
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// cacheKit is a store of many keys on disk.
type cacheKit struct {
	engine *rocksdb.DB
	store  *state.Store
	buf    []byte
	next   int32
}

const cacheKitKeys = 1_000_000

func newCacheKit(b *testing.B) *cacheKit {
	// With a cache of this size a shard is smaller than the filter of a file,
	// which must not cost anything.
	caches := []state.Cache{{Name: "cache"}}
	engine, _, err := rocksdb.Open(b.TempDir(), rocksdb.Options{
		Families: state.Families(caches), BlockCache: 64 << 20, WriteBuffer: 16 << 20, App: "app", Log: discard,
	})
	if err != nil {
		b.Fatal(err)
	}
	// Little is kept: what is read once is gone when it is read again.
	store, err := state.Open(engine, state.Config{App: "app", Caches: caches, RecordCache: 256 << 10, Log: discard})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
		if err := engine.Close(); err != nil {
			b.Error(err)
		}
	})
	load := store.Load()
	for i := range cacheKitKeys {
		for p := range int32(2) {
			load.Put(0, p, cacheKey(i), []byte("value678"))
		}
		if load.Bytes() > 8<<20 || i == cacheKitKeys-1 {
			if err := load.Write(); err != nil {
				b.Fatal(err)
			}
		}
	}
	// The blocks are in RocksDB's cache from here on.
	page := state.Page{Limit: 10_000}
	for from, more := []byte{}, true; more; {
		page.Reset()
		if more, err = engine.Page(1, from, nil, false, &page); err != nil {
			b.Fatal(err)
		}
		last, _ := page.Entry(page.Len() - 1)
		from = append(append(from[:0], last...), 0)
	}
	return &cacheKit{engine: engine, store: store}
}

// cacheKey is the i-th key, in an order that is not theirs.
func cacheKey(i int) []byte {
	return fmt.Appendf(nil, "%08x", uint64(i%cacheKitKeys)*2_654_435_761%cacheKitKeys)
}

func (k *cacheKit) wire(n int, key func(int) int) []byte {
	var wire []byte
	for i := range n {
		wire = abi.AppendRecord(wire, int64(i), 0, cacheKey(key(i)), nil, nil)
	}
	return wire
}

// readStore reads keys from from on of a partition from RocksDB.
func (k *cacheKit) readStore(b *testing.B, from, n int) {
	for i := from; i < from+n; i++ {
		key := append([]byte{0, 0, 0, 1}, cacheKey(i)...)
		v, ok, err := k.engine.Get(1, key, k.buf[:0])
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		k.buf = v
	}
}

// worker opens a worker whose one handler reads a record's key so many times;
// what it returns hands it records. Each has a partition of its own.
func (k *cacheKit) worker(b *testing.B, language string, times int64) func(wire []byte) {
	b.Helper()
	ctx := context.Background()
	rt, err := module.Open(ctx, module.Config{})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join("..", "build", "guests", language+"-caches.wasm")
	mod, err := rt.Load(ctx, module.Source{Name: "m", Path: path})
	if err != nil {
		b.Fatalf("%v; run `make guests`", err)
	}
	init := &abi.Init{Major: abi.Major, Minor: abi.Minor, Bindings: []abi.Binding{{
		Function: "get", Name: "get", Caches: []string{"cache"}, Sources: []abi.Endpoint{{Name: "in"}},
		Params: []abi.Param{{Name: "times", Value: abi.AppendInt(nil, times)}},
	}}}
	in := topicSource("in")
	in.Handlers = []HandlerSource{{}}
	plan := &Plan{
		App: "app", Clusters: []string{"default"}, Modules: []string{"m"}, Sources: []Source{in},
		Handlers: []Handler{{ID: "get", Caches: []int{0}, Staged: 1 << 20}},
		Subs:     []Sub{{Name: "get", Inputs: []int{0}, Caches: []int{0}}},
		Caches:   []Cache{{ID: "cache", Kind: state.KV, Topic: "app-cache-changelog"}},
	}
	h := New(plan, Options{}, []int{0}, 0, Backends{
		Producer: func(context.Context, int, int) (Producer, error) { return &sinkhole{}, nil },
		Invoker: func(ctx context.Context, _, _ int, st module.State) (Invoker, error) {
			slot, err := mod.Open(ctx, init, module.Hooks{State: st})
			if err != nil {
				return nil, err
			}
			return slot, nil
		},
		Store: k.store, Clock: realClock{},
	}, discard)
	w := h.workers[0]
	w.topics = nil // no consumer: the batch is handed over here
	if err := w.open(ctx); err != nil {
		b.Fatal(err)
	}
	t := w.taskFor(0, k.next)
	k.next++
	if err := w.attach(t); err != nil {
		b.Fatal(err)
	}
	t.phase = taskRunning
	source := &input{task: t}
	b.Cleanup(func() {
		w.overlay.Detach(t.caches[0])
		w.close(ctx)
		if err := rt.Close(ctx); err != nil {
			b.Error(err)
		}
	})
	return func(wire []byte) {
		n := 0
		for at := 0; at < len(wire); n++ {
			at += abi.RecordPrefix + recordLen(wire[at:])
		}
		done, _, err := w.dispatch(ctx, source, abi.BatchHeader{Count: int32(n)}, wire)
		if done != n || err != nil {
			b.Fatal(done, err)
		}
	}
}
