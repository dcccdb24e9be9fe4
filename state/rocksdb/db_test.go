package rocksdb

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sliphost/sliphost/state"
	"pgregory.net/rapid"
)

// Both engines get the same random calls; Memory is the model.
func TestAnswersLikeTheMemoryEngine(t *testing.T) {
	keys := rapid.Custom(func(t *rapid.T) []byte {
		return []byte(rapid.StringOfN(rapid.SampledFrom([]rune{0, 'a', 'b', 'c'}), 0, 4, -1).Draw(t, "key"))
	})
	values := rapid.SliceOfN(rapid.Byte(), 0, 5000)
	rapid.Check(t, func(rt *rapid.T) {
		d, _, err := Open(t.TempDir(), testOptions())
		if err != nil {
			rt.Fatal(err)
		}
		defer d.Close()
		m := state.NewMemory()
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				var b state.Batch
				for range rapid.IntRange(0, 8).Draw(rt, "n") {
					f, k := rapid.IntRange(0, 2).Draw(rt, "family"), keys.Draw(rt, "key")
					switch rapid.IntRange(0, 4).Draw(rt, "op") {
					case 0:
						b.Delete(f, nil, k)
					case 1:
						b.DeleteRange(f, k, keys.Draw(rt, "to"))
					default:
						b.Put(f, []byte("p"), k, values.Draw(rt, "value"))
					}
				}
				if err := errors.Join(d.Write(&b), m.Write(&b)); err != nil {
					rt.Fatal(err)
				}
			},
			"get": func(rt *rapid.T) {
				f, k := rapid.IntRange(0, 2).Draw(rt, "family"), append([]byte("p"), keys.Draw(rt, "key")...)
				dst := append(make([]byte, 0, rapid.IntRange(3, 6000).Draw(rt, "room")), "dst"...)
				got, gotOK, err := d.Get(f, k, dst)
				want, wantOK, _ := m.Get(f, k, []byte("dst"))
				if err != nil || gotOK != wantOK || !bytes.Equal(got, want) {
					rt.Fatalf("get %q: %d bytes, %v, %v; wanted %d, %v", k, len(got), gotOK, err, len(want), wantOK)
				}
			},
			"page": func(rt *rapid.T) {
				f, from, to := rapid.IntRange(0, 2).Draw(rt, "family"), keys.Draw(rt, "from"), keys.Draw(rt, "to")
				if rapid.Bool().Draw(rt, "prefixed") {
					from, to = append([]byte("p"), from...), append([]byte("p"), to...)
				}
				if rapid.Bool().Draw(rt, "open") {
					to = nil
				}
				reverse := rapid.Bool().Draw(rt, "reverse")
				got := state.Page{Limit: rapid.IntRange(0, 6).Draw(rt, "limit"), MaxBytes: rapid.IntRange(0, 9000).Draw(rt, "bytes")}
				if rapid.Bool().Draw(rt, "used") {
					got.Add([]byte("k"), []byte("v"))
				}
				want := state.Page{Limit: got.Limit, MaxBytes: got.MaxBytes, Buf: bytes.Clone(got.Buf), Ends: append([]int{}, got.Ends...)}
				more, err := d.Page(f, from, to, reverse, &got)
				wantMore, _ := m.Page(f, from, to, reverse, &want)
				if err != nil || more != wantMore || got.Len() != want.Len() || !bytes.Equal(got.Buf, want.Buf) || fmt.Sprint(got.Ends) != fmt.Sprint(want.Ends) {
					rt.Fatalf("page [%q, %q) reverse=%v limit %d, %d bytes: %d entries, more %v, %v; wanted %d, %v",
						from, to, reverse, got.Limit, got.MaxBytes, got.Len(), more, err, want.Len(), wantMore)
				}
			},
			"flush": func(rt *rapid.T) {
				if err := d.flush(); err != nil {
					rt.Fatal(err)
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := d.Reopen(); err != nil {
					rt.Fatal(err)
				}
			},
		})
		got, err := dump(d, 3)
		want, _ := dump(m, 3)
		if err != nil || !maps.Equal(got, want) {
			rt.Fatalf("%v: holds %q, wanted %q", err, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	})
}

func TestMalformedBatchReachesNothing(t *testing.T) {
	d, _ := mustOpen(t, t.TempDir(), testOptions())
	var good state.Batch
	good.Put(1, nil, []byte("key"), []byte("value"))
	for name, change := range map[string]func(b *state.Batch){
		"cut":            func(b *state.Batch) { b.Buf = b.Buf[:len(b.Buf)-5] },
		"count":          func(b *state.Batch) { b.Count++ },
		"too long":       func(b *state.Batch) { b.Buf = append(b.Buf, 0, 0, 0, 0) },
		"unknown op":     func(b *state.Batch) { b.Buf[4] = 9 },
		"huge key":       func(b *state.Batch) { b.Buf[11] = 0xff },
		"huge value":     func(b *state.Batch) { b.Buf[15] = 0xff },
		"unknown family": func(b *state.Batch) { b.Buf[0] = 3 },
		"system family":  func(b *state.Batch) { b.Buf[0] = 4 },
		"huge family":    func(b *state.Batch) { b.Buf[3] = 0xff },
	} {
		// A good write in front must not come through alone.
		b := state.Batch{Buf: bytes.Clone(good.Buf), Count: 1}
		change(&b)
		b = state.Batch{Buf: append(bytes.Clone(good.Buf), b.Buf...), Count: b.Count + 1}
		if err := d.Write(&b); err == nil {
			t.Errorf("%s: was written", name)
		}
	}
	if all, err := dump(d, 3); err != nil || len(all) > 0 {
		t.Errorf("something was written: %q, %v", all, err)
	}
	if _, _, err := d.Get(3, nil, nil); err == nil {
		t.Error("a family that does not exist was read")
	}
	if _, err := d.Page(-1, nil, nil, false, &state.Page{}); err == nil {
		t.Error("a family that does not exist was scanned")
	}
}

func TestReversedRangeDoesNotPoisonTheLog(t *testing.T) {
	d, _ := mustOpen(t, t.TempDir(), testOptions())
	put(t, d, 1, "b", "1")
	var b state.Batch
	b.DeleteRange(1, []byte("z"), []byte("a"))
	b.DeleteRange(1, []byte("b"), []byte("b"))
	b.DeleteRange(1, []byte("b"), nil)
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := d.Reopen(); err != nil {
		t.Fatal(err)
	}
	wantValue(t, d, 1, "b", "1")
}

func TestFamiliesByName(t *testing.T) {
	dir := t.TempDir()
	d, r := mustOpen(t, dir, testOptions("meta", "default", "x", "y"))
	if r.Rebuilt || len(r.Created) != 4 {
		t.Errorf("first start: %+v", r)
	}
	put(t, d, 1, "k", "of default")
	put(t, d, 2, "k", "of x")
	put(t, d, 3, "k", "of y")
	flush(t, d)
	put(t, d, 3, "l", "in the log")
	d.Close()

	d, r = mustOpen(t, dir, testOptions("meta", "y", "new", "default"))
	if r.Rebuilt || fmt.Sprint(r.Created, r.Dropped) != "[new] [x]" {
		t.Errorf("second start: %+v", r)
	}
	wantValue(t, d, 1, "k", "of y")
	wantValue(t, d, 1, "l", "in the log")
	wantValue(t, d, 3, "k", "of default")
	put(t, d, 2, "k", "of new")
	if err := d.Reopen(); err != nil {
		t.Fatal(err)
	}
	wantValue(t, d, 2, "k", "of new")
	d.Close()

	d, r = mustOpen(t, dir, testOptions("meta", "x", "y"))
	if r.Rebuilt || fmt.Sprint(r.Created, r.Dropped) != "[x] [default new]" {
		t.Errorf("third start: %+v", r)
	}
	if _, ok, err := d.Get(1, []byte("k"), nil); ok || err != nil {
		t.Errorf("the dropped cache x came back with its entries: %v", err)
	}
	wantValue(t, d, 2, "k", "of y")
}

func TestRecreateIsEmptyAndClosedIsClosed(t *testing.T) {
	dir := t.TempDir()
	d, _ := mustOpen(t, dir, testOptions())
	put(t, d, 1, "k", "v")
	flush(t, d)
	if err := d.Recreate(); err != nil {
		t.Fatal(err)
	}
	if all, err := dump(d, 3); err != nil || len(all) > 0 {
		t.Fatalf("after Recreate: %q, %v", all, err)
	}
	put(t, d, 1, "k", "w")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, getErr := d.Get(1, []byte("k"), nil)
	_, pageErr := d.Page(1, nil, nil, false, &state.Page{})
	for i, err := range []error{getErr, pageErr, d.Write(&state.Batch{}), d.Reopen(), d.Recreate()} {
		if !errors.Is(err, state.ErrClosed) {
			t.Errorf("call %d after Close: %v", i, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	d, r := mustOpen(t, dir, testOptions())
	if r.Rebuilt {
		t.Errorf("opened again: %+v", r)
	}
	wantValue(t, d, 1, "k", "w")
}

// Readers and writers go on while the database below is exchanged.
func TestReopenWaitsForCallsInProgress(t *testing.T) {
	d, _ := mustOpen(t, t.TempDir(), testOptions())
	put(t, d, 1, "k", "v")
	var g sync.WaitGroup
	stop := make(chan struct{})
	run := func(f func() error) {
		g.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	run(func() error { _, _, err := d.Get(1, []byte("k"), nil); return err })
	run(func() error { _, err := d.Page(1, nil, nil, true, &state.Page{}); return err })
	n := 0
	run(func() error {
		var b state.Batch
		n++
		b.Put(1, nil, fmt.Append(nil, n%100), []byte("v"))
		return d.Write(&b)
	})
	for range 20 {
		if err := d.Reopen(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	g.Wait()
}

func TestHundredCachesOpenFast(t *testing.T) {
	names := make([]string, 101)
	for i := range names {
		names[i] = fmt.Sprintf("cache-%d", i)
	}
	dir := t.TempDir()
	start := time.Now()
	d, _ := mustOpen(t, dir, testOptions(names...))
	first := time.Since(start)
	var b state.Batch
	for i := range names {
		b.Put(i, nil, []byte("k"), []byte(names[i]))
	}
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	d.Close()
	start = time.Now()
	d, _ = mustOpen(t, dir, testOptions(names...))
	again := time.Since(start)
	for i := range names {
		wantValue(t, d, i, "k", names[i])
	}
	t.Logf("first start %v, with 101 families in the log %v", first, again)
	// A generous bound: a family at a time would take 22 ms each.
	if first > 10*time.Second || again > 10*time.Second {
		t.Errorf("first start took %v, the second %v", first, again)
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"no families":  {},
		"used twice":   {Families: []string{"a", "a"}},
		"write buffer": {Families: []string{"a"}, WriteBuffer: 10},
	} {
		if _, _, err := Open(t.TempDir(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("wanted an error with %q: %v", want, err)
		}
	}
}
