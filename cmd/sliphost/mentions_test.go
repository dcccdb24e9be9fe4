package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mention finds the program's name and the word after it.
var mention = regexp.MustCompile(`\bsliphost ([a-z]+)\b`)

// proseAfterName are the words that follow the name in sentences about the
// program.
var proseAfterName = []string{
	"as", "binary", "brings", "does", "handlers", "has", "holds", "in", "is", "knows", "makes", "manifest",
	"names", "never", "offers", "processes", "random", "reads", "runs", "speaks", "state", "v", "with",
}

// TestHouseNamedCommandsExist reads messages, comments and pages for commands
// that the program does not have: a person who follows them is stuck.
func TestHouseNamedCommandsExist(t *testing.T) {
	known := map[string]bool{"help": true}
	for _, cmd := range commands(t) {
		known[cmd.Name()] = true
	}
	seen := 0
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != top && (name == "target" || name == "build" || name == "bin" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		// RATIONALE.md speaks of later steps too.
		if !slices.Contains([]string{".go", ".rs", ".md", ".toml", ".sh"}, filepath.Ext(name)) || name == "RATIONALE.md" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(data), "\n") {
			for _, m := range mention.FindAllStringSubmatch(line, -1) {
				seen++
				if !known[m[1]] && !slices.Contains(proseAfterName, m[1]) {
					t.Errorf("%s:%d: %q names a command that does not exist", path, i+1, m[0])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("found only %d mentions; the search is broken", seen)
	}
}
