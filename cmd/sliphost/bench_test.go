package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// benchRecords is the load of the end-to-end benchmarks: records of 8 bytes
// of key and 100 of value on 4 partitions.
const (
	benchRecords    = 2_000_000
	benchPartitions = 4
)

// BenchmarkPassThrough copies a topic on Apache Kafka: through a Go and a Rust
// guest, and with a plain confluent-kafka-go loop. Each is a process of its
// own, run from start to exit on the same records; CPU is that process's.
// Run it with -benchtime=1x and nothing else on the machine.
func BenchmarkPassThrough(b *testing.B) {
	addr := os.Getenv(kafkatest.Env)
	if addr == "" {
		b.Skipf("set %s to the address of an Apache Kafka (make kafka)", kafkatest.Env)
	}
	broker := &kafkatest.Broker{Name: "apache", Addr: addr}
	in := broker.Topic(b, benchPartitions)
	fill(b, broker, in)
	plain := filepath.Join(b.TempDir(), "plainloop")
	if out, err := exec.Command("go", "build", "-o", plain, "../../kafka/kafkatest/plainloop").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.Run("plain-loop", func(b *testing.B) {
		for range b.N {
			out := broker.Topic(b, benchPartitions)
			measure(b, exec.Command(plain, addr, in, out, fmt.Sprint(benchRecords)))
		}
	})
	for _, workers := range []int{1, 2} {
		for _, guest := range []string{"rust-identity", "go-identity"} {
			b.Run(fmt.Sprintf("sliphost-%s-workers-%d", guest, workers), func(b *testing.B) {
				for range b.N {
					out := broker.Topic(b, benchPartitions)
					dir := benchDir(b, addr, in, out, guest, workers)
					path, err := executable()
					if err != nil {
						b.Fatal(err)
					}
					cmd := exec.Command(path, "run", "--until-idle")
					cmd.Dir = dir
					measure(b, cmd)
				}
			})
		}
	}
}

func benchDir(b *testing.B, addr, in, out, guest string, workers int) string {
	dir := b.TempDir()
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "guests", guest+".wasm"))
	if err != nil {
		b.Fatal(err)
	}
	text := fmt.Sprintf("version = 1\nname = %q\ndelivery = \"at_least_once\"\nworkers = %d\n[kafka]\nbootstrap_servers = %q\n"+
		"[topic.in]\nname = %q\n[topic.out]\nname = %q\n[module.m]\npath = %q\n[handler.identity]\nsource = [\"in\"]\nsink = [\"out\"]\n",
		kafkatest.Name("bench"), workers, addr, in, out, module)
	if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return dir
}

// measure runs a process and reports its rate and its CPU time per record.
func measure(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	b.ReportMetric(benchRecords/took.Seconds()/1000, "krec/s")
	b.ReportMetric(float64(cpu.Microseconds())/benchRecords, "cpu-us/rec")
	if usage != nil {
		b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

// fill produces the records of the benchmarks.
func fill(b *testing.B, broker *kafkatest.Broker, topic string) {
	b.Helper()
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: broker.Config()})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	id := p.Topic(topic)
	rnd := rand.New(rand.NewPCG(1, 2))
	key, value := make([]byte, 8), make([]byte, 100)
	for i := range benchRecords {
		for j := range key {
			key[j] = 'a' + byte(rnd.IntN(26))
		}
		for j := range value {
			value[j] = 'a' + byte(rnd.IntN(26))
		}
		p.Append(id, int32(i%benchPartitions), key, value, nil, -1)
		if i%1024 == 1023 {
			if err := p.Send(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
