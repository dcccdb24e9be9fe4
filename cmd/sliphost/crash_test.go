package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// hostProcess is a real `sliphost run`.
type hostProcess struct {
	cmd  *exec.Cmd
	err  bytes.Buffer
	done chan struct{}
	wait error
}

// executable is this test binary under the name that makes it sliphost.
var executable = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "sliphost-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sliphost")
	return path, os.Symlink(self, path)
})

// start runs sliphost with args in dir; the process ends with the test.
func start(t *testing.T, dir string, args ...string) *hostProcess {
	t.Helper()
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &hostProcess{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stderr = dir, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.wait = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *hostProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// end waits for a process that ends by itself or was told to.
func (p *hostProcess) end(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.done
		t.Fatalf("the process did not end within %s:\n%s", within, p.err.String())
	}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() && status.Signal() == syscall.SIGTERM {
		return // the signal was faster than main
	}
	if p.wait != nil {
		t.Fatalf("%v\n%s", p.wait, p.err.String())
	}
}

// passThroughDir writes a manifest that copies topic in to topic out.
func passThroughDir(t *testing.T, b *kafkatest.Broker, in, out string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`version = 1
name = %q
delivery = "at_least_once"
commit_interval = "50ms"
[kafka]
bootstrap_servers = %q
[topic.in]
name = %q
[topic.out]
name = %q
[module.m]
path = %q
[handler.identity]
source = ["in"]
sink = ["out"]
`, kafkatest.Name("crash"), b.Addr, in, out, filepath.Join(guests(t), "rust-all.wasm"))
	if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// numbered makes n records whose values count up within each partition.
func numbered(from, n, partitions int) []kafkatest.Record {
	var recs []kafkatest.Record
	for i := from; i < from+n; i++ {
		recs = append(recs, kafkatest.Record{
			Partition: int32(i % partitions),
			Record:    kafka.Record{Key: []byte(strconv.Itoa(i % partitions)), Value: []byte(strconv.Itoa(i)), Timestamp: -1},
		})
	}
	return recs
}

// checkOutputs says what is wrong with the outputs of total numbered records:
// a loss, or a first appearance out of its partition's order. It returns how
// many came more than once.
func checkOutputs(t *testing.T, recs []kafkatest.Record, total, partitions int) (doubled int) {
	t.Helper()
	seen := map[int]bool{}
	next := make([]int, partitions)
	for p := range next {
		next[p] = p
	}
	for _, r := range recs {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil || string(r.Key) != strconv.Itoa(n%partitions) {
			t.Fatalf("foreign record %q %q", r.Key, r.Value)
		}
		if seen[n] {
			doubled++
			continue
		}
		seen[n] = true
		if p := n % partitions; next[p] != n {
			t.Fatalf("record %d came first where %d was due", n, next[p])
		}
		next[n%partitions] += partitions
	}
	if len(seen) != total {
		t.Fatalf("%d of %d records have no output", total-len(seen), total)
	}
	return doubled
}

// TestKilledHostsLoseNothing kills two processes of one group again and again
// while records arrive, then lets one finish.
func TestKilledHostsLoseNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		const partitions, rounds, perRound = 4, 12, 2000
		in, out := b.Topic(t, partitions), b.Topic(t, partitions)
		dir := passThroughDir(t, b, in, out)
		hosts := make([]*hostProcess, 2)
		run := func(i int) {
			hosts[i] = start(t, dir, "run", "--state-dir", fmt.Sprintf("state-%d", i))
		}
		run(0)
		for round := range rounds {
			b.Produce(t, in, numbered(round*perRound, perRound, partitions)...)
			i := rnd.IntN(2)
			if hosts[i] != nil {
				time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
				hosts[i].kill()
			}
			run(i)
		}
		for i, h := range hosts {
			if h == nil {
				continue
			}
			if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatalf("host %d: %v\n%s", i, err, h.err.String())
			}
			h.end(t, 40*time.Second)
		}
		last := start(t, dir, "run", "--until-idle", "--state-dir", "state-0")
		last.end(t, time.Minute)
		doubled := checkOutputs(t, b.ConsumeAll(t, out), rounds*perRound, partitions)
		t.Logf("%d of %d records came more than once", doubled, rounds*perRound)
	})
}

// TestCleanStopsRepeatNothing stops and starts hosts in good order: then at
// least once is exactly once.
func TestCleanStopsRepeatNothing(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		const partitions, rounds, perRound = 3, 5, 3000
		in, out := b.Topic(t, partitions), b.Topic(t, partitions)
		dir := passThroughDir(t, b, in, out)
		for round := range rounds {
			b.Produce(t, in, numbered(round*perRound, perRound, partitions)...)
			h := start(t, dir, "run")
			awaitOutput(t, b, out, round*perRound+1)
			if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			h.end(t, 40*time.Second)
			if text := h.err.String(); strings.Contains(text, "\"level\":\"ERROR\"") {
				t.Errorf("a clean stop logs errors:\n%s", text)
			}
		}
		start(t, dir, "run", "--until-idle").end(t, time.Minute)
		if doubled := checkOutputs(t, b.ConsumeAll(t, out), rounds*perRound, partitions); doubled > 0 {
			t.Errorf("%d records came more than once", doubled)
		}
	})
}

// TestRunsInARowEnd starts hosts of several workers again and again for a few
// records, so that they come and go while the group is still settling: each
// has to find its partitions and its end.
func TestRunsInARowEnd(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		const partitions, rounds, perRound = 4, 12, 100
		in, out := b.Topic(t, partitions), b.Topic(t, partitions)
		dir := passThroughDir(t, b, in, out)
		for round := range rounds {
			b.Produce(t, in, numbered(round*perRound, perRound, partitions)...)
			start(t, dir, "run", "--until-idle", "--set", "workers=2").end(t, 40*time.Second)
		}
		if doubled := checkOutputs(t, b.ConsumeAll(t, out), rounds*perRound, partitions); doubled > 0 {
			t.Errorf("%d records came more than once", doubled)
		}
	})
}

// awaitOutput waits until the topic holds at least n records.
func awaitOutput(t *testing.T, b *kafkatest.Broker, topic string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for len(b.ConsumeAll(t, topic)) < n {
		select {
		case <-ctx.Done():
			t.Fatalf("fewer than %d records came out within a minute", n)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestARecordOfTheTopicsLimitPasses copies a record that a topic takes by
// default and librdkafka by its own default does not send.
func TestARecordOfTheTopicsLimitPasses(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		in, out := b.Topic(t, 1), b.Topic(t, 1)
		dir := passThroughDir(t, b, in, out)
		value := bytes.Repeat([]byte("v"), 1_048_000)
		cfg := b.Config()
		cfg.Properties["message.max.bytes"] = "1048588"
		p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: cfg})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		p.Append(p.Topic(in), 0, nil, value, nil, -1)
		if err := p.Flush(kafkatest.Context(t)); err != nil {
			t.Fatal(err)
		}
		start(t, dir, "run", "--until-idle").end(t, time.Minute)
		recs := b.ConsumeAll(t, out)
		if len(recs) != 1 || !bytes.Equal(recs[0].Value, value) {
			t.Fatalf("%d records came out", len(recs))
		}
	})
}
