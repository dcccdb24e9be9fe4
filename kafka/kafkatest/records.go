package kafkatest

import (
	"slices"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
)

// Produce writes records in order and waits for the broker. Offsets in them
// are ignored, and partition -1 leaves the choice to the partitioner.
func (b *Broker) Produce(t testing.TB, topic string, records ...Record) {
	t.Helper()
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: b.Config()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	Send(t, p, topic, records...)
}

// Send writes records with a producer and waits for the broker.
func Send(t testing.TB, p *kafka.Producer, topic string, records ...Record) {
	t.Helper()
	id := p.Topic(topic)
	for _, r := range records {
		p.Append(id, r.Partition, r.Key, r.Value, kafka.AppendHeaders(nil, r.Headers), r.Timestamp)
	}
	if err := p.Flush(Context(t)); err != nil {
		t.Fatal(err)
	}
}

// End is what becomes of a transaction.
type End uint8

// The ends of a transaction.
const (
	Commit End = iota
	Abort
	// Leave lets it open, its producer gone, as after a crash: it ends with the
	// next Init of its transactional id, or by its timeout.
	Leave
)

// ProduceIn writes records in one transaction of a transactional id and ends
// it. With Leave the transaction stays open for timeout (0: 30 s).
func (b *Broker) ProduceIn(t testing.TB, id string, end End, timeout time.Duration, topic string, records ...Record) {
	t.Helper()
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: b.Config(), TransactionalID: id, TransactionTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := Context(t)
	if err := p.Init(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	Send(t, p, topic, records...)
	switch end {
	case Commit:
		err = p.Commit(ctx)
	case Abort:
		err = p.Abort(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ConsumeAll returns every committed record a topic holds now, in the order of
// offsets within each partition, partitions mixed.
func (b *Broker) ConsumeAll(t testing.TB, topic string) []Record {
	t.Helper()
	return b.consume(t, topic, kafka.NewReader)
}

// ConsumeUncommitted is ConsumeAll with the records of open and aborted
// transactions.
func (b *Broker) ConsumeUncommitted(t testing.TB, topic string) []Record {
	t.Helper()
	return b.consume(t, topic, kafka.NewUncommittedReader)
}

func (b *Broker) consume(t testing.TB, topic string, make func(kafka.ClientConfig) (*kafka.Reader, error)) []Record {
	t.Helper()
	r, err := make(b.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := Context(t)
	if err := r.Open(ctx, []string{topic}, kafka.Start{}); err != nil {
		t.Fatal(err)
	}
	var all []Record
	var batch abi.Packed
	for !r.AtEnd() {
		if err := ctx.Err(); err != nil {
			t.Fatalf("reading all of %s: %d records, then %v", topic, len(all), err)
		}
		if err := r.Poll(&batch, 1024, 4<<20, 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		all = append(all, Unpack(t, &batch)...)
	}
	return all
}

// AwaitTransactions waits until no transaction is open in any partition of a
// topic: everything written is either committed or aborted.
func (b *Broker) AwaitTransactions(t testing.TB, topic string) {
	t.Helper()
	r, err := kafka.NewReader(b.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx := Context(t)
	if err := r.Open(ctx, []string{topic}, kafka.Start{}); err != nil {
		t.Fatal(err)
	}
	n, err := r.Partitions(ctx)
	if err != nil {
		t.Fatal(err)
	}
	parts := make([]abi.TopicPartition, n[0])
	for i := range parts {
		parts[i].Partition = int32(i)
	}
	for {
		bounds, err := r.Bounds(ctx, parts)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(bounds, func(b abi.Bounds) bool { return b.LastStable < b.High }) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("transactions of %s stay open: %+v", topic, bounds)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
