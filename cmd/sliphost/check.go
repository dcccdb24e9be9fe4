package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/manifest"
)

// checked is the result of checking one manifest.
type checked struct {
	Manifest string `json:"manifest"`
	Valid    bool   `json:"valid"`
	// Error says why the check could not be made.
	Error    string          `json:"error,omitempty"`
	Findings manifest.Errors `json:"findings"`
}

func (c *cli) checkCmd() *cobra.Command {
	var set []string
	var asJSON, connect bool
	cmd := &cobra.Command{
		Use:   "check [MANIFEST...]",
		Short: "Say all that `run` would refuse, without running",
		Long: "It reads the manifests, loads their modules and compares what the modules\n" +
			"declare with what the manifests bind. With --connect it asks the brokers\n" +
			"about topics and groups too; it creates nothing.",
		Example: "  sliphost check manifest.toml\n  sliphost check --connect --json manifest.toml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{defaultManifest}
			}
			results := []checked{}
			code := exitOK
			for _, path := range args {
				r, failed := c.check(cmd.Context(), &source{path: path, set: set}, connect)
				results = append(results, r)
				code = max(code, failed)
				if !asJSON {
					c.showCheck(&r)
				}
			}
			if asJSON {
				if err := writeJSON(c.out, results); err != nil {
					return err
				}
			}
			if code != exitOK {
				return exitCode(code)
			}
			return nil
		},
		ValidArgsFunction: manifestFiles,
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().BoolVar(&connect, "connect", false, "ask the brokers too")
	grouped(cmd, "Kafka", "connect")
	cmd.Flags().StringArrayVar(&set, "set", nil, "`key=value` that replaces a value of the manifest; may be repeated")
	grouped(cmd, "Manifest", "set")
	return cmd
}

// check examines one manifest and returns its exit code too.
func (c *cli) check(ctx context.Context, src *source, connect bool) (checked, int) {
	r := checked{Manifest: src.path, Findings: manifest.Errors{}}
	o := c.options(c.quiet())
	o.Set = src.set
	m, err := boot.Load(src.path, o)
	if err == nil {
		r.Findings = append(r.Findings, m.Warnings...)
		var found manifest.Errors
		found, err = boot.Check(ctx, m, o, connect)
		r.Findings = append(r.Findings, found...)
	}
	if more := manifest.AsErrors(err); more != nil {
		r.Findings, err = append(r.Findings, more...), nil
	}
	r.Findings.Sort()
	code := findingsCode(r.Findings)
	if err != nil {
		r.Error = err.Error()
		code = max(code, exitFailed)
	}
	r.Valid = code == exitOK
	return r, code
}

// showCheck prints the result of one manifest for people.
func (c *cli) showCheck(r *checked) {
	c.findings(r.Findings)
	if r.Error != "" {
		for line := range strings.SplitSeq(r.Error, "\n") {
			fmt.Fprintf(c.errw, "sliphost: %s: %s\n", r.Manifest, line)
		}
	}
	if r.Valid {
		fmt.Fprintf(c.out, "%s: ok\n", r.Manifest)
	}
}
