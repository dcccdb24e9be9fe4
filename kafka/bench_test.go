package kafka_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// benchBroker is an Apache Kafka if there is one, else the embedded broker.
func benchBroker(b *testing.B) *kafkatest.Broker {
	if addr := os.Getenv(kafkatest.Env); addr != "" {
		return &kafkatest.Broker{Name: "apache", Addr: addr}
	}
	return kafkatest.Embedded(b)
}

var (
	benchKey   = []byte("12345678")
	benchValue = bytes.Repeat([]byte("v"), 100)
)

func fill(b *testing.B, br *kafkatest.Broker, topic string, n int) {
	p := producer(b, kafka.ProducerConfig{ClientConfig: br.Config()})
	id := p.Topic(topic)
	for i := range n {
		p.Append(id, int32(i%4), benchKey, benchValue, nil, 1700000000000)
		if i%1024 == 0 {
			if err := p.Send(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkConsume reads b.N records of 108 bytes from 4 partitions, by the
// drain, by the oracle and by a plain confluent-kafka-go loop.
func BenchmarkConsume(b *testing.B) {
	for _, path := range []string{"drain", "oracle", "plain"} {
		b.Run(path, func(b *testing.B) {
			br := benchBroker(b)
			topic := br.Topic(b, 4)
			fill(b, br, topic, b.N)
			b.SetBytes(108)
			b.ReportAllocs()
			b.ResetTimer()
			if path == "plain" {
				consumePlain(b, br, topic)
				return
			}
			c := join(b, br, path == "oracle", kafka.ConsumerConfig{ClientConfig: br.Config(), Group: kafkatest.Name("g")}, topic)
			var batch abi.Packed
			for n := 0; n < b.N; {
				if err := c.Poll(&batch, 1024, 4<<20, time.Second); err != nil {
					b.Fatal(err)
				}
				for i := range batch.Runs {
					n += int(batch.Runs[i].Count)
				}
			}
			b.StopTimer()
		})
	}
}

func consumePlain(b *testing.B, br *kafkatest.Broker, topic string) {
	c, err := ck.NewConsumer(&ck.ConfigMap{
		"bootstrap.servers": br.Addr, "group.id": kafkatest.Name("g"), "auto.offset.reset": "earliest",
		"enable.auto.commit": false, "enable.metrics.push": false,
		"queued.min.messages": 1000000, "fetch.queue.backoff.ms": 5,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe(topic, nil); err != nil {
		b.Fatal(err)
	}
	for n := 0; n < b.N; {
		if m, ok := c.Poll(1000).(*ck.Message); ok && m.TopicPartition.Error == nil {
			n++
		}
	}
	b.StopTimer()
}

// BenchmarkLogReader reads b.N records of 108 bytes from 4 partitions, as a
// restore does.
func BenchmarkLogReader(b *testing.B) {
	br := benchBroker(b)
	topic := br.Topic(b, 4)
	fill(b, br, topic, b.N)
	b.SetBytes(108)
	b.ReportAllocs()
	b.ResetTimer()
	r := logReader(b, br, topic)
	for p := range int32(4) {
		if err := r.Add(tp(0, p), 0); err != nil {
			b.Fatal(err)
		}
	}
	var batch abi.Packed
	for n := 0; n < b.N; {
		if err := r.Poll(&batch, 4096, 4<<20, time.Second); err != nil {
			b.Fatal(err)
		}
		for i := range batch.Runs {
			n += int(batch.Runs[i].Count)
		}
	}
	b.StopTimer()
}

// BenchmarkProduce writes b.N records of 108 bytes to 4 partitions.
func BenchmarkProduce(b *testing.B) {
	b.Run("staged", func(b *testing.B) {
		br := benchBroker(b)
		topic := br.Topic(b, 4)
		b.SetBytes(108)
		b.ReportAllocs()
		b.ResetTimer()
		fill(b, br, topic, b.N)
	})
	b.Run("plain", func(b *testing.B) {
		br := benchBroker(b)
		topic := br.Topic(b, 4)
		p, err := ck.NewProducer(&ck.ConfigMap{
			"bootstrap.servers": br.Addr, "enable.idempotence": true, "linger.ms": 5,
			"enable.metrics.push": false, "go.delivery.report.fields": "none",
		})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		acked := make(chan int)
		go func() {
			n := 0
			for ev := range p.Events() {
				if m, ok := ev.(*ck.Message); ok && m.TopicPartition.Error == nil {
					if n++; n == b.N {
						acked <- n
						return
					}
				}
			}
		}()
		b.SetBytes(108)
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			m := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: int32(i % 4)}, Key: benchKey, Value: benchValue}
			for p.Produce(m, nil) != nil {
				time.Sleep(time.Millisecond)
			}
		}
		<-acked
		b.StopTimer()
	})
}

// BenchmarkFlush is the round trip of a small batch: what a commit waits for.
func BenchmarkFlush(b *testing.B) {
	br := benchBroker(b)
	topic := br.Topic(b, 1)
	p := producer(b, kafka.ProducerConfig{ClientConfig: br.Config()})
	id := p.Topic(topic)
	flush := func() {
		for range 10 {
			p.Append(id, 0, benchKey, benchValue, nil, -1)
		}
		if err := p.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	flush()
	b.ResetTimer()
	for range b.N {
		flush()
	}
}

// BenchmarkTransaction is a small transaction with offsets, BenchmarkInit what
// a new producer waits for.
func BenchmarkTransaction(b *testing.B) {
	br := benchBroker(b)
	c := owner(b, br)
	topic := br.Topic(b, 1)
	p := transactional(b, br, kafkatest.Name("txn"), 0)
	id := p.Topic(topic)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		must(b, p.Begin())
		for range 10 {
			p.Append(id, 0, benchKey, benchValue, nil, -1)
		}
		must(b, p.Flush(b.Context()))
		md, err := c.GroupMetadata()
		must(b, err)
		must(b, p.SendOffsets(b.Context(), md, []string{topic}, []abi.TopicOffset{{Offset: int64(i)}}))
		must(b, p.Commit(b.Context()))
	}
}

func BenchmarkInit(b *testing.B) {
	br := benchBroker(b)
	name := kafkatest.Name("txn")
	for range b.N {
		p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: br.Config(), TransactionalID: name})
		must(b, err)
		must(b, p.Init(b.Context()))
		must(b, p.Close())
	}
}

// BenchmarkCommit is the round trip of an offset commit, BenchmarkBounds of
// asking for the ends of four partitions.
func BenchmarkCommit(b *testing.B) {
	br := benchBroker(b)
	c := owner(b, br)
	b.ResetTimer()
	for i := range b.N {
		if err := c.Commit(b.Context(), []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: int64(i)}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBounds(b *testing.B) {
	br := benchBroker(b)
	c := owner(b, br)
	b.ResetTimer()
	for range b.N {
		if _, err := c.Bounds(b.Context(), []abi.TopicPartition{tp(0, 0), tp(0, 1), tp(0, 2), tp(0, 3)}); err != nil {
			b.Fatal(err)
		}
	}
}

// owner returns a consumer that has all four partitions of a topic.
func owner(b *testing.B, br *kafkatest.Broker) *kafka.Consumer {
	topic := br.Topic(b, 4)
	c := join(b, br, false, kafka.ConsumerConfig{ClientConfig: br.Config(), Group: kafkatest.Name("g")}, topic)
	var batch abi.Packed
	for !c.Owned(tp(0, 3)) {
		if err := c.Poll(&batch, 1, 1, time.Second); err != nil {
			b.Fatal(err)
		}
	}
	return c
}
