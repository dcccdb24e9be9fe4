package state

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func openStore(t testing.TB, e Engine, c Config) *Store {
	t.Helper()
	if c.App == "" {
		c.App = "app"
	}
	s, err := Open(e, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func attach(t testing.TB, o *Overlay, cache int, partition int32) *Partition {
	t.Helper()
	p, err := o.Attach(cache, partition)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func put(t testing.TB, p *Partition, key, value string) {
	t.Helper()
	if err := p.Put([]byte(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// contents lists keys and values of a partition as "k=v k=v".
func contents(t testing.TB, p *Partition) string {
	t.Helper()
	var page Page
	if _, err := p.Page(nil, nil, false, &page); err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range page.Len() {
		k, v := page.Entry(i)
		out = append(out, fmt.Sprintf("%s=%s", k, v))
	}
	return strings.Join(out, " ")
}

func expect(t testing.TB, p *Partition, want string) {
	t.Helper()
	if got := contents(t, p); got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestOldestInsertionsLeaveAgainAfterAnUndo(t *testing.T) {
	for _, way := range []string{"staged", "on disk"} {
		for _, back := range []string{"undo", "rollback"} {
			t.Run(way+" "+back, func(t *testing.T) {
				s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "b", MaxBytes: 8}}})
				o := s.Overlay()
				p := attach(t, o, 0, 0)
				for _, k := range []string{"c", "b", "a", "d"} {
					put(t, p, k, "1")
				}
				if way == "on disk" || back == "rollback" {
					o.Commit()
				}
				if way == "on disk" {
					if err := o.Maintain(time.Now(), true); err != nil {
						t.Fatal(err)
					}
				}
				mark := o.Mark()
				put(t, p, "e", "1")
				put(t, p, "f", "1")
				put(t, p, "g", "1")
				expect(t, p, "d=1 e=1 f=1 g=1")
				if back == "undo" {
					o.Undo(0, mark)
				} else {
					o.Rollback()
				}
				expect(t, p, "a=1 b=1 c=1 d=1")
				put(t, p, "b", "2") // inserted anew: it goes to the end
				put(t, p, "e", "1")
				put(t, p, "f", "1")
				expect(t, p, "b=2 d=1 e=1 f=1")
				o.Commit()
				if err := errors.Join(o.Close(), s.Close()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestEvictionSeesWhatAWriteRemoved(t *testing.T) {
	// The page read ahead lists entries that leave the engine by a write.
	s := openStore(t, NewMemory(), Config{Caches: []Cache{{Name: "b", MaxBytes: 8}}, RecordCache: -1})
	o := s.Overlay()
	p := attach(t, o, 0, 0)
	flush := func() {
		t.Helper()
		o.Commit()
		if err := o.Maintain(time.Now(), true); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"a", "b", "c", "d"} {
		put(t, p, k, "1")
	}
	flush()
	put(t, p, "e", "1") // a leaves, b to d are read ahead
	if err := p.Delete([]byte("b")); err != nil {
		t.Fatal(err)
	}
	flush()
	put(t, p, "f", "1")
	put(t, p, "g", "1")
	expect(t, p, "d=1 e=1 f=1 g=1")
	if p.Size() != 8 {
		t.Fatalf("size %d", p.Size())
	}
	flush()
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}
