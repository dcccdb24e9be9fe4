package main

import (
	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/topology"
)

var graphFormats = [...]string{"mermaid", "dot", "svg", "json"}

func (c *cli) graphCmd() *cobra.Command {
	var src source
	var format string
	cmd := &cobra.Command{
		Use:     "graph [MANIFEST]",
		Short:   "Draw what a manifest's handlers read and write",
		Long:    "Dashed edges lead to dead-letter topics. Edges without an arrow lead to caches; those of handlers that see each other's entries inside a batch, so that records go through them one by one, are thick and say lock-step. Dotted edges, in Mermaid those that end in a circle, lead from dependencies to a checkpoint and from there to the source that it holds.",
		Example: "  sliphost graph manifest.toml\n  sliphost graph manifest.toml --format svg > flights.svg",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(_ *cobra.Command, args []string) error {
			src.arg(args)
			m, err := src.load(c.options(c.quiet()))
			if err != nil {
				return err
			}
			t, found := topology.Build(m)
			if t == nil {
				return found
			}
			g := t.Graph()
			var text []byte
			switch format {
			case "mermaid":
				text = []byte(g.Mermaid())
			case "dot":
				text = []byte(g.DOT())
			case "svg":
				text = []byte(g.SVG())
			case "json":
				text = g.JSON()
			default:
				return usagef("--format %q is none of mermaid, dot, svg, json", format)
			}
			_, err = c.out.Write(text)
			return err
		},
		ValidArgsFunction: manifestFiles,
	}
	cmd.Flags().StringVar(&format, "format", graphFormats[0], "mermaid, dot, svg or json")
	grouped(cmd, "Output", "format")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(graphFormats[:], cobra.ShellCompDirectiveNoFileComp))
	src.setFlag(cmd)
	return cmd
}
