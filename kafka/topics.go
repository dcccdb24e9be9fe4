package kafka

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TopicSpec is a topic to create.
type TopicSpec struct {
	Name string
	// Partitions and Replication are counts; 0 leaves them to the broker.
	Partitions, Replication int
	// Config holds topic-level settings such as cleanup.policy.
	Config map[string]string
}

// CreateTopics creates topics and waits until their leaders are known. For
// each spec, created tells whether it is new; a topic that exists is left as
// it is and no error.
func (a *Admin) CreateTopics(ctx context.Context, specs ...TopicSpec) (created []bool, err error) {
	created = make([]bool, len(specs))
	if len(specs) == 0 {
		return created, nil
	}
	req := make([]ck.TopicSpecification, len(specs))
	for i, s := range specs {
		req[i] = ck.TopicSpecification{Topic: s.Name, NumPartitions: orBroker(s.Partitions), ReplicationFactor: orBroker(s.Replication), Config: s.Config}
	}
	err = retry(ctx, "create topics", func(time.Duration) error {
		res, err := a.a.CreateTopics(ctx, req, ck.SetAdminRequestTimeout(10*time.Second), ck.SetAdminOperationTimeout(10*time.Second))
		if err != nil {
			return newError("create topics", err)
		}
		for _, r := range res {
			i := slices.IndexFunc(specs, func(s TopicSpec) bool { return s.Name == r.Topic })
			switch r.Error.Code() {
			case ck.ErrNoError:
				created[i] = true
			case ck.ErrTopicAlreadyExists:
			default:
				return codeError("create topic", Code(r.Error.Code()), r.Error.String(), r.Topic, -1, noOffset)
			}
		}
		return nil
	})
	if err != nil {
		return created, err
	}
	return created, a.awaitLeaders(ctx, specs)
}

func orBroker(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

func (a *Admin) awaitLeaders(ctx context.Context, specs []TopicSpec) error {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	topics := make([]Topic, len(names))
	return retry(ctx, "create topics", func(time.Duration) error {
		if err := a.describeTopics(ctx, topics, names); err != nil {
			return err
		}
		for _, t := range topics {
			if !t.Exists || len(t.Leaderless) > 0 {
				return codeError("create topic", CodeLeaderNotAvailable, "", t.Name, -1, noOffset)
			}
		}
		return nil
	})
}

// DeleteTopics deletes topics; one that does not exist is no error. The broker
// may take a moment longer until the name is free.
func (a *Admin) DeleteTopics(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	return retry(ctx, "delete topics", func(time.Duration) error {
		res, err := a.a.DeleteTopics(ctx, names, ck.SetAdminRequestTimeout(10*time.Second), ck.SetAdminOperationTimeout(10*time.Second))
		if err != nil {
			return newError("delete topics", err)
		}
		for _, r := range res {
			if c := r.Error.Code(); c != ck.ErrNoError && c != ck.ErrUnknownTopicOrPart {
				return codeError("delete topic", Code(c), r.Error.String(), r.Topic, -1, noOffset)
			}
		}
		return nil
	})
}

// Topic is what the cluster knows about a topic.
type Topic struct {
	Name   string
	Exists bool
	// ID is the topic's identity, base64 of a UUID: a topic deleted and made
	// anew has another one. Empty if the broker has none for it (before 2.8).
	ID         string
	Partitions int
	// Replication is the number of replicas of the first partition.
	Replication int
	// Leaderless lists partitions that nobody can read or write now.
	Leaderless []int32
	// Config holds the topic-level settings with their effective values, among
	// them max.message.bytes and cleanup.policy; empty if the broker does not
	// let us see them.
	Config map[string]string
}

// DescribeTopics describes topics in the order asked. A topic that does not
// exist is described as such.
func (a *Admin) DescribeTopics(ctx context.Context, names ...string) ([]Topic, error) {
	out := make([]Topic, len(names))
	if len(names) == 0 {
		return out, nil
	}
	err := retry(ctx, "describe topics", func(time.Duration) error {
		return a.describeTopics(ctx, out, names)
	})
	if err != nil {
		return nil, err
	}
	if err := a.describeSettings(ctx, out); err != nil {
		return nil, err
	}
	return out, nil
}

// describeTopics fills all of out but the settings.
func (a *Admin) describeTopics(ctx context.Context, out []Topic, names []string) error {
	ask := slices.Compact(slices.Sorted(slices.Values(names)))
	res, err := a.a.DescribeTopics(ctx, ck.NewTopicCollectionOfTopicNames(ask), ck.SetAdminRequestTimeout(5*time.Second))
	if err != nil {
		return newError("describe topics", err)
	}
	byName := make(map[string]*ck.TopicDescription, len(res.TopicDescriptions))
	for i := range res.TopicDescriptions {
		byName[res.TopicDescriptions[i].Name] = &res.TopicDescriptions[i]
	}
	for i, name := range names {
		out[i] = Topic{Name: name}
		d := byName[name]
		if d == nil {
			return codeError("describe topic", CodeLeaderNotAvailable, "the broker did not answer for it", name, -1, noOffset)
		}
		switch d.Error.Code() {
		case ck.ErrNoError:
		case ck.ErrUnknownTopicOrPart, ck.ErrUnknownTopic:
			continue
		default:
			return at(newError("describe topic", d.Error), name, -1)
		}
		t := &out[i]
		t.Exists, t.Partitions = len(d.Partitions) > 0, len(d.Partitions)
		if d.TopicID.GetMostSignificantBits() != 0 || d.TopicID.GetLeastSignificantBits() != 0 {
			t.ID = d.TopicID.String()
		}
		for _, p := range d.Partitions {
			if p.Leader == nil || p.Leader.ID < 0 {
				t.Leaderless = append(t.Leaderless, int32(p.Partition))
			}
		}
		if len(d.Partitions) > 0 {
			t.Replication = len(d.Partitions[0].Replicas)
		}
	}
	return nil
}

// settingsAtOnce bounds one request for the settings of topics: some forty of
// each come back.
const settingsAtOnce = 200

// describeSettings fills in the settings of the topics that exist.
func (a *Admin) describeSettings(ctx context.Context, topics []Topic) error {
	var ask []ck.ConfigResource
	found := map[string]map[string]string{}
	for _, t := range topics {
		if _, twice := found[t.Name]; t.Exists && !twice {
			found[t.Name] = nil
			ask = append(ask, ck.ConfigResource{Type: ck.ResourceTopic, Name: t.Name})
		}
	}
	for some := range slices.Chunk(ask, settingsAtOnce) {
		res, err := a.a.DescribeConfigs(ctx, some, ck.SetAdminRequestTimeout(5*time.Second))
		if err != nil {
			return newError("describe the settings of topics", err)
		}
		for _, r := range res {
			config := make(map[string]string, len(r.Config))
			for name, entry := range r.Config {
				config[name] = entry.Value
			}
			found[r.Name] = config
		}
	}
	for i := range topics {
		if topics[i].Exists {
			topics[i].Config = found[topics[i].Name]
		}
	}
	return nil
}

// Topics lists the names of all topics, internal ones left out.
func (a *Admin) Topics(ctx context.Context) ([]string, error) {
	var names []string
	err := retry(ctx, "list topics", func(limit time.Duration) error {
		md, err := a.p.GetMetadata(nil, true, int(limit.Milliseconds()))
		if err != nil {
			return newError("list topics", err)
		}
		names = names[:0]
		for name := range md.Topics {
			if len(name) < 2 || name[:2] != "__" {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		return nil
	})
	return names, err
}

// DeleteRecords deletes the records of a topic's partitions before the given
// offsets. One that is not before the first record changes nothing; one behind
// the end of its partition is an error.
func (a *Admin) DeleteRecords(ctx context.Context, topic string, before map[int32]int64) error {
	const doing = "delete records"
	if len(before) == 0 {
		return nil
	}
	req := make([]ck.TopicPartition, 0, len(before))
	for p, offset := range before {
		if offset < 0 {
			// The broker would take -1 for all there is.
			return codeError(doing, CodeInvalidArgument, fmt.Sprintf("%d is no offset", offset), topic, p, noOffset)
		}
		req = append(req, ck.TopicPartition{Topic: &topic, Partition: p, Offset: ck.Offset(offset)})
	}
	return retry(ctx, doing, func(time.Duration) error {
		res, err := a.a.DeleteRecords(ctx, req, ck.SetAdminRequestTimeout(10*time.Second), ck.SetAdminOperationTimeout(10*time.Second))
		if err != nil {
			return newError(doing, err)
		}
		for _, r := range res.DeleteRecordsResults {
			p := r.TopicPartition.Partition
			if r.TopicPartition.Error == nil {
				continue
			}
			err := at(newError(doing, r.TopicPartition.Error), topic, p)
			if HasCode(err, CodeOffsetOutOfRange) {
				// The embedded broker refuses too what is deleted already.
				if b, e := a.Bounds(ctx, TopicPartition{topic, p}); e == nil && before[p] <= b[0].Low {
					continue
				}
			}
			return err
		}
		return nil
	})
}

// TopicPartition is a partition by the name of its topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Bounds returns the ends of partitions' logs, in the order of parts: what a
// group's lag is counted from.
func (a *Admin) Bounds(ctx context.Context, parts ...TopicPartition) ([]abi.Bounds, error) {
	tps := make([]ck.TopicPartition, len(parts))
	for i := range parts {
		tps[i] = ck.TopicPartition{Topic: &parts[i].Topic, Partition: parts[i].Partition}
	}
	out := make([]abi.Bounds, 0, len(parts))
	for some := range slices.Chunk(tps, boundsAtOnce) {
		b, err := bounds(ctx, a.a, some)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// boundsAtOnce bounds one request for the ends of partitions: what the library
// does with one grows with the square of their number.
const boundsAtOnce = 1000
