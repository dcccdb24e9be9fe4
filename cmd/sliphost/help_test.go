package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func newCLI() *cli { return &cli{in: strings.NewReader(""), out: io.Discard, errw: io.Discard} }

// commands lists every command of the program.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	all := newCLI().root().Commands()
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

func TestEveryCommandHasTwoExamplesThatParse(t *testing.T) {
	all := commands(t)
	for _, cmd := range all {
		all = append(all, cmd.Commands()...)
	}
	for _, cmd := range all {
		lines := strings.Split(strings.TrimSpace(cmd.Example), "\n")
		if len(lines) != 2 {
			t.Errorf("%s: %d examples, want 2", cmd.Name(), len(lines))
		}
		for _, line := range lines {
			parseExample(t, strings.TrimPrefix(cmd.CommandPath(), "sliphost "), line)
		}
	}
}

// parseExample hands an example to a fresh tree of commands, up to where it
// would run.
func parseExample(t *testing.T, name, line string) {
	t.Helper()
	words := exampleWords(line)
	if !strings.HasPrefix(strings.Join(words, " ")+" ", "sliphost "+name+" ") {
		t.Errorf("%s: example %q is about something else", name, line)
		return
	}
	root := newCLI().root()
	cmd, args, err := root.Find(words[1:])
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: example %q: %v", name, line, err)
	}
}

// exampleWords splits a line as a shell does, without what is redirected.
func exampleWords(line string) []string {
	line = strings.TrimSpace(line)
	if inner, ok := strings.CutPrefix(line, "source <("); ok {
		line = strings.TrimSuffix(inner, ")")
	}
	var words []string
	var word strings.Builder
	quoted, started := false, false
	flush := func() {
		if started {
			words = append(words, word.String())
		}
		word.Reset()
		started = false
	}
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, started = !quoted, true
		case quoted:
			word.WriteRune(r)
		case r == ' ':
			flush()
		case r == '<' || r == '>' || r == '|':
			flush()
			return words
		default:
			word.WriteRune(r)
			started = true
		}
	}
	flush()
	return words
}

func TestHelpIsTheResult(t *testing.T) {
	for _, cmd := range commands(t) {
		if !cmd.IsAvailableCommand() {
			continue
		}
		var out, errw bytes.Buffer
		if code := run([]string{cmd.Name(), "--help"}, strings.NewReader(""), &out, &errw); code != exitOK || errw.Len() > 0 {
			t.Errorf("%s --help: code %d, stderr %q", cmd.Name(), code, errw.String())
		}
		text := out.String()
		for _, want := range []string{cmd.Short + "\n", "Examples:\n  ", "Usage:\n  sliphost " + cmd.Name(), "--help"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s --help lacks %q:\n%s", cmd.Name(), want, text)
			}
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: a summary is no sentence: %q", cmd.Name(), cmd.Short)
		}
	}
}

func TestHelpCommand(t *testing.T) {
	cases := map[string]struct {
		code      int
		out, errw string
	}{
		"help":      {exitOK, "Commands:", ""},
		"help tap":  {exitOK, "sliphost tap TOPIC", ""},
		"help tpa":  {exitUsage, "", `there is no command "tpa"; did you mean tap?`},
		"help a b":  {exitUsage, "", "an argument too many"},
		"--version": {exitOK, "sliphost ", ""},
	}
	for line, want := range cases {
		var out, errw bytes.Buffer
		code := run(strings.Fields(line), strings.NewReader(""), &out, &errw)
		if code != want.code || !strings.Contains(out.String(), want.out) || !strings.Contains(errw.String(), want.errw) {
			t.Errorf("%s: code %d\n%s%s", line, code, out.String(), errw.String())
		}
	}
}

func TestReferencePagesAreUpToDate(t *testing.T) {
	for name, want := range pages(newCLI().root()) {
		path := filepath.Join("..", "..", "docs", name)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%v; run `make docs`", err)
			continue
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is out of date, run `make docs` (-want +got):\n%s", path, diff)
		}
	}
}

func TestFlagsGetSuggestions(t *testing.T) {
	cases := map[string]string{
		"run --until-idel":   "did you mean --until-idle?",
		"tap --until":        "did you mean --until-end?",
		"send --partitions":  "did you mean --partition?",
		"check --conect":     "did you mean --connect?",
		"run --entirely-new": "there is no flag --entirely-new\n",
	}
	for line, want := range cases {
		var errw bytes.Buffer
		if code := run(strings.Fields(line), strings.NewReader(""), io.Discard, &errw); code != exitUsage {
			t.Errorf("%s: code %d", line, code)
		}
		if !strings.Contains(errw.String(), want) {
			t.Errorf("%s: %q lacks %q", line, errw.String(), want)
		}
	}
}
