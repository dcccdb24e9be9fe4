package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Group is the state of a consumer group.
type Group struct {
	Name string
	// State is the broker's word in lower case: stable, empty, dead,
	// preparing-rebalance, completing-rebalance, unknown. A group nobody ever
	// joined is dead.
	State string
	// Assignor is the protocol the members agreed on, empty without members.
	Assignor string
	Members  []Member
}

// Member is a member of a group. Assigned lists its partitions by topic.
type Member struct {
	ID, InstanceID, ClientID, Host string
	Assigned                       map[string][]int32
}

// DescribeGroup describes one consumer group.
func (a *Admin) DescribeGroup(ctx context.Context, name string) (Group, error) {
	g := Group{Name: name}
	err := retry(ctx, "describe group "+name, func(time.Duration) error {
		res, err := a.a.DescribeConsumerGroups(ctx, []string{name}, ck.SetAdminRequestTimeout(5*time.Second))
		if err != nil {
			return newError("describe group "+name, err)
		}
		if len(res.ConsumerGroupDescriptions) != 1 {
			return fmt.Errorf("describe group %s: the broker answered for %d groups", name, len(res.ConsumerGroupDescriptions))
		}
		d := res.ConsumerGroupDescriptions[0]
		if d.Error.Code() == ck.ErrGroupIDNotFound {
			g.State = "dead"
			return nil
		}
		if d.Error.Code() != ck.ErrNoError {
			return newError("describe group "+name, d.Error)
		}
		g.State, g.Assignor, g.Members = stateWord(d.State), d.PartitionAssignor, nil
		for _, m := range d.Members {
			member := Member{ID: m.ConsumerID, InstanceID: m.GroupInstanceID, ClientID: m.ClientID, Host: m.Host, Assigned: map[string][]int32{}}
			for _, tp := range m.Assignment.TopicPartitions {
				member.Assigned[*tp.Topic] = append(member.Assigned[*tp.Topic], tp.Partition)
			}
			g.Members = append(g.Members, member)
		}
		return nil
	})
	return g, err
}

func stateWord(s ck.ConsumerGroupState) string {
	switch s {
	case ck.ConsumerGroupStateStable:
		return "stable"
	case ck.ConsumerGroupStateEmpty:
		return "empty"
	case ck.ConsumerGroupStateDead:
		return "dead"
	case ck.ConsumerGroupStatePreparingRebalance:
		return "preparing-rebalance"
	case ck.ConsumerGroupStateCompletingRebalance:
		return "completing-rebalance"
	}
	return "unknown"
}

// DeleteGroup deletes a consumer group with its offsets; one that does not
// exist is no error, one with members is.
func (a *Admin) DeleteGroup(ctx context.Context, name string) error {
	doing := "delete group " + name
	return retry(ctx, doing, func(time.Duration) error {
		res, err := a.a.DeleteConsumerGroups(ctx, []string{name}, ck.SetAdminRequestTimeout(5*time.Second))
		if err != nil {
			return newError(doing, err)
		}
		for _, r := range res.ConsumerGroupResults {
			switch r.Error.Code() {
			case ck.ErrNoError, ck.ErrGroupIDNotFound:
			case ck.ErrNonEmptyGroup:
				return codeError(doing, Code(r.Error.Code()), hasMembers, "", -1, noOffset)
			default:
				return newError(doing, r.Error)
			}
		}
		return nil
	})
}

const hasMembers = "the group has members; stop them first (a static member counts until its session timeout)"

// GroupOffset is a committed offset of a group with its metadata.
type GroupOffset struct {
	TopicPartition
	Offset   int64
	Metadata string
}

// GroupOffsets returns all committed offsets of a group, by topic and
// partition; none if the group does not exist. While a transaction that holds
// offsets of the group is open it waits, at most until ctx ends; the error is a
// *PendingError then.
func (a *Admin) GroupOffsets(ctx context.Context, name string) ([]GroupOffset, error) {
	doing := "read the offsets of group " + name
	var out []GroupOffset
	err := retry(ctx, doing, func(time.Duration) error {
		res, err := a.a.ListConsumerGroupOffsets(ctx, []ck.ConsumerGroupTopicPartitions{{Group: name}},
			ck.SetAdminRequireStableOffsets(true), ck.SetAdminRequestTimeout(5*time.Second))
		if err = newError(doing, err); HasCode(err, Code(ck.ErrGroupIDNotFound)) {
			out = nil
			return nil
		}
		if err != nil {
			return err
		}
		if len(res.ConsumerGroupsTopicPartitions) != 1 {
			return fmt.Errorf("%s: the broker answered for %d groups", doing, len(res.ConsumerGroupsTopicPartitions))
		}
		out = out[:0]
		for _, tp := range res.ConsumerGroupsTopicPartitions[0].Partitions {
			if tp.Error != nil {
				return at(newError(doing, tp.Error), *tp.Topic, tp.Partition)
			}
			if tp.Offset < 0 {
				continue
			}
			o := GroupOffset{TopicPartition: TopicPartition{*tp.Topic, tp.Partition}, Offset: int64(tp.Offset)}
			if tp.Metadata != nil {
				o.Metadata = *tp.Metadata
			}
			out = append(out, o)
		}
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = explainPending(doing, name, a.a, nil, err)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b GroupOffset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out, nil
}

// SetGroupOffsets commits offsets, with their metadata, for a group without
// members, which it makes if there is none. The group's other offsets stay.
func (a *Admin) SetGroupOffsets(ctx context.Context, name string, offsets []GroupOffset) error {
	doing := "set the offsets of group " + name
	if len(offsets) == 0 {
		return nil
	}
	tps := make([]ck.TopicPartition, len(offsets))
	for i := range offsets {
		o := &offsets[i]
		if o.Offset < 0 {
			return codeError(doing, CodeInvalidArgument, fmt.Sprintf("%d is no offset", o.Offset), o.Topic, o.Partition, noOffset)
		}
		tps[i] = ck.TopicPartition{Topic: &o.Topic, Partition: o.Partition, Offset: ck.Offset(o.Offset)}
		if o.Metadata != "" {
			tps[i].Metadata = &o.Metadata
		}
	}
	return retry(ctx, doing, func(time.Duration) error {
		res, err := a.a.AlterConsumerGroupOffsets(ctx, []ck.ConsumerGroupTopicPartitions{{Group: name, Partitions: tps}}, ck.SetAdminRequestTimeout(5*time.Second))
		if err != nil {
			return occupied(doing, newError(doing, err))
		}
		for _, g := range res.ConsumerGroupsTopicPartitions {
			for _, tp := range g.Partitions {
				if tp.Error != nil {
					return occupied(doing, at(newError(doing, tp.Error), *tp.Topic, tp.Partition))
				}
			}
		}
		return nil
	})
}

// occupied puts the broker's answer to a commit from outside a group with
// members into words.
func occupied(doing string, err error) error {
	if HasCode(err, CodeUnknownMember) || HasCode(err, Code(ck.ErrNonEmptyGroup)) {
		return codeError(doing, Code(ck.ErrNonEmptyGroup), hasMembers, "", -1, noOffset)
	}
	return err
}
