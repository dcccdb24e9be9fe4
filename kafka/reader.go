package kafka

/*
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Reader reads topics without a group: it commits nothing and takes nothing
// from anybody. Its methods must not be called concurrently.
type Reader struct {
	c   *Consumer
	end map[abi.TopicPartition]int64 // the ends as Open found them, until reached

	uncommitted bool
}

// readerGroup is named where the library wants a group although partitions are
// assigned by hand; it is neither joined nor asked for offsets.
const readerGroup = "sliphost-reader"

// NewReader makes a reader of committed records; it does not wait for a broker.
func NewReader(cfg ClientConfig) (*Reader, error) { return newReader(cfg, false) }

// NewUncommittedReader makes a reader of every record, those of open and
// aborted transactions too: to look at a log as it is.
func NewUncommittedReader(cfg ClientConfig) (*Reader, error) { return newReader(cfg, true) }

func newReader(cfg ClientConfig, uncommitted bool) (*Reader, error) {
	cc := ConsumerConfig{ClientConfig: cfg, Group: readerGroup}
	props := cc.properties()
	if uncommitted {
		props["isolation.level"] = "read_uncommitted"
	}
	// The drain in C on every build: it is what notices the end.
	c, err := openConsumer(cc, props, false)
	if err != nil {
		return nil, err
	}
	return &Reader{c: c, uncommitted: uncommitted}, nil
}

// Open begins to read all partitions of topics. The position of a topic in the
// list is its id in batches. A start offset that a partition does not reach,
// or no longer has, is moved to its nearest end. The ends of this moment are
// what AtEnd means. A reader is opened once.
func (r *Reader) Open(ctx context.Context, topics []string, start Start) error {
	if r.c.closed {
		return ErrClosed
	}
	if r.end != nil {
		return errors.New("read: the reader is already open")
	}
	if len(topics) == 0 {
		return errors.New("read: no topics named")
	}
	if err := r.c.name(topics); err != nil {
		return err
	}
	r.end = map[abi.TopicPartition]int64{}
	var parts []abi.TopicPartition
	counts, err := r.c.Partitions(ctx)
	if err != nil {
		return err
	}
	for id, n := range counts {
		for p := range n {
			parts = append(parts, abi.TopicPartition{Topic: int32(id), Partition: p})
		}
	}
	bounds, err := r.c.Bounds(ctx, parts)
	if err != nil {
		return err
	}
	tps, err := r.c.partitions(parts)
	if err != nil {
		return err
	}
	for i, p := range parts {
		low, end := bounds[i].Low, bounds[i].LastStable
		if r.uncommitted {
			end = bounds[i].High
		}
		at := low
		switch start.At {
		case StartLatest:
			at = end
		case StartOffset:
			if at = start.Offset; at < 0 {
				at += end
			}
		case StartTime:
			if at, err = offsetForTime(ctx, r.c.ck, topics[p.Topic], p.Partition, start.Time); err != nil {
				return err
			}
			if at < 0 {
				at = end
			}
		case StartEarliest:
		default:
			return fmt.Errorf("read: start policy %d is not for reading", start.At)
		}
		at = min(max(at, low), end)
		tps[i].Offset = ck.Offset(at)
		r.end[p] = end
		r.c.take(p, at)
	}
	if err := r.c.failure; err != nil {
		return err
	}
	if err := r.c.ck.Assign(tps); err != nil {
		return newError("read", err)
	}
	return nil
}

// Poll fills b as Consumer.Poll does.
func (r *Reader) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	return r.c.Poll(b, maxRecords, maxBytes, wait)
}

// AtEnd reports whether everything that was there at Open has been returned.
// It stays true once it is.
func (r *Reader) AtEnd() bool {
	for p, end := range r.end {
		// The last offsets may belong to transaction markers or to records that
		// were aborted or compacted away: only the reader of the partition
		// knows that it went past them.
		if r.c.owned[p] >= end || int64(C.slip_eof(r.c.c, C.int32_t(p.Topic), C.int32_t(p.Partition))) >= end {
			delete(r.end, p)
		}
	}
	return len(r.end) == 0
}

// Partitions returns, for each topic, the number of its partitions.
func (r *Reader) Partitions(ctx context.Context) ([]int32, error) { return r.c.Partitions(ctx) }

// Bounds are Consumer.Bounds.
func (r *Reader) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	return r.c.Bounds(ctx, parts)
}

// Close frees the reader.
func (r *Reader) Close() error { return r.c.Close() }
