package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// recoveryKeys is how many keys are in the state that comes back.
const recoveryKeys = 1_000_000

// BenchmarkRecovery ends a host with 1,000,000 keys by kill -9 in the middle
// of its work and starts it again. kill-s is the time from the exec of the new
// process until a reader of committed records sees the first output that is
// new (goal 1.5 s), an input of which was sent just before. restore-s is the
// same where the state directory has no store any more, so that the whole
// changelog is read first: restore-krec/s are its records by that time, nothing
// left out (goal 300), and restore-cpu-us/rec is the processor's time of that
// process, start and end included.
func BenchmarkRecovery(b *testing.B) {
	eachBroker(b, func(b *testing.B, broker *kafkatest.Broker) {
		in := load(b, broker, recoveryKeys, recoveryKeys)
		a := newCountApp(b, broker, in, "rust")
		a.run(b, "--until-idle").finish(b)
		out := followTopics(b, broker, benchPartitions, a.out)
		for range b.N {
			killed := recoverKilled(b, a, out)
			restored, cpu := recoverEmpty(b, a, out)
			records := changelogRecords(b, a)
			b.ReportMetric(killed.Seconds(), "kill-s")
			b.ReportMetric(restored.Seconds(), "restore-s")
			b.ReportMetric(records/restored.Seconds()/1000, "restore-krec/s")
			b.ReportMetric(float64(cpu.Microseconds())/records, "restore-cpu-us/rec")
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
func recoverEmpty(b *testing.B, a *countApp, out *follow) (took, cpu time.Duration) {
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
	return at.Sub(p.began), p.cpu()
}

// changelogRecords counts what a full restore reads, markers of transactions
// included.
func changelogRecords(b *testing.B, a *countApp) float64 {
	b.Helper()
	admin := a.broker.Admin(b)
	defer admin.Close()
	var parts []kafka.TopicPartition
	for p := range int32(benchPartitions) {
		parts = append(parts, kafka.TopicPartition{Topic: a.name + "-counts-changelog", Partition: p})
	}
	bounds, err := admin.Bounds(b.Context(), parts...)
	if err != nil {
		b.Fatal(err)
	}
	n := int64(0)
	for _, one := range bounds {
		n += one.High - one.Low
	}
	return float64(n)
}
