package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/manifest"
)

// defaultManifest is read where no manifest is named.
const defaultManifest = "manifest.toml"

// source is where a command finds its manifest and what replaces values in it.
type source struct {
	path string
	set  []string
}

// flags adds the flags of a command whose arguments are not manifests.
func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.path, "manifest", "m", defaultManifest, "`file` with the manifest")
	grouped(cmd, "Manifest", "manifest")
	s.setFlag(cmd)
	_ = cmd.MarkFlagFilename("manifest", "toml")
}

func (s *source) setFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.set, "set", nil, "`key=value` that replaces a value of the manifest; may be repeated")
	grouped(cmd, "Manifest", "set")
}

// arg takes the manifest from the arguments.
func (s *source) arg(args []string) {
	s.path = defaultManifest
	if len(args) > 0 {
		s.path = args[0]
	}
}

// load reads the manifest. Its warnings are for those commands to show that
// are about the whole of it.
func (s *source) load(o boot.Options) (*manifest.Manifest, error) {
	o.Set = s.set
	return boot.Load(s.path, o)
}

// options are what every command hands to boot.
func (c *cli) options(log *slog.Logger) boot.Options {
	return boot.Options{Logger: log, StartBroker: boot.SpawnBroker, Version: buildVersion().Version}
}
