package docrun_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/examples/internal/docrun"
)

func TestCommandsStandInConsoleBlocks(t *testing.T) {
	const doc = "# Title\n\n```console\n$ one\nout 1\n\nout 2\n$ two \\\n> more\n> in\n```\n$ no command\n```sh\n$ nor this\n```\n```console\n$ three\n```\n"
	got, err := docrun.Commands([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	want := []docrun.Command{
		{Line: 4, Text: "one", Output: "out 1\n\nout 2\n"},
		{Line: 8, Text: "two \\\nmore\nin"},
		{Line: 17, Text: "three"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCommandsRefusesBrokenBlocks(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"```console\n$ one\n", "line 1: the block does not end"},
		{"x\n```console\nout\n```\n", `line 3: a console block begins with "out"`},
	} {
		if _, err := docrun.Commands([]byte(c.doc)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.doc, err, c.want)
		}
	}
}

func TestRunNamesTheCommandThatIsNotAsDocumented(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"right", "```console\n$ echo a; echo talk >&2\na\n```\n", ""},
		{"joined", "```console\n$ echo a \\\n>   b\na b\n```\n", ""},
		{"environment", "```console\n$ echo $GREETING; pwd -P | grep -c .\nhello\n1\n```\n", ""},
		{"other output", "```console\n$ true\n$ echo a\nb\n```\n", "doc.md:3: echo a\nwrote:\na\nthe document says:\nb\n"},
		{"output missing", "```console\n$ true\na\n```\n", "the document says:\na\n"},
		{"failure", "```console\n$ echo why >&2; false\n```\n", "exit status 1\nit wrote:\nwhy\n"},
		{"failure inside a pipe", "```console\n$ false | true\n```\n", "exit status 1"},
		{"too long", "```console\n$ exec sleep 60\n```\n", "did not end within 2s"},
		{"nothing", "no commands\n", "no command in it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			doc := filepath.Join(dir, "doc.md")
			if err := os.WriteFile(doc, []byte(c.doc), 0o600); err != nil {
				t.Fatal(err)
			}
			err := docrun.Run(t.Context(), doc, docrun.Options{Dir: dir, Env: []string{"GREETING=hello"}, Limit: 2 * time.Second})
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
