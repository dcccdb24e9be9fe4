package rocksdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linxGnu/grocksdb"
	"github.com/sliphost/sliphost/state"
)

// history makes a store out of numbered batches, each of which writes to two
// families, and returns its states: states[n] is the digest of what there is
// after n batches. Files and write-ahead log both hold a part. size is that of
// the largest value; from some KiB on RocksDB flushes by itself too.
func history(t *testing.T, dir string, size int) (states []string) {
	t.Helper()
	o := testOptions()
	o.WriteBuffer = minWriteBuffer
	d, _ := mustOpen(t, dir, o)
	m := state.NewMemory()
	record := func() {
		all, err := dump(m, 3)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, digest(all))
	}
	record()
	for n := range 120 {
		var b state.Batch
		b.Put(0, nil, []byte("position"), fmt.Append(nil, n))
		// Family 2 gets little and would be flushed seldom by itself.
		b.Put(1, nil, fmt.Appendf(nil, "key-%03d", n%40), bytes.Repeat(fmt.Appendf(nil, "%03d.", n), 1+size/4*(n%30)/30))
		b.Put(2, nil, fmt.Appendf(nil, "key-%03d", n*7%40), fmt.Append(nil, n))
		if n%7 == 0 {
			b.Delete(1, nil, fmt.Appendf(nil, "key-%03d", n%40/2))
		}
		if n%25 == 24 {
			b.DeleteRange(2, []byte("key-01"), []byte("key-02"))
		}
		if err := errors.Join(d.Write(&b), m.Write(&b)); err != nil {
			t.Fatal(err)
		}
		record()
		switch n {
		case 30, 60, 90:
			flush(t, d)
		case 75:
			if err := d.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return states
}

// survey opens a damaged copy and reads everything: it must be refused, found
// corrupt, made anew, or one of the states.
func survey(t *testing.T, dir string, states []string) string {
	t.Helper()
	d, r, err := Open(dir, testOptions())
	if err != nil {
		return "refused: " + err.Error()
	}
	defer d.Close()
	all, err := dump(d, 3)
	switch {
	case errors.Is(err, state.ErrCorrupt):
		if err := d.Recreate(); err != nil {
			t.Errorf("recreate: %v", err)
		}
		put(t, d, 1, "k", "v")
		return "corrupt"
	case err != nil:
		t.Errorf("damage is answered with %v", err)
		return "error"
	case r.Rebuilt:
		if len(all) > 0 {
			t.Errorf("the rebuilt store holds %d entries", len(all))
		}
		if r.Reason == "" || !strings.Contains(r.Reason, dir) {
			t.Errorf("reason %q", r.Reason)
		}
		put(t, d, 1, "k", "v")
		return "rebuilt"
	}
	at := slices.Index(states, digest(all))
	if at < 0 {
		t.Errorf("wrong data: %d entries, position %q", len(all), all["0/position"])
		return "wrong"
	}
	if at == len(states)-1 {
		return "whole"
	}
	return "prefix"
}

// trials of damage: enough to hit every block, few enough for every day.
// SLIPHOST_DAMAGE=n multiplies them.
func trials(t *testing.T, n int) (int, *rand.Rand) {
	seed := rand.Uint64()
	if s := os.Getenv("SLIPHOST_SEED"); s != "" {
		fmt.Sscan(s, &seed)
	}
	times := 1
	fmt.Sscan(os.Getenv("SLIPHOST_DAMAGE"), &times)
	t.Logf("SLIPHOST_SEED=%d repeats this", seed)
	return n * times, rand.New(rand.NewPCG(seed, 1))
}

func TestFlippedBytesAreNeverServed(t *testing.T) {
	whole := t.TempDir()
	states := history(t, whole, 8<<10)
	for _, pattern := range []string{"*.sst", "MANIFEST-*", "*.log", "CURRENT", "SLIPHOST", "OPTIONS-*", "IDENTITY"} {
		n, r := trials(t, 12)
		seen := map[string]int{}
		for range n {
			dir := copyDir(t, whole)
			names := glob(t, dir, pattern)
			path := names[r.IntN(len(names))]
			data, err := os.ReadFile(path)
			if err != nil || len(data) == 0 {
				continue
			}
			at, bits := r.IntN(len(data)), byte(1+r.IntN(255))
			data[at] ^= bits
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			got := survey(t, dir, states)
			seen[strings.SplitN(got, ":", 2)[0]]++
			if t.Failed() {
				t.Fatalf("with byte %d of %s changed by %#x: %s", at, filepath.Base(path), bits, got)
			}
			os.RemoveAll(dir)
		}
		t.Logf("%s: %v", pattern, seen)
	}
}

func TestCutFilesAreNeverServedWithHoles(t *testing.T) {
	whole := t.TempDir()
	states := history(t, whole, 120)
	for _, pattern := range []string{"MANIFEST-*", "*.log", "*.sst", "CURRENT", "SLIPHOST"} {
		n, r := trials(t, 12)
		seen := map[string]int{}
		for range n {
			dir := copyDir(t, whole)
			names := glob(t, dir, pattern)
			path := names[r.IntN(len(names))]
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			size := r.Int64N(st.Size() + 1)
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			got := survey(t, dir, states)
			seen[strings.SplitN(got, ":", 2)[0]]++
			if t.Failed() {
				t.Fatalf("with %s cut to %d of %d bytes: %s", filepath.Base(path), size, st.Size(), got)
			}
			os.RemoveAll(dir)
		}
		t.Logf("%s: %v", pattern, seen)
	}
}

// A manifest that ends between two records looks whole; what it does not name
// any more must not be missed silently.
func TestManifestCutBetweenRecords(t *testing.T) {
	whole := t.TempDir()
	states := history(t, whole, 120)
	cutManifest(t, whole, states)
	// What a start recovers from the log is written for one family after the
	// other.
	d, _ := mustOpen(t, whole, testOptions())
	d.Close()
	cutManifest(t, whole, states)
}

func cutManifest(t *testing.T, whole string, states []string) {
	path := glob(t, whole, "MANIFEST-*")[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for size := range len(data) {
		if size > 0 && !logComplete(data[:size]) {
			continue
		}
		dir := copyDir(t, whole)
		if err := os.Truncate(filepath.Join(dir, filepath.Base(path)), int64(size)); err != nil {
			t.Fatal(err)
		}
		got := survey(t, dir, states)
		seen[got]++
		if t.Failed() {
			t.Fatalf("with the manifest cut to %d of %d bytes: %s", size, len(data), got)
		}
	}
	t.Logf("%v", seen)
	if len(seen) == 0 || seen["rebuilt"] == 0 {
		t.Error("no cut was noticed")
	}
}

func TestMissingFilesAreNoticed(t *testing.T) {
	for _, size := range []int{120, 60 << 10} {
		whole := t.TempDir()
		missing(t, whole, history(t, whole, size))
	}
}

func missing(t *testing.T, whole string, states []string) {
	for _, name := range listing(t, whole) {
		dir := copyDir(t, whole)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		got := strings.SplitN(survey(t, dir, states), ":", 2)[0]
		t.Logf("without %s: %s", name, got)
		want := []string{"rebuilt"}
		switch {
		case name == markerName:
			want = []string{"refused"} // it could be anybody's
		case strings.HasSuffix(name, ".log"):
			want = []string{"prefix", "rebuilt", "whole"}
		case name == "LOCK" || name == "LOG" || strings.HasPrefix(name, "LOG.old") || strings.HasPrefix(name, "OPTIONS") || name == "IDENTITY":
			want = []string{"whole"}
		}
		if !slices.Contains(want, got) {
			t.Errorf("without %s: %s, wanted %v", name, got, want)
		}
	}
}

// The numbers of batches find a hole that no checksum shows: a store whose
// files are those of an earlier moment, while the log goes on later.
func TestHoleInTheHistoryIsDamage(t *testing.T) {
	dir := t.TempDir()
	d, _ := mustOpen(t, dir, testOptions())
	put(t, d, 1, "k", "1")
	put(t, d, 1, "k", "2")
	d.mu.Lock()
	d.h.batch += 5
	d.mu.Unlock()
	put(t, d, 1, "k", "3")
	d.Close()
	d, r := mustOpen(t, dir, testOptions())
	if !r.Rebuilt || !strings.Contains(r.Reason, "missing from its history") {
		t.Errorf("%+v", r)
	}
	if all, err := dump(d, 3); err != nil || len(all) > 0 {
		t.Errorf("%q, %v", all, err)
	}
}

func TestReopenDoesNotHideDamage(t *testing.T) {
	dir := t.TempDir()
	d, _ := mustOpen(t, dir, testOptions())
	put(t, d, 1, "k", "v")
	flush(t, d)
	if err := os.Remove(filepath.Join(dir, "CURRENT")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Reopen(); !errors.Is(err, state.ErrCorrupt) {
			t.Fatalf("reopen without CURRENT: %v", err)
		}
	}
	if _, _, err := d.Get(1, []byte("k"), nil); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("get from what could not be opened: %v", err)
	}
	if err := d.Recreate(); err != nil {
		t.Fatal(err)
	}
	put(t, d, 1, "k", "w")
	wantValue(t, d, 1, "k", "w")
}

func TestForeignDirectoriesStayUntouched(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T, dir string){
		"garbage": func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("irreplaceable"), 0o644)
		},
		"a folder": func(t *testing.T, dir string) { os.Mkdir(filepath.Join(dir, "000001.sst"), 0o755) },
		"somebody's database": func(t *testing.T, dir string) {
			o := grocksdb.NewDefaultOptions()
			defer o.Destroy()
			o.SetCreateIfMissing(true)
			db, err := grocksdb.OpenDb(o, dir)
			if err != nil {
				t.Fatal(err)
			}
			db.Close()
		},
		"our store and a file": func(t *testing.T, dir string) {
			d, _ := mustOpen(t, dir, testOptions())
			d.Close()
			os.Remove(filepath.Join(dir, "CURRENT"))
			os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("irreplaceable"), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir)
			before := listing(t, dir)
			_, _, err := Open(dir, testOptions())
			if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v", err)
			}
			if after := listing(t, dir); !slices.Equal(before, after) {
				t.Errorf("was %v, is %v", before, after)
			}
		})
	}
}

// A store of ours in which another database was put, with another order.
func TestOtherComparatorIsRebuilt(t *testing.T) {
	dir := t.TempDir()
	d, _ := mustOpen(t, dir, testOptions())
	put(t, d, 1, "k", "v")
	d.Close()
	for _, name := range listing(t, dir) {
		if name != markerName {
			os.Remove(filepath.Join(dir, name))
		}
	}
	o := grocksdb.NewDefaultOptions()
	o.SetCreateIfMissing(true)
	o.SetComparator(grocksdb.NewComparator("test.reverse", func(a, b []byte) int { return bytes.Compare(b, a) }))
	db, err := grocksdb.OpenDb(o, dir)
	if err != nil {
		t.Fatal(err)
	}
	w := grocksdb.NewDefaultWriteOptions()
	if err := db.Put(w, []byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	w.Destroy()
	db.Close()
	_, r := mustOpen(t, dir, testOptions())
	if !r.Rebuilt || !strings.Contains(r.Reason, "comparator") {
		t.Errorf("%+v", r)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	d, _ := mustOpen(t, dir, testOptions())
	put(t, d, 1, "k", "v")
	d.Close()
	path := filepath.Join(dir, markerName)
	os.WriteFile(path, []byte("state of sliphost, format 9\n"), 0o644)
	if _, _, err := Open(dir, testOptions()); err == nil || !strings.Contains(err.Error(), "format 9") {
		t.Fatalf("error %v", err)
	}
	os.WriteFile(path, []byte("state of sliphost, format 1\n"), 0o644)
	d, _ = mustOpen(t, dir, testOptions())
	wantValue(t, d, 1, "k", "v")
}

// Every single byte of a table's end, where RocksDB has no checksum or looks
// before it checks: with assertions it would take the process along.
func TestFlipsAtTheEndOfATable(t *testing.T) {
	whole := t.TempDir()
	states := history(t, whole, 120)
	path := glob(t, whole, "*.sst")[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if fault, err := checkTable(path); err != nil || fault != "" {
		t.Fatalf("a good table: %q, %v", fault, err)
	}
	missed := 0
	for at := range data {
		for _, bits := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(data)
			bad[at] ^= bits
			fault, err := checkTail(bytes.NewReader(bad), int64(len(bad)))
			if err != nil {
				t.Fatal(err)
			}
			if fault == "" && at >= len(data)-footerLen && at < len(data)-8 {
				missed++
			}
		}
	}
	// The place of the index: a wrong one is a wrong checksum.
	if missed > 3*6 {
		t.Errorf("%d changes of the footer went unnoticed", missed)
	}
	// The tails of all tables again, by RocksDB itself.
	for _, path := range glob(t, whole, "*.sst") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n, r := trials(t, 6)
		for range n {
			at := max(0, len(data)-1-r.IntN(1500))
			dir := copyDir(t, whole)
			bad := bytes.Clone(data)
			bad[at] ^= byte(1 + r.IntN(255))
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), bad, 0o644); err != nil {
				t.Fatal(err)
			}
			if got := survey(t, dir, states); t.Failed() {
				t.Fatalf("with byte %d of %s of %d changed: %s", at, filepath.Base(path), len(data), got)
			}
			os.RemoveAll(dir)
		}
	}
}

func FuzzCheckTail(f *testing.F) {
	footer := make([]byte, footerLen)
	footer[0] = checksumKind
	binary.LittleEndian.PutUint32(footer[footerLen-12:], tableVersion)
	binary.LittleEndian.PutUint64(footer[footerLen-8:], tableMagic)
	f.Add(footer)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		fault, err := checkTail(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		complete := len(data) >= footerLen && binary.LittleEndian.Uint64(data[len(data)-8:]) == tableMagic
		if !complete && fault != "" {
			t.Errorf("a file that may be unfinished is called damaged: %s", fault)
		}
	})
}

func FuzzLogComplete(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 1, 0, logFull, 'x'})
	f.Add([]byte{0, 0, 0, 0, 0, 0, logFirst, 0, 0, 0, 0, 0, 0, logLast})
	f.Fuzz(func(t *testing.T, data []byte) {
		if !logComplete(data) {
			return
		}
		if len(data) < logHead {
			t.Errorf("%d bytes hold a record", len(data))
		}
		if len(data)%logBlock+3 < logBlock && logComplete(append(bytes.Clone(data), 0, 0, 1)) {
			t.Error("three bytes more are a whole log too")
		}
	})
}
