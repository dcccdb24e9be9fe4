package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// root makes the tree of commands.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sliphost",
		Short: "Run WebAssembly handlers over Kafka topics",
		Long: "sliphost runs handlers, written in Go or Rust and compiled to WebAssembly,\n" +
			"over Kafka topics. A manifest says what they read and write.",
		Example: "  sliphost new flights --lang go\n" +
			"  sliphost run manifest.toml",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.Version = buildVersion().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{suggestFlag(cmd, err)} })
	root.SetHelpCommand(helpCmd())
	root.AddCommand(
		c.newCmd(), c.buildCmd(), c.checkCmd(), c.testCmd(), c.runCmd(), c.statusCmd(), c.lagCmd(), c.resetCmd(),
		c.sendCmd(), c.tapCmd(), c.cacheCmd(), c.checkpointCmd(), c.replayCmd(), c.brokerCmd(),
		c.inspectCmd(), c.graphCmd(), c.configCmd(), c.explainCmd(), c.schemaCmd(),
		c.completionCmd(), c.versionCmd(), c.docsCmd(),
	)
	setHelp(root)
	return root
}

// helpCmd is the other way to say --help.
func helpCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Hidden:  true,
		Example: "  sliphost help\n  sliphost help run",
		Args:    wants(0, 1, "one command"),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, _, err := cmd.Root().Find(args)
			if err != nil || len(args) > 0 && about == cmd.Root() {
				return knownCommand(cmd.Root(), args)
			}
			return about.Help()
		},
	}
}

// knownCommand refuses a first argument that is no command.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	msg := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s", msg)
}

// wants limits the number of arguments; what names them in the plural.
func wants(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least && most == 1:
			return usagef("name %s", what)
		case len(args) < least:
			return usagef("name at least %d of %s", least, what)
		case most >= 0 && len(args) > most && most == 0:
			return usagef("%q is an argument too many: the command takes none", args[0])
		case most >= 0 && len(args) > most:
			return usagef("%q is an argument too many: the command takes %s", args[most], what)
		}
		return nil
	}
}

// suggestFlag adds the flag that was probably meant.
func suggestFlag(cmd *cobra.Command, err error) error {
	const unknown = "unknown flag: --"
	name, found := strings.CutPrefix(err.Error(), unknown)
	if !found {
		return err
	}
	best, least := "", 3
	for _, f := range flagsOf(cmd) {
		d := editDistance(name, f.Name)
		if strings.HasPrefix(f.Name, name) {
			d = 1
		}
		if d < least {
			best, least = f.Name, d
		}
	}
	if best == "" {
		return fmt.Errorf("there is no flag --%s", name)
	}
	return fmt.Errorf("there is no flag --%s; did you mean --%s?", name, best)
}

// editDistance counts the single-byte edits between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
