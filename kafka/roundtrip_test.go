package kafka_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// shapes are records of every form there is.
func shapes() []kafkatest.Record {
	now := time.Now().UnixMilli()
	rec := func(key, value []byte, ts int64, h ...kafka.Header) kafkatest.Record {
		return kafkatest.Record{Record: kafka.Record{Key: key, Value: value, Timestamp: ts, Headers: h}}
	}
	many := make([]kafka.Header, 20)
	for i := range many {
		many[i] = kafka.Header{Name: fmt.Sprint("h", i), Value: []byte{byte(i)}}
	}
	return []kafkatest.Record{
		rec(nil, nil, now),
		rec([]byte{}, []byte{}, now+1),
		rec(nil, []byte{}, now-1000),
		rec([]byte("key"), nil, now+100000),
		rec([]byte("key"), []byte("value"), 1),
		rec([]byte{0, 0xff}, bytes.Repeat([]byte{0}, 255), now),
		rec(nil, bytes.Repeat([]byte{1}, 256), now),
		rec(nil, bytes.Repeat([]byte{2}, 65535), now),
		rec(bytes.Repeat([]byte("k"), 300), bytes.Repeat([]byte{3}, 65536), now),
		rec(nil, []byte("h"), now, kafka.Header{Name: "a", Value: []byte("1")}, kafka.Header{Name: "a", Value: []byte("2")}, kafka.Header{Name: "a"}),
		rec(nil, []byte("h"), now, kafka.Header{Name: "", Value: []byte{}}, kafka.Header{Name: "nil"}, kafka.Header{Name: string(bytes.Repeat([]byte("n"), 40)), Value: bytes.Repeat([]byte("v"), 70000)}),
		rec(nil, []byte("h"), now, many...),
		rec([]byte("big"), bytes.Repeat([]byte("0123456789abcdef"), 1<<16), now),
		rec([]byte("last"), []byte("x"), now),
	}
}

func bigClient(b *kafkatest.Broker) kafka.ClientConfig {
	cfg := b.Config()
	cfg.Properties["message.max.bytes"] = "8000000"
	cfg.Properties["fetch.message.max.bytes"] = "8000000"
	return cfg
}

// TestEveryShapeComesBackAsItWas sends records of every form and reads them by
// both paths of the consumer, in one batch and one by one.
func TestEveryShapeComesBackAsItWas(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1, "max.message.bytes=8000000")
		ctx := kafkatest.Context(t)
		p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: bigClient(b)})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		want := shapes()
		id := p.Topic(topic)
		for i, r := range want {
			p.Append(id, 0, r.Key, r.Value, kafka.AppendHeaders(nil, r.Headers), r.Timestamp)
			want[i].Offset = int64(i)
		}
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		for _, plain := range []bool{false, true} {
			for _, limit := range []struct{ records, bytes int }{{1024, 64 << 20}, {1, 64 << 20}, {3, 1000}, {1024, 1}} {
				t.Run(fmt.Sprintf("plain=%v,%d,%d", plain, limit.records, limit.bytes), func(t *testing.T) {
					c := join(t, b, plain, kafka.ConsumerConfig{ClientConfig: bigClient(b), Group: kafkatest.Name("g")}, topic)
					var got []kafkatest.Record
					var batch abi.Packed
					for len(got) < len(want) && ctx.Err() == nil {
						if err := c.Poll(&batch, limit.records, limit.bytes, time.Second); err != nil {
							t.Fatal(err)
						}
						recs := kafkatest.Unpack(t, &batch)
						if len(recs) > limit.records {
							t.Errorf("%d records in a batch of at most %d", len(recs), limit.records)
						}
						if limit.bytes == 1 && len(recs) > 1 {
							t.Errorf("%d records in a batch of at most one byte", len(recs))
						}
						for _, r := range batch.Runs {
							if first := firstDeltas(&batch, r); first != [2]byte{0, 0} {
								t.Errorf("the first record of a run has deltas %v", first)
							}
						}
						got = append(got, recs...)
					}
					if d := cmp.Diff(want, got, sameBytes); d != "" {
						t.Errorf("records differ (-sent +read):\n%s", clip(d))
					}
				})
			}
		}
	})
}

// firstDeltas returns the two bytes after the array header of a run's first
// record.
func firstDeltas(b *abi.Packed, r abi.Run) [2]byte {
	return [2]byte(b.Buf[r.Start+6 : r.Start+8])
}

func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "..."
	}
	return s
}

// join makes a consumer that has subscribed; it is closed with the test.
func join(t testing.TB, b *kafkatest.Broker, plain bool, cfg kafka.ConsumerConfig, topics ...string) *kafka.Consumer {
	t.Helper()
	c, err := kafka.NewConsumerBy(cfg, plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Subscribe(topics, nil, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBothPathsPackTheSameBytes compares the drain in C with the Go oracle
// byte by byte over several partitions and random records.
func TestBothPathsPackTheSameBytes(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 3)
		rng := seeded(t)
		var sent []kafkatest.Record
		for i := range 3000 {
			r := kafkatest.Record{Partition: int32(rng.IntN(3))}
			r.Timestamp = 1700000000000 + rng.Int64N(1<<uint(rng.IntN(34))) - rng.Int64N(1<<20)
			if rng.IntN(4) > 0 {
				r.Key = []byte(fmt.Sprint("key", i))
			}
			if rng.IntN(8) > 0 {
				r.Value = bytes.Repeat([]byte{byte(i)}, rng.IntN(600))
			}
			for range rng.IntN(4) {
				h := kafka.Header{Name: string(rune('a' + rng.IntN(3)))}
				if rng.IntN(3) > 0 {
					h.Value = []byte(fmt.Sprint(i))
				}
				r.Headers = append(r.Headers, h)
			}
			sent = append(sent, r)
		}
		b.Produce(t, topic, sent...)
		read := func(plain bool) [3][]byte {
			c := join(t, b, plain, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, topic)
			var out [3][]byte
			var batch abi.Packed
			ctx := kafkatest.Context(t)
			for n := 0; n < len(sent); {
				if ctx.Err() != nil {
					t.Fatalf("%d of %d records", n, len(sent))
				}
				// One record a batch: where a run begins does not depend on timing.
				if err := c.Poll(&batch, 1, 1<<20, time.Second); err != nil {
					t.Fatal(err)
				}
				for _, r := range batch.Runs {
					n += int(r.Count)
					out[r.Partition] = append(out[r.Partition], fmt.Sprintf("%d %d %d ", r.BaseOffset, r.BaseTimestamp, r.LastOffset)...)
					out[r.Partition] = append(out[r.Partition], batch.Buf[r.Start:r.End]...)
				}
			}
			return out
		}
		fast, slow := read(false), read(true)
		for p := range fast {
			if !slices.Equal(fast[p], slow[p]) {
				t.Errorf("partition %d: the paths packed %d and %d bytes that differ", p, len(fast[p]), len(slow[p]))
			}
		}
		// And in large batches the content is that which was sent.
		all := b.ConsumeAll(t, topic)
		var want [3][]kafkatest.Record
		for _, r := range sent {
			r.Offset = int64(len(want[r.Partition]))
			want[r.Partition] = append(want[r.Partition], r)
		}
		var got [3][]kafkatest.Record
		for _, r := range all {
			got[r.Partition] = append(got[r.Partition], r)
		}
		if d := cmp.Diff(want, got, sameBytes); d != "" {
			t.Errorf("records differ (-sent +read):\n%s", clip(d))
		}
	})
}
