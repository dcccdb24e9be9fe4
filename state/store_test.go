package state

import "testing"

func TestCommittedEntriesReachTheEngine(t *testing.T) {
	mem := NewMemory()
	c := Config{App: "app", Caches: []Cache{{Name: "a"}}}
	s, err := Open(mem, c)
	if err != nil {
		t.Fatal(err)
	}
	o := s.Overlay()
	p, err := o.Attach(0, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Put([]byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	p.SetPosition(Position{Next: 7, Log: 9})
	o.Commit()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(mem.Restart(), c); err != nil {
		t.Fatal(err)
	}
	if pos, ok, err := s.Position(0, 3); err != nil || !ok || pos != (Position{7, 9}) {
		t.Fatal(pos, ok, err)
	}
	o = s.Overlay()
	if p, err = o.Attach(0, 3); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := p.Get([]byte("k"), nil); err != nil || !ok || string(v) != "v" {
		t.Fatal(v, ok, err)
	}
}
