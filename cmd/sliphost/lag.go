package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) lagCmd() *cobra.Command {
	var src source
	var asJSON, times bool
	cmd := &cobra.Command{
		Use:   "lag [MANIFEST]",
		Short: "Show how far each input is processed, and by whom",
		Long: "It asks the brokers, with or without a running host. The lag is the number of\n" +
			"offsets between the group's position and the end; marks of transactions have\n" +
			"offsets too. Without a committed position it counts from the first record.\n" +
			"With --time the age of the first record that is not processed is shown. An\n" +
			"owner is CLIENT@ADDRESS; the client's name ends in the id in host-id of its\n" +
			"state directory and the worker's number.",
		Example: "  sliphost lag manifest.toml\n  sliphost lag manifest.toml --time --json",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.arg(args)
			return c.lag(cmd.Context(), &src, times, asJSON)
		},
		ValidArgsFunction: manifestFiles,
	}
	cmd.Flags().BoolVar(&times, "time", false, "read the first record behind each position, for its age")
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	return cmd
}

func (c *cli) lag(ctx context.Context, src *source, times, asJSON bool) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	m, err := src.load(o)
	if err != nil {
		return err
	}
	lags, missing, err := boot.Lag(ctx, m, o, times)
	if err != nil {
		return err
	}
	for _, name := range missing {
		fmt.Fprintf(c.errw, "sliphost: topic %q does not exist\n", name)
	}
	if asJSON {
		return writeJSON(c.out, lags)
	}
	return showLag(c.out, lags, times)
}

func showLag(out io.Writer, lags []boot.PartitionLag, times bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := "CLUSTER\tTOPIC\tPARTITION\tCOMMITTED\tEND\tLAG"
	if times {
		head += "\tBEHIND"
	}
	fmt.Fprintln(w, head+"\tOWNER")
	var sum int64
	for i := range lags {
		l := &lags[i]
		sum += l.Lag
		cells := []string{l.Cluster, l.Topic, fmt.Sprint(l.Partition), "-", fmt.Sprint(l.End), fmt.Sprint(l.Lag)}
		if l.Committed != nil {
			cells[3] = fmt.Sprint(*l.Committed)
		}
		if times {
			age := "-"
			if l.Behind != nil {
				age = (time.Duration(*l.Behind) * time.Millisecond).String()
			}
			cells = append(cells, age)
		}
		owner := "-"
		if l.Owner != nil {
			owner = l.Owner.Client + "@" + strings.TrimPrefix(l.Owner.Host, "/")
		}
		fmt.Fprintln(w, strings.Join(append(cells, owner), "\t"))
	}
	fmt.Fprintf(w, "\nlag\t%d\n", sum)
	return w.Flush()
}
