package examples_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/examples/internal/docrun"
)

// commandLimit bounds one command; a first build in Rust on a busy machine is the
// longest.
const commandLimit = 90 * time.Second

// TestReadmes runs every command of every README in both languages: what they
// show is what happens, to the byte.
func TestReadmes(t *testing.T) {
	for _, name := range names(t) {
		for _, lang := range languages {
			t.Run(name+"/"+lang, func(t *testing.T) {
				ex := copyOf(t, name, lang)
				o := docrun.Options{Dir: ex.dir, Env: ex.env, Limit: commandLimit}
				// READMEs show Go: what is built is all that differs.
				o.Expect = func(c docrun.Command) string {
					if c.Text == "sliphost build" {
						return strings.Replace(c.Output, "go.wasm", lang+".wasm", 1)
					}
					return c.Output
				}
				if err := docrun.Run(t.Context(), filepath.Join(name, "README.md"), o); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestRootReadme runs the commands of the project's README, with its first
// TOML block as the manifest it says it is.
func TestRootReadme(t *testing.T) {
	readme := filepath.Join("..", "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, manifest, _ := strings.Cut(string(text), "```toml\n")
	manifest, _, ok := strings.Cut(manifest, "```")
	if !ok {
		t.Fatal("README.md has no manifest")
	}
	dir := t.TempDir()
	t.Cleanup(func() { awaitBroker(t, filepath.Join(dir, "greetings", ".sliphost", "broker", "lock")) })
	if err := os.WriteFile(filepath.Join(dir, "shout.toml"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	guests, err := filepath.Abs(filepath.Join("..", "build"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(guests, filepath.Join(dir, "build")); err != nil {
		t.Fatal(err)
	}
	o := docrun.Options{Dir: dir, Env: environment(t, "go"), Limit: commandLimit}
	if err := docrun.Run(t.Context(), readme, o); err != nil {
		t.Error(err)
	}
}

// TestEveryExampleIsListed keeps the table in README.md whole.
func TestEveryExampleIsListed(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t) {
		if !strings.Contains(string(text), "| ["+name+"]("+name+") |") {
			t.Errorf("README.md has no row for %s", name)
		}
	}
}

// TestBothLanguagesHaveTheSameTests compares NAME.test.toml, which is for Go,
// with NAME-rust.test.toml: all but the choice of the language is the same.
func TestBothLanguagesHaveTheSameTests(t *testing.T) {
	const choice = "env = { SLIP_LANG = \"rust\" }\n"
	for _, name := range names(t) {
		files, err := filepath.Glob(filepath.Join(name, "*.test.toml"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no tests: %v", name, err)
		}
		for _, file := range files {
			if base, rust := strings.CutSuffix(file, "-rust.test.toml"); rust {
				if !slices.Contains(files, base+".test.toml") {
					t.Errorf("%s is for Rust only", file)
				}
				continue
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rust := strings.TrimSuffix(file, ".test.toml") + "-rust.test.toml"
			got, err := os.ReadFile(rust)
			if err != nil {
				t.Error(err)
				continue
			}
			if string(got) != choice+string(want) {
				t.Errorf("%s is not %s behind a line %q", rust, file, strings.TrimSpace(choice))
			}
		}
	}
}
