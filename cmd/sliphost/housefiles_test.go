package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The size of source files: no file above the cap, and few long ones. Long
// files are where a second concern hides.
const (
	maxLines  = 800
	maxMedian = 150
	maxP90    = 400
)

func TestHouseFileSizes(t *testing.T) {
	var sizes []int
	for _, path := range sourceFiles(t, ".go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		data := readSource(t, path)
		if bytes.HasPrefix(data, []byte("// Code generated")) {
			continue
		}
		n := bytes.Count(data, []byte("\n"))
		sizes = append(sizes, n)
		if n > maxLines {
			t.Errorf("%s has %d lines, the cap is %d", path, n, maxLines)
		}
	}
	if len(sizes) == 0 {
		t.Fatal("found no Go files")
	}
	slices.Sort(sizes)
	median, p90 := sizes[len(sizes)/2], sizes[len(sizes)*9/10]
	t.Logf("%d files: median %d lines, p90 %d, largest %d", len(sizes), median, p90, sizes[len(sizes)-1])
	if median > maxMedian {
		t.Errorf("the median file has %d lines, wanted at most %d", median, maxMedian)
	}
	if p90 > maxP90 {
		t.Errorf("one file in ten has more than %d lines, wanted at most %d", p90, maxP90)
	}
}

func TestHouseCodeIsASCII(t *testing.T) {
	for _, path := range sourceFiles(t, ".go", ".rs", ".c", ".h", ".sh") {
		for i, line := range bytes.Split(readSource(t, path), []byte("\n")) {
			if at := bytes.IndexFunc(line, func(r rune) bool { return r > 126 || r < ' ' && r != '\t' }); at >= 0 {
				t.Errorf("%s:%d:%d: a byte outside ASCII; write it as an escape", path, i+1, at+1)
			}
		}
	}
}

// sourceFiles lists the repository's files with one of the endings, relative
// to its top folder, without test data and what is built.
func sourceFiles(t *testing.T, ends ...string) (paths []string) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case path == top:
			case name == "testdata" || name == "target" || name == "build" || name == "node_modules" || strings.HasPrefix(name, "."):
				return filepath.SkipDir
			}
			return nil
		}
		if slices.Contains(ends, filepath.Ext(path)) && d.Type().IsRegular() {
			rel, err := filepath.Rel(top, path)
			if err != nil {
				return err
			}
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func readSource(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
