package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/manifest"
)

// built is the result of one module's build command.
type built struct {
	Module  string `json:"module"`
	Path    string `json:"path"`
	Command string `json:"command"`
	// Error says why the module is not there; empty if it is.
	Error string `json:"error,omitempty"`
}

func (c *cli) buildCmd() *cobra.Command {
	var src source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "build [MANIFEST]",
		Short: "Run the build command of each module of a manifest",
		Long: "Each command runs in the manifest's directory by `sh -c`, with GOOS=wasip1 and\n" +
			"GOARCH=wasm set. Modules without a command are left alone.",
		Example: "  sliphost build\n  sliphost build manifest.toml",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.arg(args)
			m, err := src.load(c.options(c.quiet()))
			if err != nil {
				return err
			}
			return c.build(cmd.Context(), m, asJSON)
		},
		ValidArgsFunction: manifestFiles,
	}
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	return cmd
}

// build runs all build commands in the order of the manifest and names every
// module that failed.
func (c *cli) build(ctx context.Context, m *manifest.Manifest, asJSON bool) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	var errs []error
	results := []built{}
	for i := range m.Modules {
		mod := &m.Modules[i]
		if mod.Build == "" {
			continue
		}
		fmt.Fprintf(c.errw, "module %q: %s\n", mod.ID, mod.Build)
		r := built{Module: mod.ID, Path: mod.Path, Command: mod.Build}
		if err := c.buildModule(ctx, m, mod); err != nil {
			errs = append(errs, err)
			r.Error = err.Error()
		} else if !asJSON {
			fmt.Fprintf(c.out, "%s\n", mod.Path)
		}
		results = append(results, r)
	}
	if asJSON {
		if err := writeJSON(c.out, results); err != nil {
			return err
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no module of %s has a build command; give it one, as build = \"...\" in its table", m.File)
	}
	return errors.Join(errs...)
}

// buildModule runs one command and sees whether it left the module behind.
func (c *cli) buildModule(ctx context.Context, m *manifest.Manifest, mod *manifest.Module) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", mod.Build)
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	cmd.Stdout, cmd.Stderr = c.errw, c.errw
	cmd.WaitDelay = 5 * time.Second // what the shell started may hold its output open
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("module %q: its build command failed: %w", mod.ID, err)
	}
	if _, err := os.Stat(mod.Path); err != nil {
		return fmt.Errorf("module %q: its build command succeeded, but left no file %s", mod.ID, mod.Path)
	}
	return nil
}
