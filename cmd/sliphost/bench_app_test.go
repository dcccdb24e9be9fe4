package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// benchLong chooses the long form of benchmarks that have one.
const benchLong = "SLIPHOST_BENCH_LONG"

// eachBroker runs bench on the embedded broker and on the Apache Kafka that
// SLIPHOST_KAFKA names, if any.
func eachBroker(b *testing.B, bench func(b *testing.B, broker *kafkatest.Broker)) {
	b.Run("embedded", func(b *testing.B) { bench(b, kafkatest.Embedded(b)) })
	if addr := os.Getenv(kafkatest.Env); addr != "" {
		b.Run("apache", func(b *testing.B) { bench(b, &kafkatest.Broker{Name: "apache", Addr: addr}) })
	}
}

// countApp is a manifest that counts records per key: handler count of the
// guests named state, with one cache.
type countApp struct {
	broker *kafkatest.Broker
	// name is the application's, dir where its manifest and its state are.
	name, dir, in, out string
}

// newCountApp writes the manifest; more is what stands before its tables. The
// application's topics, but for in, end with the benchmark.
func newCountApp(b *testing.B, broker *kafkatest.Broker, in, language string, more ...string) *countApp {
	b.Helper()
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "guests", language+"-state.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(module); err != nil {
		b.Fatalf("the test modules are missing, run `make guests`: %v", err)
	}
	a := &countApp{broker: broker, name: kafkatest.Name("bench"), dir: b.TempDir(), in: in, out: broker.Topic(b, benchPartitions)}
	text := fmt.Sprintf("version = 1\nname = %q\ncommit_interval = \"100ms\"\n%s\n[kafka]\nbootstrap_servers = %q\n"+
		"[topic.in]\nname = %q\n[topic.out]\nname = %q\n[cache.counts]\n[module.m]\npath = %q\n"+
		"[handler.count]\nsource = [\"in\"]\nsink = [\"out\"]\ncache = [\"counts\"]\n",
		a.name, strings.Join(more, "\n"), broker.Addr, a.in, a.out, module)
	if err := os.WriteFile(filepath.Join(a.dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	dropAfter(b, broker, a.name+"-counts-changelog")
	return a
}

// dropAfter deletes topics of an Apache Kafka when the benchmark ends.
func dropAfter(b *testing.B, broker *kafkatest.Broker, topics ...string) {
	if broker.Embedded != nil {
		return
	}
	b.Cleanup(func() {
		a := broker.Admin(b)
		defer a.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = a.DeleteTopics(ctx, topics...)
	})
}

// benchProcess is a `sliphost run` that is measured.
type benchProcess struct {
	cmd   *exec.Cmd
	err   bytes.Buffer
	began time.Time
	ended time.Time
	done  chan struct{}
	wait  error
	// peak is the most memory it had, in bytes. The kernel's own figure for a
	// child counts the memory of the process that forked it.
	peak int64
}

// run starts the application; the process ends with the benchmark.
func (a *countApp) run(b *testing.B, args ...string) *benchProcess {
	b.Helper()
	return runIn(b, a.dir, args...)
}

func runIn(b *testing.B, dir string, args ...string) *benchProcess {
	b.Helper()
	path, err := executable()
	if err != nil {
		b.Fatal(err)
	}
	p := &benchProcess{cmd: exec.Command(path, append([]string{"run"}, args...)...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stderr = dir, &p.err
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			p.peak = max(p.peak, peakOf(p.cmd.Process.Pid))
			select {
			case <-p.done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	go func() {
		p.wait = p.cmd.Wait()
		p.ended = time.Now()
		close(p.done)
	}()
	b.Cleanup(func() { p.kill(); <-watched })
	return p
}

// kill ends the process as kill -9 does.
func (p *benchProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// finish waits for a process that ends by itself.
func (p *benchProcess) finish(b *testing.B) {
	b.Helper()
	select {
	case <-p.done:
	case <-time.After(10 * time.Minute):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.done
		b.Fatalf("the process did not end:\n%s", p.err.String())
	}
	if p.wait != nil {
		b.Fatalf("%v\n%s", p.wait, p.err.String())
	}
}

// stop tells the process to end.
func (p *benchProcess) stop(b *testing.B) {
	b.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.finish(b)
}

func (p *benchProcess) took() time.Duration { return p.ended.Sub(p.began) }

func (p *benchProcess) cpu() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// peakOf is the largest resident set a running process has had, 0 if it ended.
func peakOf(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				kb, _ := strconv.ParseInt(f[0], 10, 64)
				return kb << 10
			}
		}
	}
	return 0
}

// keyOf is the key of record n of a load over so many keys, and its partition.
// Each key comes once before any comes twice, in an order that is not theirs.
func keyOf(n, keys int) (key [8]byte, partition int32) {
	const stride = 2_654_435_761 // prime to every number of keys used here
	id := uint64(n%keys) * stride % uint64(keys)
	copy(key[:], fmt.Sprintf("%08x", id))
	return key, int32(id % benchPartitions)
}

// load makes a topic of n records over so many keys.
func load(b *testing.B, broker *kafkatest.Broker, n, keys int) string {
	b.Helper()
	topic := broker.Topic(b, benchPartitions)
	p := benchProducer(b, broker)
	produce(b, p, topic, 0, n, keys)
	return topic
}

func benchProducer(b *testing.B, broker *kafkatest.Broker) *kafka.Producer {
	b.Helper()
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: broker.Config()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// produce writes records from to to-1 of a load and waits for the broker.
func produce(b *testing.B, p *kafka.Producer, topic string, from, to, keys int) {
	b.Helper()
	id := p.Topic(topic)
	value := bytes.Repeat([]byte("v"), 100)
	for n := from; n < to; n++ {
		key, partition := keyOf(n, keys)
		p.Append(id, partition, key[:], value, nil, -1)
		if n%1024 == 1023 {
			if err := p.Send(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// follow reads the committed records of a topic from its end on, without the
// client under test. at is when the n-th came.
type follow struct {
	cl     *kgo.Client
	cancel context.CancelFunc
	seen   chan time.Time
}

// followTopics is ready when it returns: what is committed from now on counts.
func followTopics(b *testing.B, broker *kafkatest.Broker, partitions int, topics ...string) *follow {
	b.Helper()
	offsets := map[string]map[int32]kgo.Offset{}
	ctx, cancel := context.WithCancel(context.Background())
	admin := broker.Admin(b)
	defer admin.Close()
	for _, t := range topics {
		var parts []kafka.TopicPartition
		for p := range partitions {
			parts = append(parts, kafka.TopicPartition{Topic: t, Partition: int32(p)})
		}
		bounds, err := admin.Bounds(ctx, parts...)
		if err != nil {
			b.Fatal(err)
		}
		offsets[t] = map[int32]kgo.Offset{}
		for i, p := range parts {
			offsets[t][p.Partition] = kgo.NewOffset().At(bounds[i].High)
		}
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(broker.Addr), kgo.MaxVersions(kversion.V3_0_0()), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumePartitions(offsets),
	)
	if err != nil {
		b.Fatal(err)
	}
	f := &follow{cl: cl, cancel: cancel, seen: make(chan time.Time, 1<<20)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			got := cl.PollFetches(ctx)
			now := time.Now()
			for range got.NumRecords() {
				f.seen <- now
			}
		}
	}()
	b.Cleanup(func() {
		cancel()
		for {
			select {
			case <-f.seen:
				continue
			case <-ended:
			}
			break
		}
		cl.Close()
	})
	return f
}

// settle forgets what came, once nothing has come for a while.
func (f *follow) settle() {
	for {
		select {
		case <-f.seen:
		case <-time.After(500 * time.Millisecond):
			return
		}
	}
}

// await returns when the n-th record from now on came.
func (f *follow) await(b *testing.B, n int, p *benchProcess) time.Time {
	b.Helper()
	limit := time.After(5 * time.Minute)
	for {
		select {
		case at := <-f.seen:
			if n--; n == 0 {
				return at
			}
		case <-p.done:
			b.Fatalf("the process ended: %v\n%s", p.wait, p.err.String())
		case <-limit:
			p.kill()
			b.Fatalf("%d records are still missing:\n%s", n, p.err.String())
		}
	}
}
