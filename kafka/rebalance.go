package kafka

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// startTimeout bounds how long an assignment waits for the group's committed
// offsets. An open transaction of a dead member can hold them back until its
// own timeout; the session is kept meanwhile, since its heartbeats come from
// the library's threads.
const startTimeout = 60 * time.Second

// rebalance runs inside Poll or Close when the group moves partitions. It must
// answer every event with the matching assign call, or the group stalls.
func (c *Consumer) rebalance(_ *ck.Consumer, ev ck.Event) error {
	if c.closed {
		// Everything has been given up; confluent-kafka-go answers for us.
		return nil
	}
	c.rebalanced = true
	switch ev := ev.(type) {
	case ck.AssignedPartitions:
		c.assign(ev.Partitions)
	case ck.RevokedPartitions:
		c.revoke(c.known(ev.Partitions), c.ck.AssignmentLost())
		var err error
		if c.cooperative() {
			err = c.ck.IncrementalUnassign(ev.Partitions)
		} else {
			err = c.ck.Unassign()
		}
		c.fail("give up partitions", err)
	}
	return nil
}

func (c *Consumer) cooperative() bool { return c.ck.GetRebalanceProtocol() == "COOPERATIVE" }

// fail keeps the first error of a callback for Poll to return.
func (c *Consumer) fail(doing string, err error) {
	if err != nil && c.failure == nil {
		c.failure = newError(doing, err)
	}
}

func (c *Consumer) assign(tps []ck.TopicPartition) {
	parts := c.known(tps)
	if !c.cooperative() {
		// Eager: the new assignment replaces what there was, and all of that
		// has been revoked before.
		for p := range c.owned {
			c.drop(p)
		}
	}
	var starts []int64
	if c.assigned != nil && len(parts) > 0 {
		for _, p := range parts {
			c.owned[p] = abi.OffsetNone
		}
		starts = c.assigned(parts)
	}
	tps, err := c.partitions(parts)
	c.fail("take partitions", err)
	for i := range tps {
		tps[i].Offset = ck.OffsetStored
		if i < len(starts) && starts[i] != abi.OffsetNone {
			tps[i].Offset = ck.Offset(starts[i])
		}
	}
	c.fail("find where to start", c.resolve(tps))
	for i, p := range parts {
		c.take(p, int64(tps[i].Offset))
	}
	if c.cooperative() {
		err = c.ck.IncrementalAssign(tps)
	} else {
		err = c.ck.Assign(tps)
	}
	c.fail("take partitions", err)
	// A pause asked for while the partition was not ours yet.
	var pause []abi.TopicPartition
	for _, p := range parts {
		if _, ok := c.paused[p]; ok {
			pause = append(pause, p)
		}
	}
	if len(pause) > 0 {
		c.fail("pause", c.Pause(pause))
	}
}

// take starts to expect records of a partition.
func (c *Consumer) take(p abi.TopicPartition, at int64) {
	c.owned[p] = at
	delete(c.stopped, p)
	if c.c == nil {
		return
	}
	name := C.CString(c.topics[p.Topic])
	defer C.free(unsafe.Pointer(name))
	if C.slip_assign(c.c, name, C.int32_t(p.Topic), C.int32_t(p.Partition)) != 0 {
		c.fail("take partitions", fmt.Errorf("no queue for %s[%d]", c.topics[p.Topic], p.Partition))
	}
}

// drop stops to expect records of a partition.
func (c *Consumer) drop(p abi.TopicPartition) {
	delete(c.owned, p)
	if c.c != nil {
		C.slip_unassign(c.c, C.int32_t(p.Topic), C.int32_t(p.Partition))
	}
	c.forget(p)
}

// revoke tells the owner and forgets the partitions. It leaves the answer to
// the group to its caller.
func (c *Consumer) revoke(parts []abi.TopicPartition, lost bool) {
	parts = slices.DeleteFunc(parts, func(p abi.TopicPartition) bool { return !c.Owned(p) })
	if len(parts) == 0 {
		return
	}
	if c.revoked != nil {
		c.revoked(parts, lost)
	}
	var paused []abi.TopicPartition
	for _, p := range parts {
		if _, ok := c.paused[p]; ok {
			paused = append(paused, p)
		}
		c.drop(p)
	}
	// The library remembers a pause across assignments; we do not.
	if len(paused) > 0 {
		c.fail("resume", c.Resume(paused))
	}
}

// known converts the library's partitions to ids.
func (c *Consumer) known(tps []ck.TopicPartition) []abi.TopicPartition {
	parts := make([]abi.TopicPartition, 0, len(tps))
	for _, tp := range tps {
		if id, ok := c.ids[*tp.Topic]; ok {
			parts = append(parts, abi.TopicPartition{Topic: id, Partition: tp.Partition})
		}
	}
	return parts
}

func (c *Consumer) ownedList() []abi.TopicPartition {
	parts := make([]abi.TopicPartition, 0, len(c.owned))
	for p := range c.owned {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b abi.TopicPartition) int {
		if a.Topic != b.Topic {
			return int(a.Topic - b.Topic)
		}
		return int(a.Partition - b.Partition)
	})
	return parts
}

// resolve turns every start into an absolute offset: OffsetStored into the
// committed one or what the topic's start policy says, and beginnings and ends
// into what they are now. Where it cannot, OffsetStored stays, and the library
// looks the offset up itself and reports an error if there is none.
//
// The library must not be given a logical offset. It resolves one with a
// request of its own, and when it drops an answer as outdated (the broker's
// connection or the assignment changed meanwhile) it asks again half a second
// later, whatever the partition is doing by then, and starts it over at the
// answer: records come twice, or are skipped if the end was asked for. Seen
// with librdkafka 2.15.0 in TestRebalanceLosesAndDoublesNothing.
func (c *Consumer) resolve(tps []ck.TopicPartition) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := c.fromCommitted(ctx, tps)
	if err == nil {
		err = c.fromBounds(ctx, tps)
	}
	for i := range tps {
		if tps[i].Offset < 0 {
			tps[i].Offset = ck.OffsetStored
		}
	}
	return err
}

// fromCommitted replaces OffsetStored.
func (c *Consumer) fromCommitted(ctx context.Context, tps []ck.TopicPartition) error {
	var ask []int
	var offsets []abi.TopicOffset
	for i, tp := range tps {
		if tp.Offset == ck.OffsetStored {
			ask = append(ask, i)
			offsets = append(offsets, abi.TopicOffset{TopicPartition: abi.TopicPartition{Topic: c.ids[*tp.Topic], Partition: tp.Partition}})
		}
	}
	if err := c.Committed(ctx, offsets); err != nil {
		return err
	}
	for n, i := range ask {
		if offsets[n].Offset != abi.OffsetNone {
			tps[i].Offset = ck.Offset(offsets[n].Offset)
			continue
		}
		start := c.cfg.Start[*tps[i].Topic]
		switch start.At {
		case StartEarliest:
			tps[i].Offset = ck.OffsetBeginning
		case StartLatest:
			tps[i].Offset = ck.OffsetEnd
		case StartTime:
			off, err := offsetForTime(ctx, c.ck, *tps[i].Topic, tps[i].Partition, start.Time)
			if err != nil {
				return err
			}
			tps[i].Offset = ck.Offset(off)
		case StartOffset:
			tps[i].Offset = ck.Offset(start.Offset)
			if start.Offset < 0 {
				tps[i].Offset = ck.OffsetTail(ck.Offset(-start.Offset))
			}
		case StartError:
			c.fail("start", codeError("start", CodeNoOffset,
				"the group "+c.cfg.Group+" has no committed offset and the topic's start is \"error\"; commit one with Kafka's tools or choose earliest, latest or a time",
				*tps[i].Topic, tps[i].Partition, abi.OffsetNone))
		}
	}
	return nil
}

// tailBase is what librdkafka counts offsets back from the end from.
const tailBase = -2000

// fromBounds replaces OffsetBeginning, OffsetEnd and what counts back from it.
func (c *Consumer) fromBounds(ctx context.Context, tps []ck.TopicPartition) error {
	var ask []int
	var parts []abi.TopicPartition
	for i, tp := range tps {
		if tp.Offset == ck.OffsetBeginning || tp.Offset == ck.OffsetEnd || tp.Offset <= tailBase {
			ask = append(ask, i)
			parts = append(parts, abi.TopicPartition{Topic: c.ids[*tp.Topic], Partition: tp.Partition})
		}
	}
	if len(ask) == 0 {
		return nil
	}
	bounds, err := c.Bounds(ctx, parts)
	if err != nil {
		return err
	}
	for n, i := range ask {
		b := bounds[n]
		switch at := tps[i].Offset; at {
		case ck.OffsetBeginning:
			tps[i].Offset = ck.Offset(b.Low)
		case ck.OffsetEnd:
			tps[i].Offset = ck.Offset(b.LastStable)
		default:
			tps[i].Offset = ck.Offset(max(b.Low, b.LastStable+int64(at)-tailBase))
		}
	}
	return nil
}
