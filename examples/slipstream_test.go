package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/examples/internal/docrun"
)

// slipstreamPage is docs/from-slipstream.md.
var slipstreamPage = filepath.Join("..", "docs", "from-slipstream.md")

// features are what slipstream's page has, in its order.
var features = []string{"Topic", "Cache", "Transaction", "Proxy", "Conf", "Yield", "Codec", "Checkpoint"}

// TestSlipstreamPageRuns runs the commands of the page in both languages.
func TestSlipstreamPageRuns(t *testing.T) {
	for _, lang := range languages {
		t.Run(lang, func(t *testing.T) {
			// As deep as the originals, so that they find the SDKs and the data.
			dir := filepath.Join(workshop, "slipstream-"+lang)
			t.Cleanup(func() {
				for _, name := range names(t) {
					awaitBroker(t, filepath.Join(dir, name, ".sliphost", "broker", "lock"))
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			})
			for _, name := range append(names(t), "data") {
				if err := copyTree(filepath.Join(dir, name), name); err != nil {
					t.Fatal(err)
				}
			}
			o := docrun.Options{Dir: dir, Env: environment(t, lang), Limit: commandLimit}
			o.Expect = func(c docrun.Command) string {
				if c.Text == "sliphost build" {
					return strings.Replace(c.Output, "go.wasm", lang+".wasm", 1)
				}
				return c.Output
			}
			if err := docrun.Run(t.Context(), slipstreamPage, o); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSlipstreamPageQuotesTheExamples finds every block of code in the file
// that the line before it links to, and every feature with all its forms.
func TestSlipstreamPageQuotesTheExamples(t *testing.T) {
	text, err := os.ReadFile(slipstreamPage)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "\n## ")[1:]
	var titles []string
	for _, part := range parts {
		title, body, _ := strings.Cut(part, "\n")
		titles = append(titles, title)
		if err := quotes(body); err != nil {
			t.Errorf("%s: %v", title, err)
		}
	}
	if !slices.Equal(titles, features) {
		t.Errorf("the page has %q, slipstream's %q", titles, features)
	}
}

// quotes checks one section of the page.
func quotes(body string) error {
	have := map[string]bool{}
	blocks := strings.Split(body, "```")
	for i := 1; i < len(blocks); i += 2 {
		lang, code, _ := strings.Cut(blocks[i], "\n")
		have[lang] = true
		if lang == "python" || lang == "console" {
			continue
		}
		before := strings.TrimSpace(blocks[i-1])
		before = before[strings.LastIndexByte(before, '\n')+1:]
		link := linkOf(before, lang)
		if link == "" {
			return fmt.Errorf("a block in %s names no file before it: %q", lang, before)
		}
		file, err := os.ReadFile(filepath.Join(filepath.Dir(slipstreamPage), link))
		if err != nil {
			return err
		}
		for _, piece := range strings.Split(strings.Trim(code, "\n"), "\n\n") {
			if !strings.Contains(string(file), piece+"\n") {
				return fmt.Errorf("not in %s:\n%s", link, piece)
			}
		}
	}
	for _, lang := range []string{"python", "toml", "go", "rust", "console"} {
		if !have[lang] {
			return fmt.Errorf("nothing in %s", lang)
		}
	}
	return nil
}

var links = regexp.MustCompile(`\]\(([^)#]+)\)`)

// linkOf returns the file of a language that a line links to.
func linkOf(line, lang string) string {
	ends := map[string]string{"toml": ".toml", "go": ".go", "rust": ".rs"}[lang]
	for _, m := range links.FindAllStringSubmatch(line, -1) {
		if strings.HasSuffix(m[1], ends) {
			return m[1]
		}
	}
	return ""
}

// TestQuotesFindsWhatIsNotInTheFile makes sure that the check above can fail.
func TestQuotesFindsWhatIsNotInTheFile(t *testing.T) {
	const rest = "\n```python\n```\n```console\n```\n"
	for _, c := range []struct{ body, want string }{
		{"[m](../examples/02-emit/manifest.toml)\n\n```toml\nversion = 2\n```\n" + rest, "not in ../examples/02-emit/manifest.toml:\nversion = 2"},
		{"text\n\n```toml\nversion = 1\n```\n" + rest, "names no file"},
		{"[m](../examples/02-emit/manifest.toml)\n\n```toml\nversion = 1\n```\n" + rest, "nothing in go"},
	} {
		if err := quotes(c.body); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.body, err, c.want)
		}
	}
}
