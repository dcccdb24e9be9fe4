package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// BenchmarkMemory counts records of as many different keys, 1,000,000 or with
// SLIPHOST_BENCH_LONG 10,000,000, under `memory = "256MiB"`. used-MiB is the
// peak of its memory less that of the same process without any record: it must
// stay below budget-MiB. It is the handler in Rust, whose instances' memory
// does not count there.
func BenchmarkMemory(b *testing.B) {
	const budget = 256
	keys := 1_000_000
	if os.Getenv(benchLong) != "" {
		keys = 10_000_000
	}
	eachBroker(b, func(b *testing.B, broker *kafkatest.Broker) {
		memory := fmt.Sprintf("memory = \"%dMiB\"", budget)
		empty := newCountApp(b, broker, broker.Topic(b, benchPartitions), "rust", memory).run(b, "--until-idle")
		empty.finish(b)
		in := load(b, broker, keys, keys)
		for range b.N {
			p := newCountApp(b, broker, in, "rust", memory).run(b, "--until-idle")
			p.finish(b)
			used := (p.peak - empty.peak) >> 20
			b.ReportMetric(float64(keys)/p.took().Seconds()/1000, "krec/s")
			b.ReportMetric(float64(empty.peak>>20), "idle-MiB")
			b.ReportMetric(float64(used), "used-MiB")
			b.ReportMetric(budget, "budget-MiB")
			b.ReportMetric(0, "ns/op")
		}
	})
}

// Of BenchmarkStart: 1,000 partitions of inputs, 100 caches.
const (
	startTopics     = 100
	startPartitions = 10
)

// BenchmarkStart starts a host of 100 handlers with a cache and a topic of 10
// partitions each. The time goes from exec until one output of each of the
// 1,000 tasks can be read by a reader of committed records, of inputs that
// were there before. first-s has to create the changelogs too; second-s is a
// start over the state of the first (goal 5 s).
func BenchmarkStart(b *testing.B) {
	eachBroker(b, func(b *testing.B, broker *kafkatest.Broker) {
		for range b.N {
			a := newStartApp(b, broker)
			for _, metric := range []string{"first-s", "second-s"} {
				out := followTopics(b, broker, benchPartitions, a.out)
				a.feed(b)
				p := runIn(b, a.dir)
				at := out.await(b, startTopics*startPartitions, p)
				b.ReportMetric(at.Sub(p.began).Seconds(), metric)
				b.ReportMetric(float64(p.peak>>20), "peak-MiB")
				p.stop(b)
			}
			b.ReportMetric(0, "ns/op")
		}
	})
}

// startApp is an application with many tasks.
type startApp struct {
	broker   *kafkatest.Broker
	dir, out string
	inputs   []string
}

func newStartApp(b *testing.B, broker *kafkatest.Broker) *startApp {
	b.Helper()
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "guests", "rust-state.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	a := &startApp{broker: broker, dir: b.TempDir(), out: broker.Topic(b, benchPartitions)}
	name := kafkatest.Name("start")
	var specs []kafka.TopicSpec
	var text strings.Builder
	var all []string
	fmt.Fprintf(&text, "version = 1\nname = %q\ncommit_interval = \"100ms\"\n[kafka]\nbootstrap_servers = %q\n[module.m]\npath = %q\n[topic.out]\nname = %q\n",
		name, broker.Addr, module, a.out)
	for i := range startTopics {
		in := fmt.Sprintf("%s-in-%d", name, i)
		a.inputs = append(a.inputs, in)
		all = append(all, in, fmt.Sprintf("%s-c%d-changelog", name, i))
		specs = append(specs, kafka.TopicSpec{Name: in, Partitions: startPartitions, Replication: 1})
		fmt.Fprintf(&text, "[topic.in%d]\nname = %q\n[cache.c%d]\n[handler.h%d]\nfunction = \"count\"\nsource = [\"in%d\"]\nsink = [\"out\"]\ncache = { counts = \"c%d\" }\n", i, in, i, i, i, i)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "manifest.toml"), []byte(text.String()), 0o644); err != nil {
		b.Fatal(err)
	}
	admin := broker.Admin(b)
	defer admin.Close()
	if _, err := admin.CreateTopics(b.Context(), specs...); err != nil {
		b.Fatal(err)
	}
	dropAfter(b, broker, all...)
	return a
}

// feed writes one record to each partition.
func (a *startApp) feed(b *testing.B) {
	p := benchProducer(b, a.broker)
	for _, topic := range a.inputs {
		id := p.Topic(topic)
		for part := range int32(startPartitions) {
			p.Append(id, part, []byte("key"), []byte("value"), nil, -1)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
