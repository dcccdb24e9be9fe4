package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/golden"
	"github.com/sliphost/sliphost/host/manifest"
)

//go:generate go run . docs ../../docs

// docsCmd writes the reference pages. It is for the maintainers.
func (c *cli) docsCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "docs DIR",
		Short:   "Write the reference pages",
		Hidden:  true,
		Example: "  sliphost docs docs\n  sliphost docs /tmp/docs",
		Args:    wants(1, 1, "one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for name, text := range pages(cmd.Root()) {
				path := filepath.Join(args[0], name)
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// pages returns the generated reference pages by file name.
func pages(root *cobra.Command) map[string]string {
	return map[string]string{
		"cli.md":      cliPage(root),
		"manifest.md": manifest.Reference(),
		"errors.md":   manifest.ErrorsReference(),
		"tests.md":    golden.Reference(),
	}
}

func cliPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Written by `make docs`; change the command instead. -->\n\n")
	b.WriteString("Standard output carries the result, standard error everything else. Exit codes: 0 done, 1 failed, 2 the command line makes no sense, 3 the manifest or a module is not valid, 4 a test failed.\n\n")
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			fmt.Fprintf(&b, "- [%s](#%s): %s\n", cmd.Name(), cmd.Name(), cmd.Short)
		}
	}
	for _, cmd := range root.Commands() {
		if !cmd.IsAvailableCommand() {
			continue
		}
		commandPage(&b, cmd, "##")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				commandPage(&b, sub, "###")
			}
		}
	}
	return b.String()
}

func commandPage(b *strings.Builder, cmd *cobra.Command, heading string) {
	var help strings.Builder
	writeHelp(&help, cmd)
	fmt.Fprintf(b, "\n%s %s\n\n```text\n%s```\n", heading, strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), help.String())
}
