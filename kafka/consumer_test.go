package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

func tp(topic, partition int32) abi.TopicPartition {
	return abi.TopicPartition{Topic: topic, Partition: partition}
}

// numbered produces n records with their number as value into partition p.
func numbered(t testing.TB, b *kafkatest.Broker, topic string, p int32, from, n int) {
	t.Helper()
	recs := make([]kafkatest.Record, n)
	for i := range recs {
		recs[i] = kafkatest.Record{Partition: p, Record: kafka.Record{Value: fmt.Append(nil, from+i), Timestamp: -1}}
	}
	b.Produce(t, topic, recs...)
}

// take polls until n records have come and returns them.
func take(t testing.TB, c *kafka.Consumer, n, max int) []kafkatest.Record {
	t.Helper()
	ctx := kafkatest.Context(t)
	var out []kafkatest.Record
	var batch abi.Packed
	for len(out) < n {
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records came: %v", len(out), n, err)
		}
		if err := c.Poll(&batch, min(max, n-len(out)), 8<<20, time.Second); err != nil {
			t.Fatal(err)
		}
		out = append(out, kafkatest.Unpack(t, &batch)...)
	}
	return out
}

// nothing polls for d and fails if a record comes.
func nothing(t testing.TB, c *kafka.Consumer, d time.Duration) {
	t.Helper()
	var batch abi.Packed
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := c.Poll(&batch, 100, 1<<20, 20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if len(batch.Runs) > 0 {
			t.Fatalf("records came: %+v", batch.Runs)
		}
	}
}

// both runs test on each broker by each path.
func both(t *testing.T, test func(t *testing.T, b *kafkatest.Broker, plain bool)) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) { test(t, b, plain) })
		}
	})
}

func TestPauseResumeSeek(t *testing.T) {
	both(t, func(t *testing.T, b *kafkatest.Broker, plain bool) {
		topic := b.Topic(t, 2)
		numbered(t, b, topic, 0, 0, 1000)
		c := join(t, b, plain, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, topic)
		expect := func(recs []kafkatest.Record, from int64) {
			t.Helper()
			for i, r := range recs {
				if r.Offset != from+int64(i) {
					t.Fatalf("record %d has offset %d, want %d", i, r.Offset, from+int64(i))
				}
			}
		}
		expect(take(t, c, 10, 10), 0)
		// Pause drops what is fetched, resume goes on after the last delivered.
		if err := c.Pause([]abi.TopicPartition{tp(0, 0)}); err != nil {
			t.Fatal(err)
		}
		nothing(t, c, 300*time.Millisecond)
		numbered(t, b, topic, 1, 5000, 5)
		if recs := take(t, c, 5, 5); recs[0].Partition != 1 {
			t.Fatalf("a paused partition delivered %+v", recs[0])
		}
		if err := c.Resume([]abi.TopicPartition{tp(0, 0)}); err != nil {
			t.Fatal(err)
		}
		expect(take(t, c, 20, 7), 10)
		// Seek drops what is fetched and goes back, forward, and to the ends.
		for _, to := range []int64{3, 900, 0} {
			if err := c.Seek(tp(0, 0), to); err != nil {
				t.Fatal(err)
			}
			expect(take(t, c, 15, 6), to)
		}
		if err := c.Seek(tp(0, 0), abi.OffsetEnd); err != nil {
			t.Fatal(err)
		}
		nothing(t, c, 200*time.Millisecond)
		if err := c.Seek(tp(0, 0), abi.OffsetBeginning); err != nil {
			t.Fatal(err)
		}
		expect(take(t, c, 5, 5), 0)
		// A seek while paused is where resume goes on.
		if err := c.Pause([]abi.TopicPartition{tp(0, 0)}); err != nil {
			t.Fatal(err)
		}
		if err := c.Seek(tp(0, 0), 500); err != nil {
			t.Fatal(err)
		}
		nothing(t, c, 200*time.Millisecond)
		if err := c.Resume([]abi.TopicPartition{tp(0, 0)}); err != nil {
			t.Fatal(err)
		}
		expect(take(t, c, 20, 20), 500)
		// What is not ours cannot be sought or committed.
		if err := c.Seek(tp(0, 9), 0); !kafka.HasCode(err, kafka.CodeNotAssigned) {
			t.Errorf("seek of a foreign partition: %v", err)
		}
		if err := c.Pause([]abi.TopicPartition{tp(7, 0)}); err == nil {
			t.Error("a pause of an unknown topic succeeded")
		}
		ctx := kafkatest.Context(t)
		err := c.Commit(ctx, []abi.TopicOffset{{TopicPartition: tp(0, 9), Offset: 1}, {TopicPartition: tp(0, 0), Offset: 44, Metadata: "m\x00\xff"}})
		if !kafka.HasCode(err, kafka.CodeNotAssigned) {
			t.Errorf("commit of a foreign partition: %v", err)
		}
		offs := []abi.TopicOffset{{TopicPartition: tp(0, 0)}, {TopicPartition: tp(0, 1)}}
		if err := c.Committed(ctx, offs); err != nil {
			t.Fatal(err)
		}
		if offs[0].Offset != 44 || offs[1].Offset != abi.OffsetNone || offs[1].Metadata != "" {
			t.Errorf("committed %+v", offs)
		}
	})
}

// TestCloseLosesNoRecords is a regression of what confluent-kafka-go does with
// default settings: closing a consumer polls and drops what is queued, and the
// offsets of the dropped records were committed.
func TestCloseLosesNoRecords(t *testing.T) {
	both(t, func(t *testing.T, b *kafkatest.Broker, plain bool) {
		topic := b.Topic(t, 2)
		numbered(t, b, topic, 0, 0, 5000)
		numbered(t, b, topic, 1, 0, 5000)
		group := kafkatest.Name("g")
		ctx := kafkatest.Context(t)
		next := map[abi.TopicPartition]int64{}
		for round := range 6 {
			var at []abi.TopicOffset
			c, err := kafka.NewConsumerBy(kafka.ConsumerConfig{ClientConfig: b.Config(), Group: group}, plain)
			if err != nil {
				t.Fatal(err)
			}
			last := 0
			if err := c.Subscribe([]string{topic}, nil, func(parts []abi.TopicPartition, lost bool) {
				last++
				if lost {
					t.Error("the assignment was lost")
				}
			}); err != nil {
				t.Fatal(err)
			}
			for _, r := range take(t, c, 500+137*round, 100) {
				p := tp(0, r.Partition)
				if r.Offset != next[p] {
					t.Fatalf("round %d: %v: offset %d came, want %d", round, p, r.Offset, next[p])
				}
				next[p]++
			}
			for p, o := range next {
				at = append(at, abi.TopicOffset{TopicPartition: p, Offset: o})
			}
			if err := c.Commit(ctx, at); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if last != 1 {
				t.Errorf("revoked was called %d times by Close", last)
			}
			var batch abi.Packed
			if err := c.Poll(&batch, 1, 1, 0); !errors.Is(err, kafka.ErrClosed) {
				t.Errorf("poll after close: %v", err)
			}
		}
	})
}

func TestStartPolicies(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		var recs []kafkatest.Record
		for i := range 100 {
			recs = append(recs, kafkatest.Record{Record: kafka.Record{Value: []byte("x"), Timestamp: 1700000000000 + int64(i)*1000}})
		}
		b.Produce(t, topic, recs...)
		for _, test := range []struct {
			start kafka.Start
			want  int64
		}{
			{kafka.Start{}, 0},
			{kafka.Start{At: kafka.StartTime, Time: time.UnixMilli(1700000050500)}, 51},
			{kafka.Start{At: kafka.StartOffset, Offset: 7}, 7},
			{kafka.Start{At: kafka.StartOffset, Offset: -3}, 97},
			{kafka.Start{At: kafka.StartLatest}, 100},
			{kafka.Start{At: kafka.StartTime, Time: time.UnixMilli(1800000000000)}, 100},
		} {
			t.Run(fmt.Sprint(test.start.At, test.want), func(t *testing.T) {
				c := join(t, b, false, kafka.ConsumerConfig{
					ClientConfig: b.Config(), Group: kafkatest.Name("g"),
					Start: map[string]kafka.Start{topic: test.start},
				}, topic)
				if test.want == 100 {
					end := len(b.ConsumeAll(t, topic))
					var batch abi.Packed
					for !c.Owned(tp(0, 0)) {
						if err := c.Poll(&batch, 1, 1, time.Second); err != nil {
							t.Fatal(err)
						}
					}
					nothing(t, c, 200*time.Millisecond)
					b.Produce(t, topic, kafkatest.Record{Record: kafka.Record{Value: []byte("new"), Timestamp: -1}})
					if r := take(t, c, 1, 1)[0]; r.Offset != int64(end) {
						t.Errorf("started at %d, want %d", r.Offset, end)
					}
					return
				}
				if r := take(t, c, 1, 1)[0]; r.Offset != test.want {
					t.Errorf("started at %d, want %d", r.Offset, test.want)
				}
			})
		}
		t.Run("error", func(t *testing.T) {
			c := join(t, b, false, kafka.ConsumerConfig{
				ClientConfig: b.Config(), Group: kafkatest.Name("g"),
				Start: map[string]kafka.Start{topic: {At: kafka.StartError}},
			}, topic)
			err := pollError(t, c)
			if !kafka.HasCode(err, kafka.CodeNoOffset) {
				t.Errorf("got %v", err)
			}
		})
	})
}

func pollError(t testing.TB, c *kafka.Consumer) error {
	t.Helper()
	ctx := kafkatest.Context(t)
	var batch abi.Packed
	for ctx.Err() == nil {
		if err := c.Poll(&batch, 100, 1<<20, time.Second); err != nil {
			return err
		}
		if len(batch.Runs) > 0 {
			t.Fatalf("records came instead of an error: %+v", batch.Runs)
		}
	}
	t.Fatal("no error came")
	return nil
}

// TestOffsetOutOfRangeIsAnError starts where the log has nothing: nothing may
// be skipped silently, and a seek goes on from there.
func TestOffsetOutOfRangeIsAnError(t *testing.T) {
	for _, assignor := range []string{"cooperative-sticky", "range"} {
		t.Run(assignor, func(t *testing.T) {
			both(t, func(t *testing.T, b *kafkatest.Broker, plain bool) { outOfRange(t, b, plain, assignor) })
		})
	}
}

func outOfRange(t *testing.T, b *kafkatest.Broker, plain bool, assignor string) {
	topic := b.Topic(t, 2)
	numbered(t, b, topic, 0, 0, 10)
	numbered(t, b, topic, 1, 0, 10)
	c, err := kafka.NewConsumerBy(kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g"), Assignor: assignor}, plain)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe([]string{topic}, func(parts []abi.TopicPartition) []int64 {
		starts := make([]int64, len(parts))
		for i, p := range parts {
			starts[i] = abi.OffsetBeginning
			if p.Partition == 0 {
				starts[i] = 5000
			}
		}
		return starts
	}, nil); err != nil {
		t.Fatal(err)
	}
	// The other partition goes on.
	var got []kafkatest.Record
	var batch abi.Packed
	err = nil
	for ctx := kafkatest.Context(t); (err == nil || len(got) < 10) && ctx.Err() == nil; {
		if failed := c.Poll(&batch, 3, 1<<20, 100*time.Millisecond); failed != nil {
			err = failed
		}
		got = append(got, kafkatest.Unpack(t, &batch)...)
	}
	var e *kafka.Error
	if !errors.As(err, &e) || e.Code != kafka.CodeAutoOffsetReset || e.Fatal() || e.Retriable() {
		t.Fatalf("got %#v", err)
	}
	if !plain && (e.Topic != topic || e.Partition != 0 || e.Offset != 5000) {
		t.Errorf("the error does not say where: %#v", e)
	}
	t.Log(err)
	if err := c.Seek(tp(0, 0), abi.OffsetBeginning); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for i, r := range take(t, c, 10, 10) {
		if r.Partition != 0 || r.Offset != int64(i) {
			t.Errorf("after the seek: %+v", r)
		}
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the seek took %s to show", d)
	}
	nothing(t, c, 100*time.Millisecond)
}

func TestMissingTopicIsAnError(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := kafkatest.Name("missing")
		c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, topic)
		err := pollError(t, c)
		var e *kafka.Error
		if !errors.As(err, &e) || e.Code != kafka.CodeUnknownTopic || e.Topic != topic {
			t.Fatalf("got %v", err)
		}
		t.Log(err)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if _, err := c.Partitions(ctx); !kafka.HasCode(err, kafka.CodeUnknownTopic) {
			t.Errorf("partitions: %v", err)
		}
	})
}

// TestStaticMemberComesBackAtOnce restarts a member without saying goodbye to
// the group: static membership gives its partitions back without waiting for
// the session timeout.
func TestStaticMemberComesBackAtOnce(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 4)
		for p := range int32(4) {
			numbered(t, b, topic, p, 0, 10)
		}
		group := kafkatest.Name("g")
		cfg := func(id string) kafka.ConsumerConfig {
			return kafka.ConsumerConfig{ClientConfig: b.Config(), Group: group, InstanceID: id, SessionTimeout: 30 * time.Second}
		}
		one, err := kafka.NewConsumer(cfg("one"))
		if err != nil {
			t.Fatal(err)
		}
		var mine []abi.TopicPartition
		if err := one.Subscribe([]string{topic}, func(p []abi.TopicPartition) []int64 { mine = append(mine, p...); return nil }, nil); err != nil {
			t.Fatal(err)
		}
		take(t, one, 40, 40)
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		a := b.Admin(t)
		defer a.Close()
		g, err := a.DescribeGroup(kafkatest.Context(t), group)
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Members) != 1 || g.Members[0].InstanceID != "one" {
			t.Errorf("after close the group is %+v: a static member keeps its place", g)
		}
		start := time.Now()
		again, err := kafka.NewConsumer(cfg("one"))
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if err := again.Subscribe([]string{topic}, nil, nil); err != nil {
			t.Fatal(err)
		}
		take(t, again, 40, 40)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("it took %s to come back", d)
		} else {
			t.Logf("back after %s", d)
		}
	})
}

func TestBoundsAndPartitions(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		one, two := b.Topic(t, 3), b.Topic(t, 1)
		numbered(t, b, one, 2, 0, 17)
		c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, one, two)
		ctx := kafkatest.Context(t)
		n, err := c.Partitions(ctx)
		if err != nil || len(n) != 2 || n[0] != 3 || n[1] != 1 {
			t.Fatalf("partitions %v, %v", n, err)
		}
		got, err := c.Bounds(ctx, []abi.TopicPartition{tp(1, 0), tp(0, 2), tp(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		want := []abi.Bounds{{}, {LastStable: 17, High: 17}, {}}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("bounds %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// TestPollDoesNotAllocate holds for batches that fit what was allocated before.
func TestPollDoesNotAllocate(t *testing.T) {
	b := kafkatest.Embedded(t)
	topic := b.Topic(t, 2)
	const n = 40000
	value := bytes.Repeat([]byte("v"), 100)
	recs := make([]kafkatest.Record, n)
	for i := range recs {
		recs[i] = kafkatest.Record{Partition: int32(i % 2), Record: kafka.Record{Key: []byte("key"), Value: value, Timestamp: -1, Headers: []kafka.Header{{Name: "h", Value: value}}}}
	}
	b.Produce(t, topic, recs...)
	c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, topic)
	var batch abi.Packed
	poll := func() {
		for {
			if err := c.Poll(&batch, 64, 1<<20, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if len(batch.Runs) > 0 {
				return
			}
		}
	}
	for range 100 {
		poll()
	}
	if a := testing.AllocsPerRun(300, poll); a >= 1 {
		t.Errorf("%v allocations a batch", a)
	}
}
