package chaos

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// app is an application under test: its topics, its directory, the processes
// that run it, and what is known of its inputs.
type app struct {
	t          *testing.T
	name       string // application, group, and prefix of all topics
	scenario   string
	broker     *kafkatest.Broker
	language   string
	bin        string
	dir        string
	handlers   []string
	delivery   checker.Delivery
	partitions int
	topics     map[string]string
	journal    *checker.Journal
	load       *load
	watch      *watcher
	rnd        *rand.Rand
	began      time.Time

	rounds, kills int
	processes     int
	mustAbort     bool
	noted         bool // it has its row in the table
	noAbort       bool
	aborted       int              // set by judge
	findings      checker.Findings // set by judge
}

// options are what scenarios choose; the zero value is the usual.
type options struct {
	tags        []string
	handlers    []string
	atLeastOnce bool
}

// newApp creates the topics of an application and starts to watch them.
func newApp(t *testing.T, b *kafkatest.Broker, scenario, language string, o options) *app {
	t.Helper()
	a := &app{
		t: t, scenario: scenario, broker: b, language: language, partitions: 4,
		bin: binary(t, append([]string{"crashpoints"}, o.tags...)...), handlers: o.handlers,
		name: kafkatest.Name("chaos-" + scenario), rnd: randomOf(scenario + " " + language + " " + b.Name), began: time.Now(),
	}
	if a.handlers == nil {
		a.handlers = everyHandler
	}
	if o.atLeastOnce {
		a.delivery, a.handlers = checker.AtLeastOnce, []string{checker.Pass, checker.Fan}
	}
	a.topics = topicNames(a.name, a.handlers)
	dir, err := os.MkdirTemp("", "sliphost-chaos")
	if err != nil {
		t.Fatal(err)
	}
	a.dir = dir
	t.Cleanup(a.clean)
	if err := os.WriteFile(a.manifestPath(), []byte(manifest(a, module(t, language))), 0o644); err != nil {
		t.Fatal(err)
	}
	if a.journal, err = checker.CreateJournal(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.journal.Close() })
	a.createTopics()
	a.load = newLoad(t, a)
	a.watch = newWatcher(t, a)
	return a
}

// createTopics makes the topics of the manifest; the host makes its own.
func (a *app) createTopics() {
	admin := a.broker.Admin(a.t)
	a.t.Cleanup(func() {
		if a.broker.Embedded == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_ = admin.DeleteTopics(ctx, slices.Collect(maps.Values(a.topics))...)
		}
		_ = admin.Close()
	})
	var specs []kafka.TopicSpec
	for id, name := range a.topics {
		if !a.owned(id) {
			specs = append(specs, kafka.TopicSpec{Name: name, Partitions: a.partitions, Replication: 1})
		}
	}
	if _, err := admin.CreateTopics(kafkatest.Context(a.t), specs...); err != nil {
		a.t.Fatal(err)
	}
}

// owned says whether the host creates the topic.
func (a *app) owned(id string) bool {
	return id == "regrouped" || len(id) > 10 && id[:10] == "changelog-"
}

// clean removes what a scenario left, unless it failed.
func (a *app) clean() {
	if !a.noted {
		result := "skipped"
		if a.t.Failed() {
			result = "FAILED"
		}
		a.row(result)
	}
	if a.t.Failed() {
		a.t.Logf("logs, journal and stores are in %s\nrepeat: %s=%d go test ./cmd/sliphost/chaos -run '^%s$'", a.dir, envSeed, seed, a.t.Name())
		return
	}
	_ = os.RemoveAll(a.dir)
}

// run starts a process on a state directory of that name.
func (a *app) run(state string, env ...string) *process { return a.runWith(state, env) }

func (a *app) runWith(state string, env []string, more ...string) *process {
	a.t.Helper()
	a.processes++
	name := fmt.Sprintf("%03d-%s", a.processes, filepath.Base(state))
	env = append(env, "SLIPHOST_CRASH_LOG="+filepath.Join(a.dir, name+".points"))
	args := append([]string{"run", "--log-format", "json", "--state-dir", a.state(state)}, more...)
	return spawn(a.t, a.bin, a.dir, name, env, args...)
}

// up waits until a host has ended the transactions that its predecessor left
// open. A host that is stopped before leaves them to their timeout.
func (a *app) up(p *process) {
	a.t.Helper()
	for end := time.Now().Add(checker.Stall); ; time.Sleep(5 * time.Millisecond) {
		if a.passed(p, "init-after") >= workers {
			return
		}
		if p.ended() || time.Now().After(end) {
			a.t.Fatalf("process %s does not come up:\n%s", p.name, p.tail())
		}
	}
}

// awaitAssigned waits until a host got partitions, until is true or nothing
// more is to be expected.
func (a *app) awaitAssigned(p *process, until func() bool) {
	for end := time.Now().Add(checker.Stall); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if a.passed(p, "assigned") > 0 || p.ended() || until() {
			return
		}
	}
}

// passed counts how often a host passed a crash point.
func (a *app) passed(p *process, point string) int {
	points, _ := os.ReadFile(filepath.Join(a.dir, p.name+".points"))
	return bytes.Count(points, []byte(point+"\n"))
}

// state is the path of a state directory.
func (a *app) state(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.dir, "state-"+name)
}

// killed ends a process at once and counts it.
func (a *app) killed(p *process) {
	p.kill()
	a.kills++
}

// sleep lets the system run for a while; it is a fault's duration, not a wait
// for something.
func (a *app) sleep(d time.Duration) { time.Sleep(d) }

// upTo is a random time.
func (a *app) upTo(d time.Duration) time.Duration {
	return time.Duration(a.rnd.Int64N(int64(d)))
}

// exponential is a random time of that mean, cut off at four times it.
func (a *app) exponential(mean time.Duration) time.Duration {
	return min(time.Duration(a.rnd.ExpFloat64()*float64(mean)), 4*mean)
}

// progress waits until n more inputs are committed, and fails if none is for
// longer than a stall.
func (a *app) progress(n int64) {
	a.t.Helper()
	from := a.watch.done.Load()
	if !a.awaitProgress(from+n, nil) {
		a.t.Fatalf("C9: no progress for %s: %d inputs committed, %d written; the newest process said:\n%s", checker.Stall, a.watch.done.Load(), a.load.written.Load(), a.newest())
	}
}

// awaitProgress waits until so many inputs are committed, or until is true.
// It returns false if nothing moves for the time of a stall.
func (a *app) awaitProgress(target int64, until func() bool) bool {
	last, since := a.watch.done.Load(), time.Now()
	for {
		now := a.watch.done.Load()
		if now >= target || until != nil && until() {
			return true
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > checker.Stall {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// newest is the end of the log of the process started last.
func (a *app) newest() string {
	logs, _ := filepath.Glob(filepath.Join(a.dir, fmt.Sprintf("%03d-*.log", a.processes)))
	if len(logs) == 0 {
		return "(nothing)"
	}
	return (&process{log: logs[0]}).tail()
}
