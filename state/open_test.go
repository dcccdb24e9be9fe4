package state

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestFamiliesAreNumberedAsTheStoreNumbersThem(t *testing.T) {
	caches := []Cache{{Name: "a"}, {Name: "t", TTL: time.Second}, {Name: "g", Kind: Global}, {Name: "b", MaxBytes: 9}}
	names := Families(caches)
	if want := []string{"meta", "cache-a", "cache-t", "index-t", "cache-g", "cache-b", "index-b"}; !slices.Equal(names, want) {
		t.Fatalf("%q", names)
	}
	s := openStore(t, NewMemory(), Config{Caches: caches})
	for _, c := range s.caches {
		if names[c.family] != "cache-"+c.Name || c.flags != 0 && names[c.indexFamily] != "index-"+c.Name {
			t.Errorf("%s: %d and %d", c.Name, c.family, c.indexFamily)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForeignStoresAreRefused(t *testing.T) {
	mem := NewMemory()
	s := openStore(t, mem, Config{App: "one"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var foreign *ForeignError
	if _, err := Open(mem.Restart(), Config{App: "two"}); !errors.As(err, &foreign) || foreign.App != "one" || foreign.WantApp != "two" {
		t.Fatal(err)
	}
	mem = mem.Restart()
	var b Batch
	b.Put(metaFamily, nil, storeKey, []byte("\x00\x00\x00\x02one"))
	if err := mem.Write(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(mem, Config{App: "one"}); !errors.As(err, &foreign) || foreign.Format != 2 || foreign.Newest != 1 {
		t.Fatal(err)
	}
	b.Reset()
	b.Put(metaFamily, nil, storeKey, []byte("one"))
	if err := mem.Write(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(mem, Config{App: "one"}); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

func TestSettingsThatCannotBeAreRefused(t *testing.T) {
	for _, caches := range [][]Cache{
		{{Name: ""}},
		{{Name: "a\x00"}},
		{{Name: "a"}, {Name: "a"}},
		{{Name: "a", Kind: 3}},
		{{Name: "g", Kind: Global, TTL: time.Second}},
		{{Name: "a", TTL: time.Microsecond}},
	} {
		if _, err := Open(NewMemory(), Config{App: "app", Caches: caches}); err == nil {
			t.Errorf("%+v is opened", caches)
		}
	}
}

// fill leaves a store with one committed entry and closes it.
func fill(t *testing.T, mem *Memory, c Cache, now time.Time) *Memory {
	t.Helper()
	s := openStore(t, mem, Config{Caches: []Cache{c}, Now: func() time.Time { return now }})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	put(t, p, "k", "v")
	p.SetPosition(Position{Next: 1, Log: 2})
	o.Commit()
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return mem.Restart()
}

func TestLayoutChanges(t *testing.T) {
	plain, ttl, both := Cache{Name: "c"}, Cache{Name: "c", TTL: time.Hour}, Cache{Name: "c", TTL: time.Hour, MaxBytes: 99}
	ints, local := Cache{Name: "c", Key: KeyInt}, Cache{Name: "c", Kind: Local}
	for _, c := range []struct {
		name     string
		from, to Cache
		refused  bool
		kept     bool
	}{
		{"none", plain, plain, false, true},
		{"another ttl", ttl, Cache{Name: "c", TTL: time.Minute}, false, true},
		{"ttl to both", ttl, both, false, false},
		{"both to ttl", both, ttl, false, false},
		{"plain to ttl", plain, ttl, true, false},
		{"ttl to plain", ttl, plain, true, false},
		{"key type", plain, ints, true, false},
		{"kv to local", plain, local, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := fill(t, NewMemory(), c.from, time.Now())
			s, err := Open(mem, Config{App: "app", Caches: []Cache{c.to}})
			var layout *LayoutError
			if errors.As(err, &layout) != c.refused || err != nil && !c.refused {
				t.Fatal(err)
			}
			if c.refused {
				return
			}
			if _, ok, err := s.Position(0, 0); ok != c.kept || err != nil {
				t.Fatal(ok, err)
			}
			o := s.Overlay()
			p := attach(t, o, 0, 0)
			if _, ok, err := p.Get([]byte("k"), nil); ok != c.kept || err != nil {
				t.Fatal(ok, err)
			}
			if err := errors.Join(o.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRemovedCachesStayOnDisk(t *testing.T) {
	a, b := Cache{Name: "a", TTL: time.Hour}, Cache{Name: "b"}
	// Memory numbers families, it does not name them: the order must stay.
	mem := fill(t, NewMemory(), b, time.Now())
	s := openStore(t, mem, Config{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, mem.Restart(), Config{Caches: []Cache{b, a}})
	if pos, ok, err := s.Position(0, 0); !ok || err != nil || pos.Next != 1 {
		t.Fatal(pos, ok, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOldPositionsCountForNothing(t *testing.T) {
	start := time.UnixMilli(1e12)
	for _, c := range []struct {
		after, limit time.Duration
		kept         bool
	}{{12 * time.Hour, 0, true}, {12*time.Hour + time.Second, 0, false}, {1000 * time.Hour, -1, true}, {time.Hour + 1e9, time.Hour, false}} {
		mem := fill(t, NewMemory(), Cache{Name: "a"}, start)
		s := openStore(t, mem, Config{Caches: []Cache{{Name: "a"}}, StaleAfter: c.limit, Now: func() time.Time { return start.Add(c.after) }})
		if _, ok, err := s.Position(0, 0); ok != c.kept || err != nil {
			t.Fatalf("%+v: %v %v", c, ok, err)
		}
		o := s.Overlay()
		if _, ok, err := attach(t, o, 0, 0).Get([]byte("k"), nil); ok != c.kept || err != nil {
			t.Fatalf("%+v: %v %v", c, ok, err)
		}
		if err := errors.Join(o.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIdlePartitionsStayFresh(t *testing.T) {
	now := time.UnixMilli(1e12)
	mem := NewMemory()
	c := Config{Caches: []Cache{{Name: "a"}}, Now: func() time.Time { return now }}
	s := openStore(t, mem, c)
	o := s.Overlay()
	attach(t, o, 0, 0).SetPosition(Position{Next: 5})
	o.Commit()
	for range 20 {
		now = now.Add(time.Hour)
		if err := o.Maintain(now, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, mem.Restart(), c)
	if pos, ok, err := s.Position(0, 0); !ok || err != nil || pos.Next != 5 {
		t.Fatal(pos, ok, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecreateThatFailsIsTriedAgain(t *testing.T) {
	mem := NewMemory()
	s := openStore(t, mem, Config{Caches: []Cache{{Name: "a"}}})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	put(t, p, "k", "v")
	seen := s.Epoch()
	l := s.Load()
	mem.Hook(func(c Call) error {
		if c == CallRecreate {
			return errInjected
		}
		return nil
	})
	if err := s.Recreate(seen); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	if err := o.Changes(nil); !errors.Is(err, ErrStale) {
		t.Fatal(err)
	}
	if _, err := o.Attach(0, 0); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	mem.Hook(nil)
	if err := s.Recreate(seen); err != nil {
		t.Fatal(err)
	}
	expect(t, attach(t, o, 0, 0), "")
	l.Put(0, 1, []byte("k"), []byte("v"))
	if err := l.Write(); !errors.Is(err, ErrStale) {
		t.Fatal(err)
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestCloseNamesWhatIsStillAttached(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}}})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	put(t, p, "k", "v")
	o.Commit()
	if err := s.Close(); err == nil {
		t.Fatal("closed without a word")
	}
	if _, err := o.Attach(0, 1); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := o.Close(); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestGlobalReadersSeeWhatWasLoaded(t *testing.T) {
	mem := NewMemory()
	s := openStore(t, mem, Config{Caches: []Cache{{Name: "g", Kind: Global}}, RecordCache: 4000})
	g, l := s.Global(0), s.Load()
	const keys, rounds = 50, 40
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			last := make([]int, keys)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := i % keys
				v, ok, err := g.Get(fmt.Append(nil, "k", k), nil)
				var n int
				if ok {
					_, err = fmt.Sscan(string(v), &n)
				}
				if err != nil || n < last[k] {
					t.Errorf("key %d: %q after %d, %v", k, v, last[k], err)
					return
				}
				last[k] = n
			}
		})
	}
	for n := 1; n <= rounds; n++ {
		for k := range keys {
			l.Put(0, int32(k%3), fmt.Append(nil, "k", k), fmt.Append(nil, n))
		}
		for p := range int32(3) {
			l.SetPosition(0, p, Position{Next: int64(n), Log: 7})
		}
		if err := l.Write(); err != nil {
			t.Fatal(err)
		}
		if v, ok, err := g.Get([]byte("k7"), nil); !ok || err != nil || string(v) != fmt.Sprint(n) {
			t.Fatalf("after round %d: %q %v %v", n, v, ok, err)
		}
	}
	close(stop)
	wg.Wait()
	o := s.Overlay()
	p := attach(t, o, 0, 9)
	if err := p.Put([]byte("k"), nil); !errors.Is(err, ErrReadOnly) {
		t.Fatal(err)
	}
	page := Page{Limit: 3}
	if more, err := p.Page([]byte("k1"), []byte("k3"), true, &page); err != nil || !more || page.Len() != 3 {
		t.Fatal(more, err, page.Len())
	}
	if pos, ok, err := s.Position(0, 2); !ok || err != nil || pos != (Position{rounds, 7}) {
		t.Fatal(pos, ok, err)
	}
	l.Put(0, 0, []byte("k7"), nil)
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := p.Get([]byte("k7"), nil); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := s.Wipe(0, 1); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := p.Get([]byte("k8"), nil); ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// A cache that was taken out of the manifest and put back has an empty family:
// positions from before would hide that.
func TestAFreshFamilyHasNoPosition(t *testing.T) {
	caches := []Cache{{Name: "kept"}, {Name: "back"}}
	e := NewMemory()
	s, err := Open(e, Config{App: "app", Caches: caches})
	if err != nil {
		t.Fatal(err)
	}
	l := s.Load()
	for c := range caches {
		l.Put(c, 3, []byte("k"), []byte("v"))
		l.SetPosition(c, 3, Position{Next: 7})
	}
	if err := errors.Join(l.Write(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(e.Restart(), Config{App: "app", Caches: caches, Fresh: []string{"cache-back"}}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for c, want := range []bool{true, false} {
		if _, ok, err := s.Position(c, 3); err != nil || ok != want {
			t.Errorf("cache %s has a position: %v, %v; want %v", caches[c].Name, ok, err, want)
		}
	}
}
