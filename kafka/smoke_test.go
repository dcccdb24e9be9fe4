package kafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka/embedded"
)

func TestSmoke(t *testing.T) {
	b, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cc := ClientConfig{Properties: map[string]string{"bootstrap.servers": b.Addr()}}
	a, err := NewAdmin(cc)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	t0 := time.Now()
	if err := a.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log("ready", time.Since(t0))
	if _, err := a.CreateTopics(ctx, TopicSpec{Name: "x", Partitions: 3}); err != nil {
		t.Fatal(err)
	}
	t.Log("created", time.Since(t0))
	p, err := NewProducer(ProducerConfig{ClientConfig: cc})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	id := p.Topic("x")
	for i := range 1000 {
		p.Append(id, -1, []byte(fmt.Sprint("k", i)), []byte("v"), AppendHeaders(nil, []Header{{"a", nil}, {"a", []byte{}}}), -1)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	t.Log("flushed", time.Since(t0))
	c, err := NewConsumer(ConsumerConfig{ClientConfig: cc, Group: "g"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe([]string{"x"}, func(p []abi.TopicPartition) []int64 { t.Log("assigned", p, time.Since(t0)); return nil }, func(p []abi.TopicPartition, lost bool) { t.Log("revoked", p, lost) }); err != nil {
		t.Fatal(err)
	}
	var batch abi.Packed
	n := 0
	for n < 1000 && ctx.Err() == nil {
		if err := c.Poll(&batch, 256, 1<<20, time.Second); err != nil {
			t.Fatal(err)
		}
		for _, r := range batch.Runs {
			n += int(r.Count)
			k := 0
			for _, err := range Records(&batch, r) {
				if err != nil {
					t.Fatal(err)
				}
				k++
			}
			if k != int(r.Count) {
				t.Fatal(k, r)
			}
		}
	}
	t.Log("consumed", n, time.Since(t0))
	if err := c.Commit(ctx, []abi.TopicOffset{{TopicPartition: abi.TopicPartition{Topic: 0, Partition: 1}, Offset: 7, Metadata: "meta"}}); err != nil {
		t.Fatal(err)
	}
	offs := []abi.TopicOffset{{TopicPartition: abi.TopicPartition{Topic: 0, Partition: 1}}, {TopicPartition: abi.TopicPartition{Topic: 0, Partition: 2}}}
	if err := c.Committed(ctx, offs); err != nil {
		t.Fatal(err)
	}
	t.Log(offs)
	bs, err := c.Bounds(ctx, []abi.TopicPartition{{Topic: 0, Partition: 0}, {Topic: 0, Partition: 2}})
	t.Log(bs, err)
	ns, err := c.Partitions(ctx)
	t.Log(ns, err)
	t.Log("before close", time.Since(t0))
	t.Log(c.Close())
	t.Log("closed", time.Since(t0))
}
