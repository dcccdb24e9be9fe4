package kafka_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/embedded"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// TestCloseWithoutABroker must not wait for one.
func TestCloseWithoutABroker(t *testing.T) {
	for _, id := range []string{"", "static"} {
		t.Run("instance="+id, func(t *testing.T) {
			b := kafkatest.Embedded(t)
			topic := b.Topic(t, 1)
			numbered(t, b, topic, 0, 0, 10)
			c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g"), InstanceID: id})
			if err != nil {
				t.Fatal(err)
			}
			revoked := 0
			if err := c.Subscribe([]string{topic}, nil, func([]abi.TopicPartition, bool) { revoked++ }); err != nil {
				t.Fatal(err)
			}
			take(t, c, 3, 3)
			if err := b.Embedded.Close(); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			d := time.Since(start)
			t.Logf("closed after %s", d)
			if d > 10*time.Second || revoked != 1 {
				t.Errorf("closed after %s, revoked called %d times", d, revoked)
			}
		})
	}
}

// TestCredentialsPassThrough logs in with the right password and not with a
// wrong one. (The embedded broker cuts the connection where Apache Kafka
// answers; an answer would end the flush with CodeAuthentication.)
func TestCredentialsPassThrough(t *testing.T) {
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Logger: kafkatest.Quiet(), Users: map[string]string{"me": "right"}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	config := func(password string) kafka.ClientConfig {
		return kafka.ClientConfig{Logger: kafkatest.Quiet(), Properties: map[string]string{
			"bootstrap.servers": e.Addr(), "security.protocol": "SASL_PLAINTEXT",
			"sasl.mechanism": "PLAIN", "sasl.username": "me", "sasl.password": password,
		}}
	}
	a, err := kafka.NewAdmin(config("right"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx := kafkatest.Context(t)
	if _, err := a.CreateTopics(ctx, kafka.TopicSpec{Name: "topic", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	p := producer(t, kafka.ProducerConfig{ClientConfig: config("right")})
	p.Append(p.Topic("topic"), 0, nil, []byte("x"), nil, -1)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: config("right"), Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe([]string{"topic"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	take(t, c, 1, 1)

	bad, err := kafka.NewAdmin(config("wrong"))
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := bad.Ready(short); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("ready with a wrong password: %v", err)
	}
}
