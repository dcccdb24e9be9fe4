package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckpointPage reads the manifests that docs/checkpoints.md shows, with the
// topics and the module that they leave out.
func TestCheckpointPage(t *testing.T) {
	const rest = `version = 1
name = "page"
[topic.weather]
codec = "json"
[topic.activity]
codec = "json"
[module.m]
path = "m.wasm"
[handler.weather]
source = ["weather"]
`
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "checkpoints.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```toml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the page shows no manifest")
	}
	for _, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		m, err := Parse("page.toml", []byte(rest+text), Options{LookupEnv: func(string) (string, bool) { return "", false }})
		if err != nil {
			t.Errorf("%s\nof\n%s", AsErrors(err).Render(), text)
			continue
		}
		if len(m.Checkpoints) != 1 || len(m.Checkpoints[0].Dependencies) != 1 {
			t.Errorf("no checkpoint in\n%s", text)
		}
	}
}
