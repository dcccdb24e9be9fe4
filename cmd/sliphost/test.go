package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/golden"
	"github.com/sliphost/sliphost/host/manifest"
)

func (c *cli) testCmd() *cobra.Command {
	var asJSON bool
	var logs logFlags
	o := golden.Options{}
	cmd := &cobra.Command{
		Use:   "test [MANIFEST|FILE.test.toml...]",
		Short: "Run golden tests: given inputs, expected outputs",
		Long: "Tests are the files *.test.toml beside a manifest. They run the manifest's real\n" +
			"modules in the real engine, on a broker in memory and a virtual clock: the same\n" +
			"way every time, and without Kafka.\n\n" +
			"  [[input]]\n" +
			"  source = \"flights\"\n" +
			"  key = \"LHR\"\n" +
			"  value = { origin = \"LHR\", delay = 20 }\n\n" +
			"  [[output]]\n" +
			"  sink = \"late\"\n" +
			"  key = \"LHR\"\n" +
			"  value = { origin = \"LHR\", delay = 20 }\n\n" +
			"All records of all sinks are compared, each sink's in their order. With --update\n" +
			"the [[output]] blocks are rewritten to what came out.",
		Example: "  sliphost test\n  sliphost test manifest.toml --update",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := logs.logger(c.errw)
			if err != nil {
				return err
			}
			o.Logger = log
			if len(args) == 0 {
				args = []string{defaultManifest}
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return c.test(ctx, args, o, asJSON)
		},
		ValidArgsFunction: manifestFiles,
	}
	cmd.Flags().BoolVar(&o.Update, "update", false, "rewrite what is expected to what came out")
	jsonFlag(cmd, &asJSON)
	logs.flags(cmd, "error")
	cmd.Flags().StringVar(&o.CacheDir, "cache-dir", "", "`directory` of compiled modules (default: sliphost/modules in the user's cache directory)")
	grouped(cmd, "Advanced", "cache-dir")
	return cmd
}

// test runs all tests that the arguments stand for.
func (c *cli) test(ctx context.Context, args []string, o golden.Options, asJSON bool) error {
	results := []*golden.Result{}
	var errs []error
	failed := 0
	for _, arg := range args {
		files, err := testFiles(arg)
		if err != nil {
			return err
		}
		for _, path := range files {
			r, err := golden.Run(ctx, path, o)
			if err != nil {
				if manifest.AsErrors(err) == nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				// The other tests of this manifest would say the same.
				errs = append(errs, err)
				break
			}
			results = append(results, r)
			if !r.Passed {
				failed++
			}
			if !asJSON {
				c.showTest(r)
			}
		}
	}
	if asJSON {
		if err := writeJSON(c.out, results); err != nil {
			return err
		}
	}
	switch {
	case len(errs) > 0:
		return joinFindings(errs)
	case failed > 0:
		fmt.Fprintf(c.errw, "%d of %s failed\n", failed, plural(len(results), "test"))
		return exitCode(exitTests)
	}
	return nil
}

// joinFindings makes one list of the findings of several manifests.
func joinFindings(errs []error) error {
	var all manifest.Errors
	for _, err := range errs {
		all = append(all, manifest.AsErrors(err)...)
	}
	return all
}

// testFiles returns the tests that an argument stands for.
func testFiles(arg string) ([]string, error) {
	if strings.HasSuffix(arg, golden.Suffix) {
		return []string{arg}, nil
	}
	if st, err := os.Stat(arg); err == nil && st.IsDir() {
		arg = filepath.Join(arg, defaultManifest)
	}
	if _, err := os.Stat(arg); err != nil {
		return nil, manifest.Errors{manifest.NewError(manifest.CodeUnreadable, manifest.Position{File: arg},
			"cannot read the manifest: "+rootCause(err), "give the path of a manifest, such as manifest.toml")}
	}
	files, err := golden.Find(arg)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no tests; write one into %s", arg, filepath.Join(filepath.Dir(arg), "first"+golden.Suffix))
	}
	return files, nil
}

func rootCause(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// showTest prints one result for people.
func (c *cli) showTest(r *golden.Result) {
	paint := paint(c.out)
	switch {
	case r.Updated:
		fmt.Fprintf(c.out, "%s %s\n", paint("33", "updated"), r.File)
	case r.Passed:
		fmt.Fprintf(c.out, "%s %s\n", paint("32", "ok"), r.File)
	default:
		fmt.Fprintf(c.out, "%s %s\n", paint("31", "FAIL"), r.File)
	}
	if r.Error != "" {
		fmt.Fprintf(c.out, "  %s\n", strings.ReplaceAll(strings.TrimSpace(r.Error), "\n", "\n  "))
	}
	if r.Diff != "" {
		for line := range strings.SplitSeq(strings.TrimRight(r.Diff, "\n"), "\n") {
			switch {
			case strings.HasPrefix(line, "  - "):
				line = paint("31", line)
			case strings.HasPrefix(line, "  + "):
				line = paint("32", line)
			}
			fmt.Fprintf(c.out, "  %s\n", line)
		}
	}
}
