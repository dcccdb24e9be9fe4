package boot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/embedded"
)

// brokerTimeout is how long a start waits for a broker to answer.
const brokerTimeout = 15 * time.Second

// BrokerDir is where the embedded broker of a manifest keeps its data: beside
// the manifest's state, also for a process with a state directory of its own.
func BrokerDir(m *manifest.Manifest) string { return filepath.Join(m.StateDir, "broker") }

// Bootstrap returns the address of a cluster, starting the embedded broker if
// that is what the manifest names and none runs.
func Bootstrap(ctx context.Context, m *manifest.Manifest, cluster int, o Options) (string, error) {
	c := &m.Clusters[cluster]
	if !c.Embedded() {
		return c.BootstrapServers, nil
	}
	dir := BrokerDir(m)
	if o.StartBroker == nil {
		return embedded.Find(dir)
	}
	return embedded.Ensure(ctx, dir, o.StartBroker)
}

// ClientConfig is what every client of a cluster has in common.
func ClientConfig(m *manifest.Manifest, cluster int, servers string) kafka.ClientConfig {
	props := map[string]string{"bootstrap.servers": servers}
	for _, p := range m.Clusters[cluster].Config {
		props[p.Name] = p.Value.Reveal()
	}
	return kafka.ClientConfig{Properties: props, ClientID: "sliphost-" + m.Name}
}

// clusters are the brokers behind a manifest, by the manifest's numbers.
type clusters struct {
	m       *manifest.Manifest
	o       Options
	servers []string
	// sizes are, by cluster, the most bytes a record may have in one of its
	// topics.
	sizes []recordSizes
}

// connect finds the brokers of every cluster that b's topics are on.
func connect(ctx context.Context, b *Build, o Options) (*clusters, error) {
	c := &clusters{m: b.Manifest, o: o, servers: make([]string, len(b.Manifest.Clusters)), sizes: make([]recordSizes, len(b.Manifest.Clusters))}
	for i := range c.servers {
		if len(b.topics(i)) == 0 && !b.hasInternal(i) {
			continue
		}
		var err error
		if c.servers[i], err = Bootstrap(ctx, b.Manifest, i, o); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *clusters) client(i int) kafka.ClientConfig {
	cfg := ClientConfig(c.m, i, c.servers[i])
	cfg.Logger = c.o.logger()
	return cfg
}

// topics lists the manifest's topics on a cluster that handlers use.
func (b *Build) topics(cluster int) []int {
	seen := map[int]bool{}
	var ids []int
	add := func(e manifest.Endpoint) {
		if e.Kind == manifest.EndpointTopic && b.Manifest.Topics[e.Index].Cluster == cluster && !seen[e.Index] {
			seen[e.Index] = true
			ids = append(ids, e.Index)
		}
	}
	for _, s := range b.Topology.Sources {
		add(s.Endpoint)
	}
	for _, s := range b.Topology.Outputs {
		add(s.Endpoint)
	}
	for i, at := range b.cacheClusters() {
		if c := &b.Manifest.Caches[i]; c.Kind == manifest.CacheGlobal && at >= 0 {
			add(manifest.Endpoint{Kind: manifest.EndpointTopic, Index: c.TopicIndex})
		}
	}
	return ids
}

// prepare makes sure that every topic exists as the manifest wants it,
// creates what may be created (unless dry), and notes partitions and size
// limits in the plan. It returns the partitions of each topic.
func (c *clusters) prepare(ctx context.Context, b *Build, dry bool) (map[string]int, manifest.Errors, error) {
	partitions := map[string]int{}
	var found manifest.Errors
	for i := range c.servers {
		ids := b.topics(i)
		if len(ids) == 0 {
			continue
		}
		cfg := c.client(i)
		admin, err := kafka.NewAdmin(cfg)
		if err != nil {
			return nil, nil, err
		}
		more, err := prepareCluster(ctx, b, admin, ids, dry, partitions, ownMaxMessage(cfg), &c.sizes[i])
		if err == nil {
			var refused manifest.Errors
			refused, err = c.checkGroup(ctx, b, admin, i)
			more = append(more, refused...)
		}
		err = errors.Join(err, admin.Close())
		if err != nil {
			return nil, nil, err
		}
		found = append(found, more...)
	}
	if found.Fatal() == nil {
		more, err := c.prepareInternal(ctx, b, dry, partitions)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, more...)
	}
	found.Sort()
	return partitions, found, nil
}

func prepareCluster(ctx context.Context, b *Build, admin *kafka.Admin, ids []int, dry bool, partitions map[string]int, own int, sizes *recordSizes) (manifest.Errors, error) {
	m := b.Manifest
	wait, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	if err := admin.Ready(wait); err != nil {
		return nil, err
	}
	found, err := createMissing(wait, b, admin, ids, dry)
	if err != nil || found.Fatal() != nil {
		return found, err
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = m.Topics[id].Name
	}
	topics, err := admin.DescribeTopics(wait, names...)
	if err != nil {
		return nil, err
	}
	for i, t := range topics {
		spec := &m.Topics[ids[i]]
		if !t.Exists {
			continue // dry: it would be created
		}
		if spec.Partitions > 0 && spec.Partitions != t.Partitions {
			found = append(found, manifest.NewError(manifest.CodePartitionCount, m.ValuePos("topic", spec.ID, "partitions"),
				fmt.Sprintf("topic %q has %d partitions, the manifest says %d", t.Name, t.Partitions, spec.Partitions),
				"write the real number, or leave partitions out to take the topic as it is"))
		}
		partitions[topicKey(spec.Cluster, t.Name)] = t.Partitions
		b.identify(spec.Cluster, t)
		b.limit(spec.Cluster, t, own)
		sizes.add(t)
	}
	return found, nil
}

// createMissing creates the topics that do not exist and may be created.
func createMissing(ctx context.Context, b *Build, admin *kafka.Admin, ids []int, dry bool) (manifest.Errors, error) {
	m := b.Manifest
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = m.Topics[id].Name
	}
	have, err := admin.DescribeTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	var found manifest.Errors
	var specs []kafka.TopicSpec
	for i, t := range have {
		spec := &m.Topics[ids[i]]
		switch {
		case t.Exists:
		case spec.Create:
			specs = append(specs, b.topicSpec(ids[i]))
		default:
			found = append(found, manifest.NewError(manifest.CodeTopicMissing, m.Pos("topic", spec.ID),
				fmt.Sprintf("topic %q does not exist on cluster %q", spec.Name, spec.Kafka),
				"create it, or add create = true to this table"))
		}
	}
	if dry || found.Fatal() != nil || len(specs) == 0 {
		return found, nil
	}
	_, err = admin.CreateTopics(ctx, specs...)
	return found, err
}

// letterRoom is the max.message.bytes of dead-letter topics that the host
// creates: twice the broker's default, so that a letter has room for what it
// adds to the largest record.
const letterRoom = "2097152"

// topicSpec is a topic as it is created; one that takes dead letters gets room
// for them.
func (b *Build) topicSpec(id int) kafka.TopicSpec {
	spec := topicSpec(&b.Manifest.Topics[id])
	for i := range b.Manifest.Handlers {
		e := &b.Manifest.Handlers[i].OnError
		if _, set := spec.Config["max.message.bytes"]; !set && e.Policy == manifest.PolicyDLQ && e.TopicIndex == id {
			spec.Config["max.message.bytes"] = letterRoom
		}
	}
	return spec
}

func topicSpec(t *manifest.Topic) kafka.TopicSpec {
	spec := kafka.TopicSpec{Name: t.Name, Partitions: t.Partitions, Replication: t.Replication, Config: map[string]string{}}
	for _, p := range t.Config {
		spec.Config[p.Name] = p.Value.Reveal()
	}
	return spec
}

// limit notes in the plan what the broker says about a topic that is written.
func (b *Build) limit(cluster int, t kafka.Topic, own int) {
	limit, name := topicLimit(t), "max.message.bytes of the topic"
	if own > 0 && own < limit {
		limit, name = own, "message.max.bytes in [kafka.config]"
	}
	for i := range b.Plan.Handlers {
		h := &b.Plan.Handlers[i]
		for j := range h.Sinks {
			if s := &h.Sinks[j]; s.Kind == host.SinkTopic && s.Cluster == cluster && s.Topic == t.Name {
				s.MaxBytes, s.Limit, s.Partitions = limit, name, int32(t.Partitions)
			}
		}
		if e := &h.OnError; e.Policy == host.PolicyDLQ && e.Cluster == cluster && e.Topic == t.Name {
			e.MaxBytes = limit
		}
	}
}

// clientMaxMessage is librdkafka's default of message.max.bytes, less than
// what a topic takes by default.
const clientMaxMessage = 1_000_000

// topicLimit is the largest record that a topic takes.
func topicLimit(t kafka.Topic) int {
	if n, err := strconv.Atoi(t.Config["max.message.bytes"]); err == nil && n > 0 {
		return n
	}
	return clientMaxMessage
}

// ownMaxMessage is what the user set for the client, 0 if nothing.
func ownMaxMessage(cfg kafka.ClientConfig) int {
	n, _ := strconv.Atoi(cfg.Properties["message.max.bytes"])
	return n
}

// recordSizes are the largest and the smallest of the limits that topics set
// to a record, 0 without topics.
type recordSizes struct{ largest, smallest int }

func (r *recordSizes) add(t kafka.Topic) {
	limit := topicLimit(t)
	if r.smallest == 0 {
		r.smallest = limit
	}
	r.largest, r.smallest = max(r.largest, limit), min(r.smallest, limit)
}

// clientBatchSize is librdkafka's default of batch.size.
const clientBatchSize = 1_000_000

// fit lets a producer send what the largest topic takes, unless the user has
// set a limit, and no batch that the smallest would refuse: a broker compares
// whole batches with max.message.bytes, and the client does not split them.
func (r *recordSizes) fit(cfg *kafka.ClientConfig) {
	if ownMaxMessage(*cfg) == 0 && r.largest > clientMaxMessage {
		cfg.Properties["message.max.bytes"] = strconv.Itoa(r.largest)
	}
	batch := clientBatchSize
	if own, err := strconv.Atoi(cfg.Properties["batch.size"]); err == nil && own > 0 {
		batch = own
	}
	if r.smallest > 0 && r.smallest < batch {
		cfg.Properties["batch.size"] = strconv.Itoa(r.smallest)
	}
}
