package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/manifest"
)

// checkpointFlags are what the commands about checkpoints have in common.
type checkpointFlags struct {
	src  source
	dir  string
	json bool
}

func (f *checkpointFlags) add(cmd *cobra.Command) {
	jsonFlag(cmd, &f.json)
	f.src.flags(cmd)
	cmd.Flags().StringVar(&f.dir, "state-dir", "", "`directory` of the host, instead of the manifest's state_dir")
	grouped(cmd, "Advanced", "state-dir")
	_ = cmd.MarkFlagDirname("state-dir")
	cmd.ValidArgsFunction = f.complete
}

// complete offers the manifest's checkpoints.
func (f *checkpointFlags) complete(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	m, err := boot.Load(f.src.path, boot.Options{Set: f.src.set})
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for i := range m.Checkpoints {
		ids = append(ids, m.Checkpoints[i].ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) checkpointCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Look at the checkpoints of an application, and reset them",
		Long: "A running host is asked over the socket in its state directory. Without one, the\n" +
			"application's control topic is read. Both say what all processes of the\n" +
			"application have committed.",
		Example: "  sliphost checkpoint ls manifest.toml\n  sliphost checkpoint show weather-first --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("there is no command %q of checkpoint; there are ls, show and reset", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.checkpointLsCmd(), c.checkpointShowCmd(), c.checkpointResetCmd())
	return cmd
}

func (c *cli) checkpointLsCmd() *cobra.Command {
	f := &checkpointFlags{}
	cmd := &cobra.Command{
		Use:     "ls [MANIFEST]",
		Short:   "List checkpoints, what they hold and what they wait for",
		Example: "  sliphost checkpoint ls manifest.toml\n  sliphost checkpoint ls --json",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.src.arg(args)
			_, all, err := c.checkpoints(cmd.Context(), f)
			if err != nil {
				return err
			}
			if f.json {
				return writeJSON(c.out, all)
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "CHECKPOINT\tDEPENDENT\tHELD\tMARKER\tDEPENDENCY\tDOWN\tMARKER")
			for _, k := range all {
				for _, p := range k.Partitions {
					for _, d := range p.Dependencies {
						fmt.Fprintf(w, "%s\t%s[%d]\t%v\t%s\t%s\t%v\t%s\n", k.ID, k.Dependent, p.Partition, p.Held, p.Marker, d.ID, d.Down, d.Marker)
					}
					if p.Error != "" {
						fmt.Fprintf(w, "%s\t%s[%d]\t%s\n", k.ID, k.Dependent, p.Partition, p.Error)
					}
				}
			}
			return w.Flush()
		},
	}
	f.add(cmd)
	cmd.ValidArgsFunction = manifestFiles
	return cmd
}

// checkpoints asks the running host, or else the control topics.
func (c *cli) checkpoints(ctx context.Context, f *checkpointFlags) (*manifest.Manifest, []host.CheckpointInfo, error) {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	o.StateDir = f.dir
	m, err := f.src.load(o)
	if err != nil {
		return nil, nil, err
	}
	dir := m.StateDir
	if f.dir != "" {
		dir = f.dir
	}
	all, err := admin.Dial(dir).Checkpoints(ctx)
	if !errors.Is(err, admin.ErrNoHost) {
		return m, all, err
	}
	if len(m.Checkpoints) == 0 {
		return m, []host.CheckpointInfo{}, nil
	}
	topics, err := boot.OpenCheckpoints(ctx, m, o)
	if err != nil {
		return nil, nil, err
	}
	return m, topics.All(), topics.Close()
}

func (c *cli) checkpointResetCmd() *cobra.Command {
	f := &checkpointFlags{}
	var partition int32
	var yes bool
	cmd := &cobra.Command{
		Use:   "reset ID",
		Short: "Forget what a checkpoint knows, so that what it holds goes on",
		Long: "It removes the checkpoint's records from the control topic: markers, what is down\n" +
			"and held, positions, the dependent's state, and calls and seeks that wait. The\n" +
			"next start finds the checkpoint as new. Positions in topics stay.\n\n" +
			"Every host of the application must be stopped. With --partition only what that\n" +
			"partition of the dependent knows is removed; how far the dependencies are, which\n" +
			"all partitions have in common, stays.",
		Example: "  sliphost checkpoint reset weather-first\n  sliphost checkpoint reset weather-first --partition 3 --yes",
		Args:    wants(1, 1, "a checkpoint"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("partition") && partition < 0 {
				return usagef("--partition %d: partitions are counted from 0", partition)
			}
			if !yes && !isTerminal(c.in) {
				return usagef("this forgets for good and there is no terminal to ask on; add --yes")
			}
			return c.checkpointReset(cmd.Context(), f, args[0], partition, yes)
		},
	}
	f.add(cmd)
	cmd.Flags().Int32Var(&partition, "partition", -1, "forget this `partition` of the dependent only")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (c *cli) checkpointReset(ctx context.Context, f *checkpointFlags, id string, partition int32, yes bool) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	o.StateDir = f.dir
	m, err := f.src.load(o)
	if err == nil {
		err = boot.FindCheckpoint(m, id)
	}
	if err != nil {
		return err
	}
	topics, err := boot.OpenCheckpointReset(ctx, m, o, func() {
		fmt.Fprintln(c.errw, "sliphost: waiting until the group has forgotten the host that stopped (some seconds)")
	})
	if err != nil {
		return fmt.Errorf("a checkpoint is reset while its hosts are stopped: %w", err)
	}
	err = c.checkpointForget(ctx, topics, id, partition, yes, f.json)
	return errors.Join(err, topics.Close())
}

func (c *cli) checkpointForget(ctx context.Context, topics *boot.CheckpointTopics, id string, partition int32, yes, asJSON bool) error {
	what := "checkpoint " + id
	if partition >= 0 {
		what += fmt.Sprintf(", partition %d", partition)
	}
	n := topics.Keys(id, partition)
	switch {
	case n == 0 && !asJSON:
		fmt.Fprintf(c.errw, "sliphost: there is nothing to forget of %s\n", what)
		return nil
	case n > 0 && !yes:
		fmt.Fprintf(c.errw, "Forget %s of %s for good? Type the checkpoint's id to go on: ", plural(n, "record"), what)
		answer, err := bufio.NewReader(c.in).ReadString('\n')
		if err != nil || strings.TrimSpace(answer) != id {
			return errors.New("nothing was forgotten")
		}
	}
	if err := topics.Forget(ctx, id, partition); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(c.out, struct {
			Checkpoint string `json:"checkpoint"`
			Forgotten  int    `json:"forgotten"`
		}{id, n})
	}
	_, err := fmt.Fprintf(c.out, "forgot %s of %s\n", plural(n, "record"), what)
	return err
}
