package kafka_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/embedded"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

func producer(t testing.TB, cfg kafka.ProducerConfig) *kafka.Producer {
	t.Helper()
	p, err := kafka.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestRefusedRecordIsNamedAndTheRestGoesOn mixes records that can be sent with
// some that cannot.
func TestRefusedRecordIsNamedAndTheRestGoesOn(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config()})
		id := p.Topic(topic)
		big := make([]byte, 2<<20)
		p.Append(id, 0, nil, []byte("0"), nil, -1)
		p.Append(id, 0, nil, big, nil, -1)
		p.Append(id, 0, nil, []byte("2"), nil, -1)
		p.Append(id, 0, nil, []byte("3"), []byte{0x91, 0x07}, -1)
		p.Append(99, 0, nil, []byte("4"), nil, -1)
		p.Append(p.Topic(""), 0, nil, []byte("5"), nil, -1)
		p.Append(id, 0, nil, []byte("6"), nil, -1)
		var refused []int
		for {
			err := p.Flush(ctx)
			if err == nil {
				break
			}
			var se *kafka.SendError
			if !errors.As(err, &se) {
				t.Fatal(err)
			}
			var ke *kafka.Error
			if !errors.As(err, &ke) || ke.Fatal() || ke.Retriable() {
				t.Errorf("not a plain refusal: %#v", err)
			}
			if se.Index == 1 && (ke.Code != kafka.CodeMessageTooLarge || ke.Topic != topic) {
				t.Errorf("the large record: %v", err)
			}
			t.Log(err)
			refused = append(refused, se.Index)
		}
		if fmt.Sprint(refused) != "[1 3 4 5]" {
			t.Errorf("refused records %v", refused)
		}
		var got []string
		for _, r := range b.ConsumeAll(t, topic) {
			got = append(got, string(r.Value))
		}
		if fmt.Sprint(got) != "[0 2 6]" {
			t.Errorf("records %v arrived", got)
		}
		// The count of indexes begins anew.
		p.Append(id, 0, nil, big, nil, -1)
		var se *kafka.SendError
		if err := p.Send(ctx); !errors.As(err, &se) || se.Index != 0 {
			t.Errorf("the next round: %v", err)
		}
	})
}

// TestFlushNamesTheFirstRefusedRecord has the broker refuse records that the
// client let pass.
func TestFlushNamesTheFirstRefusedRecord(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		small := b.Topic(t, 1, "max.message.bytes=1000")
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config()})
		good, bad := p.Topic(topic), p.Topic(small)
		p.Append(good, 0, nil, []byte("a"), nil, -1)
		if err := p.Send(ctx); err != nil {
			t.Fatal(err)
		}
		p.Append(good, 0, nil, []byte("b"), nil, -1)
		p.Append(bad, 0, nil, make([]byte, 5000), nil, -1)
		p.Append(good, 0, nil, []byte("c"), nil, -1)
		err := p.Flush(ctx)
		var fe *kafka.FlushError
		var ke *kafka.Error
		if !errors.As(err, &fe) || !errors.As(err, &ke) {
			t.Fatalf("got %v", err)
		}
		if fe.Index != 2 || fe.Failed != 1 || ke.Topic != small || ke.Partition != 0 || ke.Code != kafka.CodeMessageTooLarge {
			t.Errorf("got %+v, %+v", fe, ke)
		}
		t.Log(err)
		p.Append(good, 0, nil, []byte("d"), nil, -1)
		if err := p.Flush(ctx); err != nil {
			t.Errorf("the error was told twice: %v", err)
		}
		if n := len(b.ConsumeAll(t, topic)); n != 4 {
			t.Errorf("%d records arrived", n)
		}
	})
}

func TestUnknownTopicFailsTheFlush(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		cfg := b.Config()
		cfg.Properties["topic.metadata.propagation.max.ms"] = "100"
		p := producer(t, kafka.ProducerConfig{ClientConfig: cfg})
		name := kafkatest.Name("missing")
		p.Append(p.Topic(name), -1, nil, []byte("x"), nil, -1)
		err := p.Flush(kafkatest.Context(t))
		var ke *kafka.Error
		if !errors.As(err, &ke) || ke.Code != kafka.CodeUnknownTopic && ke.Code.String() != "Local: Unknown topic" || ke.Topic != name {
			t.Fatalf("got %#v", err)
		}
		t.Log(err)
	})
}

// TestFullQueueWaits sends far more than the queue holds.
func TestFullQueueWaits(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		cfg := b.Config()
		cfg.Properties["queue.buffering.max.messages"] = "100"
		p := producer(t, kafka.ProducerConfig{ClientConfig: cfg})
		id := p.Topic(topic)
		for i := range 5000 {
			p.Append(id, 0, nil, fmt.Append(nil, i), nil, -1)
		}
		if err := p.Flush(kafkatest.Context(t)); err != nil {
			t.Fatal(err)
		}
		all := b.ConsumeAll(t, topic)
		for i, r := range all {
			if string(r.Value) != fmt.Sprint(i) {
				t.Fatalf("record %d is %s", i, r.Value)
			}
		}
		if len(all) != 5000 {
			t.Errorf("%d records", len(all))
		}
	})
}

// TestNoBrokerEndsWithTheContext fills the queue with nobody to empty it.
func TestNoBrokerEndsWithTheContext(t *testing.T) {
	cfg := kafka.ClientConfig{Properties: map[string]string{
		"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": "10",
	}, Logger: kafkatest.Quiet()}
	p := producer(t, kafka.ProducerConfig{ClientConfig: cfg})
	id := p.Topic("topic")
	for range 30 {
		p.Append(id, 0, nil, []byte("x"), nil, -1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := p.Send(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("send: %v", err)
	}
	if n, bytes := p.Staged(); n != 20 || bytes == 0 {
		t.Errorf("%d records in %d bytes are still staged", n, bytes)
	}
	p.Discard()
	if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("flush: %v", err)
	}
	start := time.Now()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("close took %s", d)
	}
	if err := p.Flush(ctx); !errors.Is(err, kafka.ErrClosed) {
		t.Errorf("flush after close: %v", err)
	}

	a, err := kafka.NewAdmin(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	short, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	err = a.Ready(short)
	if err == nil || !strings.Contains(err.Error(), "no broker answered at 127.0.0.1:1 within 0.5s") && !strings.Contains(err.Error(), "no broker answered at 127.0.0.1:1 within 500ms") {
		t.Errorf("ready: %v", err)
	}
	t.Log(err)
}

// TestPartitionerIsJavas places keys as Java's producers do.
func TestPartitionerIsJavas(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 8)
		p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config()})
		id := p.Topic(topic)
		want := map[string]int32{}
		for i := range 200 {
			key := fmt.Sprintf("key-%d", i*i)
			want[key] = int32((murmur2([]byte(key)) & 0x7fffffff) % 8)
			p.Append(id, -1, []byte(key), nil, nil, -1)
		}
		if err := p.Flush(kafkatest.Context(t)); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.ConsumeAll(t, topic) {
			if want[string(r.Key)] != r.Partition {
				t.Errorf("key %s is in partition %d, want %d", r.Key, r.Partition, want[string(r.Key)])
			}
		}
	})
}

// murmur2 is the hash of Java's producer.
func murmur2(b []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// TestBrokerGoesAwayAndComesBack restarts the embedded broker on its port
// while a producer and a consumer hold on to it.
func TestBrokerGoesAwayAndComesBack(t *testing.T) {
	dir := t.TempDir()
	start := func() *embedded.Broker {
		b, err := embedded.Start(embedded.Options{Dir: dir, Logger: kafkatest.Quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := start()
	b := &kafkatest.Broker{Name: "embedded", Addr: first.Addr(), Embedded: first}
	topic := b.Topic(t, 2)
	ctx := kafkatest.Context(t)
	log := &lines{}
	cfg := b.Config()
	cfg.Logger = log.logger()
	p := producer(t, kafka.ProducerConfig{ClientConfig: cfg})
	id := p.Topic(topic)
	c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: cfg, Group: kafkatest.Name("g")}, topic)
	n := 0
	send := func(count int) {
		for range count {
			p.Append(id, int32(n%2), nil, fmt.Append(nil, n), nil, -1)
			n++
		}
		if err := p.Send(ctx); err != nil {
			t.Fatal(err)
		}
	}
	send(100)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	seen := take(t, c, 100, 100)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	send(100)
	nothing(t, c, 1500*time.Millisecond)
	again := start()
	defer again.Close()
	if again.Addr() != b.Addr {
		t.Fatalf("the broker came back at %s, was at %s", again.Addr(), b.Addr)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	seen = append(seen, take(t, c, 100, 100)...)
	have := map[string]int{}
	for _, r := range seen {
		have[string(r.Value)]++
	}
	for i := range n {
		if have[fmt.Sprint(i)] != 1 {
			t.Errorf("record %d came %d times", i, have[fmt.Sprint(i)])
		}
	}
	if got := log.count("cannot reach the Kafka broker"); got < 1 || got > 2 {
		t.Errorf("the outage was logged %d times, want once a client:\n%s", got, log.String())
	}
	if got := log.count("answers again"); got < 1 {
		t.Errorf("the return was not logged:\n%s", log.String())
	}
}

// TestSendDoesNotAllocate holds once the stage has grown. Nobody answers at the
// address: a broker in this process would allocate too.
func TestSendDoesNotAllocate(t *testing.T) {
	cfg := kafka.ClientConfig{Properties: map[string]string{"bootstrap.servers": "127.0.0.1:1"}, Logger: kafkatest.Quiet()}
	p := producer(t, kafka.ProducerConfig{ClientConfig: cfg})
	id := p.Topic("topic")
	headers := kafka.AppendHeaders(nil, []kafka.Header{{Name: "h", Value: []byte("v")}})
	key, value := []byte("key"), bytes.Repeat([]byte("v"), 100)
	ctx := context.Background()
	batch := func() {
		for range 100 {
			p.Append(id, 0, key, value, headers, 1700000000000)
		}
		if err := p.Send(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		batch()
	}
	if a := testing.AllocsPerRun(200, batch); a >= 1 {
		t.Errorf("%v allocations a batch of 100", a)
	}
}

// TestHostileHeaders feeds the C decoder what is no header array.
func TestHostileHeaders(t *testing.T) {
	b := kafkatest.Embedded(t)
	topic := b.Topic(t, 1)
	ctx := kafkatest.Context(t)
	p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config()})
	id := p.Topic(topic)
	for _, h := range []string{
		"", "91", "9192", "9192a1", "9192a161", "9192a161c4", "9192a161c405", "9192a161c6ffffffff",
		"dd", "ddffffffff", "ddffffffff92a161c0", "dcffff", "92", "c1", "80", "9191a161", "9193a161c0c0",
		"9192a161c000", "91929061c0", "9192dbffffffff61c0", "01", "a161", "9192c0c0",
	} {
		raw, _ := hex.DecodeString(h)
		if raw == nil {
			raw = []byte{}
		}
		p.Append(id, 0, nil, []byte("x"), raw, -1)
		var se *kafka.SendError
		if err := p.Send(ctx); !errors.As(err, &se) {
			t.Errorf("headers %q: %v", h, err)
		}
	}
	for _, h := range []string{"90", "c0", "9192a161c0", "9192a161c400", "9192d90161c40101", "9192a161a0", "dc000192a161c0"} {
		raw, _ := hex.DecodeString(h)
		p.Append(id, 0, nil, []byte("x"), raw, -1)
		if err := p.Flush(ctx); err != nil {
			t.Errorf("headers %q: %v", h, err)
		}
	}
}

// FuzzHeaders sends whatever the decoder accepts and reads it back.
func FuzzHeaders(f *testing.F) {
	b := kafkatest.Embedded(f)
	topic := b.Topic(f, 1)
	p := producer(f, kafka.ProducerConfig{ClientConfig: b.Config()})
	id := p.Topic(topic)
	f.Add([]byte{0x90})
	f.Add(kafka.AppendHeaders(nil, []kafka.Header{{Name: "a", Value: []byte("b")}, {Name: "", Value: nil}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p.Append(id, 0, nil, nil, raw, -1)
		err := p.Flush(kafkatest.Context(t))
		var se *kafka.SendError
		if err != nil && !errors.As(err, &se) {
			t.Fatal(err)
		}
	})
}
