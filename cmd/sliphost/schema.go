package main

import (
	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/manifest"
)

func (c *cli) schemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of a manifest, for editors",
		Long: "Save it beside the manifest and name it in the manifest's first line, as\n" +
			"  #:schema ./manifest-v1.json\n" +
			"so that an editor with TOML support completes and checks keys.",
		Example: "  sliphost schema > manifest-v1.json\n  sliphost schema | head",
		Args:    wants(0, 0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			_, err := c.out.Write(manifest.Schema())
			return err
		},
	}
}
