package slip

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/sdk/go/internal/memory"
)

// stateful is a recorder with caches, and answers that a test may put in place
// of the store's.
type stateful struct {
	recorder
	*memory.Store
	calls  int
	broken []byte
}

func (h *stateful) CacheGet(cache int32, key, buf []byte) int64 {
	h.calls++
	return h.Store.CacheGet(cache, key, buf)
}

func (h *stateful) CachePut(cache int32, key, value []byte) int32 {
	h.calls++
	return h.Store.CachePut(cache, key, value)
}

func (h *stateful) CacheDelete(cache int32, key []byte) int32 { return h.Store.CacheDelete(cache, key) }

func (h *stateful) CacheDeleteRange(cache int32, from, to []byte) int32 {
	return h.Store.CacheDeleteRange(cache, from, to)
}

func (h *stateful) CacheScan(cache int32, request, buf []byte) int64 {
	h.calls++
	if h.broken != nil {
		return int64(copy(buf, h.broken))
	}
	return h.Store.CacheScan(cache, request, buf)
}

func (h *stateful) CacheGetMany(cache int32, request, buf []byte) int64 {
	h.calls++
	if h.broken != nil {
		return int64(copy(buf, h.broken))
	}
	return h.Store.CacheGetMany(cache, request, buf)
}

func (h *stateful) Savepoint(op int32) int32 { return h.Store.Savepoint(op) }

func (h *stateful) CheckpointHeartbeat(checkpoint int32, request, buf []byte) int64 {
	return h.recorder.CheckpointHeartbeat(checkpoint, request, buf)
}

func (h *stateful) CheckpointPulse(checkpoint int32, request, buf []byte) int64 {
	return h.recorder.CheckpointPulse(checkpoint, request, buf)
}

func (h *stateful) StreamTime() int64 { return h.Store.StreamTime() }

// withCaches returns an instance whose handler is fn, and its host with the
// caches, of which those named so have other keys than bytes.
func withCaches(t testing.TB, fn func(c *Call, rec Record) error, caches ...*CacheRef) (*instance, *stateful) {
	t.Helper()
	var bindings []Binding
	var all []memory.Cache
	for _, k := range caches {
		bindings = append(bindings, k)
		key, _ := memory.KeyOf(k.name)
		all = append(all, memory.Cache{Name: k.name, Key: key})
	}
	in, rec := one(t, fn, bindings...)
	h := &stateful{recorder: *rec, Store: memory.New(all)}
	h.in, in.host = in, h
	return in, h
}

// once runs fn for one record and returns its error's text.
func once(t *testing.T, fn func(c *Call) error, caches ...*CacheRef) string {
	t.Helper()
	in, _ := withCaches(t, func(c *Call, _ Record) error { return fn(c) }, caches...)
	_, failed := stream(t, in.process(0, batchOf([]byte("v"))))
	return failed[0]
}

func TestGetMakesOneCallOfTheHostOnceItKnowsTheSize(t *testing.T) {
	k := Cache("c")
	in, h := withCaches(t, func(c *Call, rec Record) error {
		_, _, err := k.Get(c, rec.Value)
		return err
	}, k)
	h.Load(0, 0, []byte("small"), bytes.Repeat([]byte("s"), 200))
	h.Load(0, 0, []byte("large"), bytes.Repeat([]byte("l"), 100_000))
	for _, step := range []struct {
		key   string
		calls int
	}{{"small", 1}, {"absent", 1}, {"large", 2}, {"large", 1}, {"small", 1}} {
		h.calls = 0
		if _, failed := stream(t, in.process(0, batchOf([]byte(step.key)))); len(failed) > 0 || h.calls != step.calls {
			t.Errorf("%s: %d calls, want %d; %v", step.key, h.calls, step.calls, failed)
		}
	}
}

func TestValuesStayWhileTheHandlerRuns(t *testing.T) {
	k := Cache("c")
	failed := once(t, func(c *Call) error {
		var got [][]byte
		for i := range 200 {
			want := bytes.Repeat([]byte{byte(i)}, 10*i)
			if err := k.Put(c, c.IntKey(int64(i)), want); err != nil {
				return err
			}
			v, _, err := k.Get(c, c.IntKey(int64(i)))
			if err != nil {
				return err
			}
			got = append(got, v)
			_ = append(v, "must not reach the next"...)
		}
		for i, v := range got {
			if !bytes.Equal(v, bytes.Repeat([]byte{byte(i)}, 10*i)) {
				t.Errorf("value %d became %q", i, v)
			}
		}
		return nil
	}, k)
	if failed != "" {
		t.Error(failed)
	}
}

func TestGetManyTakesMoreThanOneCallHolds(t *testing.T) {
	k := Cache("c")
	failed := once(t, func(c *Call) error {
		keys := make([][]byte, 2*abi.MaxKeys+1)
		for i := range keys {
			keys[i] = c.IntKey(int64(i))
			if i%2 == 0 {
				if err := k.PutInt(c, keys[i], int64(i)); err != nil {
					return err
				}
			}
		}
		values, err := k.GetMany(c, keys...)
		if err != nil || len(values) != len(keys) {
			t.Fatal(len(values), err)
		}
		for i, v := range values {
			if n, ok := ValueInt(v); ok != (i%2 == 0) || ok && n != int64(i) {
				t.Fatalf("value %d: %v", i, v)
			}
		}
		if values, err = k.GetMany(c); len(values) != 0 || err != nil {
			t.Error(values, err)
		}
		_, err = k.GetMany(c, keys[0], nil)
		return err
	}, k)
	if failed != "cache \"c\": the key is absent" {
		t.Error(failed)
	}
}

func TestAnswersThatCannotBeReadFailTheRecord(t *testing.T) {
	k := Cache("c")
	for _, broken := range []string{"", "\x92", "\x92\xc0\x01", "\x94\xc0\x01\xc4\x05", "\x91\x93\xc0", "\x91\x91\xc0\xc0"} {
		for name, fn := range map[string]func(c *Call) error{
			"scan": func(c *Call) error {
				for range k.Items(c, All()) {
				}
				return nil
			},
			"get many": func(c *Call) error {
				_, err := k.GetMany(c, []byte("a"), []byte("b"))
				return err
			},
		} {
			in, h := withCaches(t, func(c *Call, _ Record) error { return fn(c) }, k)
			h.broken = append([]byte{}, broken...)
			// A page must have been asked for before with room for the answer.
			in.pages = [][]byte{make([]byte, 100)}
			_, failed := stream(t, in.process(0, batchOf([]byte("v"))))
			if want := "cache \"c\": " + name + ": the host's answer could not be read"; failed[0] != want {
				t.Errorf("%q: %q, want %q", broken, failed[0], want)
			}
		}
	}
}

func TestScansNest(t *testing.T) {
	k := Cache("c")
	failed := once(t, func(c *Call) error {
		for i := range 100 {
			if err := k.PutInt(c, []byte{byte(i)}, int64(i)); err != nil {
				return err
			}
		}
		pairs := 0
		for a := range k.Keys(c, All()) {
			before := a[0]
			for b := range k.Keys(c, From(a).Back()) {
				if b[0] > a[0] {
					t.Fatalf("%d after %d", b[0], a[0])
				}
				if pairs++; b[0] == 50 {
					break
				}
			}
			if a[0] != before {
				t.Fatalf("the inner scan changed the key %d to %d", before, a[0])
			}
		}
		if want := 50*51/2 + 50*51/2; pairs != want {
			t.Errorf("%d pairs, want %d", pairs, want)
		}
		if c.in.scans != 0 || len(c.in.pages) != 2 {
			t.Errorf("%d scans, %d pages", c.in.scans, len(c.in.pages))
		}
		return nil
	}, k)
	if failed != "" {
		t.Error(failed)
	}
}

func TestAScanThatIsRefusedFailsTheRecord(t *testing.T) {
	k, unbound := Cache("int"), Cache("unbound")
	for _, tc := range []struct {
		r    Range
		k    *CacheRef
		want string
	}{
		{Prefix([]byte("a")), k, "the host refused the request: the manifest declares another type of keys"},
		{From([]byte("short")), k, "the host refused the request: the manifest declares another type of keys"},
		{From([]byte("short")).Back(), k, "the host refused the request: the manifest declares another type of keys"},
		{Between(nil, []byte("short")), k, "the host refused the request: the manifest declares another type of keys"},
		{All(), unbound, "is not bound"},
	} {
		failed := once(t, func(c *Call) error {
			for range tc.k.Items(c, tc.r) {
				t.Error("an entry")
			}
			if c.Err() == nil {
				t.Error("no error to see")
			}
			return nil
		}, k)
		if !strings.Contains(failed, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.r, failed, tc.want)
		}
	}
}

func TestTransactionsNestAsDeepAsTheHostAllows(t *testing.T) {
	k := Cache("c")
	failed := once(t, func(c *Call) error {
		var down func(n int) error
		down = func(n int) error {
			if _, err := k.AddInt(c, []byte("depth"), 1); n == 0 || err != nil {
				return err
			}
			return k.Transaction(c, nil, func() error { return down(n - 1) })
		}
		if err := down(abi.MaxSavepoints); err != nil {
			t.Error(err)
		}
		err := down(abi.MaxSavepoints + 1)
		if n, _, _ := k.GetInt(c, []byte("depth")); n != abi.MaxSavepoints+2 {
			t.Errorf("depth %d", n)
		}
		return err
	}, k)
	if want := "cache \"c\": transaction: a limit of this record was reached"; failed != want {
		t.Errorf("%q, want %q", failed, want)
	}
}

func TestNumbers(t *testing.T) {
	k := Cache("c")
	failed := once(t, func(c *Call) error {
		key := []byte("k")
		for _, tc := range []struct{ old, delta, sum int64 }{
			{0, 0, 0},
			{5, 0, 5},
			{5, -7, -2},
			{math.MaxInt64 - 1, 1, math.MaxInt64},
			{math.MinInt64 + 1, -1, math.MinInt64},
			{math.MinInt64, math.MaxInt64, -1},
			{0, math.MinInt64, math.MinInt64},
		} {
			_ = k.PutInt(c, key, tc.old)
			if got, err := k.AddInt(c, key, tc.delta); got != tc.sum || err != nil {
				t.Errorf("%d + %d = %d, %v", tc.old, tc.delta, got, err)
			}
			if got, ok, err := k.GetInt(c, key); got != tc.sum || !ok || err != nil {
				t.Errorf("%d + %d left %d, %v, %v", tc.old, tc.delta, got, ok, err)
			}
		}
		for _, tc := range []struct{ old, delta int64 }{{math.MaxInt64, 1}, {math.MinInt64, -1}, {-1, math.MinInt64}} {
			_ = k.PutInt(c, key, tc.old)
			if got, err := k.AddInt(c, key, tc.delta); err == nil {
				t.Errorf("%d + %d = %d", tc.old, tc.delta, got)
			}
		}
		if err := k.PutFloat(c, key, 1.5); err != nil {
			return err
		}
		if sum, err := k.AddFloat(c, key, -2); sum != -0.5 || err != nil {
			t.Error(sum, err)
		}
		if f, ok, err := k.GetFloat(c, key); f != -0.5 || !ok || err != nil {
			t.Error(f, ok, err)
		}
		if f, ok, err := k.GetFloat(c, []byte("other")); f != 0 || ok || err != nil {
			t.Error(f, ok, err)
		}
		if v, ok := KeyBool(c.BoolKey(true)); !v || !ok {
			t.Error("true")
		}
		if v, ok := KeyBool(c.BoolKey(false)); v || !ok {
			t.Error("false")
		}
		if _, ok := KeyBool([]byte{2}); ok {
			t.Error("2 is a bool")
		}
		if _, ok := KeyInt([]byte("short")); ok {
			t.Error("5 bytes are a number")
		}
		if f, ok := KeyFloat(c.FloatKey(-2.5)); f != -2.5 || !ok {
			t.Error(f, ok)
		}
		if f, ok := ValueFloat(c.FloatValue(2.5)); f != 2.5 || !ok {
			t.Error(f, ok)
		}
		return nil
	}, k)
	if failed != "" {
		t.Error(failed)
	}
}

func TestCachesAllocateNothing(t *testing.T) {
	k := Cache("c")
	var do func(c *Call) error
	in, h := withCaches(t, func(c *Call, rec Record) error { return do(c) }, k)
	for i := range 3000 {
		h.Load(0, 0, []byte{byte(i >> 8), byte(i)}, []byte("value"))
	}
	key := []byte{0, 1}
	msg := batchOf([]byte("v"))
	for name, f := range map[string]func(c *Call) error{
		"get": func(c *Call) error {
			_, _, err := k.Get(c, key)
			return err
		},
		"contains": func(c *Call) error {
			_, err := k.Contains(c, c.IntKey(1))
			return err
		},
	} {
		do = f
		in.process(0, msg)
		if n := testing.AllocsPerRun(100, func() { in.process(0, msg) }); n > 1 {
			t.Errorf("%s: %v allocations, of which the store makes 1", name, n)
		}
	}
	// The store allocates for a page; a guest must not for an entry.
	do = func(c *Call) error {
		for range k.Items(c, All()) {
		}
		return nil
	}
	h.broken = abi.AppendScanPage(nil, &abi.ScanPage{Count: 1000})
	for range 1000 {
		h.broken = abi.AppendEntry(h.broken, key, key)
	}
	in.pages = [][]byte{make([]byte, len(h.broken))}
	in.process(0, msg)
	if n := testing.AllocsPerRun(100, func() { in.process(0, msg) }); n > 2 {
		t.Errorf("a scan of 1000 entries: %v allocations", n)
	}
}

func TestArenaGrowsInChunksOfABoundedSize(t *testing.T) {
	var a arena
	for range 100 {
		if b := a.take(100_000); len(b) != 100_000 || cap(b) != len(b) {
			t.Fatal(len(b), cap(b))
		}
	}
	if cap(a.buf) > maxChunk {
		t.Errorf("a chunk of %d bytes", cap(a.buf))
	}
	if b := a.take(3 * maxChunk); len(b) != 3*maxChunk {
		t.Error(len(b))
	}
}

func FuzzQuickEntry(f *testing.F) {
	f.Add(abi.AppendEntry(nil, []byte("key"), []byte("value")))
	f.Add(abi.AppendEntry(nil, nil, bytes.Repeat([]byte("v"), 255)))
	f.Add(abi.AppendEntry(nil, bytes.Repeat([]byte("v"), 256), nil))
	f.Add([]byte("\xc4\x01a\xc4\x02b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, value, size := quickEntry(b)
		if size == 0 {
			return
		}
		r := abi.NewReader(b)
		k, v := abi.ReadEntry(&r)
		if r.Err() != nil || !bytes.Equal(k, key) || !bytes.Equal(v, value) || r.Offset() != size {
			t.Errorf("%q %q of %d bytes, but %q %q of %d, %v", key, value, size, k, v, r.Offset(), r.Err())
		}
	})
}
