package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/topology"
	"github.com/sliphost/sliphost/kafka"
)

// CheckpointTopics are the control topics of an application whose hosts may be
// stopped: what they say of its checkpoints, and a way to have that forgotten.
type CheckpointTopics struct {
	r      Reset
	topics []checkpointTopic
}

// checkpointTopic is the control topic of one cluster with what is committed
// there.
type checkpointTopic struct {
	cluster int // in r.clusters
	group   string
	entries map[string][]byte
}

// OpenCheckpoints reads the control topics of m whole. That needs the brokers
// and no host; records of transactions that are not ended do not count. A topic
// that does not exist is an empty one.
func OpenCheckpoints(ctx context.Context, m *manifest.Manifest, o Options) (*CheckpointTopics, error) {
	c := &CheckpointTopics{r: Reset{m: m}}
	if err := c.read(ctx, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// OpenCheckpointReset is OpenCheckpoints for Forget: it holds the state directory
// until Close and refuses while members of a group run. waiting is called when it
// waits for the broker to forget a host of this directory that has stopped.
func OpenCheckpointReset(ctx context.Context, m *manifest.Manifest, o Options, waiting func()) (*CheckpointTopics, error) {
	c := &CheckpointTopics{r: Reset{m: m}}
	err := c.lock(o)
	if err == nil {
		err = c.read(ctx, o)
	}
	for i := 0; i < len(c.topics) && err == nil; i++ {
		err = c.r.openGroup(ctx, &c.r.clusters[c.topics[i].cluster], c.topics[i].group, waiting)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// lock takes the state directory, if there is one.
func (c *CheckpointTopics) lock(o Options) (err error) {
	dir := o.stateDir(c.r.m)
	if _, missing := os.Stat(dir); missing == nil {
		c.r.state, err = openState(dir)
	}
	return err
}

func (c *CheckpointTopics) read(ctx context.Context, o Options) error {
	topo, found := topology.Build(c.r.m)
	if found.Fatal() != nil {
		return found
	}
	name := controlTopic(c.r.m)
	for _, cluster := range controlClusters(c.r.m, topo) {
		rc, err := c.r.reach(ctx, o, cluster)
		if err != nil {
			return err
		}
		t := checkpointTopic{cluster: len(c.r.clusters) - 1, group: c.r.m.Clusters[cluster].Group, entries: map[string][]byte{}}
		step, cancel := context.WithTimeout(ctx, brokerTimeout)
		topics, err := rc.admin.DescribeTopics(step, name)
		cancel()
		if err == nil && topics[0].Exists {
			err = readWhole(ctx, rc.client, name, t.entries)
		}
		if err != nil {
			return fmt.Errorf("read control topic %q on cluster %q: %w", name, rc.name, err)
		}
		c.topics = append(c.topics, t)
	}
	return nil
}

// readWhole reads a compacted topic up to its end as of now.
func readWhole(ctx context.Context, client kafka.ClientConfig, name string, entries map[string][]byte) error {
	reader, err := kafka.NewReader(client)
	if err != nil {
		return err
	}
	defer reader.Close()
	open, cancel := context.WithTimeout(ctx, reachTimeout)
	err = reader.Open(open, []string{name}, TapStart{At: TapBeginning})
	cancel()
	if err != nil {
		return err
	}
	err = follow(ctx, reader, manifest.Topic{Name: name}, TapOptions{UntilEnd: true, Partition: -1}, func(r *Tapped) error {
		if r.Value == nil {
			delete(entries, string(r.Key))
		} else {
			entries[string(r.Key)] = bytes.Clone(r.Value)
		}
		return nil
	}, func() error { return nil })
	return errors.Join(err, ctx.Err())
}

// All describes the checkpoints of the manifest.
func (c *CheckpointTopics) All() []host.CheckpointInfo {
	all := []host.CheckpointInfo{}
	entries := map[string][]byte{}
	for _, t := range c.topics {
		for key, value := range t.entries {
			entries[key] = value
		}
	}
	for i := range c.r.m.Checkpoints {
		mc := &c.r.m.Checkpoints[i]
		spec := checkpointSpec(mc)
		all = append(all, host.DescribeCheckpoint(&spec, mc.Dependent.Source.Text, entries))
	}
	return all
}

// Keys counts what Forget removes.
func (c *CheckpointTopics) Keys(id string, partition int32) int {
	n := 0
	for _, t := range c.topics {
		n += len(host.CheckpointKeys(id, partition, t.entries))
	}
	return n
}

// Forget removes what is kept of a checkpoint: all of it, or with partition >= 0
// what one partition of its dependent knows. The next start finds it as new. A
// host that came up meanwhile may write again what it had read; that is an error.
func (c *CheckpointTopics) Forget(ctx context.Context, id string, partition int32) error {
	for _, t := range c.topics {
		keys := host.CheckpointKeys(id, partition, t.entries)
		if len(keys) == 0 {
			continue
		}
		rc := &c.r.clusters[t.cluster]
		if err := tombstones(ctx, rc.client, controlTopic(c.r.m), keys); err != nil {
			return fmt.Errorf("write to control topic %q on cluster %q: %w", controlTopic(c.r.m), rc.name, err)
		}
		step, cancel := context.WithTimeout(ctx, brokerTimeout)
		group, err := rc.admin.DescribeGroup(step, t.group)
		cancel()
		if err != nil {
			return err
		}
		// Static members of this directory are those that openGroup passed over.
		if len(group.Members) > 0 && !c.r.ours(&group) {
			return fmt.Errorf("checkpoint %s: a host started meanwhile (%s) and may have read what was to be forgotten; stop it and try again", id, memberNames(&group))
		}
		for _, key := range keys {
			delete(t.entries, key)
		}
	}
	return nil
}

// tombstones removes keys from a compacted topic of one partition.
func tombstones(ctx context.Context, client kafka.ClientConfig, topic string, keys []string) error {
	p, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: client, Linger: time.Millisecond})
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	id := p.Topic(topic)
	for _, key := range keys {
		p.Append(id, 0, []byte(key), nil, nil, -1)
	}
	if err := p.Send(ctx); err != nil {
		p.Discard()
		return err
	}
	return p.Flush(ctx)
}

// Close gives the state directory and the clients back.
func (c *CheckpointTopics) Close() error { return c.r.Close() }

// FindCheckpoint looks a checkpoint up; the error names those that there are.
func FindCheckpoint(m *manifest.Manifest, id string) error {
	var ids []string
	for i := range m.Checkpoints {
		if m.Checkpoints[i].ID == id {
			return nil
		}
		ids = append(ids, m.Checkpoints[i].ID)
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s has no checkpoint", m.File)
	}
	return fmt.Errorf("%s has no checkpoint %q; it has %s", m.File, id, strings.Join(ids, ", "))
}
