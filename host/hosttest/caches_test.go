package hosttest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/state"
)

func TestCachesKeepEntriesOverAStart(t *testing.T) {
	c, err := NewCaches("app", []state.Cache{{Name: "a"}, {Name: "b", Kind: state.Global}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, key := range []string{"y", "x"} {
		if err := c.Put(0, 1, 7, 0, []byte(key), []byte("of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	old := c.Store()
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if c.Store() == old {
		t.Error("the store is the one before the restart")
	}
	var got []string
	for p := range int32(2) {
		if err := c.Each(0, p, func(key, value []byte) { got = append(got, string(key)+"="+string(value)) }); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"x=of x", "y=of y"}, got); d != "" {
		t.Error(d)
	}
	if pos, ok, err := c.Store().Position(0, 1); err != nil || !ok || pos != (state.Position{Log: 7}) {
		t.Errorf("position %v, %v, %v", pos, ok, err)
	}
	if c.Reached(1, 0, 0) {
		t.Error("a global cache has a record that nobody loaded")
	}
	l := c.Store().Load()
	l.Put(1, 0, []byte("k"), []byte("v"))
	l.SetPosition(1, 0, state.Position{Next: 1})
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	if !c.Reached(1, 0, 0) || c.Reached(1, 0, 1) {
		t.Error("the global cache has not reached the record loaded, or one behind it")
	}
}
