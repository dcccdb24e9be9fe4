package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/manifest"
)

func (c *cli) explainCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "explain [CODE]",
		Short:   "Tell more about the code of a finding",
		Long:    "Without a code it lists all of them.",
		Example: "  sliphost explain SLP104\n  sliphost explain",
		Args:    wants(0, 1, "one code"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var all []string
			for _, code := range manifest.Codes() {
				all = append(all, string(code))
			}
			return all, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listCodes(asJSON)
			}
			code := manifest.Code(strings.ToUpper(args[0]))
			e, ok := manifest.Explain(code)
			if !ok {
				return usagef("there is no code %q; `sliphost explain` lists them", args[0])
			}
			if asJSON {
				return writeJSON(c.out, e)
			}
			_, err := io.WriteString(c.out, e.String())
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) listCodes(asJSON bool) error {
	var all []manifest.Explanation
	for _, code := range manifest.Codes() {
		if e, ok := manifest.Explain(code); ok {
			all = append(all, e)
		}
	}
	if asJSON {
		return writeJSON(c.out, all)
	}
	for _, e := range all {
		if _, err := fmt.Fprintf(c.out, "%s  %-7s  %s\n", e.Code, e.Level, e.Title); err != nil {
			return err
		}
	}
	return nil
}
