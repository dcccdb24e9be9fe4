package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// client asks a broker without librdkafka, which is what is under test. The
// versions are held where topics have names, not ids.
func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.MaxVersions(kversion.V3_0_0()), kgo.MetadataMinAge(50 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// ends returns the end of each partition, by topic: that of committed records
// (the last stable offset), or with open transactions.
func ends(ctx context.Context, cl *kgo.Client, committed bool, partitions int, topics ...string) (map[string][]int64, error) {
	return bounds(ctx, cl, -1, committed, partitions, topics...)
}

// bounds returns the first offset of each partition, at -2, or its end, at -1.
func bounds(ctx context.Context, cl *kgo.Client, at int64, committed bool, partitions int, topics ...string) (map[string][]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	out := map[string][]int64{}
	for _, name := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for p := range partitions {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = int32(p), at, -1
			t.Partitions = append(t.Partitions, rp)
		}
		req.Topics = append(req.Topics, t)
		out[name] = make([]int64, partitions)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("list offsets of %s[%d]: %w", t.Topic, p.Partition, err)
			}
			out[t.Topic][p.Partition] = p.Offset
		}
	}
	return out, nil
}

// committed is an offset of a group with its metadata; -1 if there is none.
type committed struct {
	offset   int64
	metadata string
}

// groupOffsets returns what a group committed in a topic. It waits for pending
// transactions.
func groupOffsets(ctx context.Context, cl *kgo.Client, group string, partitions int, topics ...string) (map[string][]committed, error) {
	for {
		out, err := groupOffsetsOnce(ctx, cl, group, partitions, topics...)
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			return out, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: a transaction of group %s does not end", err, group)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func groupOffsetsOnce(ctx context.Context, cl *kgo.Client, group string, partitions int, topics ...string) (map[string][]committed, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	out := map[string][]committed{}
	for _, name := range topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic = name
		for p := range partitions {
			t.Partitions = append(t.Partitions, int32(p))
			out[name] = append(out[name], committed{offset: -1})
		}
		g.Topics = append(g.Topics, t)
	}
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
	}
	for _, rg := range resp.Groups {
		if err := kerr.ErrorForCode(rg.ErrorCode); err != nil {
			return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
		}
		for _, t := range rg.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("fetch the offset of %s[%d] of group %s: %w", t.Topic, p.Partition, group, err)
				}
				c := committed{offset: p.Offset}
				if p.Metadata != nil {
					c.metadata = *p.Metadata
				}
				out[t.Topic][p.Partition] = c
			}
		}
	}
	return out, nil
}

// from consumes whole topics from their beginning, transaction markers
// included.
func from(partitions int, committed bool, topics ...string) []kgo.Opt {
	parts := map[string]map[int32]kgo.Offset{}
	for _, name := range topics {
		parts[name] = map[int32]kgo.Offset{}
		for p := range partitions {
			parts[name][int32(p)] = kgo.NewOffset().AtStart()
		}
	}
	level := kgo.ReadUncommitted()
	if committed {
		level = kgo.ReadCommitted()
	}
	return []kgo.Opt{kgo.ConsumePartitions(parts), kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(), kgo.FetchMaxWait(100 * time.Millisecond)}
}

// collector sorts fetched records into topics and tells transactions apart.
type collector struct {
	topics map[string]*checker.Topic
	next   map[string][]int64
	ended  map[string][]map[int64]int // markers met, by producer
}

func newCollector(partitions int, topics ...string) *collector {
	c := &collector{map[string]*checker.Topic{}, map[string][]int64{}, map[string][]map[int64]int{}}
	for _, name := range topics {
		c.topics[name] = &checker.Topic{Name: name, Parts: make([][]checker.Record, partitions)}
		c.next[name] = make([]int64, partitions)
		for range partitions {
			c.ended[name] = append(c.ended[name], map[int64]int{})
		}
	}
	return c
}

func (c *collector) take(r *kgo.Record) {
	c.next[r.Topic][r.Partition] = r.Offset + 1
	ended := c.ended[r.Topic][r.Partition]
	if r.Attrs.IsControl() {
		ended[r.ProducerID]++
		return
	}
	rec := checker.Record{Offset: r.Offset, Key: r.Key, Value: r.Value}
	if r.Attrs.IsTransactional() {
		rec.Writer = checker.Writer{Producer: r.ProducerID, Epoch: r.ProducerEpoch, Seq: ended[r.ProducerID] + 1}
	}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, checker.Header{Name: h.Key, Value: h.Value})
	}
	parts := c.topics[r.Topic].Parts
	parts[r.Partition] = append(parts[r.Partition], rec)
}

// readAll reads topics up to their ends.
func readAll(ctx context.Context, t *testing.T, addr string, committed bool, partitions int, topics ...string) (*collector, map[string][]int64, error) {
	c := newCollector(partitions, topics...)
	cl := client(t, addr, from(partitions, committed, topics...)...)
	end, err := ends(ctx, cl, committed, partitions, topics...)
	if err != nil {
		return nil, nil, err
	}
	// Records may be deleted meanwhile: then the beginning is further on.
	if c.next, err = bounds(ctx, cl, -2, committed, partitions, topics...); err != nil {
		return nil, nil, err
	}
	for {
		missing := ""
		for name, parts := range end {
			for p, e := range parts {
				if c.next[name][p] < e {
					missing = fmt.Sprintf("%s[%d] at %d of %d", name, p, c.next[name][p], e)
				}
			}
		}
		if missing == "" {
			return c, end, nil
		}
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", missing, err)
		}
		for _, e := range fetches.Errors() {
			return nil, nil, fmt.Errorf("read %s[%d]: %w", e.Topic, e.Partition, e.Err)
		}
		fetches.EachRecord(c.take)
	}
}

// evict puts one member of a host out of the group, as an operator may. It finds
// out at its next commit, and comes back. Members of hosts that ended stay in
// the group for a while, so the host is named by its state directory.
func (a *app) evict(state string) {
	a.t.Helper()
	if here, _ := a.members(state); len(here) > 0 {
		a.leave(here[a.rnd.IntN(len(here))])
	}
}

// dismiss puts all members out of the group that are not of one host: those of
// hosts that ended would keep their places until the session timeout.
func (a *app) dismiss(but string) {
	a.t.Helper()
	if _, others := a.members(but); len(others) > 0 {
		a.leave(others...)
	}
}

// members lists the members of the group: those of a host, and the others.
// There are none while the broker does not answer.
func (a *app) members(state string) (here, others []kmsg.DescribeGroupsResponseGroupMember) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id, err := os.ReadFile(filepath.Join(a.state(state), "host-id"))
	if err != nil {
		return nil, nil // it has not got that far
	}
	ask := kmsg.NewPtrDescribeGroupsRequest()
	ask.Groups = []string{a.name}
	groups, err := ask.RequestWith(ctx, a.watch.cl)
	if err != nil || len(groups.Groups) == 0 {
		return nil, nil
	}
	for _, m := range groups.Groups[0].Members {
		if m.InstanceID != nil && strings.Contains(*m.InstanceID, strings.TrimSpace(string(id))) {
			here = append(here, m)
		} else {
			others = append(others, m)
		}
	}
	return here, others
}

// leave makes members leave the group.
func (a *app) leave(members ...kmsg.DescribeGroupsResponseGroupMember) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = a.name
	for _, m := range members {
		lm := kmsg.NewLeaveGroupRequestMember()
		lm.MemberID, lm.InstanceID = m.MemberID, m.InstanceID
		leave.Members = append(leave.Members, lm)
	}
	if _, err := leave.RequestWith(ctx, a.watch.cl); err != nil {
		a.t.Logf("members could not be put out: %v", err)
	}
}
