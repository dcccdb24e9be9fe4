package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/manifest"
)

func (c *cli) configCmd() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config [MANIFEST]",
		Short: "Print every effective value of a manifest with where it comes from",
		Long: "Defaults, environment and --set are filled in, secrets are replaced. The\n" +
			"client properties that result for each topic come last: those of [kafka],\n" +
			"then those of the topic's own cluster.",
		Example: "  sliphost config manifest.toml\n  sliphost config manifest.toml --set workers=2 --json",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(_ *cobra.Command, args []string) error {
			src.arg(args)
			m, err := src.load(c.options(c.quiet()))
			if err != nil {
				return err
			}
			e := manifest.Config(m)
			if asJSON {
				_, err = c.out.Write(e.JSON())
				return err
			}
			_, err = io.WriteString(c.out, e.Text())
			return err
		},
		ValidArgsFunction: manifestFiles,
	}
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	return cmd
}
