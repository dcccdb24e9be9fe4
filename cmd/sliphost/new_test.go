package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewRefusesANameAsUsage(t *testing.T) {
	for _, lang := range []string{"go", "rust"} {
		for _, name := range []string{"", "Upper", "9lives", "a/b", "a b", strings.Repeat("x", 101)} {
			var out, errw bytes.Buffer
			dir := filepath.Join(t.TempDir(), "p")
			code := run([]string{"new", name, "--lang", lang, "--dir", dir}, strings.NewReader(""), &out, &errw)
			if code != exitUsage || !strings.Contains(errw.String(), "project name") {
				t.Errorf("new %q --lang %s: exit %d, %s", name, lang, code, errw.String())
			}
		}
	}
}

func TestNewPrintsJSON(t *testing.T) {
	var out, errw bytes.Buffer
	dir := filepath.Join(t.TempDir(), "p")
	if code := run([]string{"new", "greetings", "--lang", "go", "--json", "--dir", dir}, strings.NewReader(""), &out, &errw); code != exitOK {
		t.Fatalf("exit %d: %s", code, errw.String())
	}
	var got project
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if want := (project{Name: "greetings", Lang: "go", Dir: dir}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	steps := errw.String()
	if send := strings.Index(steps, "sliphost send"); send < 0 || send > strings.Index(steps, "sliphost run") {
		t.Errorf("no send before run in the next steps:\n%s", steps)
	}
	var results []built
	out.Reset()
	path := filepath.Join(dir, "manifest.toml")
	code := run([]string{"build", "--json", path, "--set", "module.handlers.build='exit 3'"}, strings.NewReader(""), &out, &errw)
	if err := json.Unmarshal(out.Bytes(), &results); err != nil || code != exitFailed || len(results) != 1 || results[0].Error == "" {
		t.Errorf("a build that fails: exit %d, %v, %s%s", code, err, out.String(), errw.String())
	}
}
