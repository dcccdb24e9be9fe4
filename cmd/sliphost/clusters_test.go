package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// clustersDir writes a manifest that reads a topic on each of two brokers.
// crossed writes each where the other is read.
func clustersDir(t *testing.T, a, b *kafkatest.Broker, delivery string, inA, inB, outA, outB string, crossed bool) string {
	t.Helper()
	dir := t.TempDir()
	first, second := "out-a", "out-b"
	if crossed {
		first, second = second, first
	}
	text := fmt.Sprintf(`version = 1
name = %q
delivery = %q
commit_interval = "30ms"
[kafka]
bootstrap_servers = %q
[kafka.b]
bootstrap_servers = %q
[topic.in-a]
name = %q
[topic.out-a]
name = %q
[topic.in-b]
name = %q
kafka = "b"
[topic.out-b]
name = %q
kafka = "b"
[module.m]
path = %q
[handler.a]
function = "identity"
source = ["in-a"]
sink = [%q]
[handler.b]
function = "identity"
source = ["in-b"]
sink = [%q]
`, kafkatest.Name("clusters"), delivery, a.Addr, b.Addr, inA, outA, inB, outB, filepath.Join(guests(t), "rust-all.wasm"), first, second)
	if err := os.WriteFile(filepath.Join(dir, "manifest.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// times counts how often each number is in a topic.
func times(t *testing.T, b *kafkatest.Broker, topic string) map[int]int {
	t.Helper()
	seen := map[int]int{}
	for _, r := range b.ConsumeAll(t, topic) {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		seen[n]++
	}
	return seen
}

// One host works on two clusters: each input and its outputs on one of them
// under exactly-once, across under at-least-once. Kills lose nothing, and under
// exactly-once double nothing.
func TestSeveralClusters(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, a *kafkatest.Broker) {
		b := kafkatest.Embedded(t)
		for _, exactly := range []bool{true, false} {
			delivery := "at_least_once"
			if exactly {
				delivery = "exactly_once"
			}
			inA, outA, inB, outB := a.Topic(t, 2), a.Topic(t, 2), b.Topic(t, 2), b.Topic(t, 2)
			dir := clustersDir(t, a, b, delivery, inA, inB, outA, outB, !exactly)
			const rounds, perRound = 3, 500
			for round := range rounds {
				p := start(t, dir, "run")
				a.Produce(t, inA, numbered(round*perRound, perRound, 2)...)
				b.Produce(t, inB, numbered(round*perRound, perRound, 2)...)
				time.Sleep(500 * time.Millisecond)
				p.kill()
			}
			start(t, dir, "run", "--until-idle").end(t, time.Minute)
			for name, seen := range map[string]map[int]int{"a": times(t, a, outA), "b": times(t, b, outB)} {
				for n := range rounds * perRound {
					if seen[n] == 0 || exactly && seen[n] != 1 {
						t.Fatalf("%s, cluster %s: record %d came out %d times", delivery, name, n, seen[n])
					}
				}
			}
		}
	})
}

// A transaction cannot span clusters: that is said before anything runs.
func TestOutputsOnAnotherClusterAreRefusedUnderExactlyOnce(t *testing.T) {
	b := &kafkatest.Broker{Addr: "127.0.0.1:1"}
	dir := clustersDir(t, b, b, "exactly_once", "a", "b", "c", "d", true)
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "check")
	cmd.Dir = dir
	var text bytes.Buffer
	cmd.Stderr = &text
	if err := cmd.Run(); err == nil || strings.Count(text.String(), "error SLP328") != 2 {
		t.Errorf("%v\n%s", err, text.String())
	}
}
