package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupKey is the annotation of a flag that names its group in help texts.
const groupKey = "group"

// Groups of flags, in the order in which help shows them.
var flagGroups = [...]string{"", "Output", "Manifest", "Kafka", "Logs", "Advanced"}

// grouped puts flags of cmd into a group.
func grouped(cmd *cobra.Command, group string, names ...string) {
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[groupKey] = []string{group}
	}
}

// setHelp gives every command of the tree the house's help.
func setHelp(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		writeHelp(cmd.OutOrStderr(), cmd)
		return nil
	})
}

// writeHelp writes one line, the examples, then the details.
func writeHelp(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "%s\n\n", cmd.Short)
	if cmd.Example != "" {
		fmt.Fprintf(w, "Examples:\n%s\n\n", strings.TrimRight(cmd.Example, "\n"))
	}
	fmt.Fprintf(w, "Usage:\n  %s\n", useLine(cmd))
	if cmd.Long != "" {
		fmt.Fprintf(w, "\n%s\n", cmd.Long)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, "  %-11s %s\n", sub.Name(), sub.Short)
			}
		}
		fmt.Fprintf(w, "\n`%s COMMAND --help` tells more about one.\n", cmd.CommandPath())
	}
	for _, g := range flagGroups {
		set := pflag.NewFlagSet(g, pflag.ContinueOnError)
		set.SortFlags = false
		for _, f := range flagsOf(cmd) {
			if groupOf(f) == g {
				set.AddFlag(f)
			}
		}
		if !set.HasAvailableFlags() {
			continue
		}
		title := "Flags"
		if g != "" {
			title = g + " flags"
		}
		fmt.Fprintf(w, "\n%s:\n%s", title, set.FlagUsages())
	}
}

// useLine is the line behind "Usage:".
func useLine(cmd *cobra.Command) string {
	line := cmd.CommandPath()
	if cmd.HasAvailableSubCommands() {
		return line + " COMMAND"
	}
	if _, args, found := strings.Cut(cmd.Use, " "); found {
		line += " " + args
	}
	return line + " [flags]"
}

// flagsOf lists the visible flags of a command in the order of definition.
func flagsOf(cmd *cobra.Command) []*pflag.Flag {
	cmd.InitDefaultHelpFlag()
	cmd.Flags().SortFlags = false
	var list []*pflag.Flag
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			list = append(list, f)
		}
	})
	// Help comes last, whenever cobra added it.
	if i := slices.IndexFunc(list, func(f *pflag.Flag) bool { return f.Name == "help" }); i >= 0 {
		help := list[i]
		help.Usage = "show this text"
		list = append(slices.Delete(list, i, i+1), help)
	}
	return list
}

func groupOf(f *pflag.Flag) string {
	if g := f.Annotations[groupKey]; len(g) > 0 {
		return g[0]
	}
	return ""
}
