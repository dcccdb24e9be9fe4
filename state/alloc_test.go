package state

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// noAllocs says that f, once warm, needs no memory.
func noAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	for range 3 {
		f()
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

func TestHotPathNeedsNoMemory(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}, {Name: "g", Kind: Global}}})
	l := s.Load()
	l.Put(1, 0, []byte("side"), []byte("value"))
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	key, value, buf := []byte("a key of some length"), []byte("a value of some length"), make([]byte, 0, 100)
	keys := make([][]byte, 100)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key %d", i)
	}
	get := func() {
		if v, ok, err := p.Get(key, buf); err != nil || !ok || len(v) != len(value) {
			t.Fatal(v, ok, err)
		}
	}
	write := func() {
		if err := p.Put(key, value); err != nil {
			t.Fatal(err)
		}
	}
	write()
	noAllocs(t, "get of a staged key", get)
	o.Commit()
	noAllocs(t, "get of a committed key", get)
	if err := o.Maintain(time.Now(), true); err != nil {
		t.Fatal(err)
	}
	noAllocs(t, "get of a cached key", get)
	if _, ok, err := p.Get([]byte("nobody"), buf); ok || err != nil {
		t.Fatal(ok, err)
	}
	nobody := []byte("nobody")
	noAllocs(t, "get of an absent key", func() {
		if _, ok, err := p.Get(nobody, buf); ok || err != nil {
			t.Fatal(ok, err)
		}
	})
	noAllocs(t, "put and undo", func() {
		mark := o.Mark()
		write()
		write()
		o.Undo(0, mark)
	})
	noAllocs(t, "put, changes, commit", func() {
		for _, k := range keys {
			if err := p.Put(k, value); err != nil {
				t.Fatal(err)
			}
			if err := p.Put(k, key); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Changes(func(*Partition, []byte, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		o.Commit()
	})
	noAllocs(t, "put and rollback", func() {
		write()
		o.Rollback()
	})
	side, g := []byte("side"), s.Global(1)
	noAllocs(t, "get in a global cache", func() {
		if _, ok, err := g.Get(side, buf); !ok || err != nil {
			t.Fatal(ok, err)
		}
	})
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func benchStore(b *testing.B, c Cache, cached int64) (*Overlay, *Partition, [][]byte) {
	const n = 10000
	s := openStore(b, NewMemory(), Config{Caches: []Cache{c}, RecordCache: cached})
	o := s.Overlay()
	p := attach(b, o, 0, 0)
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%08d", i)
		if err := p.Put(keys[i], []byte("a value of a hundred bytes or so, as counts and sums and the like have in real life, more or less")); err != nil {
			b.Fatal(err)
		}
	}
	o.Commit()
	if err := o.Maintain(time.Now(), true); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(o.Close(), s.Close()); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportAllocs()
	return o, p, keys
}

func BenchmarkGetHit(b *testing.B) {
	_, p, keys := benchStore(b, Cache{Name: "a"}, 1<<30)
	buf := make([]byte, 0, 200)
	i := 0
	for b.Loop() {
		if _, ok, err := p.Get(keys[i%len(keys)], buf); !ok || err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkGetMiss(b *testing.B) {
	_, p, keys := benchStore(b, Cache{Name: "a"}, -1)
	buf := make([]byte, 0, 200)
	i := 0
	for b.Loop() {
		if _, ok, err := p.Get(keys[i%len(keys)], buf); !ok || err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkPut(b *testing.B) {
	o, p, keys := benchStore(b, Cache{Name: "a"}, 1<<30)
	value := make([]byte, 100)
	i := 0
	for b.Loop() {
		if err := p.Put(keys[i%1000], value); err != nil {
			b.Fatal(err)
		}
		if i++; i%1000 == 0 {
			o.Commit()
		}
	}
}

func BenchmarkPutBounded(b *testing.B) {
	o, p, keys := benchStore(b, Cache{Name: "a", TTL: time.Minute, MaxBytes: 1 << 20}, 1<<30)
	value := make([]byte, 100)
	i := 0
	for b.Loop() {
		o.SetTime(int64(i))
		if err := p.Put(keys[i%1000], value); err != nil {
			b.Fatal(err)
		}
		if i++; i%1000 == 0 {
			o.Commit()
		}
	}
}

// BenchmarkScan reads pages of 100 entries, a tenth of them staged.
func BenchmarkScan(b *testing.B) {
	_, p, keys := benchStore(b, Cache{Name: "a"}, 1<<30)
	for i := 0; i < len(keys); i += 10 {
		if err := p.Put(keys[i], []byte("new")); err != nil {
			b.Fatal(err)
		}
	}
	page := Page{Limit: 100}
	i := 0
	for b.Loop() {
		page.Reset()
		if _, err := p.Page(keys[i%9000], nil, false, &page); err != nil || page.Len() != 100 {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkCommitAndMaintain10k(b *testing.B) {
	o, p, keys := benchStore(b, Cache{Name: "a"}, 1<<30)
	value := make([]byte, 100)
	for b.Loop() {
		b.StopTimer()
		for _, k := range keys {
			if err := p.Put(k, value); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		o.Commit()
		if err := o.Maintain(time.Now(), true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGlobalHit(b *testing.B) {
	s := openStore(b, NewMemory(), Config{Caches: []Cache{{Name: "g", Kind: Global}}})
	l := s.Load()
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%08d", i)
		l.Put(0, 0, keys[i], make([]byte, 100))
	}
	if err := l.Write(); err != nil {
		b.Fatal(err)
	}
	g, buf := s.Global(0), make([]byte, 0, 200)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := g.Get(keys[i%len(keys)], buf); !ok || err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
