package state

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told lists the updates of journal 0 behind a mark.
func told(o *Overlay, mark int) (list []string) {
	for at := mark; at < o.Mark(); at++ {
		u, ok := o.Update(0, at)
		switch {
		case !ok:
		case u.Value == nil:
			list = append(list, fmt.Sprintf("%s gone", u.Key))
		default:
			list = append(list, fmt.Sprintf("%s=%s", u.Key, u.Value))
		}
	}
	return list
}

func TestUpdatesAreWhatWasWritten(t *testing.T) {
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "a"}, {Name: "quiet"}, {Name: "small", MaxBytes: 12}}})
	o := s.Overlay()
	a, quiet, small := attach(t, o, 0, 0), attach(t, o, 1, 0), attach(t, o, 2, 0)
	a.Observe()
	small.Observe()
	put := func(p *Partition, key, value string) {
		t.Helper()
		if err := p.Put([]byte(key), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	o.SetTime(1)
	put(a, "k", "") // the very first write is an empty value, and no delete
	put(a, "k", "long value")
	put(quiet, "k", "x")
	put(a, "k", "v")
	put(a, "l", "w")
	mark := o.Mark()
	if err := a.DeleteRange(nil, nil, -1); err != nil {
		t.Fatal(err)
	}
	all := []string{"k=", "k=long value", "k=v", "l=w"}
	if d := cmp.Diff(append(slices.Clone(all), "k gone", "l gone"), told(o, 0)); d != "" {
		t.Error(d)
	}
	o.Undo(0, mark)
	if v, ok, err := a.Get([]byte("k"), nil); string(v) != "v" || !ok || err != nil {
		t.Errorf("after undo k is %q, %v, %v", v, ok, err)
	}
	if d := cmp.Diff(all, told(o, 0)); d != "" {
		t.Error(d)
	}
	// A bound drives the first insertions out, at once and told.
	mark = o.Mark()
	put(small, "1", "11111")
	put(small, "2", "22222")
	put(small, "3", "33333")
	if err := small.Delete([]byte("nobody")); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"1=11111", "2=22222", "3=33333", "1 gone", "nobody gone"}, told(o, mark)); d != "" {
		t.Error(d)
	}
	o.Forget()
	if o.Mark() != 0 {
		t.Errorf("%d writes are left", o.Mark())
	}
	noAllocs(t, "put, update, undo", func() {
		put(a, "k", "some value")
		if u, ok := o.Update(0, 0); !ok || string(u.Value) != "some value" {
			t.Fatal(u, ok)
		}
		o.Undo(0, 0)
	})
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
