package template_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/sdk/rust/template"
)

// TestProjectBuildsAndTestsWithoutANetwork writes a project outside of the
// repository and builds it with cargo offline and nothing in its home.
func TestProjectBuildsAndTestsWithoutANetwork(t *testing.T) {
	rustup := os.Getenv("RUSTUP_HOME")
	if home, err := os.UserHomeDir(); rustup == "" && err == nil {
		rustup = filepath.Join(home, ".rustup")
	}
	dir := filepath.Join(t.TempDir(), "first")
	if err := template.Write(dir, "first", sliphost.Sources); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CARGO_NET_OFFLINE=true", "CARGO_HOME="+filepath.Join(dir, "empty"),
			"RUSTUP_HOME="+rustup, "CARGO_TARGET_DIR="+filepath.Join(dir, "target"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("cargo", "test", "--quiet")

	m, err := manifest.Load(filepath.Join(dir, "manifest.toml"), manifest.Options{LookupEnv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatalf("the manifest is refused: %v", err)
	}
	if m.Name != "first" || len(m.Modules) != 1 {
		t.Fatalf("application %q with %d modules, want first with 1", m.Name, len(m.Modules))
	}
	run("sh", "-c", m.Modules[0].Build)
	path := m.Modules[0].Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	wasm, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(wasm), "\x00asm") {
		t.Errorf("no module: %v", err)
	}
}

func TestProjectHasNoPlaceholderLeft(t *testing.T) {
	dir := t.TempDir()
	if err := template.Write(dir, "other-name", sliphost.Sources); err != nil {
		t.Fatal(err)
	}
	files := []string{
		"README.md", "manifest.toml", "hello.test.toml", ".gitignore", "Cargo.toml", "handlers/Cargo.toml",
		"handlers/src/lib.rs", "sdk/LICENSE", "sdk/sliphost/Cargo.toml", "sdk/sliphost/src/lib.rs",
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || strings.Contains(string(text), "project-name") {
			t.Errorf("%s: %v\n%s", file, err, text)
		}
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
}
