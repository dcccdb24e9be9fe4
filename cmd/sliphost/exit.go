package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/manifest"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1 // what was asked for could not be done
	exitUsage    = 2 // the command line makes no sense
	exitManifest = 3 // the manifest, or a module it names, is not valid
	exitTests    = 4 // a golden test failed
)

// usageError is a command line that makes no sense.
type usageError struct{ error }

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitCode is an error about which everything has been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// report says what is wrong on standard error and returns the exit code.
func (c *cli) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(c.errw, "sliphost: %s\n", err)
		fmt.Fprintf(c.errw, "see `%s --help`\n", cmd.CommandPath())
		return exitUsage
	}
	if found := manifest.AsErrors(err); found != nil {
		c.findings(found)
		return findingsCode(found)
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(c.errw, "sliphost: %s\n", line)
		}
	}
	return exitFailed
}

// findings shows findings to people, with a pointer to more.
func (c *cli) findings(found manifest.Errors) {
	fmt.Fprint(c.errw, found.Render())
	if fatal := found.Fatal(); len(fatal) > 0 {
		fmt.Fprintf(c.errw, "%s; `sliphost explain %s` tells more\n", plural(len(fatal), "error"), fatal[0].Code)
	}
}

// findingsCode is the exit code for findings: a broker's answers are no fault
// of the manifest.
func findingsCode(found manifest.Errors) int {
	code := exitOK
	for _, f := range found.Fatal() {
		if e, ok := manifest.Explain(f.Code); !ok || e.Stage != manifest.StageBroker {
			return exitManifest
		}
		code = exitFailed
	}
	return code
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
