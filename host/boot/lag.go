package boot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
	"github.com/sliphost/sliphost/kafka"
)

// PartitionLag is one partition of an input as its group stands to it.
type PartitionLag struct {
	Cluster   string `json:"cluster"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is the group's offset, null if it has none.
	Committed *int64 `json:"committed"`
	// End is the offset of the next record, Lag what lies between the two, from
	// the first record on without a committed offset. Marks of transactions
	// count.
	End int64 `json:"end"`
	Lag int64 `json:"lag"`
	// Behind is the age of the first record not processed, in milliseconds; null
	// if there is none, or if it was not asked for.
	Behind *int64 `json:"behind_ms"`
	// Owner is the member that has the partition, empty if none has.
	Owner *Owner `json:"owner"`
}

// Owner is a member of a group.
type Owner struct {
	Client string `json:"client"`
	Host   string `json:"host"`
	Member string `json:"member"`
}

// Lag tells of every partition of every input of m, by cluster, topic and
// partition. times asks for Behind, which reads a record of each partition that
// lags. A topic that does not exist is left out and named in missing.
func Lag(ctx context.Context, m *manifest.Manifest, o Options, times bool) (lags []PartitionLag, missing []string, err error) {
	topo, found := topology.Build(m)
	if found.Fatal() != nil {
		return nil, nil, found
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	lags = []PartitionLag{}
	for cluster := range m.Clusters {
		names := inputTopics(m, topo, cluster)
		if len(names) == 0 {
			continue
		}
		servers, err := Bootstrap(ctx, m, cluster, o)
		if err != nil {
			return nil, nil, err
		}
		cfg := ClientConfig(m, cluster, servers)
		cfg.Logger = o.logger()
		some, absent, err := clusterLag(ctx, &m.Clusters[cluster], cfg, names, times)
		if err != nil {
			return nil, nil, err
		}
		lags, missing = append(lags, some...), append(missing, absent...)
	}
	return lags, missing, nil
}

// inputTopics are the names of what handlers read on a cluster.
func inputTopics(m *manifest.Manifest, topo *topology.Topology, cluster int) []string {
	var names []string
	for i := range topo.Sources {
		switch e := &topo.Sources[i].Endpoint; {
		case e.Kind == manifest.EndpointTopic && m.Topics[e.Index].Cluster == cluster:
			names = append(names, m.Topics[e.Index].Name)
		case e.Kind == manifest.EndpointRepartition && m.Repartitions[e.Index].Cluster == cluster:
			names = append(names, m.Repartitions[e.Index].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func clusterLag(ctx context.Context, c *manifest.Cluster, cfg kafka.ClientConfig, names []string, times bool) (lags []PartitionLag, missing []string, err error) {
	admin, err := kafka.NewAdmin(cfg)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	if err := admin.Ready(ctx); err != nil {
		return nil, nil, err
	}
	topics, err := admin.DescribeTopics(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	var parts []kafka.TopicPartition
	for _, t := range topics {
		if !t.Exists {
			missing = append(missing, t.Name)
		}
		for p := range t.Partitions {
			parts = append(parts, kafka.TopicPartition{Topic: t.Name, Partition: int32(p)})
		}
	}
	if len(parts) == 0 {
		return nil, missing, nil
	}
	bounds, err := admin.Bounds(ctx, parts...)
	if err != nil {
		return nil, nil, err
	}
	offsets, err := admin.GroupOffsets(ctx, c.Group)
	if err != nil {
		return nil, nil, err
	}
	committed := map[kafka.TopicPartition]int64{}
	for _, o := range offsets {
		committed[o.TopicPartition] = o.Offset
	}
	group, err := admin.DescribeGroup(ctx, c.Group)
	if err != nil {
		return nil, nil, err
	}
	owners := owners(&group)
	for i, p := range parts {
		l := PartitionLag{Cluster: c.Name, Topic: p.Topic, Partition: p.Partition, End: bounds[i].High, Owner: owners[p]}
		from := bounds[i].Low
		if at, ok := committed[p]; ok && at >= 0 {
			l.Committed, from = &at, at
		}
		l.Lag = max(l.End-from, 0)
		lags = append(lags, l)
	}
	if times {
		err = behind(ctx, cfg, names, lags, bounds)
	}
	return lags, missing, err
}

func owners(g *kafka.Group) map[kafka.TopicPartition]*Owner {
	all := map[kafka.TopicPartition]*Owner{}
	for _, m := range g.Members {
		o := &Owner{Client: m.ClientID, Host: m.Host, Member: m.ID}
		for topic, parts := range m.Assigned {
			for _, p := range parts {
				all[kafka.TopicPartition{Topic: topic, Partition: p}] = o
			}
		}
	}
	return all
}

// behind reads the first record that is not processed of every partition that
// lags, and notes its age.
func behind(ctx context.Context, cfg kafka.ClientConfig, names []string, lags []PartitionLag, bounds []abi.Bounds) (err error) {
	reader, err := kafka.NewLogReader(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if err := reader.Open(ctx, names); err != nil {
		return err
	}
	open := map[abi.TopicPartition]*PartitionLag{}
	for i := range lags {
		l := &lags[i]
		from := bounds[i].Low
		if l.Committed != nil {
			from = max(from, *l.Committed)
		}
		if from >= bounds[i].LastStable {
			continue
		}
		at := abi.TopicPartition{Topic: int32(slices.Index(names, l.Topic)), Partition: l.Partition}
		if err := reader.Add(at, from); err != nil {
			return err
		}
		open[at] = l
	}
	var packed abi.Packed
	for len(open) > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("read the first records that are not processed: %w", ctx.Err())
		}
		if err := reader.Poll(&packed, 4096, 8<<20, pollWait); err != nil {
			return err
		}
		done := func(at abi.TopicPartition) error {
			if open[at] == nil {
				return nil
			}
			delete(open, at)
			return reader.Drop(at)
		}
		for i := range packed.Runs {
			run := &packed.Runs[i]
			at := abi.TopicPartition{Topic: run.Topic, Partition: run.Partition}
			r := abi.NewReader(packed.Buf[run.Start:run.End])
			var rec abi.Record
			if abi.ReadRecord(&r, &rec); open[at] != nil && r.Err() == nil && run.Count > 0 {
				age := max(time.Now().UnixMilli()-run.BaseTimestamp-rec.TimestampDelta, 0)
				open[at].Behind = &age
			}
			if err := done(at); err != nil {
				return err
			}
		}
		for _, end := range packed.Ends {
			if err := done(end.TopicPartition); err != nil {
				return err
			}
		}
	}
	return nil
}
