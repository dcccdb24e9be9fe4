package template_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/sdk/go/template"
)

// TestProjectBuildsAndTestsWithoutANetwork writes a project outside of the
// repository and builds it with the module proxy and the checksum database
// switched off and an empty module cache.
func TestProjectBuildsAndTestsWithoutANetwork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "first")
	if err := template.Write(dir, "first", sliphost.Sources); err != nil {
		t.Fatal(err)
	}
	run := func(env []string, args ...string) {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=-mod=readonly", "GOWORK=off",
			"GOTOOLCHAIN=local", "GOMODCACHE="+filepath.Join(dir, "empty"))
		cmd.Env = append(cmd.Env, env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run(nil, "vet", "./...")
	run(nil, "test", "./...")

	m, err := manifest.Load(filepath.Join(dir, "manifest.toml"), manifest.Options{LookupEnv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatalf("the manifest is refused: %v", err)
	}
	if m.Name != "first" {
		t.Errorf("application %q, want first", m.Name)
	}
	run([]string{"GOOS=wasip1", "GOARCH=wasm"}, strings.Fields(buildCommand(t, dir))[1:]...)
	wasm, err := os.ReadFile(filepath.Join(dir, "build", "handlers.wasm"))
	if err != nil || !strings.HasPrefix(string(wasm), "\x00asm") {
		t.Errorf("no module: %v", err)
	}
}

// buildCommand is the build line of the manifest, by which `sliphost build`
// makes the module.
func buildCommand(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "manifest.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "\nbuild = \"")
	line, _, end := strings.Cut(after, "\"\n")
	if !ok || !end {
		t.Fatalf("the manifest has no build line:\n%s", text)
	}
	return line
}

func TestProjectHasNoPlaceholderLeft(t *testing.T) {
	dir := t.TempDir()
	if err := template.Write(dir, "other-name", sliphost.Sources); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"README.md", "manifest.toml", ".gitignore", "go.mod", "handlers/main.go", "sdk/go.mod", "sdk/LICENSE"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || strings.Contains(string(text), "project-name") {
			t.Errorf("%s: %v\n%s", file, err, text)
		}
	}
	if tests, _ := filepath.Glob(filepath.Join(dir, "sdk", "sdk", "go", "*_test.go")); len(tests) > 0 {
		t.Errorf("the SDK's copy has tests: %v", tests)
	}
}

func TestProjectIsRefused(t *testing.T) {
	for _, name := range []string{"", "Upper", "9lives", "a/b", "a b", "-x", strings.Repeat("x", 101)} {
		if err := template.Write(t.TempDir(), name, sliphost.Sources); err == nil || !strings.Contains(err.Error(), "project name") {
			t.Errorf("name %q: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := template.Write(dir, "first", sliphost.Sources); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a directory with files: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := template.Write(file, "first", sliphost.Sources); err == nil {
		t.Error("a file in place of the directory was accepted")
	}
}
