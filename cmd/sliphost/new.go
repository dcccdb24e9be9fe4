package main

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost"
	gotemplate "github.com/sliphost/sliphost/sdk/go/template"
	rusttemplate "github.com/sliphost/sliphost/sdk/rust/template"
)

// templates write a new project, by language.
var templates = map[string]func(dir, name string, sources fs.FS) error{
	"go":   gotemplate.Write,
	"rust": rusttemplate.Write,
}

func (c *cli) newCmd() *cobra.Command {
	var lang, dir string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a project: a handler, its tests and a manifest",
		Long: "The project holds a copy of the SDK and builds without a network. NAME becomes\n" +
			"the application's name and the directory.",
		Example: "  sliphost new flights --lang go\n  sliphost new flights --lang rust --dir /tmp/flights",
		Args:    wants(1, 1, "the project"),
		RunE: func(_ *cobra.Command, args []string) error {
			write, ok := templates[lang]
			switch {
			case lang == "":
				return usagef("--lang is missing: go or rust")
			case !ok:
				return usagef("--lang %q is neither go nor rust", lang)
			}
			if dir == "" {
				dir = args[0]
			}
			if err := write(dir, args[0], sliphost.Sources); err != nil {
				return err
			}
			fmt.Fprintf(c.errw, "next:\n  cd %s\n  sliphost build\n  sliphost test\n  sliphost run\n", shellWord(dir))
			_, err := fmt.Fprintln(c.out, filepath.Clean(dir))
			return err
		},
	}
	cmd.Flags().StringVar(&lang, "lang", "", "`language` of the handler: go or rust")
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` to write to (default: NAME)")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"go", "rust"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}
