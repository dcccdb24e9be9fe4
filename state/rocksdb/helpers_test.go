package rocksdb

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sliphost/sliphost/state"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func testOptions(families ...string) Options {
	if len(families) == 0 {
		families = []string{"meta", "a", "b"}
	}
	return Options{Families: families, BlockCache: 8 << 20, WriteBuffer: 4 << 20, App: "test", Log: quiet}
}

func mustOpen(t testing.TB, dir string, o Options) (*DB, Report) {
	t.Helper()
	d, r, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, r
}

func put(t testing.TB, d state.Engine, family int, key, value string) {
	t.Helper()
	var b state.Batch
	b.Put(family, nil, []byte(key), []byte(value))
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
}

func wantValue(t testing.TB, d state.Engine, family int, key, value string) {
	t.Helper()
	v, ok, err := d.Get(family, []byte(key), nil)
	if err != nil || !ok || string(v) != value {
		t.Fatalf("get %q from family %d: %q, %v, %v; wanted %q", key, family, v, ok, err, value)
	}
}

// dump reads everything, by pages.
func dump(d state.Engine, families int) (map[string]string, error) {
	all := map[string]string{}
	for f := range families {
		p := state.Page{Limit: 100}
		for from := []byte{}; ; {
			p.Reset()
			more, err := d.Page(f, from, nil, false, &p)
			if err != nil {
				return nil, err
			}
			for i := range p.Len() {
				k, v := p.Entry(i)
				all[fmt.Sprintf("%d/%s", f, k)] = string(v)
				from = append(bytes.Clone(k), 0)
			}
			if !more {
				break
			}
		}
	}
	return all, nil
}

// flush moves what is in the write buffer to sorted files.
func flush(t testing.TB, d *DB) {
	t.Helper()
	if err := d.flush(); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	return names
}

func listing(t testing.TB, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = e.Name()
	}
	return names
}

// digest stands for a dump.
func digest(all map[string]string) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(h, "%q=%q\n", k, all[k])
	}
	return string(h.Sum(nil))
}
