package boot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// groupView is what a cluster tells about the application's group and the
// topics it refers to.
type groupView struct {
	offsets map[kafka.TopicPartition]kafka.GroupOffset
	bounds  map[kafka.TopicPartition]abi.Bounds
}

// checkSurroundings says beforehand for which changes from outside the engine
// would stop, or what its policies would do about them.
func (c *clusters) checkSurroundings(ctx context.Context, b *Build, partitions map[string]int) (manifest.Errors, error) {
	var found manifest.Errors
	for cluster := range c.servers {
		if c.servers[cluster] == "" {
			continue
		}
		parts := b.watched(cluster, partitions)
		view, err := c.view(ctx, cluster, parts)
		if err != nil {
			return nil, err
		}
		found = append(found, b.compareInputs(cluster, view, partitions)...)
		found = append(found, b.compareCaches(cluster, view, partitions)...)
		more, err := c.checkTransactions(ctx, b, cluster)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// watched lists the partitions of inputs and changelogs on a cluster that exist.
func (b *Build) watched(cluster int, partitions map[string]int) []kafka.TopicPartition {
	var parts []kafka.TopicPartition
	add := func(topic string, identity uint32) {
		if identity == 0 {
			return // not there yet
		}
		for p := range partitions[topicKey(cluster, topic)] {
			parts = append(parts, kafka.TopicPartition{Topic: topic, Partition: int32(p)})
		}
	}
	for i := range b.Plan.Sources {
		if s := &b.Plan.Sources[i]; s.Kind == host.SourceTopic && s.Cluster == cluster {
			add(s.Topic, s.Identity)
		}
	}
	for i := range b.Plan.Caches {
		if b.keeps(i, cluster) {
			add(b.Plan.Caches[i].Topic, b.Plan.Caches[i].Log)
		}
	}
	return parts
}

// keeps says that a cache has its changelog on a cluster.
func (b *Build) keeps(cache, cluster int) bool {
	return b.Manifest.Caches[cache].Kind == manifest.CacheKV && b.Plan.Caches[cache].Cluster == cluster
}

// view asks for the group's offsets and the ends of the logs.
func (c *clusters) view(ctx context.Context, cluster int, parts []kafka.TopicPartition) (v *groupView, err error) {
	v = &groupView{offsets: map[kafka.TopicPartition]kafka.GroupOffset{}, bounds: map[kafka.TopicPartition]abi.Bounds{}}
	if len(parts) == 0 {
		return v, nil
	}
	admin, err := kafka.NewAdmin(c.client(cluster))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	offsets, err := admin.GroupOffsets(ctx, c.m.Clusters[cluster].Group)
	if err != nil {
		return nil, err
	}
	for _, o := range offsets {
		v.offsets[o.TopicPartition] = o
	}
	bounds, err := admin.Bounds(ctx, parts...)
	if err != nil {
		return nil, err
	}
	for i, p := range parts {
		v.bounds[p] = bounds[i]
	}
	return v, nil
}

// changed makes a finding of a change: an error where the policy is to stop, a
// warning that says what follows otherwise.
func (b *Build) changed(code manifest.Code, path []string, what, key string, policy manifest.ChangePolicy, ways string) manifest.Error {
	if policy == manifest.ChangeFail {
		return manifest.NewError(code, b.Manifest.Pos(path...), what, fmt.Sprintf("set on_change.%s to %s, or start over with sliphost reset", key, ways))
	}
	e := manifest.NewError(code, b.Manifest.Pos(path...), what, fmt.Sprintf("on_change.%s = %q decides what the next start does about it", key, policy))
	e.Level = manifest.LevelWarning
	return e
}

// compareInputs compares the committed offsets with the topics they are about.
func (b *Build) compareInputs(cluster int, v *groupView, partitions map[string]int) (found manifest.Errors) {
	on := &b.Manifest.OnChange
	for i := range b.Plan.Sources {
		s := &b.Plan.Sources[i]
		if s.Kind != host.SourceTopic || s.Cluster != cluster {
			continue
		}
		path := b.sourcePath(i)
		for p := range partitions[topicKey(cluster, s.Topic)] {
			at := kafka.TopicPartition{Topic: s.Topic, Partition: int32(p)}
			where := fmt.Sprintf("topic %q partition %d: ", s.Topic, p)
			replaced, known := b.replaced(s, int32(p), v)
			o, committed := v.offsets[at]
			committed = committed && o.Offset >= 0 && s.Identity != 0
			switch ends := v.bounds[at]; {
			case replaced, known && s.Identity == 0: // of the latter there is none now
				found = append(found, b.changed(manifest.CodeTopicRecreated, path, where+"the topic was deleted and made anew since the last commit",
					"topic_recreated", on.TopicRecreated, `"restart" to begin by its start policy`))
			case !committed:
			case o.Offset > ends.High:
				found = append(found, b.changed(manifest.CodeTopicRecreated, path, where+fmt.Sprintf("the committed offset %d lies behind the end %d: the topic was made anew or cut", o.Offset, ends.High),
					"topic_recreated", on.TopicRecreated, `"restart" to begin by its start policy`))
			case max(o.Offset, replayed(o.Metadata)) < ends.Low: // else they come again after a checkpoint has gone back, and the rest of them is enough
				found = append(found, b.changed(manifest.CodeRecordsGone, path, where+fmt.Sprintf("records %d to %d were deleted before they were processed (retention)", max(o.Offset, replayed(o.Metadata)), ends.Low-1),
					"records_gone", on.RecordsGone, `"earliest" or "latest" to go on without them`))
			}
		}
	}
	return found
}

// replayed is host.Offset.Replayed of an offset with this metadata.
func replayed(metadata string) int64 {
	o, _ := host.DecodeOffset(metadata)
	return o.Replayed()
}

// replaced asks what the offsets of a source's task say about its topic: whether
// it was another one, and whether they know it at all. Beside its own offset the
// others of the task count where there are caches, as in the engine, because a
// broker deletes a topic's offsets with the topic.
func (b *Build) replaced(s *host.Source, p int32, v *groupView) (replaced, known bool) {
	inputs := []string{s.Topic}
	if len(b.Plan.Subs[s.Sub].Caches) > 0 {
		for _, i := range b.Plan.Subs[s.Sub].Inputs {
			inputs = append(inputs, b.Plan.Sources[i].Topic)
		}
	}
	for _, topic := range inputs {
		o, committed := v.offsets[kafka.TopicPartition{Topic: topic, Partition: p}]
		if meta, ok := host.DecodeOffset(o.Metadata); committed && ok {
			if replaced, known = meta.Replaced(s.Topic, s.Identity); known {
				return replaced, known
			}
		}
	}
	return false, false
}

// sourcePath is where a source of the plan stands in the manifest.
func (b *Build) sourcePath(i int) []string {
	switch e := &b.Sources[i]; e.Kind {
	case manifest.EndpointTopic:
		return []string{"topic", b.Manifest.Topics[e.Index].ID}
	case manifest.EndpointRepartition:
		return []string{"repartition", b.Manifest.Repartitions[e.Index].ID}
	}
	return []string{"name"}
}

// compareCaches compares the committed positions of changelogs with these.
func (b *Build) compareCaches(cluster int, v *groupView, partitions map[string]int) (found manifest.Errors) {
	for i := range b.Plan.Subs {
		sub := &b.Plan.Subs[i]
		for _, c := range sub.Caches {
			if !b.keeps(c, cluster) || b.Plan.Caches[c].Topic == "" {
				continue
			}
			n := partitions[topicKey(cluster, b.Plan.Caches[c].Topic)]
			for p := range n {
				found = append(found, b.compareCache(sub, c, int32(p), v)...)
			}
		}
	}
	return found
}

func (b *Build) compareCache(sub *host.Sub, c int, p int32, v *groupView) manifest.Errors {
	cache, on := &b.Plan.Caches[c], &b.Manifest.OnChange
	path := []string{"cache", cache.ID}
	where := fmt.Sprintf("cache %q partition %d: ", cache.ID, p)
	var want int64
	var log uint32
	// foreign: an input's offset was set, or deleted without its topic.
	known, foreign := false, false
	for _, i := range sub.Inputs {
		s := &b.Plan.Sources[i]
		o, committed := v.offsets[kafka.TopicPartition{Topic: s.Topic, Partition: p}]
		if !committed || o.Offset < 0 {
			replaced, listed := b.replaced(s, p, v)
			foreign = foreign || listed && !replaced && s.Identity != 0
			continue
		}
		meta, ours := host.DecodeOffset(o.Metadata)
		foreign = foreign || !ours
		if pos, ok := meta.Position(cache.ID); ok && (!known || pos.Next > want) {
			want, log, known = pos.Next, pos.Log, true
		}
	}
	ends := v.bounds[kafka.TopicPartition{Topic: cache.Topic, Partition: p}]
	switch {
	case (!known || foreign) && cache.Log != 0 && ends.High > 0:
		return manifest.Errors{b.changed(manifest.CodeOffsetsReset, path,
			where+"its changelog has records, but the committed offsets of its inputs do not say how many belong to them: offsets were set from outside, or have expired",
			"offsets_reset", on.OffsetsReset, `"keep" or "clear" to go on with the cache as it is or empty`)}
	case known && want > 0 && cache.Log == 0:
		return manifest.Errors{b.changed(manifest.CodeChangelogGone, path,
			where+fmt.Sprintf("its changelog %q has been deleted: offset %d was committed", cache.Topic, want),
			"changelog_gone", on.ChangelogGone, `"local" to write it anew from a host's store, or "empty" to go on without its entries`)}
	case known && (want > ends.High || log != cache.Log && log != 0 && cache.Log != 0 && want > 0):
		return manifest.Errors{b.changed(manifest.CodeChangelogGone, path,
			where+fmt.Sprintf("its changelog %q has been deleted or cut: offset %d was committed, the log ends at %d", cache.Topic, want, ends.High),
			"changelog_gone", on.ChangelogGone, `"local" to write it anew from a host's store, or "empty" to go on without its entries`)}
	}
	return nil
}

// transactionWait bounds the question whether a broker has transactions.
const transactionWait = 10 * time.Second

// checkTransactions asks a cluster that outputs go to for a transaction, and
// ends it unused. The broker remembers its id for some days, nothing else.
func (c *clusters) checkTransactions(ctx context.Context, b *Build, cluster int) (manifest.Errors, error) {
	if !b.Plan.ExactlyOnce {
		return nil, nil
	}
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: c.client(cluster), TransactionalID: b.Manifest.Name + "-check", TransactionTimeout: transactionWait})
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, transactionWait)
	defer cancel()
	refused := p.Init(wait)
	if err := p.Close(); err != nil {
		return nil, err
	}
	if refused == nil || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return manifest.Errors{noTransactions(b.Manifest, cluster, refused)}, nil
}

// noTransactions is the finding about a cluster that gives no transaction.
func noTransactions(m *manifest.Manifest, cluster int, err error) manifest.Error {
	return manifest.NewError(manifest.CodeNoTransactions, m.Pos("delivery"),
		fmt.Sprintf("cluster %q gives no transaction, which delivery = \"exactly_once\" needs: %v", m.Clusters[cluster].Name, err),
		"use a broker with transactions, give this user the right to write with transactional ids that begin with the application's name, or set delivery = \"at_least_once\"")
}
