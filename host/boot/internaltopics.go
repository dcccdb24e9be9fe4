package boot

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// internalTopic is one that the host makes for itself: a changelog, a
// repartition topic, a control topic or one for dead letters that come back.
type internalTopic struct {
	kafka.TopicSpec
	// path is the table in the manifest, cleanup what the topic's cleanup.policy
	// must be. cache is the plan's, -1 for a repartition topic.
	path    []string
	cleanup string
	cache   int
	// why says where the number of partitions comes from; loose that another one
	// will do.
	why   string
	loose bool
	// letters says that dead letters come back through it.
	letters bool
}

// hasInternal says whether a cluster has internal topics or topics of caches.
func (b *Build) hasInternal(cluster int) bool {
	for i := range b.Manifest.Repartitions {
		if b.Manifest.Repartitions[i].Cluster == cluster {
			return true
		}
	}
	return slices.Contains(b.cacheClusters(), cluster) || slices.Contains(controlClusters(b.Manifest, b.Topology), cluster) || slices.ContainsFunc(b.Plan.Sources, func(s host.Source) bool {
		return len(s.Replays) > 0 && s.Cluster == cluster
	})
}

// internalTopics lists those of a cluster, with the partitions they must have
// once those of the inputs are known.
func (b *Build) internalTopics(cluster int, partitions map[string]int) ([]internalTopic, manifest.Errors) {
	m, topo := b.Manifest, b.Topology
	counts, found := topo.Counts(func(i int) int {
		return partitions[topicKey(m.Topics[i].Cluster, m.Topics[i].Name)]
	})
	if found.Fatal() != nil {
		return nil, found
	}
	var topics []internalTopic
	for i := range m.Repartitions {
		r := &m.Repartitions[i]
		if r.Cluster != cluster || !b.usesRepartition(i) {
			continue
		}
		t := internalTopic{path: []string{"repartition", r.ID}, cleanup: "delete", cache: -1, why: "the manifest wants"}
		t.TopicSpec = kafka.TopicSpec{Name: r.Name, Partitions: counts[i], Replication: r.Replication, Config: map[string]string{
			"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
			// Records are deleted by whole segments.
			"segment.bytes": "52428800",
		}}
		t.configure(r.Config)
		topics = append(topics, t)
	}
	if slices.Contains(controlClusters(m, topo), cluster) {
		topics = append(topics, controlSpec(m))
	}
	for i := range topo.Subs {
		s := &topo.Subs[i]
		if t, ok := b.replaySpec(i, counts, partitions); ok && s.Cluster == cluster {
			topics = append(topics, t)
		}
		for _, id := range s.Caches {
			mc := &m.Caches[id]
			if mc.Kind != manifest.CacheKV || s.Cluster != cluster {
				continue
			}
			n, input := b.inputPartitions(s.Inputs, counts, partitions)
			t := internalTopic{path: []string{"cache", mc.ID}, cleanup: "compact", cache: id, why: fmt.Sprintf("%q has", input)}
			t.TopicSpec = kafka.TopicSpec{Name: mc.Changelog, Partitions: n, Replication: mc.Replication, Config: map[string]string{"cleanup.policy": "compact"}}
			t.configure(mc.Config)
			topics = append(topics, t)
		}
	}
	return topics, found
}

// InternalPartitions returns the number of partitions that each changelog and
// repartition topic must have, by its name, given those of the topics that
// handlers read. Findings with level error mean that there is none.
func (b *Build) InternalPartitions(topic func(cluster int, name string) int) (map[string]int, manifest.Errors) {
	partitions := map[string]int{}
	for i := range b.Manifest.Topics {
		t := &b.Manifest.Topics[i]
		partitions[topicKey(t.Cluster, t.Name)] = topic(t.Cluster, t.Name)
	}
	counts := map[string]int{}
	for cluster := range b.Manifest.Clusters {
		topics, found := b.internalTopics(cluster, partitions)
		if found.Fatal() != nil {
			return nil, found
		}
		for i := range topics {
			counts[topics[i].Name] = topics[i].Partitions
		}
	}
	return counts, nil
}

func (t *internalTopic) configure(config []manifest.Property) {
	for _, p := range config {
		t.Config[p.Name] = p.Value.Reveal()
	}
}

func (b *Build) usesRepartition(i int) bool {
	return slices.ContainsFunc(b.Plan.Sources, func(s host.Source) bool {
		return s.Internal && s.Topic == b.Manifest.Repartitions[i].Name
	})
}

// inputPartitions is the number of partitions of a sub-topology's inputs, and
// the name of one of them.
func (b *Build) inputPartitions(inputs, repartitions []int, partitions map[string]int) (int, string) {
	if len(inputs) == 0 {
		return 0, ""
	}
	e := b.Sources[inputs[0]]
	if e.Kind == manifest.EndpointRepartition {
		return repartitions[e.Index], e.Text
	}
	s := &b.Plan.Sources[inputs[0]]
	return partitions[topicKey(s.Cluster, s.Topic)], s.Topic
}

// prepareInternal makes sure that changelogs and repartition topics exist and
// fit, creates what is missing (unless dry) and notes in the plan what the
// broker says about them.
func (c *clusters) prepareInternal(ctx context.Context, b *Build, dry bool, partitions map[string]int) (manifest.Errors, error) {
	var found manifest.Errors
	for cluster := range c.servers {
		topics, more := b.internalTopics(cluster, partitions)
		for i := range topics {
			if topics[i].letters {
				topics[i].Config["max.message.bytes"] = strconv.Itoa(max(c.sizes[cluster].largest, 1<<20) + replayRoom)
			}
		}
		if cluster == 0 || more.Fatal() != nil {
			found = append(found, more...)
		}
		if more.Fatal() != nil || len(topics) == 0 {
			continue
		}
		cfg := c.client(cluster)
		admin, err := kafka.NewAdmin(cfg)
		if err != nil {
			return nil, err
		}
		more, err = c.fitInternal(ctx, b, admin, cluster, topics, dry, partitions)
		if err = errors.Join(err, admin.Close()); err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func (c *clusters) fitInternal(ctx context.Context, b *Build, admin *kafka.Admin, cluster int, topics []internalTopic, dry bool, partitions map[string]int) (manifest.Errors, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	names := make([]string, len(topics))
	for i := range topics {
		names[i] = topics[i].Name
	}
	have, err := admin.DescribeTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	var missing []kafka.TopicSpec
	for i := range have {
		if !have[i].Exists {
			missing = append(missing, topics[i].TopicSpec)
		}
	}
	if len(missing) > 0 && !dry {
		if _, err := admin.CreateTopics(ctx, missing...); err != nil {
			return nil, err
		}
		if have, err = admin.DescribeTopics(ctx, names...); err != nil {
			return nil, err
		}
	}
	var found manifest.Errors
	for i, t := range have {
		want := &topics[i]
		if !t.Exists {
			partitions[topicKey(cluster, t.Name)] = want.Partitions
			continue // dry: it would be created
		}
		found = append(found, want.compare(b.Manifest, t)...)
		partitions[topicKey(cluster, t.Name)] = t.Partitions
		own := ownMaxMessage(c.client(cluster))
		b.identify(cluster, t)
		b.limit(cluster, t, own)
		c.sizes[cluster].add(t)
		if want.cache >= 0 {
			b.entryLimits[want.cache] = entryLimit(t, own)
		}
	}
	return found, nil
}

// compare says in what an existing topic does not fit.
func (t *internalTopic) compare(m *manifest.Manifest, have kafka.Topic) (found manifest.Errors) {
	if have.Partitions != t.Partitions && !t.loose {
		found = append(found, manifest.NewError(manifest.CodeInternalTopic, m.Pos(t.path...),
			fmt.Sprintf("internal topic %q has %d partitions, but %s %d", have.Name, have.Partitions, t.why, t.Partitions),
			"go back to the old number, or start over with sliphost reset"))
	}
	if policy, known := have.Config["cleanup.policy"]; known && policy != t.cleanup {
		found = append(found, manifest.NewError(manifest.CodeInternalTopic, m.Pos(t.path...),
			fmt.Sprintf("internal topic %q has cleanup.policy=%s; with anything but %s records would be lost", have.Name, policy, t.cleanup),
			fmt.Sprintf("set cleanup.policy=%s on the topic", t.cleanup)))
	}
	return found
}

// changelogRoom is what a changelog record takes beside its key and value.
const changelogRoom = 128

// entryLimit is the most bytes that key and value may take in a changelog.
func entryLimit(t kafka.Topic, own int) int {
	limit := topicLimit(t)
	if own > 0 {
		limit = min(limit, own)
	}
	return limit - changelogRoom
}

// identify notes a topic's identity wherever the plan refers to it.
func (b *Build) identify(cluster int, t kafka.Topic) {
	id := identity(t.ID)
	for i := range b.Plan.Sources {
		if s := &b.Plan.Sources[i]; s.Kind == host.SourceTopic && s.Cluster == cluster && s.Topic == t.Name {
			s.Identity = id
		}
	}
	for i := range b.Plan.Caches {
		if c := &b.Plan.Caches[i]; c.Cluster == cluster && c.Topic == t.Name {
			c.Log, c.Partitions = id, int32(t.Partitions)
		}
	}
}

// identity is a hash of a topic's id, 0 for none.
func identity(id string) uint32 {
	if id == "" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return max(h.Sum32(), 1)
}

// assignor divides the partitions of a cluster: range keeps equal partition
// numbers together, which a sub-topology that joins topics needs, and one with caches to which
// dead letters come back.
func (b *Build) assignor(cluster int) string {
	for i := range b.Topology.Subs {
		if s := &b.Topology.Subs[i]; s.Joins && s.Cluster == cluster {
			return "range"
		}
	}
	if b.replays(cluster) {
		return "range"
	}
	return "roundrobin"
}

// checkGroup finds out whether running members of the group divide partitions
// in another way.
func (c *clusters) checkGroup(ctx context.Context, b *Build, admin *kafka.Admin, cluster int) (manifest.Errors, error) {
	reads := slices.ContainsFunc(b.Plan.Sources, func(s host.Source) bool {
		return s.Kind == host.SourceTopic && s.Cluster == cluster
	})
	if !reads {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	group := b.Manifest.Clusters[cluster].Group
	g, err := admin.DescribeGroup(ctx, group)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("nobody answered for group %q within %s: a broker that has just started, or lost the group's coordinator, needs a moment; start again: %w", group, brokerTimeout, err)
	}
	if err != nil {
		return nil, err
	}
	want := b.assignor(cluster)
	if len(g.Members) == 0 || g.Assignor == "" || g.Assignor == want {
		return nil, nil
	}
	var who []string
	for _, m := range g.Members {
		who = append(who, m.ClientID)
	}
	slices.Sort(who)
	return manifest.Errors{manifest.NewError(manifest.CodeGroupAssignor, b.Manifest.Pos("name"),
		fmt.Sprintf("group %q runs with the assignor %s (members: %s); this manifest needs %s", group, g.Assignor, strings.Join(slices.Compact(who), ", "), want),
		"stop all members of the group, then start them with this manifest")}, nil
}
