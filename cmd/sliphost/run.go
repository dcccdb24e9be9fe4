package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

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
			"finish the records in hand, commit and exit 0; a second one ends it at once.\n" +
			"With --until-idle it exits 1 when a partition stands still at the end.",
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

// errForced is how a run ends that does not wait for its last commit.
var errForced = errors.New("ended without a last commit; the records since the commit before are processed again at the next start")

// drainLimit bounds the time from the first signal to the end: a handler that
// never returns must not keep the process. The engine gives up its last commit
// before that.
const drainLimit = 30 * time.Second

// runManifest is the life of one host.
func (c *cli) runManifest(ctx context.Context, src *source, o boot.Options, line *statusLine) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := watchSignals(o.Logger)
	defer s.stop()

	m, err := src.load(o)
	if err != nil {
		return err
	}
	c.findings(m.Warnings)
	// Nothing is processed before Open returns: a first signal ends it.
	opening, abandon := context.WithCancel(ctx)
	defer abandon()
	unhook := context.AfterFunc(s.first, abandon)
	app, err := boot.Open(opening, m, o)
	unhook()
	if err != nil {
		if s.first.Err() != nil {
			return nil
		}
		return err
	}
	defer context.AfterFunc(s.first, app.Drain)()
	if line != nil {
		line.start(app)
		defer line.stop()
	}
	start := time.Now()
	o.Logger.Info("running", "app", m.Name, "manifest", m.File, "until_idle", o.UntilIdle)
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	select {
	case err = <-done:
	case <-s.last.Done():
		// Whatever still runs ends with the process.
		return errForced
	}
	st := app.Status()
	o.Logger.Info("stopped", "app", m.Name, "records", st.Records, "commits", st.Commits, "seconds", time.Since(start).Seconds())
	if cerr := app.Close(); err == nil && cerr != nil {
		return cerr
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", m.File, err)
	}
	return nil
}

// signals turns SIGTERM and SIGINT into contexts: first ends with the first of
// them, last with the second or when drainLimit is over.
type signals struct {
	first, last context.Context
	stop        func()
}

func watchSignals(log *slog.Logger) *signals {
	arrived := make(chan os.Signal, 2)
	signal.Notify(arrived, os.Interrupt, syscall.SIGTERM)
	first, drain := context.WithCancel(context.Background())
	last, force := context.WithCancel(context.Background())
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var limit <-chan time.Time
		for {
			select {
			case <-stopped:
				return
			case <-limit:
				log.Error("draining takes too long", "limit", drainLimit)
				force()
				return
			case sig := <-arrived:
				if limit != nil {
					force()
					return
				}
				log.Info("draining: the records in hand are finished and committed; a second signal ends it at once", "signal", sig.String())
				drain()
				t := time.NewTimer(drainLimit)
				defer t.Stop()
				limit = t.C
			}
		}
	}()
	return &signals{first: first, last: last, stop: func() {
		signal.Stop(arrived)
		close(stopped)
		<-done
		drain()
		force()
	}}
}
