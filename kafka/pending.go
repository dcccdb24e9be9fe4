package kafka

import (
	"context"
	"fmt"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// PendingError says that an open transaction holds back what a group has
// committed: until it ends nobody can tell where the group is to go on.
type PendingError struct {
	// Doing is the action, Group the group's name.
	Doing, Group string
	// Err is what the client library said: no more than that time has passed.
	Err error
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("%s: offsets of group %q are in a transaction that is still open; they are known when its producer ends it, or at the latest when that producer's transaction.timeout.ms is over (a host's is 30 s and its commit interval; others set up to 15 minutes). Wait for that; if a process that is not to run any more has it, stop it, or look for it with kafka-transactions.sh list and end it with abort (%v)", e.Doing, e.Group, e.Err)
}

// Unwrap returns Err.
func (e *PendingError) Unwrap() error { return e.Err }

// Retriable is true.
func (e *PendingError) Retriable() bool { return true }

// pendingWait bounds the question whether offsets are pending.
const pendingWait = 2 * time.Second

// explainPending finds out whether a vain wait for offsets of a group was for a
// transaction: then the broker answers at once when it is asked for what was
// committed before. Brokers say so only inside the library, which asks again
// until time is over. The error is err where that is not so.
func explainPending(doing, group string, admin *ck.AdminClient, tps []ck.TopicPartition, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), pendingWait)
	defer cancel()
	res, aerr := admin.ListConsumerGroupOffsets(ctx, []ck.ConsumerGroupTopicPartitions{{Group: group, Partitions: tps}},
		ck.SetAdminRequireStableOffsets(false), ck.SetAdminRequestTimeout(pendingWait))
	if aerr != nil || len(res.ConsumerGroupsTopicPartitions) != 1 {
		return err
	}
	for _, tp := range res.ConsumerGroupsTopicPartitions[0].Partitions {
		if tp.Error != nil {
			return err
		}
	}
	return &PendingError{Doing: doing, Group: group, Err: err}
}
