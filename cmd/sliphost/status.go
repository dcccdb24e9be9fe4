package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
)

func (c *cli) statusCmd() *cobra.Command {
	var src source
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [MANIFEST]",
		Short: "Show what the running host of a manifest does",
		Long: "It asks the process that holds the state directory, over its socket. Positions\n" +
			"are as of each worker's last commit, the lag is what the Kafka clients last\n" +
			"heard.",
		Example: "  sliphost status manifest.toml\n  sliphost status --state-dir /var/lib/flights --json",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				src.arg(args)
				m, err := src.load(c.options(c.quiet()))
				if err != nil {
					return err
				}
				dir = m.StateDir
			}
			st, err := admin.Dial(dir).Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(c.out, st)
			}
			return showStatus(c.out, st)
		},
		ValidArgsFunction: manifestFiles,
	}
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	cmd.Flags().StringVar(&dir, "state-dir", "", "`directory` that the host holds, instead of the manifest's state_dir")
	grouped(cmd, "Advanced", "state-dir")
	_ = cmd.MarkFlagDirname("state-dir")
	return cmd
}

// showStatus prints a host's status for people.
func showStatus(out io.Writer, st *admin.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "app\t%s (%s)\n", st.App, st.Manifest)
	state := st.State
	if !st.Ready && len(st.NotReady) > 0 {
		state += ": " + st.NotReady[0]
	}
	fmt.Fprintf(w, "state\t%s\n", state)
	fmt.Fprintf(w, "process\t%d, up %s, sliphost %s\n", st.PID, time.Duration(st.UptimeSeconds*float64(time.Second)).Round(time.Second), st.Version)
	lag := "not known yet"
	if st.Lag != nil {
		lag = fmt.Sprint(*st.Lag)
	}
	fmt.Fprintf(w, "lag\t%s\n", lag)
	fmt.Fprintf(w, "records\t%d in %s\n", st.Records, plural(int(st.Commits), "commit"))
	if st.Rewinds > 0 {
		fmt.Fprintf(w, "rewinds\t%d\n", st.Rewinds)
	}
	showStore(w, st)
	fmt.Fprint(w, "\nHANDLER\tRECORDS\tOUTPUTS\tFAILED\tTRAPS\tDROPPED\tSKIPPED\tDEAD LETTERS\n")
	for _, h := range st.Handlers {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", h.ID, h.Records, h.Outputs, h.Failed, h.Traps, h.Dropped, h.Skipped, h.DeadLetters)
	}
	fmt.Fprint(w, "\nSOURCE\tPARTITION\tWORKER\tCOMMITTED\tWAITING\t\n")
	for _, worker := range st.Workers {
		for _, p := range worker.Partitions {
			committed := "-"
			if p.Committed >= 0 {
				committed = fmt.Sprint(p.Committed)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%s\n", p.Source, p.Partition, worker.ID, committed, p.Waiting, standsStill(&p))
		}
	}
	showTasks(w, st)
	return w.Flush()
}

// standsStill says why a partition does.
func standsStill(p *host.PartitionStatus) string {
	if p.Stopped == "" && p.Held != "" {
		return "HELD " + p.Held
	}
	return p.Stopped
}

// showStore tells what keeps a host from processing, and how far it is.
func showStore(w io.Writer, st *admin.Status) {
	for _, worker := range st.Workers {
		if worker.Suspended != "" {
			fmt.Fprintf(w, "suspended\tworker %d: the state store cannot be written: %s\n", worker.ID, worker.Suspended)
		}
	}
	var tasks int
	var remaining int64
	var restored uint64
	for _, worker := range st.Workers {
		remaining += worker.RestoreRemaining
		restored += worker.Restored
		for _, t := range worker.Tasks {
			if t.Phase == "restoring" {
				tasks++
			}
		}
	}
	if tasks > 0 {
		fmt.Fprintf(w, "restoring\t%s, %d changelog records left, %d read\n", plural(tasks, "task"), remaining, restored)
	}
}

// showTasks lists the tasks that do not run yet.
func showTasks(w io.Writer, st *admin.Status) {
	title := "\nTASK\tPARTITION\tWORKER\tPHASE\n"
	for _, worker := range st.Workers {
		for _, t := range worker.Tasks {
			if t.Phase == "running" {
				continue
			}
			fmt.Fprintf(w, "%s%s\t%d\t%d\t%s\n", title, t.Sub, t.Partition, worker.ID, t.Phase)
			title = ""
		}
	}
}
