package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
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
			"then those of the topic's own cluster, and how the memory of the host's own\n" +
			"buffers is divided; that of modules comes on top.",
		Example: "  sliphost config manifest.toml\n  sliphost config manifest.toml --set workers=2 --json",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(_ *cobra.Command, args []string) error {
			src.arg(args)
			m, err := src.load(c.options(c.quiet()))
			if err != nil {
				return err
			}
			e, split := manifest.Config(m), boot.NewBudget(m)
			if asJSON {
				return writeJSON(c.out, struct {
					*manifest.Effective
					Memory boot.Budget `json:"memory"`
				}{e, split})
			}
			_, err = io.WriteString(c.out, e.Text()+memoryText(&split))
			return err
		},
		ValidArgsFunction: manifestFiles,
	}
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	return cmd
}

// memoryText shows the division as comments, so that the whole stays TOML.
func memoryText(b *boot.Budget) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n# memory of the host's own buffers: %s\n", sizeText(b.Total))
	for _, part := range []struct {
		n    int64
		what string
	}{
		{b.Fetch, "fetched ahead by consumers"},
		{b.Produce, "waiting in producers"},
		{b.RecordCache, "entries of caches used last"},
		{b.Unwritten, "committed entries not on disk yet, of each worker"},
		{b.BlockCache, "blocks of the store's files"},
		{b.WriteBuffer, "the store's write buffers"},
	} {
		fmt.Fprintf(&out, "# %10s  %s\n", sizeText(part.n), part.what)
	}
	return out.String()
}

// sizeText writes bytes in the largest unit that does not round much.
func sizeText(n int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case n >= gib && n%gib == 0:
		return fmt.Sprintf("%dGiB", n/gib)
	case n >= 10*mib || n >= mib && n%mib == 0:
		return fmt.Sprintf("%dMiB", n/mib)
	case n >= kib:
		return fmt.Sprintf("%dKiB", n/kib)
	}
	return fmt.Sprintf("%dB", n)
}
