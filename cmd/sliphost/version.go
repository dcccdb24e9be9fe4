package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/abi"
)

// version is set by the linker for a release.
var version = "" //nolint:gochecknoglobals // The linker sets variables only.

// versionInfo describes this program.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	ABI      string `json:"abi"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildVersion collects what the build left in the binary.
func buildVersion() versionInfo {
	v := versionInfo{
		Version: version, ABI: fmt.Sprintf("%d.%d", abi.Major, abi.Minor),
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
		if v.Version == "" && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
	}
	if v.Version == "" {
		v.Version = "dev"
	}
	return v
}

// String is for people.
func (v versionInfo) String() string {
	text := "sliphost " + v.Version
	if len(v.Revision) >= 12 {
		text += " (" + v.Revision[:12]
		if v.Modified {
			text += ", modified"
		}
		text += ")"
	}
	return fmt.Sprintf("%s, ABI %s, %s %s", text, v.ABI, v.Go, v.Platform)
}

func (c *cli) versionCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program and of the ABI it speaks",
		Example: "  sliphost version\n  sliphost version --json",
		Args:    wants(0, 0, "nothing"),
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if asJSON {
				return writeJSON(c.out, v)
			}
			_, err := fmt.Fprintln(c.out, v)
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
