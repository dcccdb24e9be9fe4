package kafka_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// expel makes the broker drop a member, as an operator's tool does: LeaveGroup
// (13) version 3.
func expel(t *testing.T, b *kafkatest.Broker, group string, m kafka.Member) {
	t.Helper()
	str := func(p []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint16(p, uint16(len(s))), s...)
	}
	req := []byte{0, 13, 0, 3, 0, 0, 0, 1}
	req = str(str(req, "test"), group)
	req = append(req, 0, 0, 0, 1)
	req = str(req, m.ID)
	if m.InstanceID == "" {
		req = append(req, 0xff, 0xff)
	} else {
		req = str(req, m.InstanceID)
	}
	conn, err := net.Dial("tcp", b.Addr)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(req))), req...))
	must(t, err)
	var size [4]byte
	_, err = io.ReadFull(conn, size[:])
	must(t, err)
	resp := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(conn, resp)
	must(t, err)
	if code := binary.BigEndian.Uint16(resp[8:]); code != 0 || binary.BigEndian.Uint16(resp[len(resp)-2:]) != 0 {
		t.Fatalf("the broker does not drop the member: % x", resp)
	}
}

// TestLostAfterExpulsion: a member that was dropped knows before its next
// Poll, and can neither commit nor send offsets.
func TestLostAfterExpulsion(t *testing.T) {
	for _, instance := range []string{"", "static"} {
		t.Run("instance="+instance, func(t *testing.T) {
			kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
				topic := b.Topic(t, 1)
				ctx := kafkatest.Context(t)
				b.Produce(t, topic, text(0, "x"))
				a := b.Admin(t)
				defer a.Close()
				group := kafkatest.Name("g")
				c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: b.Config(), Group: group, InstanceID: instance})
				must(t, err)
				defer c.Close()
				if _, err := c.GroupMetadata(); !kafka.HasCode(err, kafka.CodeUnknownMember) {
					t.Errorf("metadata before joining: %v", err)
				}
				var events []string
				must(t, c.Subscribe([]string{topic},
					func([]abi.TopicPartition) []int64 { events = append(events, "assigned"); return nil },
					func(_ []abi.TopicPartition, lost bool) { events = append(events, fmt.Sprint("revoked lost=", lost)) }))
				take(t, c, 1, 10)
				if c.Lost() {
					t.Fatal("lost at once")
				}
				md, err := c.GroupMetadata()
				must(t, err)
				g, err := a.DescribeGroup(ctx, group)
				must(t, err)
				if len(g.Members) != 1 {
					t.Fatalf("%+v", g)
				}
				p := transactional(t, b, kafkatest.Name("txn"), 0)
				offs := []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: 1}}
				expel(t, b, group, g.Members[0])
				must(t, p.Begin())
				if err := p.SendOffsets(ctx, md, []string{topic}, offs); class(err) != "abortable" {
					t.Errorf("offsets of an expelled member are %s: %v", class(err), err)
				}
				must(t, p.Abort(ctx))
				for !c.Lost() {
					must(t, ctx.Err())
					time.Sleep(10 * time.Millisecond)
				}
				if err := c.Commit(ctx, offs); err == nil {
					t.Error("a lost member committed")
				}
				// What the library knows of the membership now must not pass.
				if md, err := c.GroupMetadata(); err == nil {
					must(t, p.Begin())
					if err := p.SendOffsets(ctx, md, []string{topic}, offs); class(err) != "abortable" {
						t.Errorf("metadata of a lost member is %s: %v", class(err), err)
					}
					must(t, p.Abort(ctx))
				} else if !kafka.HasCode(err, kafka.CodeUnknownMember) {
					t.Error(err)
				}
				take(t, c, 1, 10) // joins again
				if got := strings.Join(events, ", "); got != "assigned, revoked lost=true, assigned" {
					t.Error(got)
				}
				if c.Lost() {
					t.Error("lost after joining again")
				}
				must(t, c.Commit(ctx, offs))
				must(t, c.Close())
				if !c.Lost() {
					t.Error("a closed consumer has lost nothing")
				}
			})
		})
	}
}

// TestCommitKeepsMetadata stores metadata of 4 KB, all ASCII bytes but none
// that ends a C string.
func TestCommitKeepsMetadata(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 2)
		ctx := kafkatest.Context(t)
		b.Produce(t, topic, text(0, "x"), text(1, "x"))
		group := kafkatest.Name("g")
		c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: group}, topic)
		take(t, c, 2, 10)
		var all []byte
		for len(all) < 4096 {
			all = append(all, byte(1+len(all)%127))
		}
		offs := []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: 1, Metadata: string(all)}, {TopicPartition: tp(0, 1), Offset: 1}}
		must(t, c.Commit(ctx, offs))
		got := []abi.TopicOffset{{TopicPartition: tp(0, 0)}, {TopicPartition: tp(0, 1), Metadata: "old"}}
		must(t, c.Committed(ctx, got))
		if d := cmp.Diff(offs, got); d != "" {
			t.Error(d)
		}
		a := b.Admin(t)
		defer a.Close()
		listed, err := a.GroupOffsets(ctx, group)
		must(t, err)
		want := []kafka.GroupOffset{
			{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: 0}, Offset: 1, Metadata: string(all)},
			{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: 1}, Offset: 1},
		}
		if d := cmp.Diff(want, listed); d != "" {
			t.Error(d)
		}
		offs[0].Metadata += "x" // one more than the broker takes by default
		err = c.Commit(ctx, offs)
		if b.Embedded == nil && err == nil {
			t.Error("4097 bytes of metadata were taken")
		}
		t.Log(err)
	})
}

func TestGroupOffsetsFromOutside(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic, other := b.Topic(t, 3), b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		for p := range int32(3) {
			numbered(t, b, topic, p, 0, 10)
		}
		a := b.Admin(t)
		defer a.Close()
		group := kafkatest.Name("g")
		at := func(topic string, p int32, offset int64, meta string) kafka.GroupOffset {
			return kafka.GroupOffset{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: p}, Offset: offset, Metadata: meta}
		}
		if got, err := a.GroupOffsets(ctx, group); err != nil || len(got) != 0 {
			t.Errorf("a group nobody knows: %v, %v", got, err)
		}
		must(t, a.SetGroupOffsets(ctx, group, nil))
		must(t, a.SetGroupOffsets(ctx, group, []kafka.GroupOffset{at(topic, 2, 7, "m"), at(topic, 0, 3, "")}))
		must(t, a.SetGroupOffsets(ctx, group, []kafka.GroupOffset{at(topic, 0, 4, "n"), at(other, 0, 1, "")}))
		want := []kafka.GroupOffset{at(topic, 0, 4, "n"), at(topic, 2, 7, "m"), at(other, 0, 1, "")}
		if other < topic {
			want = []kafka.GroupOffset{want[2], want[0], want[1]}
		}
		got, err := a.GroupOffsets(ctx, group)
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if err := a.SetGroupOffsets(ctx, group, []kafka.GroupOffset{at(topic, 0, abi.OffsetNone, "")}); err == nil {
			t.Error("no offset was taken")
		}

		cfg := b.Config()
		cfg.ClientID = "somebody"
		c, err := kafka.NewConsumer(kafka.ConsumerConfig{ClientConfig: cfg, Group: group, Assignor: "range"})
		must(t, err)
		defer c.Close()
		must(t, c.Subscribe([]string{topic}, nil, nil))
		take(t, c, 6+10+3, 100)
		g, err := a.DescribeGroup(ctx, group)
		must(t, err)
		if len(g.Members) != 1 || g.Assignor != "range" || g.State != "stable" {
			t.Fatalf("%+v", g)
		}
		if m := g.Members[0]; m.ClientID != "somebody" || m.Host == "" || m.InstanceID != "" || len(m.Assigned[topic]) != 3 {
			t.Errorf("%+v", m)
		}
		for name, err := range map[string]error{
			"set": a.SetGroupOffsets(ctx, group, []kafka.GroupOffset{at(topic, 0, 0, "")}), "delete": a.DeleteGroup(ctx, group),
		} {
			if err == nil || !strings.Contains(err.Error(), "has members") {
				t.Errorf("%s with a member: %v", name, err)
			}
		}
		must(t, c.Close())
		for g.State != "empty" {
			must(t, ctx.Err())
			g, err = a.DescribeGroup(ctx, group)
			must(t, err)
		}
		must(t, a.DeleteGroup(ctx, group))
		must(t, a.DeleteGroup(ctx, group))
		if got, err := a.GroupOffsets(ctx, group); err != nil || len(got) != 0 {
			t.Errorf("after the deletion: %v, %v", got, err)
		}
	})
}

func TestDeleteRecordsAndBounds(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 3)
		ctx := kafkatest.Context(t)
		numbered(t, b, topic, 0, 0, 100)
		numbered(t, b, topic, 1, 0, 100)
		b.ProduceIn(t, kafkatest.Name("txn"), kafkatest.Leave, 0, topic, text(1, "open"))
		a := b.Admin(t)
		defer a.Close()
		must(t, a.DeleteRecords(ctx, topic, nil))
		must(t, a.DeleteRecords(ctx, topic, map[int32]int64{0: 60, 1: 100}))
		must(t, a.DeleteRecords(ctx, topic, map[int32]int64{0: 10})) // gone already
		for _, bad := range []map[int32]int64{{0: 101}, {0: -1}, {7: 1}} {
			short, cancel := context.WithTimeout(ctx, 3*time.Second)
			err := a.DeleteRecords(short, topic, bad)
			cancel()
			if err == nil {
				t.Errorf("%v was taken", bad)
			}
			t.Log(err)
		}
		var parts []kafka.TopicPartition
		for p := range int32(3) {
			parts = append(parts, kafka.TopicPartition{Topic: topic, Partition: p})
		}
		got, err := a.Bounds(ctx, parts[2], parts[1], parts[0])
		must(t, err)
		if d := cmp.Diff([]abi.Bounds{{}, {Low: 100, LastStable: 100, High: 101}, {Low: 60, LastStable: 100, High: 100}}, got); d != "" {
			t.Error(d)
		}
		if got, err := a.Bounds(ctx); err != nil || len(got) != 0 {
			t.Errorf("of nothing: %v, %v", got, err)
		}
		recs := b.ConsumeAll(t, topic)
		if len(recs) != 40 || recs[0].Offset != 60 {
			t.Errorf("%d records are left", len(recs))
		}
		if n := len(b.ConsumeUncommitted(t, topic)); n != 41 {
			t.Errorf("%d records with the open transaction's", n)
		}
	})
}

// TestTopicIdentity: a topic made anew is another one.
func TestTopicIdentity(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		ctx := kafkatest.Context(t)
		a := b.Admin(t)
		defer a.Close()
		name := kafkatest.Name("t")
		id := func() string {
			t.Helper()
			got, err := a.DescribeTopics(ctx, name, name)
			must(t, err)
			if !got[0].Exists || got[0].ID == "" {
				t.Fatalf("%+v", got[0])
			}
			if d := cmp.Diff(got[0], got[1]); d != "" {
				t.Error(d)
			}
			return got[0].ID
		}
		spec := kafka.TopicSpec{Name: name, Partitions: 2, Replication: 1}
		_, err := a.CreateTopics(ctx, spec)
		must(t, err)
		first := id()
		if again := id(); again != first {
			t.Errorf("%s became %s", first, again)
		}
		must(t, a.DeleteTopics(ctx, name))
		for {
			must(t, ctx.Err())
			created, err := a.CreateTopics(ctx, spec)
			must(t, err)
			if created[0] {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if again := id(); again == first {
			t.Errorf("the topic made anew is still %s", again)
		}
		must(t, a.DeleteTopics(ctx, name))
	})
}

// TestDescribeManyTopics asks for all at once.
func TestDescribeManyTopics(t *testing.T) {
	b := kafkatest.Embedded(t)
	ctx := kafkatest.Context(t)
	a := b.Admin(t)
	defer a.Close()
	const topics, parts = 100, 20
	var specs []kafka.TopicSpec
	var names []string
	var all []kafka.TopicPartition
	for i := range topics {
		name := fmt.Sprint("topic", i)
		names = append(names, name)
		specs = append(specs, kafka.TopicSpec{Name: name, Partitions: parts, Replication: 1})
		for p := range int32(parts) {
			all = append(all, kafka.TopicPartition{Topic: name, Partition: p})
		}
	}
	_, err := a.CreateTopics(ctx, specs...)
	must(t, err)
	start := time.Now()
	got, err := a.DescribeTopics(ctx, names...)
	must(t, err)
	for i, d := range got {
		if d.Name != names[i] || d.Partitions != parts || d.Replication != 1 || len(d.Config) == 0 {
			t.Fatalf("%+v", d)
		}
	}
	described := time.Since(start)
	bounds, err := a.Bounds(ctx, all...)
	must(t, err)
	if len(bounds) != len(all) {
		t.Errorf("%d bounds", len(bounds))
	}
	t.Logf("%d topics of %d partitions: described in %s, bounds in %s", topics, parts, described, time.Since(start)-described)
}
