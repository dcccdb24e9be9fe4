package main

import (
	"fmt"
	"testing"

	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// statefulRounds is how often each delivery runs; the best counts.
const statefulRounds = 2

// BenchmarkStateful counts records per key with commits each 100 ms:
// exactly-once beside at-least-once, alternating, in processes of their own
// that run from start to exit over the same records. With 1,000,000 keys every
// record is the first of its key. ratio-% is the rate of exactly-once in
// percent of the other's (goal 80).
func BenchmarkStateful(b *testing.B) {
	eachBroker(b, func(b *testing.B, broker *kafkatest.Broker) {
		for _, keys := range []int{10_000, 1_000_000} {
			b.Run(fmt.Sprintf("keys-%d", keys), func(b *testing.B) {
				in := load(b, broker, statefulRecords, keys)
				for _, language := range []string{"rust", "go"} {
					b.Run(language, func(b *testing.B) {
						for range b.N {
							compareDeliveries(b, broker, in, language)
						}
					})
				}
			})
		}
	})
}

const statefulRecords = 1_000_000

func compareDeliveries(b *testing.B, broker *kafkatest.Broker, in, language string) {
	deliveries := [2]string{"at_least_once", "exactly_once"}
	var rate, cpu [2]float64
	for range statefulRounds {
		for i, delivery := range deliveries {
			a := newCountApp(b, broker, in, language, fmt.Sprintf("delivery = %q", delivery))
			p := a.run(b, "--until-idle")
			p.finish(b)
			if r := statefulRecords / p.took().Seconds(); r > rate[i] {
				rate[i], cpu[i] = r, float64(p.cpu().Nanoseconds())/statefulRecords/1000
			}
		}
	}
	b.ReportMetric(rate[0]/1000, "alo-krec/s")
	b.ReportMetric(rate[1]/1000, "eos-krec/s")
	b.ReportMetric(cpu[0], "alo-cpu-us/rec")
	b.ReportMetric(cpu[1], "eos-cpu-us/rec")
	b.ReportMetric(100*rate[1]/rate[0], "ratio-%")
	b.ReportMetric(0, "ns/op")
}
