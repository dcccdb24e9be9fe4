package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"

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

// projectName is what both templates take for a name.
var projectName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,99}$`)

// project is the result of new.
type project struct {
	Name string `json:"name"`
	Lang string `json:"lang"`
	Dir  string `json:"dir"`
}

func (c *cli) newCmd() *cobra.Command {
	var lang, dir string
	var asJSON bool
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
			if !projectName.MatchString(args[0]) {
				return usagef("project name %q: want lower-case letters, digits and dashes, a letter first, at most 100", args[0])
			}
			if dir == "" {
				dir = args[0]
			}
			if err := write(dir, args[0], sliphost.Sources); err != nil {
				return err
			}
			fmt.Fprintf(c.errw, "next:\n  cd %s\n  sliphost build\n  sliphost test\n"+
				"  echo '{\"id\":\"1\",\"name\":\"Ada\"}' | sliphost send names --key /id\n  sliphost run\n", shellWord(dir))
			if asJSON {
				return writeJSON(c.out, project{Name: args[0], Lang: lang, Dir: filepath.Clean(dir)})
			}
			_, err := fmt.Fprintln(c.out, filepath.Clean(dir))
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&lang, "lang", "", "`language` of the handler: go or rust")
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` to write to (default: NAME)")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"go", "rust"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}
