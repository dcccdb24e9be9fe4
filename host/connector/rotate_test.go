package connector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files returns the contents of the files at path and behind it, latest last.
func files(t *testing.T, path string) (all []string) {
	t.Helper()
	for _, suffix := range []string{".3", ".2", ".1", ""} {
		b, err := os.ReadFile(path + suffix)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

func appendLines(t *testing.T, s *Rotating, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if err := s.Append(&Output{Value: []byte(l)}); err != nil {
			t.Fatal(err)
		}
	}
}

func openRotating(t *testing.T, path string, r Rotation) *Rotating {
	t.Helper()
	r.Clock = clock{}
	s, err := OpenRotating(path, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFilesAreRotatedBySize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := openRotating(t, path, Rotation{Size: 6, Keep: 3})
	long := strings.Repeat("x", 20)
	appendLines(t, s, "aa", "bb", "cc", long, "dd")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"aa\nbb\n", "cc\n", long + "\n", "dd\n"}, files(t, path)); d != "" {
		t.Error(d)
	}
	// A crash tore the last line; the oldest file goes.
	appendTo(t, path, "to")
	s = openRotating(t, path, Rotation{Size: 6, Keep: 3})
	appendLines(t, s, "e", "f")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"cc\n", long + "\n", "dd\nto", "e\nf\n"}, files(t, path)); d != "" {
		t.Error(d)
	}
	// A crash in the middle of the renaming left a gap: nothing is lost.
	if err := os.Rename(path+".1", path+".2"); err != nil {
		t.Fatal(err)
	}
	s = openRotating(t, path, Rotation{Size: 6, Keep: 3})
	appendLines(t, s, "ggg")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"cc\n", "dd\nto", "e\nf\n", "ggg\n"}, files(t, path)); d != "" {
		t.Error(d)
	}
	s = openRotating(t, path, Rotation{Size: 6})
	appendLines(t, s, "hhh")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "hhh\n" {
		t.Errorf("keep = 0: %q", got)
	}
	if _, err := OpenRotating(t.TempDir(), Rotation{Size: 6, Clock: clock{}}); err == nil {
		t.Error("a directory is rotated")
	}
}

func TestFilesAreRotatedByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "out")
		s := openRotating(t, path, Rotation{Every: time.Hour, Keep: 3})
		appendLines(t, s, "a")
		time.Sleep(59 * time.Minute)
		appendLines(t, s, "b")
		time.Sleep(time.Minute)
		appendLines(t, s, "c")
		time.Sleep(5 * time.Hour)
		appendLines(t, s, "d")
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"a\nb\n", "c\n", "d\n"}, files(t, path)); d != "" {
			t.Error(d)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
