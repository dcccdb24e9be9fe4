package kafka

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// waitStep bounds one call into the library, so that a context that ends is
// noticed. It is no polling interval: answers end the call at once.
const waitStep = 100 * time.Millisecond

// Commit stores offsets, with their metadata, for the group and returns when
// the broker has them. An offset of a partition that is not assigned here is
// not sent, since the broker would take it and overwrite its owner's; the
// others are committed and the error names it. If ctx ends first the outcome
// is unknown.
func (c *Consumer) Commit(ctx context.Context, offsets []abi.TopicOffset) error {
	if c.closed {
		return ErrClosed
	}
	if len(offsets) == 0 {
		return nil
	}
	if len(c.owned) > 0 && c.ck.AssignmentLost() {
		return codeError("commit offsets", CodeIllegalGeneration, "the membership in the group is lost", c.topicName(offsets[0].Topic), offsets[0].Partition, offsets[0].Offset)
	}
	var foreign error
	list := C.rd_kafka_topic_partition_list_new(C.int(len(offsets)))
	defer C.rd_kafka_topic_partition_list_destroy(list)
	for _, o := range offsets {
		if !c.Owned(o.TopicPartition) {
			if foreign == nil {
				foreign = c.notOwned("commit offsets", o.TopicPartition)
			}
			continue
		}
		name := C.CString(c.topics[o.Topic])
		var meta *C.char
		if len(o.Metadata) > 0 {
			meta = (*C.char)(unsafe.Pointer(unsafe.StringData(o.Metadata)))
		}
		bad := C.slip_list_add(list, name, C.int32_t(o.Partition), C.int64_t(o.Offset), meta, C.size_t(len(o.Metadata)))
		C.free(unsafe.Pointer(name))
		if bad != 0 {
			return errors.New("commit offsets: out of memory")
		}
	}
	if list.cnt == 0 {
		return foreign
	}
	if err := c.commit(ctx, list); err != nil {
		return err
	}
	return foreign
}

func (c *Consumer) topicName(id int32) string {
	if id >= 0 && int(id) < len(c.topics) {
		return c.topics[id]
	}
	return ""
}

func (c *Consumer) commit(ctx context.Context, list *C.rd_kafka_topic_partition_list_t) error {
	reply := C.rd_kafka_queue_new(c.rk)
	defer C.rd_kafka_queue_destroy(reply)
	if code := C.slip_commit_start(c.rk, list, reply); code != 0 {
		return codeError("commit offsets", Code(code), "", "", -1, abi.OffsetNone)
	}
	var res C.slip_error
	for C.slip_commit_wait(reply, C.int(waitStep.Milliseconds()), list, &res) == 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("commit offsets: no answer from the broker: %w", err)
		}
	}
	for _, tp := range unsafe.Slice(list.elems, int(list.cnt)) {
		if tp.err != 0 {
			return codeError("commit offsets", Code(tp.err), "", C.GoString(tp.topic), int32(tp.partition), int64(tp.offset))
		}
	}
	if res.code != 0 {
		return codeError("commit offsets", Code(res.code), C.GoString(&res.text[0]), "", -1, abi.OffsetNone)
	}
	c.link.up()
	return nil
}

// Committed fills in the group's offset and metadata of each entry;
// abi.OffsetNone where it has none. It asks again until ctx ends while brokers
// are away or a transaction holds the answer back; the error is a *PendingError
// if it was a transaction to the end.
func (c *Consumer) Committed(ctx context.Context, offsets []abi.TopicOffset) error {
	if c.closed {
		return ErrClosed
	}
	parts := make([]abi.TopicPartition, len(offsets))
	for i := range offsets {
		parts[i] = offsets[i].TopicPartition
	}
	tps, err := c.partitions(parts)
	if err != nil {
		return fmt.Errorf("read committed offsets: %w", err)
	}
	if len(tps) == 0 {
		return nil
	}
	err = retry(ctx, "read committed offsets", func(limit time.Duration) error {
		res, err := c.ck.Committed(tps, int(limit.Milliseconds()))
		if err != nil {
			return newError("read committed offsets", err)
		}
		for _, tp := range res {
			if tp.Error != nil {
				return at(newError("read committed offsets", tp.Error), *tp.Topic, tp.Partition)
			}
		}
		for _, tp := range res {
			for i := range offsets {
				if c.ids[*tp.Topic] != offsets[i].Topic || tp.Partition != offsets[i].Partition {
					continue
				}
				offsets[i].Offset, offsets[i].Metadata = int64(tp.Offset), ""
				if tp.Offset < 0 {
					offsets[i].Offset = abi.OffsetNone
				} else if tp.Metadata != nil {
					offsets[i].Metadata = *tp.Metadata
				}
			}
		}
		c.link.up()
		return nil
	})
	if err == nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	admin, aerr := ck.NewAdminClientFromConsumer(c.ck)
	if aerr != nil {
		return err
	}
	defer admin.Close()
	return explainPending("read committed offsets", c.cfg.Group, admin, tps, err)
}

// retry calls do, with at most the time it gets, until it succeeds, fails for
// good or ctx ends. The error then is do's last, not only the context's.
func retry(ctx context.Context, doing string, do func(limit time.Duration) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		limit := 500 * time.Millisecond // ctx may end sooner than its deadline
		if end, ok := ctx.Deadline(); ok {
			limit = min(limit, max(time.Until(end), 10*time.Millisecond))
		}
		err := do(limit)
		var e *Error
		if err == nil || !errors.As(err, &e) || !e.Retriable() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// at adds the place to an Error.
func at(err error, topic string, partition int32) error {
	var e *Error
	if errors.As(err, &e) {
		e.Topic, e.Partition = topic, partition
	}
	return err
}

// Bounds returns the ends of partitions' logs: the first offset, the last
// stable offset and the high watermark, in the order of parts.
func (c *Consumer) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	if c.closed {
		return nil, ErrClosed
	}
	tps, err := c.partitions(parts)
	if err != nil {
		return nil, fmt.Errorf("read the ends of partitions: %w", err)
	}
	admin, err := ck.NewAdminClientFromConsumer(c.ck)
	if err != nil {
		return nil, newError("read the ends of partitions", err)
	}
	defer admin.Close()
	return bounds(ctx, admin, tps)
}

// Partitions returns the number of partitions of each subscribed topic.
func (c *Consumer) Partitions(ctx context.Context) ([]int32, error) {
	if c.closed {
		return nil, ErrClosed
	}
	counts := make([]int32, len(c.topics))
	for i, t := range c.topics {
		n, err := partitionCount(ctx, c.ck, t)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	return counts, nil
}

// metadataClient is what of confluent-kafka-go's clients can be asked.
type metadataClient interface {
	GetMetadata(topic *string, allTopics bool, timeoutMs int) (*ck.Metadata, error)
	OffsetsForTimes(times []ck.TopicPartition, timeoutMs int) ([]ck.TopicPartition, error)
}

func partitionCount(ctx context.Context, cl metadataClient, topic string) (int32, error) {
	var n int32
	err := retry(ctx, "describe topic "+topic, func(limit time.Duration) error {
		md, err := cl.GetMetadata(&topic, false, int(limit.Milliseconds()))
		if err != nil {
			return newError("describe topic "+topic, err)
		}
		t, ok := md.Topics[topic]
		if !ok {
			return codeError("describe topic "+topic, CodeUnknownTopic, "", topic, -1, abi.OffsetNone)
		}
		if t.Error.Code() != ck.ErrNoError {
			return at(newError("describe topic "+topic, t.Error), topic, -1)
		}
		n = int32(len(t.Partitions))
		return nil
	})
	return n, err
}

// offsetForTime returns the first offset of a record at or after t, or the end
// of the partition.
func offsetForTime(ctx context.Context, cl metadataClient, topic string, partition int32, t time.Time) (int64, error) {
	off := abi.OffsetEnd
	err := retry(ctx, "find an offset by time", func(limit time.Duration) error {
		res, err := cl.OffsetsForTimes([]ck.TopicPartition{{Topic: &topic, Partition: partition, Offset: ck.Offset(t.UnixMilli())}}, int(limit.Milliseconds()))
		if err != nil {
			return newError("find an offset by time", err)
		}
		for _, tp := range res {
			if tp.Error != nil {
				return at(newError("find an offset by time", tp.Error), topic, partition)
			}
			if tp.Offset >= 0 {
				off = int64(tp.Offset)
			}
		}
		return nil
	})
	return off, err
}

// bounds asks for the three ends. ListOffsets answers per isolation level:
// read_committed gives the last stable offset, read_uncommitted the high
// watermark. The questions go out together: on a consumer's connection each
// answer waits for the fetch before it, up to fetch.wait.max.ms.
func bounds(ctx context.Context, admin *ck.AdminClient, tps []ck.TopicPartition) ([]abi.Bounds, error) {
	var low, stable []int64
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() {
		low, errs[0] = listOffsets(ctx, admin, tps, ck.EarliestOffsetSpec, ck.IsolationLevelReadUncommitted)
	})
	wg.Go(func() {
		stable, errs[1] = listOffsets(ctx, admin, tps, ck.LatestOffsetSpec, ck.IsolationLevelReadCommitted)
	})
	wg.Wait()
	if err := cmp.Or(errs[0], errs[1]); err != nil {
		return nil, err
	}
	// Asked at the same time, an end could be answered first, and be less than
	// what was stable a moment later.
	high, err := listOffsets(ctx, admin, tps, ck.LatestOffsetSpec, ck.IsolationLevelReadUncommitted)
	if err != nil {
		return nil, err
	}
	out := make([]abi.Bounds, len(tps))
	for i := range out {
		out[i] = abi.Bounds{Low: low[i], LastStable: stable[i], High: high[i]}
	}
	return out, nil
}

// listOffsets asks for one kind of offset of each partition.
func listOffsets(ctx context.Context, admin *ck.AdminClient, tps []ck.TopicPartition, spec ck.OffsetSpec, level ck.IsolationLevel) ([]int64, error) {
	const doing = "read the ends of partitions"
	out := make([]int64, len(tps))
	if len(tps) == 0 {
		return out, nil
	}
	err := retry(ctx, doing, func(time.Duration) error {
		req := make(map[ck.TopicPartition]ck.OffsetSpec, len(tps))
		for _, tp := range tps {
			req[ck.TopicPartition{Topic: tp.Topic, Partition: tp.Partition}] = spec
		}
		res, err := admin.ListOffsets(ctx, req, ck.SetAdminIsolationLevel(level), ck.SetAdminRequestTimeout(5*time.Second))
		if err != nil {
			return newError(doing, err)
		}
		answers := make(map[TopicPartition]int64, len(tps))
		for tp, info := range res.ResultInfos {
			if info.Error.Code() != ck.ErrNoError {
				return at(newError(doing, info.Error), *tp.Topic, tp.Partition)
			}
			if info.Offset < 0 {
				// A partition without a leader is answered so, without an error. Taken
				// for an offset it would start the reader anywhere.
				return codeError(doing, CodeLeaderNotAvailable, "the broker does not know the end of the partition now", *tp.Topic, tp.Partition, noOffset)
			}
			answers[TopicPartition{*tp.Topic, tp.Partition}] = int64(info.Offset)
		}
		for i, tp := range tps {
			offset, ok := answers[TopicPartition{*tp.Topic, tp.Partition}]
			if !ok {
				return fmt.Errorf("%s: the broker answered for %d of %d", doing, len(answers), len(tps))
			}
			out[i] = offset
		}
		return nil
	})
	return out, err
}
