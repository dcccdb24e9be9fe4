// Package docrun runs the commands that a document shows and compares what
// they print with what the document says they print.
//
// Commands stand in fenced blocks of the language "console": a line that
// begins with "$ " is a command, lines that begin with "> " continue it, all
// others are what it writes to standard output, to the byte. What is written
// to standard error is not part of a document, because it has times in it.
package docrun

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Command is one command of a document.
type Command struct {
	// Line is its line in the document, counted from 1.
	Line int
	// Text is what a shell runs, Output what it must write to standard output.
	Text, Output string
}

// Commands returns the commands of a document in Markdown. A block that does
// not end, or that begins with something else than a command, is an error
// with its line.
func Commands(document []byte) ([]Command, error) {
	var all []Command
	opened := 0 // line of the open block
	fresh := false
	for i, line := range strings.SplitAfter(string(document), "\n") {
		text := strings.TrimRight(line, "\r\n")
		switch {
		case opened == 0:
			if text == "```console" {
				opened, fresh = i+1, true
			}
		case text == "```":
			opened = 0
		case strings.HasPrefix(text, "$ "):
			all = append(all, Command{Line: i + 1, Text: text[2:]})
			fresh = false
		case fresh:
			return nil, fmt.Errorf("line %d: a console block begins with %q, not with \"$ \" and a command", i+1, text)
		default:
			c := &all[len(all)-1]
			if rest, more := strings.CutPrefix(text, "> "); more && c.Output == "" {
				c.Text += "\n" + rest
				continue
			}
			c.Output += line
		}
	}
	if opened != 0 {
		return nil, fmt.Errorf("line %d: the block does not end", opened)
	}
	return all, nil
}

// Options are the surroundings of commands.
type Options struct {
	// Dir is where they run.
	Dir string
	// Env is added to the environment of this process.
	Env []string
	// Limit bounds each command.
	Limit time.Duration
	// Expect returns the output to compare with, where it is not c.Output; nil
	// keeps all.
	Expect func(c Command) string
}

// Run runs the commands of a document one after the other, each by bash with
// -e and pipefail, and stops at the first that fails, takes too long or
// prints something else. A "cd FOLDER" holds for the commands behind it.
func Run(ctx context.Context, document string, o Options) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	all, err := Commands(text)
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: no command in it", document)
	}
	for _, c := range all {
		if err := c.run(ctx, &o); err != nil {
			return fmt.Errorf("%s:%d: %w", document, c.Line, err)
		}
	}
	return nil
}

func (c *Command) run(ctx context.Context, o *Options) error {
	if folder, ok := strings.CutPrefix(c.Text, "cd "); ok && c.Output == "" && !strings.ContainsAny(folder, " ;&|") {
		o.Dir = filepath.Join(o.Dir, folder)
		_, err := os.Stat(o.Dir)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", c.Text)
	cmd.Dir = o.Dir
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	// What a command leaves behind may hold its streams open.
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end within %v", o.Limit)
	}
	if err != nil {
		return fmt.Errorf("%s: %w\nit wrote:\n%s%s", c.Text, err, talk.String(), out.String())
	}
	want := c.Output
	if o.Expect != nil {
		want = o.Expect(*c)
	}
	if got := out.String(); got != want {
		return fmt.Errorf("%s\nwrote:\n%sthe document says:\n%son standard error:\n%s", c.Text, got, want, talk.String())
	}
	return nil
}
