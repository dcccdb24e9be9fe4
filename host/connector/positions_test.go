package connector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPositionsSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions.json")
	p, err := OpenPositions(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Position{Line: 3, Byte: 100, Head: Sum{100, "ab"}, Tail: Sum{100, "ab"}}
	if err := p.Set("file:a", want); err != nil {
		t.Fatal(err)
	}
	if err := p.Set("file:b", Position{}); err != nil {
		t.Fatal(err)
	}
	write(t, path+".tmp", "left by a crash") // must not matter
	if p, err = OpenPositions(path); err != nil {
		t.Fatal(err)
	}
	if got, ok := p.Get("file:a"); !ok || got != want {
		t.Error(cmp.Diff(want, got))
	}
	if _, ok := p.Get("file:c"); ok {
		t.Error("a position nobody set")
	}
	want.Line = 4
	if err := p.Set("file:a", want); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}

func TestPositionsThatAreDamaged(t *testing.T) {
	for content, want := range map[string]string{
		"":               "is damaged: EOF; restore it, or delete it to read all file sources from the start",
		"{":              "is damaged: unexpected EOF",
		"null":           "is damaged: no valid version (0)",
		`{"version":1}x`: "is damaged: something follows the JSON object",
		`{"version":9}`:  "has format 9, this version of sliphost knows 1: run the newer version again",
		`{"version":1,"files":{"a":{"line":-1}}}`:                                 `is damaged: the position of "a" contradicts itself`,
		`{"version":1,"files":{"a":{"line":5,"byte":2}}}`:                         `the position of "a" contradicts itself`,
		`{"version":1,"files":{"a":{"line":1,"byte":9,"head":{"len":10}}}}`:       `the position of "a" contradicts itself`,
		`{"version":1,"files":{"a":{"line":1,"byte":99999,"tail":{"len":9999}}}}`: `the position of "a" contradicts itself`,
	} {
		path := filepath.Join(t.TempDir(), "positions.json")
		write(t, path, content)
		if _, err := OpenPositions(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestPositionsThatCannotBeStored(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := OpenPositions(filepath.Join(dir, "positions.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Set("a", Position{Line: 1, Byte: 1}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := p.Set(id, Position{Line: 2, Byte: 2}); err == nil || !strings.Contains(err.Error(), "positions.json") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if got, _ := p.Get("a"); got.Line != 1 {
		t.Errorf("after a failure Get answers %+v", got)
	}
	if _, ok := p.Get("b"); ok {
		t.Error("a position that was never stored")
	}
}
