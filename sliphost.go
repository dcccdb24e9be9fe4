// Package sliphost makes a host of your own: one that brings sources and sinks
// of its own along.
//
//	func main() {
//		sliphost.Main(
//			sliphost.WithSource("nats", openSubject),
//			sliphost.WithSink("nats", openPublisher),
//		)
//	}
//
// A manifest names them "x:nats:orders.*", or "x:ID" for a table [x.ID] with
// their settings. Package connector has the interfaces; examples/custom-connector
// is a whole program.
//
// The program has the commands check, run and broker of sliphost. All others work
// on what it runs as well: they need only the manifest and the state directory.
package sliphost

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/manifest"
)

// Option adds something to a program.
type Option func(*program)

// WithSource adds a source that manifests call "x:NAME".
func WithSource(name string, open connector.OpenReader) Option {
	return func(p *program) { p.kinds.Sources[name] = open }
}

// WithSink adds a sink that manifests call "x:NAME".
func WithSink(name string, open connector.OpenWriter) Option {
	return func(p *program) { p.kinds.Sinks[name] = open }
}

// program is one run of a command line.
type program struct {
	kinds     connector.Kinds
	in, out   *os.File
	errw      io.Writer
	log       *slog.Logger
	set       listFlag
	untilIdle bool
	stateDir  string
}

// Main runs the command line of this process and ends it with the exit code of
// Run.
func Main(options ...Option) { os.Exit(Run(os.Args[1:], options...)) }

// Exit codes of Run.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitManifest = 3
)

const usage = `usage:
  run [--until-idle] [--set KEY=VALUE]... [--state-dir DIR] [MANIFEST]
  check [--set KEY=VALUE]... [MANIFEST]
  broker [--dir DIR] [--idle-exit DURATION]
`

// Run runs one command: run, check or broker. It returns 0, 1 if it failed, 2 if
// the command is none, 3 if the manifest is invalid. SIGINT and SIGTERM let it
// finish the records in hand, commit and return; a second one ends the process.
func Run(args []string, options ...Option) int {
	p := &program{
		kinds: connector.Kinds{Sources: map[string]connector.OpenReader{}, Sinks: map[string]connector.OpenWriter{}},
		in:    os.Stdin, out: os.Stdout, errw: os.Stderr,
	}
	for _, o := range options {
		o(p)
	}
	p.log = slog.New(slog.NewJSONHandler(p.errw, nil))
	if len(args) == 0 {
		fmt.Fprint(p.errw, usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal is not caught
	var err error
	switch args[0] {
	case "run":
		err = p.run(ctx, args[1:])
	case "check":
		err = p.check(ctx, args[1:])
	case "broker":
		err = p.broker(ctx, args[1:])
	default:
		err = &usageError{fmt.Sprintf("there is no command %q", args[0])}
	}
	return p.report(err)
}

// usageError is a command line that cannot be run.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func (p *program) report(err error) int {
	var found manifest.Errors
	var use *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &use):
		fmt.Fprintf(p.errw, "%v\n%s", err, usage)
		return exitUsage
	case errors.As(err, &found):
		fmt.Fprint(p.errw, found.Render())
		return exitManifest
	}
	fmt.Fprintln(p.errw, err)
	return exitFailed
}

// listFlag is a flag that may be repeated.
type listFlag []string

func (l *listFlag) String() string     { return fmt.Sprint(*l) }
func (l *listFlag) Set(s string) error { *l = append(*l, s); return nil }

// parse reads flags and returns the manifest's path.
func (p *program) parse(name string, args []string) (string, error) {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Var(&p.set, "set", "")
	if name == "run" {
		f.BoolVar(&p.untilIdle, "until-idle", false, "")
		f.StringVar(&p.stateDir, "state-dir", "", "")
	}
	if err := f.Parse(args); err != nil {
		return "", &usageError{err.Error()}
	}
	switch f.NArg() {
	case 0:
		return "manifest.toml", nil
	case 1:
		return f.Arg(0), nil
	}
	return "", &usageError{fmt.Sprintf("%q is an argument too many", f.Arg(1))}
}

func (p *program) options() boot.Options {
	return boot.Options{
		Logger: p.log, UntilIdle: p.untilIdle, Set: p.set, StateDir: p.stateDir, StartBroker: boot.SpawnBroker,
		Stdin: p.in, Stdout: p.out, Kinds: p.kinds,
	}
}

func (p *program) load(name string, args []string) (*manifest.Manifest, boot.Options, error) {
	path, err := p.parse(name, args)
	if err != nil {
		return nil, boot.Options{}, err
	}
	o := p.options()
	m, err := boot.Load(path, o)
	return m, o, err
}

func (p *program) run(ctx context.Context, args []string) error {
	m, o, err := p.load("run", args)
	if err != nil {
		return err
	}
	fmt.Fprint(p.errw, m.Warnings.Render())
	app, err := boot.Open(ctx, m, o)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, app.Drain)()
	p.log.Info("running", "app", m.Name, "manifest", m.File)
	return errors.Join(app.Run(context.WithoutCancel(ctx)), app.Close())
}

func (p *program) check(ctx context.Context, args []string) error {
	m, o, err := p.load("check", args)
	if err != nil {
		return err
	}
	found, err := boot.Check(ctx, m, o, false)
	if found.Fatal() != nil {
		return errors.Join(found, err)
	}
	fmt.Fprint(p.errw, found.Render())
	return err
}

func (p *program) broker(ctx context.Context, args []string) error {
	o := boot.BrokerOptions{Logger: p.log, Ready: func(addr string) { fmt.Fprintln(p.out, addr) }}
	f := flag.NewFlagSet("broker", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.Dir, "dir", filepath.Join(".sliphost", "broker"), "")
	f.DurationVar(&o.IdleExit, "idle-exit", 30*time.Second, "")
	if err := f.Parse(args); err != nil || f.NArg() > 0 {
		return &usageError{"broker takes --dir and --idle-exit"}
	}
	return boot.RunBroker(ctx, o)
}
