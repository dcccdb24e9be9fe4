package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) inspectCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "inspect FILE.wasm",
		Short:   "Show what a module is and what its handlers declare",
		Example: "  sliphost inspect build/flights.wasm\n  sliphost inspect build/flights.wasm --json",
		Args:    wants(1, 1, "one wasm file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := boot.Inspect(cmd.Context(), args[0], c.options(c.quiet()))
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.out, i)
			}
			return showInspection(c.out, i)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"wasm"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// showInspection prints a module for people.
func showInspection(out io.Writer, i *boot.Inspection) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "file\t%s\n", i.File)
	fmt.Fprintf(w, "sha256\t%s\n", i.SHA256)
	fmt.Fprintf(w, "size\t%d bytes\n", i.Size)
	fmt.Fprintf(w, "language\t%s\n", i.Language)
	fmt.Fprintf(w, "sdk\t%s\n", i.SDK)
	fmt.Fprintf(w, "abi\t%s\n", i.ABI)
	fmt.Fprintf(w, "memory\t%s\n", i.Memory)
	fmt.Fprintf(w, "imports\t%s\n", strings.Join(i.Imports, ", "))
	fmt.Fprintf(w, "exports\t%s\n", strings.Join(i.Exports, ", "))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, h := range i.Handlers {
		fmt.Fprintf(out, "\nhandler %s\n", h.Name)
		for _, p := range h.Params {
			text := fmt.Sprintf("  param %s (%s", p.Name, p.Type)
			if p.Required {
				text += ", required)"
			} else {
				text += fmt.Sprintf(", default %s)", p.DefaultText())
			}
			if p.Help != "" {
				text += ": " + p.Help
			}
			fmt.Fprintln(out, text)
		}
		for _, part := range []struct {
			name string
			list []string
		}{{"sinks", h.Sinks}, {"caches", h.Caches}, {"checkpoints", h.Checkpoints}} {
			if len(part.list) > 0 {
				fmt.Fprintf(out, "  %s %s\n", part.name, strings.Join(part.list, ", "))
			}
		}
		if len(h.Sinks) == 0 {
			fmt.Fprintln(out, "  sinks: emits to all that the manifest binds")
		}
	}
	return nil
}
