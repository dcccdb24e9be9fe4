package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A client that dies while it waits to become a member loses its place after
// its session timeout, and others get its partitions.
func TestMemberThatDiesWhileItJoins(t *testing.T) {
	b := kafkatest.Embedded(t)
	topic := b.Topic(t, 2)
	group := kafkatest.Name("dies")
	lives := member(t, b, group, topic)
	defer lives.Close()

	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr))
	if err != nil {
		t.Fatal(err)
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType, join.InstanceID = group, "consumer", kmsg.StringPtr("dies")
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 6000, 300_000
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = []string{topic}
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name, protocol.Metadata = "roundrobin", meta.AppendTo(nil)
	join.Protocols = append(join.Protocols, protocol)
	ctx, die := context.WithCancel(t.Context())
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		_, _ = join.RequestWith(ctx, cl) // it is never answered: the other member does not poll
	}()
	admin := b.Admin(t)
	defer admin.Close()
	await(t, "the join", func() bool {
		g, err := admin.DescribeGroup(t.Context(), group)
		return err == nil && len(g.Members) == 2
	})
	die()
	<-joined
	cl.Close()

	all := func() bool {
		for p := range int32(2) {
			if !lives.Owned(abi.TopicPartition{Partition: p}) {
				return false
			}
		}
		return true
	}
	var batch abi.Packed
	poll := func() {
		if err := lives.Poll(&batch, 1, 1, 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "half of the partitions for the dead member", func() bool { poll(); return !all() })
	await(t, "all partitions for the living one", func() bool { poll(); return all() })
}

// await waits for something that takes less than three session timeouts.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
