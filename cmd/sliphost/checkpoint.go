package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/admin"
)

func (c *cli) checkpointCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Look at the checkpoints of a running host",
		Example: "  sliphost checkpoint ls manifest.toml\n  sliphost checkpoint ls manifest.toml --json",
	}
	cmd.AddCommand(c.checkpointLsCmd())
	return cmd
}

func (c *cli) checkpointLsCmd() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls [MANIFEST]",
		Short: "List checkpoints, what they hold and what they wait for",
		Long: "It asks the process that holds the state directory, over its socket, and shows\n" +
			"what all processes of the application have committed.",
		Example: "  sliphost checkpoint ls manifest.toml\n  sliphost checkpoint ls --json",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.arg(args)
			m, err := src.load(c.options(c.quiet()))
			if err != nil {
				return err
			}
			all, err := admin.Dial(m.StateDir).Checkpoints(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.out, all)
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "CHECKPOINT\tDEPENDENT\tHELD\tMARKER\tDEPENDENCY\tDOWN\tMARKER")
			for _, k := range all {
				for _, p := range k.Partitions {
					for _, d := range p.Dependencies {
						fmt.Fprintf(w, "%s\t%s[%d]\t%v\t%s\t%s\t%v\t%s\n", k.ID, k.Dependent, p.Partition, p.Held, p.Marker, d.ID, d.Down, d.Marker)
					}
					if p.Error != "" {
						fmt.Fprintf(w, "%s\t%s[%d]\t%s\n", k.ID, k.Dependent, p.Partition, p.Error)
					}
				}
			}
			return w.Flush()
		},
		ValidArgsFunction: manifestFiles,
	}
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	return cmd
}
