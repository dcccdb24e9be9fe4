package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCheckpointGoldenScenario is the seed's own integration scenario, with
// handlers in both languages, in the engine as it is shipped and on real brokers:
// weather 10, 11, 12, 13 and activity 10:30, 11:30, 12:30, 13:10, threshold 1 h.
// The recovery call goes back to where its state says, as the seed's example does.
func TestCheckpointGoldenScenario(t *testing.T) {
	together(t)
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		for _, language := range []string{"go", "rust"} {
			for _, mode := range []string{"default", "compat"} {
				t.Run(language+"/"+mode, func(t *testing.T) {
					together(t)
					golden(t, b, language, mode)
				})
			}
		}
	})
}

func golden(t *testing.T, b *kafkatest.Broker, language, mode string) {
	name := kafkatest.Name("golden-" + language + "-" + mode)
	dir := t.TempDir()
	text := fmt.Sprintf(`version = 1
name = %[1]q
commit_interval = "20ms"
workers = 1
[kafka]
bootstrap_servers = %[2]q
[module.m]
path = "%[3]s/%[4]s-checkpoint.wasm"
[topic.weather]
name = "%[1]s-weather"
[topic.activity]
name = "%[1]s-activity"
[topic.out]
name = "%[1]s-out"
[handler.weather]
function = "heartbeat"
source = ["weather"]
sink = ["out"]
checkpoint = { weather-first = "c" }
[handler.activity]
function = "recover"
source = ["activity"]
sink = ["out"]
checkpoint = { weather-first = "c" }
params = { seek = "state" }
[checkpoint.c]
mode = %[5]q
dependent = { source = "activity", marker = "call" }
dependency.weather = { source = "weather", marker = "call", threshold = "1h" }
on_recovery = "call"
`, name, b.Addr, filepath.Dir(module(t, language)), language, mode)
	if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	admin := b.Admin(t)
	t.Cleanup(func() {
		if b.Embedded == nil {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_ = admin.DeleteTopics(ctx, name+"-weather", name+"-activity", name+"-out", name+"-control")
		}
		_ = admin.Close()
	})
	var specs []kafka.TopicSpec
	for _, id := range []string{"weather", "activity", "out"} {
		specs = append(specs, kafka.TopicSpec{Name: name + "-" + id, Partitions: 1, Replication: 1})
	}
	if _, err := admin.CreateTopics(kafkatest.Context(t), specs...); err != nil {
		t.Fatal(err)
	}
	in := client(t, b.Addr)
	out := client(t, b.Addr, from(1, true, name+"-out")...)
	h := spawn(t, binary(t, "crashpoints"), dir, "golden", nil, "run", "--log-format", "json", "--state-dir", filepath.Join(dir, "state"))

	ms := func(hhmm int) int64 {
		return time.Date(2023, 1, 1, hhmm/100, hhmm%100, 0, 0, time.UTC).UnixMilli()
	}
	at := func(hhmm int) string { return fmt.Sprint("t:", ms(hhmm)) }
	steps := []struct {
		topic string
		hhmm  int
		want  []string
	}{
		{"weather", 1000, []string{"in time none " + at(1000)}},
		{"activity", 1030, []string{"up"}},
		{"weather", 1100, []string{"in time " + at(1030) + " " + at(1100)}},
		{"activity", 1130, []string{"up"}},
		{"activity", 1230, []string{"down weather=5400000", "downtime 5400000 " + at(1230) + " " + at(1100) + " {0=2}"}},
		{"activity", 1310, nil}, // waits
		{"weather", 1200, []string{"late " + at(1230) + " " + at(1200)}},
		{"weather", 1300, []string{
			"in time " + at(1230) + " " + at(1300),
			"recovery " + at(1230) + " " + at(1300) + " {0=2} healthy activity:0:0 detected activity:0:2",
			"replayed up", "up",
		}},
	}
	var got []string
	for i, s := range steps {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		rec := &kgo.Record{Topic: name + "-" + s.topic, Value: []byte("@"), Timestamp: time.UnixMilli(ms(s.hhmm))}
		err := in.ProduceSync(ctx, rec).FirstErr()
		for err == nil && ctx.Err() == nil && len(got) < len(s.want) {
			out.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if !r.Attrs.IsControl() {
					got = append(got, string(r.Value))
				}
			})
		}
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[:min(len(got), len(s.want))], s.want) {
			t.Fatalf("step %d, %s %d:\n%s\nwant:\n%s\nthe host said:\n%s", i, s.topic, s.hhmm, strings.Join(got, "\n"), strings.Join(s.want, "\n"), h.tail())
		}
		got = got[len(s.want):]
	}
	h.stop(t)
	// Nothing more comes: what is there is there by now.
	all, _, err := readAll(kafkatest.Context(t), t, b.Addr, true, 1, name+"-out")
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, s := range steps {
		want += len(s.want)
	}
	if n := len(all.topics[name+"-out"].Parts[0]); n != want {
		t.Errorf("%d records came out, want %d", n, want)
	}
}
