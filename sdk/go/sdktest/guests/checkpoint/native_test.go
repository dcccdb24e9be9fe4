package main

import (
	"strconv"
	"testing"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

// native are the handlers of a case on the test host.
type native struct {
	t *testing.T
	c *cases.Steps
	k *sliptest.Checkpoint
	h map[string]*sliptest.Harness
}

func TestCasesNatively(t *testing.T) {
	all, err := cases.LoadSteps("../../testdata/checkpoint/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		c := &all[i]
		t.Run(c.Name, func(t *testing.T) {
			n := &native{t: t, c: c, h: map[string]*sliptest.Harness{}}
			var dependencies []sliptest.Dependency
			for _, d := range c.Dependencies {
				dependencies = append(dependencies, sliptest.Dependency{Name: d.Name, ThresholdMs: d.Threshold})
			}
			n.k = sliptest.NewCheckpoint("weather-first", dependencies...)
			if c.Checks {
				n.k.DowntimeCheck(func(ch slip.Check) (int64, error) { return n.handler("checked").CheckDowntime("weather-first", ch) })
				n.k.RecoveryCheck(func(ch slip.Check) (bool, error) { return n.handler("checked").CheckRecovery("weather-first", ch) })
			}
			cases.RunSteps(t, c, n)
		})
	}
}

func (n *native) handler(name string) *sliptest.Harness {
	if n.h[name] == nil {
		var options []sliptest.Option
		if name != "advance" {
			options = append(options, sliptest.Bind(n.k))
		}
		if name == "recover" && n.c.Seek != "" {
			options = append(options, sliptest.Param("seek", n.c.Seek))
		}
		n.h[name] = sliptest.New(n.t, name, options...)
	}
	return n.h[name]
}

func (n *native) Record(handler, value string, time int64, replayed bool) []string {
	rec := sliptest.KV("k", value)
	rec.Timestamp, rec.Replayed = time, replayed
	return lines(n.handler(handler).Send(rec))
}

func (n *native) Border(handler string) []string { return lines(n.handler(handler).Border()) }

func (n *native) Advance(time int64, final bool) []string {
	if final {
		return lines(n.handler("advance").Final())
	}
	return lines(n.handler("advance").Advance(time))
}

func (n *native) Ask(which string, dependent, dependency cases.Marker) string {
	ch := slip.Check{Dependency: "weather", DependentMarker: marker(dependent), DependencyMarker: marker(dependency), ThresholdMs: 1000}
	text := ""
	var err error
	if which == "downtime" {
		var ms int64
		ms, err = n.handler("check").CheckDowntime("weather-first", ch)
		text = strconv.FormatInt(ms, 10)
	} else {
		var ok bool
		ok, err = n.handler("check").CheckRecovery("weather-first", ch)
		text = strconv.FormatBool(ok)
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return text
}

func marker(m cases.Marker) slip.Marker {
	switch m.Kind {
	case "t":
		return slip.TimeMarker(m.Number)
	case "i":
		return slip.IntMarker(m.Number)
	case "s":
		return slip.TextMarker(m.Text)
	}
	return slip.Marker{}
}

func lines(r *sliptest.Result) (all []string) {
	for _, o := range r.Outputs {
		all = append(all, string(o.Key)+"="+string(o.Value))
	}
	for _, e := range r.Errors {
		all = append(all, "error: "+e.Message)
	}
	for _, s := range r.Seeks {
		all = append(all, cases.SeekLine(s.Source, s.Partition, s.Offset))
	}
	return all
}
