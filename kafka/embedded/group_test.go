package embedded_test

import (
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

func member(t testing.TB, b *kafkatest.Broker, group, topic string) *kafka.Consumer {
	t.Helper()
	c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: b.Config(), Group: group})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe([]string{topic}, nil, nil); err != nil {
		t.Fatal(err)
	}
	var batch abi.Packed
	for end := time.Now().Add(20 * time.Second); !c.Owned(abi.TopicPartition{}); {
		if time.Now().After(end) {
			t.Fatal("no assignment came")
		}
		if err := c.Poll(&batch, 1, 1, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func commit(t testing.TB, b *kafkatest.Broker, group, topic string, offset int64) {
	t.Helper()
	c := member(t, b, group, topic)
	defer c.Close()
	if err := c.Commit(kafkatest.Context(t), []abi.TopicOffset{{Offset: offset}}); err != nil {
		t.Fatal(err)
	}
}

func committed(t testing.TB, b *kafkatest.Broker, group, topic string) int64 {
	t.Helper()
	c := member(t, b, group, topic)
	defer c.Close()
	offs := []abi.TopicOffset{{}}
	if err := c.Committed(kafkatest.Context(t), offs); err != nil {
		t.Fatal(err)
	}
	return offs[0].Offset
}
