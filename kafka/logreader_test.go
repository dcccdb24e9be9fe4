package kafka_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

func logReader(t testing.TB, b *kafkatest.Broker, topics ...string) *kafka.LogReader {
	t.Helper()
	r, err := kafka.NewLogReader(b.Config())
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	must(t, r.Open(kafkatest.Context(t), topics))
	return r
}

// place is where a record was read.
type place struct {
	part   abi.TopicPartition
	offset int64
}

// until polls until each partition named has told the end, or a later one.
func until(t *testing.T, r *kafka.LogReader, ends map[abi.TopicPartition]int64) map[place]string {
	t.Helper()
	ctx := kafkatest.Context(t)
	left, got := maps.Clone(ends), map[place]string{}
	var batch abi.Packed
	for len(left) > 0 {
		if ctx.Err() != nil {
			t.Fatalf("no end of %v after %d records", left, len(got))
		}
		must(t, r.Poll(&batch, 1000, 1<<20, 100*time.Millisecond))
		for _, run := range batch.Runs {
			for rec, err := range kafka.Records(&batch, run) {
				must(t, err)
				at := place{abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}, rec.Offset}
				if old, twice := got[at]; twice {
					t.Fatalf("%v came twice: %s, %s", at, old, rec.Value)
				}
				got[at] = string(rec.Value)
			}
		}
		for _, e := range batch.Ends {
			if want, ok := left[e.TopicPartition]; ok && e.Offset >= want {
				delete(left, e.TopicPartition)
			}
		}
	}
	return got
}

func text(partition int32, s string) kafkatest.Record {
	r := kafkatest.Record{Partition: partition}
	r.Key, r.Value, r.Timestamp = []byte(s), []byte(s), -1
	return r
}

// TestLogReaderOverTransactions reads committed records among aborted and open
// ones, and is told the last stable offset as the end.
func TestLogReaderOverTransactions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 3, "cleanup.policy=compact")
		b.ProduceIn(t, kafkatest.Name("txn"), kafkatest.Commit, 0, topic, text(0, "a"), text(0, "b"), text(1, "c"))
		b.ProduceIn(t, kafkatest.Name("txn"), kafkatest.Abort, 0, topic, text(0, "gone"), text(1, "gone"))
		open := kafkatest.Name("txn")
		b.ProduceIn(t, open, kafkatest.Leave, 0, topic, text(0, "open"))
		// Partition 0: a b | gone | open; partition 1: c | gone |.
		r := logReader(t, b, topic)
		for p := range int32(3) {
			must(t, r.Add(tp(0, p), 0))
		}
		want := map[place]string{{tp(0, 0), 0}: "a", {tp(0, 0), 1}: "b", {tp(0, 1), 0}: "c"}
		if d := cmp.Diff(want, until(t, r, map[abi.TopicPartition]int64{tp(0, 0): 5, tp(0, 1): 4, tp(0, 2): 0}), cmp.AllowUnexported(place{})); d != "" {
			t.Error(d)
		}
		bounds, err := r.Bounds(kafkatest.Context(t), []abi.TopicPartition{tp(0, 0), tp(0, 2)})
		must(t, err)
		if d := cmp.Diff([]abi.Bounds{{LastStable: 5, High: 6}, {}}, bounds); d != "" {
			t.Error(d)
		}
		// The open one is ended by the next owner of its id, which commits.
		b.ProduceIn(t, open, kafkatest.Commit, 0, topic, text(0, "d"))
		want = map[place]string{{tp(0, 0), 7}: "d"}
		if d := cmp.Diff(want, until(t, r, map[abi.TopicPartition]int64{tp(0, 0): 9}), cmp.AllowUnexported(place{})); d != "" {
			t.Error(d)
		}
	})
}

// TestLogReaderAddAndDrop moves partitions in and out while it reads: each one
// comes from where it was added, complete, and nothing comes after Drop.
func TestLogReaderAddAndDrop(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		const parts, n = 6, 3000
		topic, other := b.Topic(t, parts), b.Topic(t, 1)
		for p := range int32(parts) {
			numbered(t, b, topic, p, 0, n)
		}
		numbered(t, b, other, 0, 0, n)
		r := logReader(t, b, other, topic)
		rng := seeded(t)
		ctx := kafkatest.Context(t)
		next := map[abi.TopicPartition]int64{} // of what is being read
		ended := map[abi.TopicPartition]bool{}
		var all []abi.TopicPartition
		for p := range int32(parts) {
			all = append(all, tp(1, p))
		}
		all = append(all, tp(0, 0))
		poll := func() {
			var batch abi.Packed
			must(t, r.Poll(&batch, 1+rng.IntN(700), 1<<20, 20*time.Millisecond))
			for _, run := range batch.Runs {
				p := abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}
				want, ok := next[p]
				if !ok {
					t.Fatalf("records of %v, which is not read", p)
				}
				for rec, err := range kafka.Records(&batch, run) {
					must(t, err)
					if rec.Offset != want {
						t.Fatalf("%v: offset %d, want %d", p, rec.Offset, want)
					}
					want++
				}
				next[p] = want
			}
			for _, e := range batch.Ends {
				if next[e.TopicPartition] != n || e.Offset != n {
					t.Fatalf("the end %+v after offset %d", e, next[e.TopicPartition])
				}
				ended[e.TopicPartition] = true
			}
		}
		for range 120 {
			p := all[rng.IntN(len(all))]
			if _, reading := next[p]; reading {
				must(t, r.Drop(p))
				delete(next, p)
				delete(ended, p)
			} else {
				at := rng.Int64N(n + 1)
				must(t, r.Add(p, at))
				next[p] = at
			}
			for range rng.IntN(3) {
				poll()
			}
		}
		for _, p := range all {
			if _, reading := next[p]; !reading {
				must(t, r.Add(p, 0))
				next[p] = 0
			}
		}
		for len(ended) < len(all) {
			if ctx.Err() != nil {
				t.Fatalf("only %v ended, at %v", ended, next)
			}
			poll()
		}
	})
}

// TestLogReaderOutOfRange: the error names the place, the others go on, and the
// partition can be read elsewhere.
func TestLogReaderOutOfRange(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 2)
		numbered(t, b, topic, 0, 0, 100)
		numbered(t, b, topic, 1, 0, 100)
		ctx := kafkatest.Context(t)
		a := b.Admin(t)
		defer a.Close()
		must(t, a.DeleteRecords(ctx, topic, map[int32]int64{0: 40}))
		r := logReader(t, b, topic)
		for _, offset := range []int64{39, 0, 101, 5000, math.MaxInt64 - 5} {
			must(t, r.Add(tp(0, 0), offset))
			var batch abi.Packed
			for {
				must(t, ctx.Err())
				err := r.Poll(&batch, 10, 1<<20, 100*time.Millisecond)
				if err == nil {
					if len(batch.Runs) > 0 || len(batch.Ends) > 0 {
						t.Fatalf("at %d: %+v", offset, batch)
					}
					continue
				}
				var where interface{ Where() (string, int32) }
				if !errors.As(err, &where) {
					t.Fatal(err)
				}
				if name, p := where.Where(); name != topic || p != 0 {
					t.Errorf("the error names %s[%d]", name, p)
				}
				if offset == 39 {
					t.Log(err)
				}
				break
			}
			must(t, r.Drop(tp(0, 0)))
		}
		must(t, r.Add(tp(0, 1), 0))
		must(t, r.Add(tp(0, 0), 40))
		if got := until(t, r, map[abi.TopicPartition]int64{tp(0, 0): 100, tp(0, 1): 100}); len(got) != 160 {
			t.Errorf("%d records, want 160", len(got))
		}
		// The end itself is in range.
		must(t, r.Drop(tp(0, 0)))
		must(t, r.Add(tp(0, 0), 100))
		until(t, r, map[abi.TopicPartition]int64{tp(0, 0): 100})
	})
}

func TestLogReaderRefuses(t *testing.T) {
	b := kafkatest.Embedded(t)
	topic := b.Topic(t, 1)
	ctx := kafkatest.Context(t)
	r := logReader(t, b, topic)
	must(t, r.Add(tp(0, 0), 0))
	for name, err := range map[string]error{
		"open twice": r.Open(ctx, []string{topic}), "add twice": r.Add(tp(0, 0), 0), "a foreign id": r.Add(tp(1, 0), 0),
		"no offset": r.Add(tp(0, 1), abi.OffsetBeginning), "drop what is not read": r.Drop(tp(0, 1)), "drop a foreign id": r.Drop(tp(-1, 0)),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	fresh, err := kafka.NewLogReader(b.Config())
	must(t, err)
	if err := fresh.Add(tp(0, 0), 0); err == nil {
		t.Error("add before open")
	}
	if err := fresh.Open(ctx, nil); err == nil {
		t.Error("no topics")
	}
	if err := fresh.Open(ctx, []string{kafkatest.Name("missing")}); !kafka.HasCode(err, kafka.CodeUnknownTopic) {
		t.Errorf("a missing topic: %v", err)
	}
	must(t, fresh.Close())
	for _, err := range []error{fresh.Add(tp(0, 0), 0), fresh.Drop(tp(0, 0)), fresh.Open(ctx, []string{topic}), fresh.Poll(&abi.Packed{}, 1, 1, 0)} {
		if !errors.Is(err, kafka.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
	}
}

// compactSoon makes an embedded broker compact each 100 ms the topics with
// that policy that are made from now on; otherwise it would each hour. An
// Apache Kafka goes on looking for work each 15 s.
func compactSoon(t *testing.T, b *kafkatest.Broker) {
	t.Helper()
	if b.Embedded == nil {
		return
	}
	a, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": b.Addr, "enable.metrics.push": false})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	res, err := a.IncrementalAlterConfigs(kafkatest.Context(t), []ck.ConfigResource{{
		Type: ck.ResourceBroker, Name: "0",
		Config: []ck.ConfigEntry{{Name: "log.cleaner.backoff.ms", Value: "100", IncrementalOperation: ck.AlterConfigOpTypeSet}},
	}})
	if err != nil || res[0].Error.Code() != ck.ErrNoError {
		t.Fatal(err, res)
	}
}

// TestLogReaderOverCompactionGaps reads a log whose records compaction removed.
func TestLogReaderOverCompactionGaps(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		compactSoon(t, b)
		topic := b.Topic(t, 1, "cleanup.policy=compact", "segment.ms=100", "min.cleanable.dirty.ratio=0.01", "max.compaction.lag.ms=200", "delete.retention.ms=0")
		ctx := kafkatest.Context(t)
		id := kafkatest.Name("txn")
		// In transactions, so that markers are in the way too.
		for round := range 4 {
			var recs []kafkatest.Record
			for i := range 50 {
				r := text(0, fmt.Sprint("key", i%10))
				r.Value = fmt.Append(nil, round, "-", i)
				recs = append(recs, r)
			}
			b.ProduceIn(t, id, kafkatest.Commit, 0, topic, recs...)
			time.Sleep(150 * time.Millisecond)
		}
		r := logReader(t, b, topic)
		last := map[string]string{}
		for i := range 10 {
			last[fmt.Sprint("key", i)] = fmt.Sprint(3, "-", 40+i)
		}
		for {
			bounds, err := r.Bounds(ctx, []abi.TopicPartition{tp(0, 0)})
			must(t, err)
			// The embedded broker moves the first offset up to the first record left.
			must(t, r.Add(tp(0, 0), bounds[0].Low))
			got := until(t, r, map[abi.TopicPartition]int64{tp(0, 0): bounds[0].LastStable})
			must(t, r.Drop(tp(0, 0)))
			for i := range int64(10) {
				if want := last[fmt.Sprint("key", i)]; got[place{tp(0, 0), 3*51 + 40 + i}] != want {
					t.Fatalf("the last value of key%d is gone: %v", i, got)
				}
			}
			if len(got) < 200 {
				t.Logf("%d of 200 records are left, end %d", len(got), bounds[0].LastStable)
				return
			}
			// Apache Kafka's cleaner looks every 15 s and takes no orders.
			if err := ctx.Err(); err != nil {
				t.Fatalf("nothing was compacted: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}
