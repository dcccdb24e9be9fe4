package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Partitions of the application with a checkpoint, and how far the dependency
// may be behind, in minutes.
const (
	cpWeather   = 2
	cpActivity  = 6 // so that each of two hosts has some of them, whatever the rest
	cpThreshold = 10
)

// cpApp is an application with a checkpoint: activity waits for weather, which
// other workers and processes read. The model looks at every committed record of
// its output as it comes.
type cpApp struct {
	t       *testing.T
	name    string
	broker  *kafkatest.Broker
	bin     string
	dir     string
	in, out *kgo.Client
	model   *cpModel
	events  []string
	rnd     *rand.Rand
	// minute is the time of the records; ids counts them.
	minute, ids int
	processes   int
	kills       int
}

func newCPApp(t *testing.T, b *kafkatest.Broker, language, mode, goesBackTo string) *cpApp {
	t.Helper()
	a := &cpApp{
		t: t, broker: b, name: kafkatest.Name("cp-" + language), bin: binary(t, "crashpoints"),
		model: newCPModel(cpActivity, goesBackTo, cpThreshold*60_000), rnd: randomOf(t.Name()),
	}
	dir, err := os.MkdirTemp("", "sliphost-chaos")
	if err != nil {
		t.Fatal(err)
	}
	a.dir = dir
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs are in %s\nrepeat: %s=%d", dir, envSeed, seed)
			return
		}
		_ = os.RemoveAll(dir)
	})
	guests := filepath.Dir(module(t, language))
	text := fmt.Sprintf(`version = 1
name = %[1]q
commit_interval = "50ms"
workers = %[2]d
[kafka]
bootstrap_servers = %[3]q
[module.c]
path = "%[4]s/%[5]s-checkpoint.wasm"
[module.i]
path = "%[4]s/%[5]s-identity.wasm"
[topic.weather]
name = "%[1]s-weather"
[topic.activity]
name = "%[1]s-activity"
[topic.out]
name = "%[1]s-out"
[handler.feed]
module = "c"
function = "heartbeat"
source = ["weather"]
sink = ["out"]
checkpoint = { weather-first = "c" }
[handler.bound]
module = "c"
function = "recover"
source = ["activity"]
sink = ["out"]
checkpoint = { weather-first = "c" }
params = { seek = %[6]q }
[handler.other]
module = "i"
function = "identity"
source = ["activity"]
sink = ["out"]
[checkpoint.c]
dependent = { source = "activity", marker = "call" }
dependency.weather = { source = "weather", marker = "call", threshold = "%[7]dm" }
on_recovery = "call"
mode = %[8]q
`, a.name, workers, b.Addr, guests, language, goesBackTo, cpThreshold, mode)
	if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a.topics()
	a.in = client(t, b.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	a.out = client(t, b.Addr, from(1, true, a.name+"-out")...)
	return a
}

func (a *cpApp) topics() {
	admin := a.broker.Admin(a.t)
	var specs []kafka.TopicSpec
	for id, n := range map[string]int{"weather": cpWeather, "activity": cpActivity, "out": 1} {
		specs = append(specs, kafka.TopicSpec{Name: a.name + "-" + id, Partitions: n, Replication: 1})
	}
	a.t.Cleanup(func() {
		if a.broker.Embedded == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_ = admin.DeleteTopics(ctx, specs[0].Name, specs[1].Name, specs[2].Name, a.name+"-control")
		}
		_ = admin.Close()
	})
	if _, err := admin.CreateTopics(kafkatest.Context(a.t), specs...); err != nil {
		a.t.Fatal(err)
	}
}

// run starts a host; of those of one name one lives at a time.
func (a *cpApp) run(name string, env ...string) *process {
	a.t.Helper()
	a.processes++
	label := fmt.Sprintf("%03d-%s", a.processes, name)
	env = append(env, "SLIPHOST_CRASH_LOG="+filepath.Join(a.dir, label+".points"))
	return spawn(a.t, a.bin, a.dir, label, env, "run", "--log-format", "json", "--state-dir", filepath.Join(a.dir, "state-"+name))
}

// joined says that every worker of a host got partitions.
func (a *cpApp) joined(p *process) bool {
	points, _ := os.ReadFile(filepath.Join(a.dir, p.name+".points"))
	return p.ended() || bytes.Count(points, []byte("assigned\n")) >= workers
}

// write writes a record to each partition of an input, at a minute.
func (a *cpApp) write(topic string, partitions, minute int) {
	a.t.Helper()
	prefix := topic[:1]
	var recs []*kgo.Record
	for p := range partitions {
		a.ids++
		recs = append(recs, &kgo.Record{
			Topic: a.name + "-" + topic, Partition: int32(p), Key: fmt.Appendf(nil, "%s%d", prefix, a.ids), Value: []byte("@"),
			Timestamp: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(minute) * time.Minute),
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := a.in.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		a.t.Fatalf("write to %s: %v", topic, err)
	}
	for _, r := range recs {
		a.model.inputs[string(r.Key)] = cpPlace{int(r.Partition), r.Offset}
	}
}

func (a *cpApp) weather(minute int)  { a.write("weather", cpWeather, minute) }
func (a *cpApp) activity(minute int) { a.write("activity", cpActivity, minute) }

// await takes what comes out until something is true; without anything new for
// the time of a stall it fails. alive is called meanwhile.
func (a *cpApp) await(what string, until func() bool, alive func()) {
	a.t.Helper()
	for end := time.Now().Add(checker.Stall); !until(); {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		fetches := a.out.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Attrs.IsControl() {
				return
			}
			end = time.Now().Add(checker.Stall)
			a.events = append(a.events, string(r.Key)+" "+string(r.Value))
			a.model.take(string(r.Key), string(r.Value))
		})
		if len(a.model.faults) > 0 {
			a.t.Fatalf("while waiting for %s:\n%s\nthe last of what came out:\n%s", what, strings.Join(a.model.faults, "\n"), a.tail())
		}
		if alive != nil {
			alive()
		}
		if time.Now().After(end) {
			a.t.Fatalf("C9: no progress for %s while waiting for %s; partitions %+v; the last of what came out:\n%s", checker.Stall, what, a.model.parts, a.tail())
		}
	}
}

func (a *cpApp) tail() string {
	return strings.Join(a.events[max(0, len(a.events)-40):], "\n")
}

// handled says that everything written was handled and nothing is held.
func (a *cpApp) handled() bool {
	for id, at := range a.model.inputs {
		if id[0] == 'w' {
			if a.model.dependency[id] == 0 {
				return false
			}
			continue
		}
		if p := &a.model.parts[at.partition]; p.down || at.offset >= p.bound || at.offset >= p.other {
			return false
		}
	}
	return true
}

// down says that every partition waits.
func (a *cpApp) down() bool {
	return !slices.ContainsFunc(a.model.parts, func(p cpPart) bool { return !p.down })
}

// cpRound is one downtime from its beginning to its end; disturb is called while
// it goes on, at names of its stages.
func (a *cpApp) cpRound(alive func(), disturb func(stage string)) {
	a.t.Helper()
	base := a.minute
	a.minute += 1000
	disturb("before")
	a.weather(base + 100)
	for n := range 3 {
		a.activity(base + 10*n)
	}
	a.await("everything to be handled", a.handled, alive)
	disturb("running")
	for n := range 3 {
		a.activity(base + 200 + n)
	}
	disturb("detecting")
	a.await("every partition to wait", a.down, alive)
	disturb("paused")
	a.activity(base + 203)
	disturb("recovering")
	a.weather(base + 300)
	disturb("replaying")
	a.await("everything to be handled again", a.handled, alive)
}
