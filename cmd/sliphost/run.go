package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sliphost/sliphost/host/boot"
)

func (c *cli) runCmd() *cobra.Command {
	var src source
	var logs logFlags
	o := boot.Options{}
	cmd := &cobra.Command{
		Use:   "run [MANIFEST]",
		Short: "Run a manifest's handlers until SIGTERM or SIGINT",
		Long: "It validates the manifest, compiles its modules, creates the topics that are\n" +
			"missing and may be created, and works. The first SIGTERM or SIGINT lets it\n" +
			"finish the records in hand, commit and exit 0; a second one ends it at once.",
		Example: "  sliphost run manifest.toml\n  sliphost run manifest.toml --until-idle",
		Args:    wants(0, 1, "one manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			src.arg(args)
			log, line, err := c.runLogger(&logs)
			if err != nil {
				return err
			}
			base := c.options(log)
			o.Logger, o.StartBroker, o.Version, o.Set = base.Logger, base.StartBroker, base.Version, src.set
			o.Stdin, o.Stdout = file(c.in), file(c.out)
			return c.runManifest(cmd.Context(), &src, o, line)
		},
		ValidArgsFunction: manifestFiles,
	}
	cmd.Flags().BoolVar(&o.UntilIdle, "until-idle", false, "stop when every input is drained and committed")
	src.setFlag(cmd)
	logs.flags(cmd, "info")
	cmd.Flags().StringVar(&o.StateDir, "state-dir", "", "`directory` of this process's lock, id and socket, instead of the manifest's state_dir")
	cmd.Flags().StringVar(&o.CacheDir, "cache-dir", "", "`directory` of compiled modules (default: sliphost/modules in the user's cache directory)")
	grouped(cmd, "Advanced", "state-dir", "cache-dir")
	return cmd
}

// file is the stream as the file that endpoints need, or nil.
func file(stream any) *os.File {
	f, _ := stream.(*os.File)
	return f
}

// runLogger makes the logger of a run and, on a terminal, the line below it.
func (c *cli) runLogger(logs *logFlags) (*slog.Logger, *statusLine, error) {
	if !isTerminal(c.errw) || logs.format == "json" {
		log, err := logs.logger(c.errw)
		return log, nil, err
	}
	line := newStatusLine(c.errw)
	shown := *logs
	shown.format = "text"
	log, err := shown.logger(line)
	return log, line, err
}

// errForced is the cause of a run's end by a second signal.
var errForced = errors.New("ended by a second signal, without a last commit; the records since the commit before are processed again at the next start")

// runManifest is the life of one host.
func (c *cli) runManifest(ctx context.Context, src *source, o boot.Options, line *statusLine) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	drain := make(chan struct{})
	stopped := make(chan struct{})
	defer close(stopped)
	go watchSignals(signals, drain, stopped, cancel, o.Logger)

	m, err := c.load(src, o)
	if err != nil {
		return err
	}
	opening, abandon := context.WithCancel(ctx)
	defer abandon()
	go func() {
		// Nothing is processed before Open returns: a first signal ends it.
		select {
		case <-drain:
			abandon()
		case <-opening.Done():
		}
	}()
	app, err := boot.Open(opening, m, o)
	if err != nil {
		select {
		case <-drain:
			return nil
		default:
			return err
		}
	}
	defer app.Close()
	go func() {
		select {
		case <-drain:
			app.Drain()
		case <-stopped:
		}
	}()
	if line != nil {
		line.start(app)
		defer line.stop()
	}
	err = app.Run(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errForced) {
		return cause
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", m.File, err)
	}
	return nil
}

// watchSignals closes drain at the first signal and cancels at the second.
func watchSignals(signals <-chan os.Signal, drain chan<- struct{}, stopped <-chan struct{}, cancel context.CancelCauseFunc, log *slog.Logger) {
	for n := 0; ; n++ {
		select {
		case s := <-signals:
			if n > 0 {
				cancel(errForced)
				return
			}
			log.Info("draining: the records in hand are finished and committed; a second signal ends it at once", "signal", s.String())
			close(drain)
		case <-stopped:
			return
		}
	}
}
