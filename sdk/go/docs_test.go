package slip_test

import (
	"os"
	"strings"
	"testing"
)

// TestDocsSnippets finds each Go snippet of the pages about time and checkpoints
// in a file that is compiled.
func TestDocsSnippets(t *testing.T) {
	var compiled []byte
	for _, file := range []string{"example_windows_test.go", "example_checkpoints_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compiled = append(compiled, text...)
	}
	n := 0
	for _, page := range []string{"windows.md", "joins.md", "checkpoints.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```go\n")
		for _, block := range blocks[1:] {
			code, _, _ := strings.Cut(block, "```")
			for _, part := range strings.Split(strings.TrimSpace(code), "\n\n") {
				n++
				if !strings.Contains(string(compiled), part) {
					t.Errorf("%s: in no compiled file:\n%s", page, part)
				}
			}
		}
	}
	if n < 8 {
		t.Errorf("only %d snippets", n)
	}
}
