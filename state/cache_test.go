package state

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestRecordCacheKeepsToItsBudget(t *testing.T) {
	const budget = 100_000
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}}, RecordCache: budget})
	idle, busy := s.Overlay(), s.Overlay()
	a, b := attach(t, idle, 0, 0), attach(t, busy, 0, 1)
	read := func(p *Partition, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if _, _, err := p.Get(fmt.Append(nil, "key", i), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	read(a, 0, 2000)
	if used := s.budget.used.Load(); used > budget+2*entryCost || used < budget/2 {
		t.Fatalf("%d bytes are used", used)
	}
	// The other one may have half: the idle one gives it up when maintained.
	read(b, 0, 1000)
	if err := idle.Maintain(time.Now(), false); err != nil {
		t.Fatal(err)
	}
	if idle.cached > budget*6/10 || idle.cached < budget*4/10 || busy.cached < budget*4/10 || s.budget.used.Load() > budget+2*entryCost {
		t.Fatalf("idle %d, busy %d", idle.cached, busy.cached)
	}
	if err := errors.Join(idle.Close(), busy.Close()); err != nil {
		t.Fatal(err)
	}
	if used := s.budget.used.Load(); used != 0 {
		t.Fatalf("%d bytes are used by nobody", used)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHotKeysOutliveAPassOverAllKeys(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}}, RecordCache: 200 * 250})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	get := func(key string) {
		if _, _, err := p.Get([]byte(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	hot := func() {
		for i := range 50 {
			get(fmt.Sprint("hot", i))
		}
	}
	hot()
	hot()
	for i := range 5000 {
		get(fmt.Sprint("cold", i))
		if i%100 == 0 {
			hot()
		}
	}
	_, before := o.Hits()
	hot()
	if _, after := o.Hits(); after-before > 5 {
		t.Fatalf("%d of 50 hot keys were given up", after-before)
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestLimitsOfEntries(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a", MaxEntry: 5}, {Name: "t", TTL: time.Hour, MaxEntry: 14}}})
	o := s.Overlay()
	a, ttl := attach(t, o, 0, 0), attach(t, o, 1, 0)
	put(t, a, "key", "vv")
	put(t, ttl, "key", "vv")
	for _, p := range []*Partition{a, ttl} {
		if err := p.Put([]byte("key"), []byte("vvv")); !errors.Is(err, ErrTooLarge) {
			t.Errorf("cache %d: %v", p.Cache(), err)
		}
		expect(t, p, "key=vv")
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestUndoInTheWrongOrderCannotBeCommitted(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}}})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	put(t, p, "k", "1")
	o.Use(1)
	put(t, p, "k", "2")
	o.Undo(0, 0)
	if err := o.Changes(func(*Partition, []byte, []byte) error { return nil }); !errors.Is(err, errUndoOrder) {
		t.Fatal(err)
	}
	o.Rollback()
	expect(t, p, "")
	if err := o.Changes(func(*Partition, []byte, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreRefusesValuesWithoutHeader(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "t", TTL: time.Hour}}})
	l := s.Load()
	l.Put(0, 0, []byte("k"), []byte("bare"))
	for range 2 {
		if err := l.Write(); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	}
	o := s.Overlay()
	attach(t, o, 0, 0)
	if err := l.Write(); !errors.Is(err, ErrAttached) {
		t.Fatal(err)
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDetachedWritesAreWrittenByOthers(t *testing.T) {
	mem := NewMemory()
	c := Config{Caches: []Cache{{Name: "a"}}}
	s := openStore(t, mem, c)
	one, two := s.Overlay(), s.Overlay()
	p := attach(t, one, 0, 0)
	put(t, p, "k", "v")
	p.SetPosition(Position{Next: 3})
	one.Commit()
	put(t, p, "k", "staged")
	one.Detach(p)
	if err := p.Put([]byte("k"), nil); !errors.Is(err, ErrDetached) {
		t.Fatal(err)
	}
	if pos, ok, err := s.Position(0, 0); !ok || err != nil || pos.Next != 3 {
		t.Fatal(pos, ok, err)
	}
	mem.Hook(func(c Call) error {
		if c == CallWrite {
			return errInjected
		}
		return nil
	})
	if err := two.Maintain(time.Now(), true); !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	mem.Hook(nil)
	if err := two.Maintain(time.Now(), true); err != nil {
		t.Fatal(err)
	}
	left := openStore(t, mem.Clone(), c)
	o := left.Overlay()
	expect(t, attach(t, o, 0, 0), "k=v")
	if err := errors.Join(o.Close(), left.Close(), one.Close(), two.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// Small entries take far more memory than the bytes that FlushBytes counts.
// What waits to be written is bounded by what it takes.
func TestManySmallEntriesDoNotWaitForFlushBytes(t *testing.T) {
	const budget, each = 1 << 20, 500
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}}, RecordCache: budget, FlushBytes: budget})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	now := time.Now()
	most := int64(0)
	for n := 0; n < 100*each; n += each {
		for i := n; i < n+each; i++ {
			put(t, p, fmt.Sprint("key", i), "v")
		}
		switch n / each % 10 {
		case 3:
			o.Rollback()
		case 7:
			o.Commit()
			o.Detach(p)
			p = attach(t, o, 0, 0)
		default:
			o.Commit()
		}
		if err := o.Maintain(now, false); err != nil { // time stands still
			t.Fatal(err)
		}
		most = max(most, o.cached)
		sum := int64(0)
		for _, e := range p.spaces[dataSpace].entries {
			if e.flags&pinned != 0 {
				sum += e.cost
			}
		}
		if o.pinned != sum {
			t.Fatalf("%d bytes are pinned, %d counted", sum, o.pinned)
		}
	}
	// Twice what makes a write due, and what one step adds.
	if limit := int64(2*budget + each*(entryCost+100)); most > limit {
		t.Errorf("the cache took %d bytes; wanted at most %d", most, limit)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if o.pinned != 0 {
		t.Errorf("%d bytes are pinned in the end", o.pinned)
	}
}
