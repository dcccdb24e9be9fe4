package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/golden"
	"github.com/sliphost/sliphost/host/manifest"
)

func (c *cli) replayCmd() *cobra.Command {
	var src source
	var from string
	var all, dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "replay TOPIC",
		Short: "Send dead letters back to the handlers that failed",
		Long: "TOPIC is a dead-letter topic of the manifest. Each letter goes, with its original\n" +
			"bytes, to the handler that failed and to no other, through a topic that the\n" +
			"hosts of the application read (NAME-HANDLER-replay), in the partition whose\n" +
			"caches the record met; a host that starts later finds it there. Letters stay in\n" +
			"their topic. What was sent back is remembered with it, in one transaction, so\n" +
			"that a second call sends only what came since; --all and --from override that.\n" +
			"A letter that fails again becomes a new one.\n\n" +
			"With --dry-run the letters go through the modules in this process, with empty\n" +
			"caches and no broker to write to, and what came out is shown.\n\n" +
			"Not sent back, but named: letters without their record, because it was too large\n" +
			"for the dead-letter topic, and those of handlers that read no topic.",
		Example: "  sliphost replay dead --dry-run\n  sliphost replay dead --from 2026-01-31T12:00:00Z --json",
		Args:    wants(1, 1, "one topic"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := boot.ReplayOptions{Dry: dry}
			switch {
			case all && from != "":
				return usagef("--all and --from exclude each other")
			case all:
				from = "beginning"
			}
			if from != "" {
				start, err := parseFrom(from)
				if err != nil {
					return err
				}
				o.From = &start
			}
			return c.replay(cmd.Context(), &src, args[0], o, asJSON)
		},
		ValidArgsFunction: topicIDs(&src),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "run the letters through the modules here, send nothing")
	cmd.Flags().BoolVar(&all, "all", false, "begin with the oldest letter, also with those sent back before")
	cmd.Flags().StringVar(&from, "from", "", "where to begin: beginning, an `offset`, -N for the last N of each partition, or a time such as 2026-01-31T12:00:00Z")
	jsonFlag(cmd, &asJSON)
	src.flags(cmd)
	return cmd
}

// replayed is a letter as replay shows it.
type replayed struct {
	boot.Letter
	// Outcome is sent, passed over, or, in a dry run, ok or fails again; Again
	// says why it does.
	Outcome string `json:"outcome"`
	Again   string `json:"again,omitempty"`
}

func (c *cli) replay(ctx context.Context, src *source, topic string, ro boot.ReplayOptions, asJSON bool) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	o := c.options(c.quiet())
	m, err := src.load(o)
	if err != nil {
		return err
	}
	p, err := boot.OpenReplay(ctx, m, topic, ro, o)
	if err != nil {
		return err
	}
	if ro.Dry {
		err = c.replayDry(ctx, m, p, asJSON)
	} else {
		err = c.replayReal(ctx, p, asJSON)
	}
	return errors.Join(err, p.Close())
}

func (c *cli) replayReal(ctx context.Context, p *boot.Replayer, asJSON bool) error {
	sent, passed := 0, 0
	err := p.Run(ctx, func(l *boot.Letter) error {
		r := replayed{Letter: *l, Outcome: "sent"}
		if l.Problem != "" {
			r.Outcome = "passed over"
			passed++
		} else {
			sent++
		}
		return c.showReplayed(&r, asJSON)
	})
	fmt.Fprintf(c.errw, "sliphost: %s sent back\n", plural(sent, "letter"))
	if passed > 0 {
		fmt.Fprintf(c.errw, "sliphost: %s passed over\n", plural(passed, "letter"))
	}
	return err
}

func (c *cli) replayDry(ctx context.Context, m *manifest.Manifest, p *boot.Replayer, asJSON bool) error {
	var letters []boot.Letter
	if err := p.Run(ctx, func(l *boot.Letter) error {
		letters = append(letters, *l)
		return nil
	}); err != nil {
		return err
	}
	trial, err := golden.Try(ctx, p.Build(), letters, c.quiet())
	if err != nil {
		return err
	}
	for i := range letters {
		r := replayed{Letter: letters[i], Outcome: "ok"}
		switch again, failed := trial.Again[i]; {
		case r.Problem != "":
			r.Outcome = "passed over"
		case failed:
			r.Outcome, r.Again = "fails again", again
		}
		if err := c.showReplayed(&r, asJSON); err != nil {
			return err
		}
	}
	for i := range trial.Outputs {
		out := &trial.Outputs[i]
		t, _ := boot.FindTopic(m, out.Topic)
		out.Tapped.Topic = t
		show := appendPlain
		if asJSON {
			show = appendTapJSON
		}
		line, err := show(nil, &out.Tapped)
		if err != nil {
			return err
		}
		if _, err := c.out.Write(line); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.errw, "sliphost: %s tried, %d would fail again; nothing was sent\n", plural(len(letters), "letter"), len(trial.Again))
	return nil
}

// showReplayed prints one letter.
func (c *cli) showReplayed(r *replayed, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(r)
		if err == nil {
			_, err = c.out.Write(append(line, '\n'))
		}
		return err
	}
	text := fmt.Sprintf("%s\t%d@%d\t%s\t%s[%d]@%d\t%s", r.Outcome, r.Partition, r.Offset, r.Handler, r.Letter.Topic, r.RootPartition, r.RootOffset, r.Code)
	if why := r.Problem + r.Again; why != "" {
		text += "\t" + why
	}
	_, err := fmt.Fprintln(c.out, text)
	return err
}
