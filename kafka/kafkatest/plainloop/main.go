// Command plainloop is what a Go program without sliphost does to copy one
// topic to another: Poll, Produce, and every 100 ms wait for the
// acknowledgements and commit. It is the yardstick of `make bench`: the same
// library, the same fetch settings and the same guarantee, at least once.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: plainloop SERVERS IN OUT RECORDS")
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Args[4])
	if err == nil {
		err = run(os.Args[1], os.Args[2], os.Args[3], n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plainloop:", err)
		os.Exit(1)
	}
}

func run(servers, in, out string, records int) error {
	c, err := ck.NewConsumer(&ck.ConfigMap{
		"bootstrap.servers": servers, "group.id": fmt.Sprintf("plainloop-%d", time.Now().UnixNano()), "auto.offset.reset": "earliest",
		"enable.auto.commit": false, "enable.auto.offset.store": false,
		"queued.min.messages": 1000000, "fetch.queue.backoff.ms": 5, "fetch.wait.max.ms": 50, "check.crcs": true,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := ck.NewProducer(&ck.ConfigMap{
		"bootstrap.servers": servers, "enable.idempotence": true, "linger.ms": 5, "partitioner": "murmur2_random",
		"go.delivery.reports": true, "go.delivery.report.fields": "none", "batch.size": 1000000,
	})
	if err != nil {
		return err
	}
	defer p.Close()
	failed := make(chan error, 1)
	go func() {
		for ev := range p.Events() {
			if m, ok := ev.(*ck.Message); ok && m.TopicPartition.Error != nil {
				select {
				case failed <- m.TopicPartition.Error:
				default:
				}
			}
		}
	}()
	if err := c.Subscribe(in, nil); err != nil {
		return err
	}
	last := time.Now()
	for done := 0; done < records; {
		switch ev := c.Poll(100).(type) {
		case *ck.Message:
			if err := produce(p, &out, ev); err != nil {
				return err
			}
			if _, err := c.StoreMessage(ev); err != nil {
				return err
			}
			done++
		case ck.Error:
			return ev
		}
		if time.Since(last) >= 100*time.Millisecond || done == records {
			if err := commit(c, p, failed); err != nil {
				return err
			}
			last = time.Now()
		}
	}
	return nil
}

// produce waits while the queue is full.
func produce(p *ck.Producer, topic *string, m *ck.Message) error {
	for {
		err := p.Produce(&ck.Message{
			TopicPartition: ck.TopicPartition{Topic: topic, Partition: ck.PartitionAny},
			Key:            m.Key, Value: m.Value, Timestamp: m.Timestamp,
		}, nil)
		if e, ok := err.(ck.Error); !ok || e.Code() != ck.ErrQueueFull {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func commit(c *ck.Consumer, p *ck.Producer, failed <-chan error) error {
	for p.Len() > 0 {
		p.Flush(1)
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	_, err := c.Commit()
	if e, ok := err.(ck.Error); ok && e.Code() == ck.ErrNoOffset {
		return nil
	}
	return err
}
