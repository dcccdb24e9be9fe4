package kafka_test

import (
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// TestTransactionsOfOthers reads a topic with committed, aborted and open
// transactions: only what is committed is seen, and the end is found although
// its last offsets are markers.
func TestTransactionsOfOthers(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		p, err := ck.NewProducer(&ck.ConfigMap{
			"bootstrap.servers": b.Addr, "transactional.id": kafkatest.Name("txn"),
			"enable.metrics.push": false, "go.delivery.reports": false, "log_level": 0,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.InitTransactions(ctx); err != nil {
			t.Fatal(err)
		}
		write := func(n int, end func() error) {
			t.Helper()
			if err := p.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			for range n {
				if err := p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: 0}, Value: []byte("x")}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if p.Flush(10000) != 0 {
				t.Fatal("records were not acknowledged")
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
		}
		commit := func() error { return p.CommitTransaction(ctx) }
		abort := func() error { return p.AbortTransaction(ctx) }
		write(5, commit)
		write(3, abort)
		if n := len(b.ConsumeAll(t, topic)); n != 5 {
			t.Errorf("%d records, want the 5 committed ones", n)
		}
		write(2, commit)
		write(4, abort)
		write(1, func() error { return nil }) // stays open
		if n := len(b.ConsumeAll(t, topic)); n != 7 {
			t.Errorf("%d records, want the 7 committed ones", n)
		}
		c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, topic)
		ends, err := c.Bounds(ctx, []abi.TopicPartition{tp(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		// 14 records and 4 markers, then an open one.
		if want := (abi.Bounds{Low: 0, LastStable: 18, High: 19}); ends[0] != want {
			t.Errorf("bounds %+v, want %+v", ends[0], want)
		}
		recs := take(t, c, 7, 100)
		if recs[5].Offset != 10 {
			t.Errorf("the sixth record has offset %d", recs[5].Offset)
		}
		if err := abort(); err != nil {
			t.Error(err)
		}
		// The end moves over the aborted records, which nobody is given.
		var batch abi.Packed
		for end := int64(0); end < 20; {
			if err := ctx.Err(); err != nil {
				t.Fatalf("the end is told to be at %d, want 20: %v", end, err)
			}
			if err := c.Poll(&batch, 100, 1<<20, 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if len(batch.Runs) > 0 {
				t.Fatalf("records of an aborted transaction: %+v", batch.Runs)
			}
			for _, e := range batch.Ends {
				if e.TopicPartition != tp(0, 0) {
					t.Fatalf("the end of a foreign partition: %+v", e)
				}
				end = e.Offset
			}
		}
	})
}
