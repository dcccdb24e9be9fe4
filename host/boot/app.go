package boot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/state"
)

// App is a manifest ready to run.
type App struct {
	o         Options
	build     *Build
	modules   *Modules
	state     *stateDir
	clusters  *clusters
	positions *connector.Positions
	http      *connector.HTTP
	stats     *clientStats
	budget    Budget
	workers   int
	admins    admins
	store     *state.Store
	engine    state.Engine
	metric    MetricFunc
	host      *host.Host
	admin     *admin.Server
}

// Check reports everything that Open would refuse, without running anything
// and without creating topics. With broker it asks the brokers too. The
// findings include the manifest's warnings; the error is one of the machine
// or the network.
func Check(ctx context.Context, m *manifest.Manifest, o Options, broker bool) (manifest.Errors, error) {
	mods, found, err := LoadModules(ctx, m, o)
	if err != nil {
		return nil, err
	}
	found = append(found, m.Warnings...)
	b, more := BuildPlan(m, mods)
	found = append(found, more...)
	if b != nil {
		found = append(found, b.checkKinds(&o.Kinds)...)
	}
	if broker && b != nil && found.Fatal() == nil {
		found = append(found, b.Codecs().checkRegistries(ctx)...)
		var c *clusters
		b.planReplay()
		b.planTimers()
		if c, err = connect(ctx, b, o); err == nil {
			var partitions map[string]int
			partitions, more, err = c.prepare(ctx, b, true)
			found = append(found, more...)
			if err == nil && more.Fatal() == nil {
				more, err = c.checkSurroundings(ctx, b, partitions)
				found = append(found, more...)
			}
		}
	}
	found.Sort()
	return found, errors.Join(checkPlaces(m, o), err, mods.Close(ctx))
}

// Open makes a manifest ready to run: it compiles the modules, takes the
// state directory, finds or starts the brokers and creates missing topics. An
// error about the manifest is a manifest.Errors.
func Open(ctx context.Context, m *manifest.Manifest, o Options) (*App, error) {
	a := &App{o: o, stats: newClientStats(o.logger())}
	if err := a.open(ctx, m); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, m *manifest.Manifest) error {
	var found manifest.Errors
	var err error
	if a.modules, found, err = LoadModules(ctx, m, a.o); err != nil {
		return err
	}
	if found.Fatal() != nil {
		return found
	}
	if a.build, found = BuildPlan(m, a.modules); found.Fatal() != nil {
		return found
	}
	if found := a.build.checkKinds(&a.o.Kinds); found.Fatal() != nil {
		return found
	}
	// Where all sources have an end, that is the end.
	if allEnd(a.build.Sources) {
		a.o.UntilIdle = true
	}
	if i := slices.IndexFunc(a.build.Sources, func(e manifest.Endpoint) bool { return e.Kind == manifest.EndpointHTTP }); i >= 0 && a.o.UntilIdle {
		return fmt.Errorf("--until-idle would never end: more can always be posted to %q; run without it", a.build.Sources[i].Text)
	}
	if a.o.UntilIdle && a.build.Plan.TopicCycle != "" {
		return fmt.Errorf("--until-idle would never end: records can come back through topics %s; run without it", a.build.Plan.TopicCycle)
	}
	if a.state, err = openState(a.o.stateDir(m)); err != nil {
		return err
	}
	a.build.planReplay()
	a.build.planTimers()
	a.build.Plan.HostID = a.state.hostID
	if a.clusters, err = connect(ctx, a.build, a.o); err != nil {
		return err
	}
	partitions, found, err := a.clusters.prepare(ctx, a.build, false)
	if err != nil {
		return err
	}
	if found.Fatal() != nil {
		return found
	}
	a.budget = NewBudget(m)
	if err := a.openStore(); err != nil {
		return err
	}
	workers := a.build.workers(partitions)
	a.workers = len(workers)
	if err := a.endOrphans(ctx, workers); err != nil {
		return err
	}
	opts := host.Options{CommitInterval: m.CommitInterval, UntilIdle: a.o.UntilIdle}
	a.host = host.New(a.build.Plan, opts, workers, len(a.build.Connectors), a.backends(), a.o.logger())
	return a.answer(ctx)
}

// Run works until Drain or, with UntilIdle, until the inputs are drained; see
// host.Host.Run.
func (a *App) Run(ctx context.Context) error { return a.host.Run(ctx) }

// Drain asks for an orderly end of Run.
func (a *App) Drain() { a.host.Drain() }

// Status is the host's.
func (a *App) Status() host.Status { return a.host.Status() }

// Ready says whether all workers run.
func (a *App) Ready() bool { return a.host.Ready() }

// Host is the running engine, for metrics.
func (a *App) Host() *host.Host { return a.host }

// Manifest is what the app runs.
func (a *App) Manifest() *manifest.Manifest { return a.build.Manifest }

// StateDir is the directory this process holds.
func (a *App) StateDir() string { return a.state.path }

// Close releases what Open took. Run must have returned.
func (a *App) Close() error {
	var errs []error
	if a.admin != nil {
		errs = append(errs, a.admin.Close())
	}
	if a.http != nil {
		errs = append(errs, a.http.Close())
	}
	errs = append(errs, a.closeStore(), a.admins.close())
	if a.modules != nil {
		errs = append(errs, a.modules.Close(context.Background()))
	}
	if a.state != nil {
		errs = append(errs, a.state.Close())
	}
	return errors.Join(errs...)
}

// BatchTimes returns each worker's histogram of batch times.
func (a *App) BatchTimes() []*host.Histogram { return a.host.BatchTimes() }

// Checkpoints describes the checkpoints; see host.Host.
func (a *App) Checkpoints() []host.CheckpointInfo { return a.host.Checkpoints() }

// Caches describes the caches; see host.Host.
func (a *App) Caches() []host.CacheInfo { return a.host.Caches() }

// Follow reads the updates of a cache; see host.Host.
func (a *App) Follow(ctx context.Context, q *host.FollowQuery) (admin.Updates, error) {
	return a.host.Follow(ctx, q)
}

// Inquire reads a cache; see host.Host.
func (a *App) Inquire(ctx context.Context, q *host.Inquiry) (*host.Page, bool, error) {
	return a.host.Inquire(ctx, q)
}
