package kafka_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

func TestTopicsAndGroups(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		ctx := kafkatest.Context(t)
		a := b.Admin(t)
		defer a.Close()
		if err := a.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		one, two, missing := kafkatest.Name("one"), kafkatest.Name("two"), kafkatest.Name("missing")
		created, err := a.CreateTopics(ctx, kafka.TopicSpec{Name: one, Partitions: 3, Replication: 1, Config: map[string]string{"cleanup.policy": "compact", "max.message.bytes": "123456"}})
		if err != nil || !created[0] {
			t.Fatalf("%v, %v", created, err)
		}
		created, err = a.CreateTopics(ctx, kafka.TopicSpec{Name: one, Partitions: 7}, kafka.TopicSpec{Name: two})
		if err != nil || created[0] || !created[1] {
			t.Fatalf("the second time: %v, %v", created, err)
		}
		got, err := a.DescribeTopics(ctx, two, one, missing)
		if err != nil {
			t.Fatal(err)
		}
		if !got[0].Exists || got[0].Partitions != 1 || got[0].Name != two {
			t.Errorf("%+v", got[0])
		}
		if !got[1].Exists || got[1].Partitions != 3 || got[1].Replication != 1 || len(got[1].Leaderless) != 0 ||
			got[1].Config["cleanup.policy"] != "compact" || got[1].Config["max.message.bytes"] != "123456" {
			t.Errorf("%+v", got[1])
		}
		if got[2].Exists || got[2].Name != missing {
			t.Errorf("%+v", got[2])
		}
		names, err := a.Topics(ctx)
		if err != nil || !strings.Contains(strings.Join(names, " "), one) {
			t.Errorf("%v, %v", names, err)
		}
		for _, bad := range []kafka.TopicSpec{
			{Name: "no spaces allowed"},
			{Name: kafkatest.Name("r"), Partitions: 1, Replication: 9},
			{Name: kafkatest.Name("c"), Partitions: 1, Replication: 1, Config: map[string]string{"no.such.setting": "1"}},
		} {
			_, err := a.CreateTopics(ctx, bad)
			if b.Name == "embedded" && err == nil {
				continue // checked less: see DESIGN.md
			}
			if err == nil {
				t.Errorf("%+v was created", bad)
			} else {
				t.Log(err)
			}
		}

		group := kafkatest.Name("g")
		g, err := a.DescribeGroup(ctx, group)
		if err != nil || g.State != "dead" || len(g.Members) != 0 {
			t.Errorf("a group nobody joined: %+v, %v", g, err)
		}
		c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: group, InstanceID: "i-1", Assignor: "range"}, one)
		var batch abi.Packed
		for !c.Owned(tp(0, 2)) {
			if err := c.Poll(&batch, 1, 1, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		g, err = a.DescribeGroup(ctx, group)
		if err != nil {
			t.Fatal(err)
		}
		if g.State != "stable" || g.Assignor != "range" || len(g.Members) != 1 || g.Members[0].InstanceID != "i-1" || len(g.Members[0].Assigned[one]) != 3 {
			t.Errorf("%+v", g)
		}
		if err := a.DeleteTopics(ctx, one, two, missing); err != nil {
			t.Error(err)
		}
	})
}

func TestReader(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 3)
		for p := range int32(2) {
			numbered(t, b, topic, p, 0, 50)
		}
		for _, test := range []struct {
			name  string
			start kafka.Start
			want  int
		}{
			{"earliest", kafka.Start{}, 100},
			{"latest", kafka.Start{At: kafka.StartLatest}, 0},
			{"offset", kafka.Start{At: kafka.StartOffset, Offset: 40}, 20},
			{"offset beyond", kafka.Start{At: kafka.StartOffset, Offset: 4000}, 0},
			{"last three", kafka.Start{At: kafka.StartOffset, Offset: -3}, 6},
			{"last thousand", kafka.Start{At: kafka.StartOffset, Offset: -1000}, 100},
			{"time", kafka.Start{At: kafka.StartTime, Time: time.Now().Add(-time.Hour)}, 100},
			{"later", kafka.Start{At: kafka.StartTime, Time: time.Now().Add(time.Hour)}, 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				r, err := kafka.NewReader(b.Config())
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				ctx := kafkatest.Context(t)
				if err := r.Open(ctx, []string{topic}, test.start); err != nil {
					t.Fatal(err)
				}
				if n, err := r.Partitions(ctx); err != nil || n[0] != 3 {
					t.Errorf("partitions %v, %v", n, err)
				}
				n := 0
				var batch abi.Packed
				for !r.AtEnd() {
					if ctx.Err() != nil {
						t.Fatalf("%d records, no end", n)
					}
					if err := r.Poll(&batch, 7, 1<<20, 100*time.Millisecond); err != nil {
						t.Fatal(err)
					}
					n += len(kafkatest.Unpack(t, &batch))
				}
				if n != test.want {
					t.Errorf("%d records, want %d", n, test.want)
				}
			})
		}
		t.Run("missing", func(t *testing.T) {
			r, err := kafka.NewReader(b.Config())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if err := r.Open(ctx, []string{kafkatest.Name("missing")}, kafka.Start{}); !kafka.HasCode(err, kafka.CodeUnknownTopic) {
				t.Errorf("got %v", err)
			}
		})
	})
}

// TestStatistics reads what the library tells about a consumer and a producer.
func TestStatistics(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		stats := make(chan *kafka.Stats, 100)
		cfg := b.Config()
		cfg.ClientID = "somebody"
		cfg.StatsInterval = 100 * time.Millisecond
		cfg.OnStats = func(doc []byte) {
			s, err := kafka.ParseStats(doc)
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case stats <- s:
			default:
			}
		}
		ctx := kafkatest.Context(t)
		p := producer(t, kafka.ProducerConfig{ClientConfig: cfg})
		id := p.Topic(topic)
		for range 10 {
			p.Append(id, 0, nil, []byte("x"), nil, -1)
		}
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: cfg, Group: kafkatest.Name("g")}, topic)
		take(t, c, 4, 4)
		if err := c.Commit(ctx, []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: 4}}); err != nil {
			t.Fatal(err)
		}
		var batch abi.Packed
		var sawConsumer, sawProducer bool
		for !sawConsumer || !sawProducer {
			if ctx.Err() != nil {
				t.Fatalf("consumer %v, producer %v", sawConsumer, sawProducer)
			}
			if err := c.Poll(&batch, 1, 1, 20*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			for more := true; more; {
				select {
				case s := <-stats:
					up := len(s.Brokers) == 1 && s.Brokers[0].Up && s.Brokers[0].RTTMax > 0
					switch {
					case s.Type == "producer" && up && s.SentRecords == 10 && s.QueuedRecords == 0 && s.MaxRecords > 0:
						sawProducer = true
					case s.Type == "consumer" && up && len(s.Partitions) == 1:
						ps := s.Partitions[0]
						sawConsumer = sawConsumer || ps.Topic == topic && ps.Lag == 6 && ps.Committed == 4 && ps.End == 10 && s.Rebalances == 1
					}
				default:
					more = false
				}
			}
		}
		if _, err := kafka.ParseStats([]byte("{")); err == nil {
			t.Error("half a document was read")
		}
	})
}
