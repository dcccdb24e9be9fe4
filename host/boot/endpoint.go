package boot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// reachTimeout bounds how long send and tap wait for a broker to answer.
const reachTimeout = 10 * time.Second

// FindTopic returns the topic that a person calls name: an id of the manifest,
// else the name at the broker of one of its topics, else any topic of the
// first cluster, as raw bytes. known is false for the last.
func FindTopic(m *manifest.Manifest, name string) (topic manifest.Topic, known bool) {
	for _, same := range []func(*manifest.Topic) bool{
		func(t *manifest.Topic) bool { return t.ID == name },
		func(t *manifest.Topic) bool { return t.Name == name },
	} {
		for i := range m.Topics {
			if same(&m.Topics[i]) {
				return m.Topics[i], true
			}
		}
	}
	return manifest.Topic{
		ID: name, Name: name, Kafka: manifest.DefaultCluster,
		Codec: manifest.CodecRaw, KeyCodec: manifest.CodecRaw,
	}, false
}

// reached is a topic that exists, and how to get there.
type reached struct {
	topic  manifest.Topic
	client kafka.ClientConfig
	// partitions is their number; 0 for a topic that is not there yet.
	partitions int
}

// reachTopic finds the topic's broker and the topic. A missing topic of the
// manifest that says create = true is created.
func reachTopic(ctx context.Context, m *manifest.Manifest, name string, o Options) (*reached, error) {
	t, known := FindTopic(m, name)
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	servers, err := Bootstrap(ctx, m, t.Cluster, o)
	if err != nil {
		return nil, err
	}
	r := &reached{topic: t, client: ClientConfig(m, t.Cluster, servers)}
	r.client.Logger = o.logger()
	admin, err := kafka.NewAdmin(r.client)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	if err := admin.Ready(ctx); err != nil {
		return nil, err
	}
	if known && t.Create {
		if _, err := admin.CreateTopics(ctx, topicSpec(&t)); err != nil {
			return nil, err
		}
	}
	found, err := admin.DescribeTopics(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	if !found[0].Exists {
		return nil, missingTopic(ctx, admin, m, &t, known, servers)
	}
	r.partitions = found[0].Partitions
	var sizes recordSizes
	sizes.add(found[0])
	sizes.fit(&r.client)
	return r, nil
}

// missingTopic says what to do about a topic that is not there.
func missingTopic(ctx context.Context, admin *kafka.Admin, m *manifest.Manifest, t *manifest.Topic, known bool, servers string) error {
	if known {
		return fmt.Errorf("topic %q does not exist at %s; create it, or set create = true in [topic.%s] of %s", t.Name, servers, t.ID, m.File)
	}
	msg := fmt.Sprintf("topic %q is neither in %s nor at %s", t.Name, m.File, servers)
	var have []string
	for i := range m.Topics {
		have = append(have, m.Topics[i].ID)
	}
	if names, err := admin.Topics(ctx); err == nil {
		have = append(have, names...)
	}
	slices.Sort(have)
	have = slices.Compact(have)
	if len(have) == 0 {
		return errors.New(msg + ", which have no topics")
	}
	const shown = 20
	if len(have) > shown {
		have = append(have[:shown], "...")
	}
	return errors.New(msg + "; there are " + strings.Join(have, ", "))
}
