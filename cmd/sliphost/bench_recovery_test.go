package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// recoveryKeys is how many keys are in the state that comes back.
const recoveryKeys = 1_000_000

// BenchmarkRecovery ends a host with 1,000,000 keys by kill -9 in the middle
// of its work and starts it again. kill-s is the time from the exec of the new
// process until a reader of committed records sees the first output that is
// new (goal 1.5 s), an input of which was sent just before. restore-s is the
// same where the state directory has no store any more, so that the whole
// changelog is read first: restore-krec/s are its keys by that time, nothing
// left out (goal 300).
func BenchmarkRecovery(b *testing.B) {
	eachBroker(b, func(b *testing.B, broker *kafkatest.Broker) {
		in := load(b, broker, recoveryKeys, recoveryKeys)
		a := newCountApp(b, broker, in, "rust")
		a.run(b, "--until-idle").finish(b)
		out := followTopics(b, broker, benchPartitions, a.out)
		for range b.N {
			killed := recoverKilled(b, a, out)
			restored := recoverEmpty(b, a, out)
			b.ReportMetric(killed.Seconds(), "kill-s")
			b.ReportMetric(restored.Seconds(), "restore-s")
			b.ReportMetric(recoveryKeys/restored.Seconds()/1000, "restore-krec/s")
			b.ReportMetric(0, "ns/op")
		}
	})
}

// recoverKilled kills a host that has work and times the next one.
func recoverKilled(b *testing.B, a *countApp, out *follow) time.Duration {
	producer := benchProducer(b, a.broker)
	p := a.run(b)
	const some, many = 20_000, 400_000
	produce(b, producer, a.in, 0, many, recoveryKeys)
	out.await(b, some, p)
	p.kill()
	out.settle()
	produce(b, producer, a.in, many, many+1, recoveryKeys)
	p = a.run(b)
	at := out.await(b, 1, p)
	p.stop(b) // what is left of the load belongs to the next start
	a.run(b, "--until-idle").finish(b)
	out.settle()
	return at.Sub(p.began)
}

// recoverEmpty times a host that has lost its store.
func recoverEmpty(b *testing.B, a *countApp, out *follow) time.Duration {
	store, err := filepath.Glob(filepath.Join(a.dir, ".sliphost", "store"))
	if err != nil || len(store) != 1 {
		b.Fatalf("stores %q: %v", store, err)
	}
	if err := os.RemoveAll(store[0]); err != nil {
		b.Fatal(err)
	}
	producer := benchProducer(b, a.broker)
	for n := range 64 { // every partition has one
		produce(b, producer, a.in, n, n+1, recoveryKeys)
	}
	p := a.run(b)
	at := out.await(b, 64, p)
	p.stop(b)
	if !strings.Contains(p.err.String(), "stopped") {
		b.Fatal(fmt.Sprintf("the host did not end in order:\n%s", p.err.String()))
	}
	return at.Sub(p.began)
}
