package boot

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/cron"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
)

// allEnd says that every source but proxies and caches has an end: standard input, and
// files that are not followed.
func allEnd(sources []manifest.Endpoint) bool {
	return !slices.ContainsFunc(sources, func(e manifest.Endpoint) bool {
		switch e.Kind {
		case manifest.EndpointStdin, manifest.EndpointProxy, manifest.EndpointCache:
			return false
		case manifest.EndpointFile:
			return e.File.Follow
		}
		return true
	})
}

// positioned says that a source outside Kafka begins where a commit ended.
func positioned(topo *topology.Topology) bool {
	return slices.ContainsFunc(topo.Sources, func(s topology.Source) bool {
		return s.Kind == manifest.EndpointFile || s.Kind == manifest.EndpointCustom
	})
}

func isTopic(e *manifest.Endpoint) bool {
	return e.Kind == manifest.EndpointTopic || e.Kind == manifest.EndpointRepartition
}

// onBroker says that anything is read from a broker or written to one.
func onBroker(topo *topology.Topology) bool {
	return slices.ContainsFunc(topo.Sources, func(s topology.Source) bool { return isTopic(&s.Endpoint) }) ||
		slices.ContainsFunc(topo.Outputs, func(o topology.Output) bool { return isTopic(&o.Endpoint) })
}

// needsLead says that there are timers for the whole group, topics to write, and
// none to read, whose partitions would say who runs them.
func needsLead(topo *topology.Topology) bool {
	timers := false
	for i := range topo.Sources {
		if isTopic(&topo.Sources[i].Endpoint) {
			return false
		}
		timers = timers || topo.Sources[i].Kind == manifest.EndpointTimer
	}
	return timers && onBroker(topo)
}

// planTimers gives the timers that belong to nobody in particular to the group:
// who has partition 0 of the first topic that is read runs them. Where no topic is
// read the control topic is, for nothing else. Without a broker there is no group,
// and each process has its own.
func (b *Build) planTimers() {
	p := b.Plan
	free := func(s host.Source) bool { return s.Timer == host.TimerOfProcess }
	if !slices.ContainsFunc(p.Sources, free) || !onBroker(b.Topology) {
		return
	}
	lead := slices.IndexFunc(p.Sources, func(s host.Source) bool {
		return s.Kind == host.SourceTopic && s.Cluster == b.Topology.Home && len(s.Replays) == 0
	})
	if lead < 0 {
		lead = len(p.Sources)
		name := controlTopic(b.Manifest)
		b.addSource(name, host.Source{
			ID: name, Kind: host.SourceTopic, Cluster: b.Topology.Home, Topic: name,
			Start: host.Start{Policy: host.StartLatest}, Sub: len(p.Subs),
		})
		p.Subs = append(slices.Clone(p.Subs), host.Sub{Name: "timers", Inputs: []int{lead}})
	}
	for i := range p.Sources {
		if free(p.Sources[i]) {
			p.Sources[i].Timer, p.Sources[i].Home = host.TimerOfGroup, lead
		}
	}
}

// checkKinds finds sources and sinks that this program does not bring.
func (b *Build) checkKinds(k *connector.Kinds) (found manifest.Errors) {
	refuse := func(e *manifest.Endpoint, side string, has bool, names []string) {
		if e.Kind != manifest.EndpointCustom || has {
			return
		}
		hint := "it brings none; see package connector for a program of your own"
		if len(names) > 0 {
			slices.Sort(names)
			hint = fmt.Sprintf("it brings %q", names)
		}
		found = append(found, manifest.NewError(manifest.CodeUnknownCustom, e.Pos,
			fmt.Sprintf("this program brings no %s %q", side, e.Custom.Kind), hint))
	}
	for i := range b.Manifest.Handlers {
		h := &b.Manifest.Handlers[i]
		for j := range h.Sources {
			e := &h.Sources[j]
			refuse(e, "source", e.Custom != nil && k.Sources[e.Custom.Kind] != nil, keys(k.Sources))
		}
		for j := range h.Sinks {
			e := &h.Sinks[j].Endpoint
			refuse(e, "sink", e.Custom != nil && k.Sinks[e.Custom.Kind] != nil, keys(k.Sinks))
		}
	}
	found.Sort()
	return found
}

func keys[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

// firstOffset is where the offsets of a source begin that has none of its own:
// above those of earlier lives, as long as fewer than a million come a second.
func firstOffset() int64 { return time.Now().UnixMicro() }

// checkHeader is codec.CheckCSVHeader for rows, nil for lines.
func checkHeader(c manifest.Codec) func([]byte) error {
	if c == manifest.CodecCSV {
		return codec.CheckCSVHeader
	}
	return nil
}

// source opens the connector of a source of the plan.
func (a *App) source(ctx context.Context, i int) (host.ConnectorSource, error) {
	e := a.build.Sources[i]
	switch e.Kind {
	case manifest.EndpointStdin:
		return connector.NewStream("stdin", a.o.Stdin, connector.StreamConfig{CheckHeader: checkHeader(e.Codec), Clock: SystemClock()})
	case manifest.EndpointTimer:
		return newTimer(e.Timer)
	case manifest.EndpointHTTP:
		return a.httpSource(ctx, &e)
	case manifest.EndpointCustom:
		r, err := a.o.Kinds.Reader(ctx, e.Custom.Kind, a.settings(e.Custom))
		if err != nil {
			return nil, err
		}
		return connector.OpenCustom(r, 0, firstOffset(), SystemClock()), nil
	}
	cfg := connector.FileConfig{
		Path: e.Path, Follow: !a.o.UntilIdle && e.File.Follow, CheckHeader: checkHeader(e.Codec), Clock: SystemClock(),
	}
	if len(a.build.Plan.Control) == 0 { // otherwise the engine commits positions
		if a.positions == nil {
			p, err := connector.OpenPositions(filepath.Join(a.state.path, "positions.json"))
			if err != nil {
				return nil, err
			}
			a.positions = p
		}
		cfg.Positions, cfg.ID = a.positions, e.Text
	}
	return connector.OpenFile(cfg)
}

func newTimer(t *manifest.Timer) (*connector.Timer, error) {
	cfg := connector.TimerConfig{Interval: t.Every, Clock: SystemClock()}
	if t.Missed == manifest.MissedSkip {
		cfg.Missed = connector.MissedSkip
	}
	if t.Cron != "" {
		var err error
		if cfg.Cron, err = cron.Parse(t.Cron); err != nil {
			return nil, err
		}
		if cfg.Zone, err = time.LoadLocation(t.Zone); err != nil {
			return nil, err
		}
	}
	return connector.NewTimer(cfg)
}

// httpSource opens a path of the server, and the server with its first path.
func (a *App) httpSource(ctx context.Context, e *manifest.Endpoint) (host.ConnectorSource, error) {
	if a.http == nil {
		m := &a.build.Manifest.HTTP
		h, err := connector.OpenHTTP(ctx, connector.HTTPConfig{
			Listen: m.Listen, Token: m.Token.Reveal(), Origins: m.Origins, MaxBody: m.MaxBody, Queue: m.Queue,
			Timeout: m.Timeout, Clock: SystemClock(), Logger: a.o.logger(),
		})
		if err != nil {
			return nil, err
		}
		a.http = h
	}
	return a.http.Source(e.Path, 0, firstOffset()), nil
}

// settings are what the manifest says about a connector of the program's own.
func (a *App) settings(c *manifest.Custom) connector.Settings {
	s := connector.Settings{Arg: c.Arg, Config: map[string]string{}, Logger: a.o.logger().With("connector", c.Kind)}
	for _, p := range c.Config {
		s.Config[p.Name] = p.Value.Reveal()
	}
	return s
}

// sink opens a connector sink of the plan.
func (a *App) sink(ctx context.Context, i int) (host.ConnectorSink, error) {
	e := a.build.Connectors[i]
	switch e.Kind {
	case manifest.EndpointStdout:
		out := a.o.Stdout
		if out == nil {
			out = os.Stdout
		}
		return connector.NewSink("stdout", out), nil
	case manifest.EndpointWebhook:
		return openWebhook(&e), nil
	case manifest.EndpointCustom:
		return a.o.Kinds.Writer(ctx, e.Custom.Kind, a.settings(e.Custom))
	}
	if f := e.File; f.RotateSize > 0 || f.RotateEvery > 0 {
		return connector.OpenRotating(e.Path, connector.Rotation{Size: f.RotateSize, Every: f.RotateEvery, Keep: f.Keep, Clock: SystemClock()})
	}
	return connector.OpenSink(e.Path)
}

func openWebhook(e *manifest.Endpoint) *connector.Webhook {
	w := e.Webhook
	cfg := connector.WebhookConfig{
		URL: w.URL, Headers: map[string]string{}, ContentType: "application/octet-stream", Batch: w.Batch,
		Timeout: w.Timeout, GiveUp: w.GiveUp, Clock: SystemClock(),
	}
	switch e.Codec {
	case manifest.CodecJSON:
		cfg.ContentType = "application/json"
	case manifest.CodecString:
		cfg.ContentType = "text/plain; charset=utf-8"
	}
	for _, p := range w.Headers {
		cfg.Headers[p.Name] = p.Value.Reveal()
	}
	return connector.OpenWebhook(cfg)
}
