package wasm_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/host/module/wasm"
)

// specDir is where wazero's module keeps the test files of the WebAssembly
// specification, translated to JSON and binaries by wast2json.
func specDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("find wazero's sources: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
}

type specCommand struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Filename   string `json:"filename"`
	Text       string `json:"text"`
	ModuleType string `json:"module_type"`
}

// TestSpecification runs the modules of the specification's own tests: those
// of version 1, all of which are valid in version 2, and of version 2.
func TestSpecification(t *testing.T) {
	valid, refused := 0, 0
	for _, version := range []string{"v1", "v2"} {
		dir := filepath.Join(specDir(t), version, "testdata")
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(files) < 70 {
			t.Fatalf("%d test files in %s: %v", len(files), dir, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var script struct {
				Commands []specCommand `json:"commands"`
			}
			if err := json.Unmarshal(b, &script); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, c := range script.Commands {
				if c.Filename == "" || c.ModuleType == "text" {
					continue
				}
				bad := c.Type == "assert_invalid" || c.Type == "assert_malformed"
				if bad && version == "v1" {
					continue // some of it is valid since
				}
				module, err := os.ReadFile(filepath.Join(dir, c.Filename))
				if err != nil {
					t.Fatal(err)
				}
				_, err = wasm.Parse(module, wasm.Caps{})
				switch {
				case bad && err == nil:
					t.Errorf("%s line %d (%s): %s is accepted: %s", file, c.Line, c.Type, c.Filename, c.Text)
				case !bad && err != nil:
					t.Errorf("%s line %d (%s): %s: %v", file, c.Line, c.Type, c.Filename, err)
				case bad:
					refused++
				default:
					valid++
				}
			}
		}
	}
	if valid < 2000 || refused < 2000 {
		t.Errorf("only %d valid and %d refused modules were found", valid, refused)
	}
	t.Logf("%d valid modules, %d refused", valid, refused)
}
