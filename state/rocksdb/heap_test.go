package rocksdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/sliphost/sliphost/state"
)

func filled(t testing.TB, n int) *DB {
	o := testOptions()
	o.BlockCache, o.WriteBuffer = 64<<20, 16<<20
	d, _ := mustOpen(t, t.TempDir(), o)
	var b state.Batch
	for i := range n {
		b.Put(1, []byte("pppp"), number(i), make([]byte, 100))
		if len(b.Buf) > 4<<20 || i == n-1 {
			if err := d.Write(&b); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	flush(t, d)
	return d
}

func number(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15) }

func TestReadsAllocateNothing(t *testing.T) {
	d := filled(t, 1000)
	key, dst := append([]byte("pppp"), number(7)...), make([]byte, 0, 256)
	page := state.Page{Limit: 100}
	from, to := []byte("pppp"), []byte("pppq")
	d.Page(1, from, to, false, &page)
	for name, f := range map[string]func() error{
		"get":  func() error { _, _, err := d.Get(1, key, dst); return err },
		"miss": func() error { _, _, err := d.Get(2, key, dst); return err },
		"page": func() error { page.Reset(); _, err := d.Page(1, from, to, true, &page); return err },
	} {
		if n := testing.AllocsPerRun(200, func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// resident is what the process holds of the machine's memory, in bytes: the C
// heap is part of it, which Go's figures leave out.
func resident(t *testing.T) int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc to read the process's memory from")
	}
	var total, pages int
	if _, err := fmt.Sscan(string(data), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// Each round would lose 60 bytes or more a call if something were not freed.
func TestCHeapDoesNotGrow(t *testing.T) {
	d := filled(t, 1000)
	key, dst := append([]byte("pppp"), number(7)...), make([]byte, 0, 256)
	small := make([]byte, 0, 8) // so that values are left over
	page := state.Page{Limit: 3}
	full := state.Page{Limit: 3, Buf: make([]byte, 0, 8)} // so that a scan goes on
	var b state.Batch
	b.Put(1, nil, []byte("k"), []byte("v"))
	round := func(n int) {
		for i := range n {
			page.Reset()
			full.Ends = full.Ends[:0]
			full.Buf = make([]byte, 0, 8)
			_, ok1, err1 := d.Get(1, key, dst)
			_, ok2, err2 := d.Get(1, key, small)
			_, _, err3 := d.Get(2, key, dst)
			_, err4 := d.Page(1, nil, nil, i%2 == 0, &page)
			_, err5 := d.Page(1, nil, nil, i%2 == 0, &full)
			if err := errors.Join(err1, err2, err3, err4, err5); err != nil || !ok1 || !ok2 {
				t.Fatal(err, ok1, ok2)
			}
			if i%50 == 0 {
				if err := d.Write(&b); err != nil {
					t.Fatal(err)
				}
			}
		}
		runtime.GC()
	}
	round(20_000)
	before := resident(t)
	round(100_000)
	if grown := resident(t) - before; grown > 4<<20 {
		t.Errorf("100000 calls of each kind took %d bytes", grown)
	}
}

// A block that went bad while the store is open is an error each time it is
// read, of the right kind, and the error's text is freed.
func TestDamageFoundWhileReading(t *testing.T) {
	dir := t.TempDir()
	d, _ := mustOpen(t, dir, testOptions())
	var b state.Batch
	for i := range 2000 {
		b.Put(1, nil, fmt.Appendf(nil, "%06d", i), number(i))
	}
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	flush(t, d)
	d.Close()
	var path string
	for _, p := range glob(t, dir, "*.sst") {
		if st, err := os.Stat(p); err == nil && st.Size() > 20<<10 {
			path = p
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[200] ^= 0x10 // in the first block of entries
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	d, r := mustOpen(t, dir, testOptions())
	if r.Rebuilt {
		t.Fatalf("the block was read when opening, so this tests nothing: %+v", r)
	}
	page := state.Page{Limit: 5000}
	page.Add([]byte("before"), nil)
	round := func(n int) {
		for range n {
			if _, _, err := d.Get(1, []byte("000000"), nil); !errors.Is(err, state.ErrCorrupt) {
				t.Fatalf("get: %v", err)
			}
			if _, err := d.Page(1, nil, nil, false, &page); !errors.Is(err, state.ErrCorrupt) || page.Len() != 1 {
				t.Fatalf("page: %d entries, %v", page.Len(), err)
			}
			// Backwards good blocks come first; the error comes with the bad one.
			if _, err := d.Page(1, nil, nil, true, &page); !errors.Is(err, state.ErrCorrupt) || page.Len() != 1 {
				t.Fatalf("page backwards: %d entries, %v", page.Len(), err)
			}
		}
		runtime.GC()
	}
	wantValue(t, d, 1, "001999", string(number(1999)))
	round(1000)
	before := resident(t)
	round(10_000)
	if grown := resident(t) - before; grown > 3<<20 {
		t.Errorf("30000 errors took %d bytes", grown)
	}
}

// Opening and closing gives everything back, too.
func TestReopeningDoesNotGrow(t *testing.T) {
	d, _ := mustOpen(t, t.TempDir(), testOptions())
	round := func(n int) {
		for range n {
			if err := d.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
	}
	round(20)
	before, fds := resident(t), descriptors(t)
	round(40)
	if grown := resident(t) - before; grown > 10<<20 {
		t.Errorf("40 times opening took %d bytes", grown)
	}
	// Each start leaves a file, until some are merged.
	if now := descriptors(t); now > fds+16 {
		t.Errorf("%d descriptors became %d", fds, now)
	}
}

func descriptors(t *testing.T) int { return len(listing(t, "/proc/self/fd")) }

func BenchmarkGet(b *testing.B) {
	d := filled(b, 100_000)
	keys := make([][]byte, 4096)
	for i := range keys {
		keys[i] = append([]byte("pppp"), number(i*23)...)
	}
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok, err := d.Get(1, keys[i%len(keys)], dst); err != nil || !ok {
			b.Fatal(ok, err)
		}
		i++
	}
}

func BenchmarkPage256(b *testing.B) {
	d := filled(b, 100_000)
	page := state.Page{Limit: 256}
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = append([]byte("pppp"), number(i)...)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		page.Reset()
		if _, err := d.Page(1, keys[i%len(keys)], nil, false, &page); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/entry")
}

func BenchmarkWrite10k(b *testing.B) {
	d := filled(b, 100_000)
	var batch state.Batch
	value := make([]byte, 100)
	n := 0
	for b.Loop() {
		batch.Reset()
		for range 10_000 {
			batch.Put(1, []byte("pppp"), number(n%100_000), value)
			n += 7
		}
		if err := d.Write(&batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/key")
}
