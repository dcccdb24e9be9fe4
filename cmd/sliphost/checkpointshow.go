package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) checkpointShowCmd() *cobra.Command {
	f := &checkpointFlags{}
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that a checkpoint knows, by partition of its dependent",
		Long: "For each partition: whether it is held, since when and for which dependencies, the\n" +
			"marker and offset of the record processed last, the dependent's state; and for\n" +
			"each dependency how far it is, each of its partitions, and the offsets that a\n" +
			"seek would go to.",
		Example: "  sliphost checkpoint show weather-first\n  sliphost checkpoint show weather-first --json",
		Args:    wants(1, 1, "a checkpoint"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, all, err := c.checkpoints(cmd.Context(), f)
			if err == nil {
				err = boot.FindCheckpoint(m, args[0])
			}
			if err != nil {
				return err
			}
			at := slices.IndexFunc(all, func(k host.CheckpointInfo) bool { return k.ID == args[0] })
			if at < 0 {
				return fmt.Errorf("the running host has another manifest, without checkpoint %q", args[0])
			}
			if f.json {
				return writeJSON(c.out, all[at])
			}
			return showCheckpoint(c.out, &all[at], time.Now())
		},
	}
	f.add(cmd)
	return cmd
}

// showCheckpoint prints a checkpoint for people.
func showCheckpoint(out io.Writer, k *host.CheckpointInfo, now time.Time) error {
	if len(k.Partitions) == 0 {
		_, err := fmt.Fprintf(out, "%s: nothing is known yet\n", k.ID)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range k.Partitions {
		p := &k.Partitions[i]
		fmt.Fprintf(w, "%s[%d]: %s\n", k.Dependent, p.Partition, holdText(p, now))
		if p.Error != "" {
			continue
		}
		fmt.Fprintf(w, "  marker\t%s\n", p.Marker)
		fmt.Fprintf(w, "  offset\t%s\n", offsetText(p.Offset))
		if p.State != nil {
			fmt.Fprintf(w, "  state\t%s\n", p.State)
		}
		if p.Waiting > 0 {
			fmt.Fprintf(w, "  to do\t%s\n", plural(p.Waiting, "action"))
		}
		for j := range p.Dependencies {
			showDependency(w, &p.Dependencies[j])
		}
	}
	return w.Flush()
}

func showDependency(w io.Writer, d *host.CheckpointDependency) {
	fmt.Fprintf(w, "  dependency %s\t%s, marker %s, %s\n", d.ID, upOrDown(d.Down), d.Marker, behindText(d.BehindMs))
	fmt.Fprintf(w, "    seek:healthy\t%s\n", offsetText(d.Healthy))
	if d.Down {
		fmt.Fprintf(w, "    seek:detected\t%s\n", offsetText(d.Detected))
	}
	for _, f := range d.Partitions {
		idle := ""
		if f.Idle {
			idle = " (idle)"
		}
		fmt.Fprintf(w, "    partition %d\t%s%s\n", f.Partition, f.Marker, idle)
	}
}

// holdText says whether a partition is held, since when and for whom.
func holdText(p *host.CheckpointPartition, now time.Time) string {
	var down []string
	for i := range p.Dependencies {
		if p.Dependencies[i].Down {
			down = append(down, p.Dependencies[i].ID)
		}
	}
	who := strings.Join(down, ", ")
	switch {
	case p.Error != "":
		return "unreadable: " + p.Error
	case p.Held && p.HeldSince != nil:
		return fmt.Sprintf("held since %s (%s) for %s", p.HeldSince.Format(time.RFC3339), now.Sub(*p.HeldSince).Round(time.Second), who)
	case p.Held:
		return "held"
	case p.Released:
		return "goes on without " + who + ", since max_pause is over"
	case len(down) > 0:
		return "goes on without " + who
	}
	return "goes on"
}

func upOrDown(down bool) string {
	if down {
		return "down"
	}
	return "up"
}

func behindText(ms *int64) string {
	switch {
	case ms == nil:
		return "not comparable"
	case *ms < 0:
		return fmt.Sprintf("%s ahead", time.Duration(-*ms)*time.Millisecond)
	}
	return fmt.Sprintf("%s behind", time.Duration(*ms)*time.Millisecond)
}

func offsetText(offset int64) string {
	if offset < 0 {
		return "none"
	}
	return fmt.Sprint(offset)
}
