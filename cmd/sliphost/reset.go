package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) resetCmd() *cobra.Command {
	var src source
	var dir string
	var yes, dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "reset [MANIFEST]",
		Short: "Forget offsets, caches and internal topics of an application",
		Long: "It deletes what the application has beside its inputs and outputs: the group's\n" +
			"offsets, changelogs, repartition and replay topics, and in the state directory\n" +
			"the caches and the positions in files. The next start begins as the first one\n" +
			"did. Records that handlers wrote to topics stay. Every host of the application\n" +
			"must be stopped; state directories of other hosts find out at their next start.\n\n" +
			"It prints what it deletes. Called again it completes what was cut short.",
		Example: "  sliphost reset manifest.toml --dry-run\n  sliphost reset manifest.toml --yes",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.arg(args)
			if !yes && !dry && !isTerminal(c.in) {
				return usagef("this deletes for good and there is no terminal to ask on; add --yes, or --dry-run to see what it would delete")
			}
			return c.reset(cmd.Context(), &src, dir, yes, dry, asJSON)
		},
		ValidArgsFunction: manifestFiles,
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be deleted and delete nothing")
	jsonFlag(cmd, &asJSON)
	src.setFlag(cmd)
	cmd.Flags().StringVar(&dir, "state-dir", "", "`directory` of the host, instead of the manifest's state_dir")
	grouped(cmd, "Advanced", "state-dir")
	_ = cmd.MarkFlagDirname("state-dir")
	return cmd
}

func (c *cli) reset(ctx context.Context, src *source, dir string, yes, dry, asJSON bool) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	o.StateDir = dir
	m, err := src.load(o)
	if err != nil {
		return err
	}
	r, err := boot.OpenReset(ctx, m, o, func() {
		fmt.Fprintln(c.errw, "sliphost: waiting until the group has forgotten the host that stopped (some seconds)")
	})
	if err != nil {
		return err
	}
	err = c.resetOpen(ctx, m.Name, r, yes, dry, asJSON)
	return errors.Join(err, r.Close())
}

func (c *cli) resetOpen(ctx context.Context, app string, r *boot.Reset, yes, dry, asJSON bool) error {
	if len(r.Left) > 0 {
		fmt.Fprintf(c.errw, "sliphost: left alone, since the manifest does not know them: topics %s; delete them by hand if they were made for this application\n", strings.Join(r.Left, ", "))
	}
	if len(r.Things) == 0 {
		if asJSON {
			return writeJSON(c.out, r.Things)
		}
		fmt.Fprintf(c.errw, "sliphost: there is nothing to forget of %s\n", app)
		return nil
	}
	if dry {
		return c.showThings("would delete", r.Things, asJSON)
	}
	if !yes {
		for _, t := range r.Things {
			fmt.Fprintf(c.errw, "  %s\n", thingText(t))
		}
		fmt.Fprintf(c.errw, "Delete all this of %s for good? Type its name to go on: ", app)
		answer, err := bufio.NewReader(c.in).ReadString('\n')
		if err != nil || strings.TrimSpace(answer) != app {
			return errors.New("nothing was deleted")
		}
	}
	var deleted []boot.ResetThing
	err := r.Delete(ctx, func(t boot.ResetThing) { deleted = append(deleted, t) })
	return errors.Join(c.showThings("deleted", deleted, asJSON), err)
}

func (c *cli) showThings(verb string, things []boot.ResetThing, asJSON bool) error {
	if asJSON {
		return writeJSON(c.out, things)
	}
	for _, t := range things {
		if _, err := fmt.Fprintf(c.out, "%s %s\n", verb, thingText(t)); err != nil {
			return err
		}
	}
	return nil
}

func thingText(t boot.ResetThing) string {
	text := t.Kind + " " + t.Name
	if t.Cluster != "" {
		text += " on " + t.Cluster
	}
	return text + " (" + t.Detail + ")"
}
