package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"

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
	return boot.Options{Logger: log, StartBroker: startBroker, Version: buildVersion().Version}
}

// brokerIdleEnv shortens the life of a broker that a command starts, for
// tests and scripts that clean up behind themselves.
const brokerIdleEnv = "SLIPHOST_BROKER_IDLE"

// startBroker starts this program as a broker on dir, detached: it outlives
// the command that needs it.
func startBroker(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file: %w", err)
	}
	log, err := os.OpenFile(boot.BrokerLog(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the broker's log: %w", err)
	}
	defer log.Close()
	args := []string{"broker", "--dir", dir}
	if idle := os.Getenv(brokerIdleEnv); idle != "" {
		args = append(args, "--idle-exit", idle)
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: a terminal's Ctrl-C is not meant for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
