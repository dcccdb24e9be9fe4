package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// LogReader reads single partitions from given offsets, committed records
// only, without a group: changelogs, at the speed of a restore. Partitions come
// and go while it reads. Its methods must not be called concurrently.
type LogReader struct {
	c    *Consumer
	left map[abi.TopicPartition]time.Time // when a partition was dropped
}

// NewLogReader makes a reader; it does not wait for a broker.
func NewLogReader(cfg ClientConfig) (*LogReader, error) {
	cc := ConsumerConfig{ClientConfig: cfg, Group: readerGroup}
	props := cc.properties()
	for name, value := range map[string]string{
		// Restores read a log from end to end: few large answers.
		"fetch.message.max.bytes": "4194304",
		"fetch.wait.max.ms":       "20",
	} {
		if _, set := cfg.Properties[name]; !set {
			props[name] = value
		}
	}
	c, err := openConsumer(cc, props, false)
	if err != nil {
		return nil, err
	}
	return &LogReader{c: c, left: map[abi.TopicPartition]time.Time{}}, nil
}

// Open names the topics; the position of one is its id. A topic that does not
// exist is an error. A reader is opened once.
func (r *LogReader) Open(ctx context.Context, topics []string) error {
	switch {
	case r.c.closed:
		return ErrClosed
	case len(topics) == 0:
		return errors.New("read logs: no topics named")
	case r.c.topics != nil:
		return errors.New("read logs: the reader is already open")
	}
	if err := r.c.name(topics); err != nil {
		return fmt.Errorf("read logs: %w", err)
	}
	_, err := r.c.Partitions(ctx)
	return err
}

// Add begins to read a partition at offset. One that the log does not reach or
// no longer has shows as an error of Poll that names the partition; Drop and
// Add it again then.
func (r *LogReader) Add(p abi.TopicPartition, offset int64) error {
	const doing = "read a partition"
	tps, err := r.partition(doing, p)
	if err != nil {
		return err
	}
	if r.c.Owned(p) {
		return codeError(doing, CodeConflictingState, "it is being read already", r.c.topics[p.Topic], p.Partition, offset)
	}
	if offset < 0 {
		return codeError(doing, CodeInvalidArgument, fmt.Sprintf("%d is no offset to begin at", offset), r.c.topics[p.Topic], p.Partition, noOffset)
	}
	tps[0].Offset = ck.Offset(offset)
	r.c.take(p, offset)
	err = r.c.failure
	if r.c.failure = nil; err == nil {
		err = newError(doing, r.c.ck.IncrementalAssign(tps))
	}
	if err != nil {
		r.c.drop(p)
		return at(err, r.c.topics[p.Topic], p.Partition)
	}
	// The stop of the reader before may undo the forward of this one.
	if left, was := r.left[p]; was {
		delete(r.left, p)
		if time.Since(left) < restlessFor {
			r.c.restless = time.Now().Add(restlessFor)
		}
	}
	return nil
}

// Drop ends the reading of a partition: nothing of it comes any more.
func (r *LogReader) Drop(p abi.TopicPartition) error {
	const doing = "stop reading a partition"
	tps, err := r.partition(doing, p)
	if err != nil {
		return err
	}
	if !r.c.Owned(p) {
		return codeError(doing, CodeNotAssigned, "it is not being read", r.c.topics[p.Topic], p.Partition, noOffset)
	}
	r.c.drop(p)
	delete(r.c.stopped, p)
	r.left[p] = time.Now()
	if err := r.c.ck.IncrementalUnassign(tps); err != nil {
		return at(newError(doing, err), r.c.topics[p.Topic], p.Partition)
	}
	return nil
}

func (r *LogReader) partition(doing string, p abi.TopicPartition) ([]ck.TopicPartition, error) {
	if r.c.closed {
		return nil, ErrClosed
	}
	tps, err := r.c.partitions([]abi.TopicPartition{p})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return tps, nil
}

// Poll fills b as Consumer.Poll does. b.Ends tells the last stable offset of
// each partition that was read up to there, also when no committed record lies
// before it: what is open then is not waited for.
func (r *LogReader) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	return r.c.Poll(b, maxRecords, maxBytes, wait)
}

// Bounds are Consumer.Bounds.
func (r *LogReader) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	return r.c.Bounds(ctx, parts)
}

// Partitions returns the number of partitions of each topic.
func (r *LogReader) Partitions(ctx context.Context) ([]int32, error) { return r.c.Partitions(ctx) }

// Close frees the reader.
func (r *LogReader) Close() error { return r.c.Close() }
