package connector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sink(t *testing.T, path string) *Sink {
	t.Helper()
	s, err := OpenSink(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSinkAppendsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.ndjson")
	s := sink(t, path)
	for _, v := range [][]byte{[]byte("a"), {}, nil, []byte("two\nlines")} {
		if err := s.Append(&Output{Key: []byte("key"), Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != "" {
		t.Errorf("before the flush: %q", got)
	}
	for range 2 {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != "a\n\n\ntwo\nlines\n" {
		t.Errorf("got %q", got)
	}
	if err := s.Append(&Output{Key: nil, Value: []byte("closed over")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); !strings.HasSuffix(got, "lines\nclosed over\n") {
		t.Errorf("got %q", got)
	}
}

func TestSinkFlushesASingleNull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := sink(t, path)
	defer s.Close()
	if err := errors.Join(s.Append(&Output{Key: nil, Value: nil}), s.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "\n" {
		t.Errorf("got %q", got)
	}
}

func TestSinkBeginsOnANewLineAfterATornOne(t *testing.T) {
	for before, want := range map[string]string{
		"":               "new\n",
		"old\n":          "old\nnew\n",
		"old\n{\"half":   "old\n{\"half\nnew\n",
		"\n":             "\nnew\n",
		"no newline yet": "no newline yet\nnew\n",
	} {
		path := tempFile(t, before)
		s := sink(t, path)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != before {
			t.Errorf("%q: opening alone made it %q", before, got)
		}
		if err := errors.Join(s.Append(&Output{Key: nil, Value: []byte("new")}), s.Close()); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != want {
			t.Errorf("%q: got %q, want %q", before, got, want)
		}
	}
}

// TestSinkWritesWholeLines lets several sinks append to one file, as several
// processes would, and expects that no lines mix.
func TestSinkWritesWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	const writers, each = 4, 2000
	var wg sync.WaitGroup
	shared := sink(t, path)
	for i := range writers {
		s := shared
		if i%2 == 0 {
			s = sink(t, path)
			defer s.Close()
		}
		wg.Go(func() {
			for j := range each {
				if err := s.Append(&Output{Key: nil, Value: fmt.Appendf(nil, "%d-%d-%s", i, j, strings.Repeat("x", j%200))}); err != nil {
					t.Error(err)
				}
				if j%500 == 0 {
					if err := s.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := shared.Close(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range writers {
		for j := range each {
			want = append(want, fmt.Sprintf("%d-%d-%s", i, j, strings.Repeat("x", j%200)))
		}
	}
	got := strings.Split(strings.TrimSuffix(read(t, path), "\n"), "\n")
	sort.Strings(want)
	sort.Strings(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSinkStaysFailed(t *testing.T) {
	full, err := OpenSink("/dev/full")
	if err != nil {
		t.Skipf("no device that is full: %v", err)
	}
	defer full.Close()
	for name, s := range map[string]*Sink{"/dev/full": full, "stdout": NewSink("stdout", failing{}), "short": NewSink("short", short{})} {
		if err := s.Append(&Output{Key: nil, Value: []byte("value")}); err != nil {
			t.Fatal(err)
		}
		err := s.Flush(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "write sink "+name+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if again := s.Append(&Output{Key: nil, Value: nil}); again != err {
			t.Errorf("%s: append after an error: %v", name, again)
		}
		if again := s.Flush(t.Context()); again != err {
			t.Errorf("%s: flush after an error: %v", name, again)
		}
	}
}

type failing struct{}

func (failing) Write(p []byte) (int, error) { return 0, errors.New("broken pipe") }

type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestSinkThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "absent", "out"): "absent/out: no such file or directory",
		dir:                                 "is a directory",
	} {
		if _, err := OpenSink(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	s, err := OpenSink(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Append(&Output{Key: nil, Value: []byte("a")}), s.Flush(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestSinkDoesNotAllocate(t *testing.T) {
	s := sink(t, os.DevNull)
	defer s.Close()
	line := []byte(strings.Repeat("x", 300))
	var err error
	if n := testing.AllocsPerRun(2000, func() { err = errors.Join(err, s.Append(&Output{Key: nil, Value: line})) }); n != 0 || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}
