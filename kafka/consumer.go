package kafka

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Consumer is a member of a consumer group. Its methods must not be called
// concurrently, Close included; the callbacks given to Subscribe run inside
// Poll and Close.
type Consumer struct {
	cfg  ConsumerConfig
	log  *slog.Logger
	ck   *ck.Consumer
	rk   *C.rd_kafka_t
	c    *C.slip_consumer // nil on the plain path
	logs *logPump
	link connection

	topics   []string
	ids      map[string]int32
	assigned func([]abi.TopicPartition) []int64
	revoked  func([]abi.TopicPartition, bool)

	owned      map[abi.TopicPartition]int64 // with the next offset to deliver
	paused     map[abi.TopicPartition]struct{}
	stopped    map[abi.TopicPartition]bool // an error ended its reader
	rebalanced bool                        // a callback ran since Poll last returned
	failure    error                       // what a callback could not return
	held       error                       // an error met behind records, for the next Poll
	forwarded  time.Time
	restless   time.Time // until then, look after the forwards often
	closed     bool
}

// NewConsumer makes a consumer; it does not wait for a broker. What the
// properties make impossible is an error here.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) { return newConsumer(cfg, plainPoll) }

func newConsumer(cfg ConsumerConfig, plain bool) (*Consumer, error) {
	if cfg.Group == "" {
		return nil, errors.New("make a Kafka consumer: it needs a group")
	}
	if cfg.InstanceID != "" && cfg.Assignor == "cooperative-sticky" {
		return nil, errors.New("make a Kafka consumer: cooperative-sticky cannot be used with static members, which can leave partitions without an owner; see ConsumerConfig.Assignor")
	}
	return openConsumer(cfg, cfg.properties(), plain)
}

func openConsumer(cfg ConsumerConfig, props map[string]string, plain bool) (*Consumer, error) {
	if cfg.servers() == "" {
		return nil, fmt.Errorf("make a Kafka consumer: %w", errNoServers)
	}
	if err := checkLink(); err != nil {
		return nil, err
	}
	c := &Consumer{
		cfg: cfg, log: cfg.logger(),
		owned:   map[abi.TopicPartition]int64{},
		paused:  map[abi.TopicPartition]struct{}{},
		stopped: map[abi.TopicPartition]bool{},
	}
	c.link = connection{log: c.log, servers: cfg.servers()}
	c.logs = newLogPump(c.log)
	m := configMap(props)
	(*m)["go.logs.channel.enable"] = true
	(*m)["go.logs.channel"] = c.logs.in
	cons, err := ck.NewConsumer(m)
	if err != nil {
		c.logs.stop()
		return nil, newError("make a Kafka consumer", err)
	}
	c.ck = cons
	if c.rk, err = handleOf(cons); err == nil && !plain {
		if c.c = C.slip_consumer_new(c.rk); c.c == nil {
			err = errors.New("make a Kafka consumer: out of memory")
		}
	}
	if err != nil {
		_ = cons.Close()
		c.logs.stop()
		return nil, err
	}
	return c, nil
}

// Subscribe joins the group for topics. The position of a topic in the list
// is the id that partitions and runs carry from here on. A second Subscribe is
// an error.
//
// assigned gets new partitions before any of their records is delivered. It
// may return where each one starts, abi.OffsetNone meaning the committed
// offset, or nil meaning that for all; without a committed offset the topic's
// start policy decides. revoked gets partitions before another member can own
// them, so what it commits still counts; with lost set they may already have
// another owner and nothing may be committed. Both may call any method but
// Poll, Subscribe and Close.
func (c *Consumer) Subscribe(topics []string, assigned func([]abi.TopicPartition) []int64, revoked func(parts []abi.TopicPartition, lost bool)) error {
	switch {
	case c.closed:
		return ErrClosed
	case len(topics) == 0:
		return errors.New("subscribe: no topics named")
	case c.topics != nil:
		return errors.New("subscribe: the consumer has already subscribed")
	}
	if err := c.name(topics); err != nil {
		return err
	}
	c.assigned, c.revoked = assigned, revoked
	if err := c.ck.SubscribeTopics(topics, c.rebalance); err != nil {
		return newError("subscribe", err)
	}
	return nil
}

func (c *Consumer) name(topics []string) error {
	c.topics = append([]string(nil), topics...)
	c.ids = make(map[string]int32, len(topics))
	for i, t := range topics {
		if _, twice := c.ids[t]; twice {
			return fmt.Errorf("subscribe: topic %s is named twice", t)
		}
		c.ids[t] = int32(i)
	}
	return nil
}

// Owned reports whether the partition is assigned to this member.
func (c *Consumer) Owned(p abi.TopicPartition) bool {
	_, ok := c.owned[p]
	return ok
}

// Pause stops the delivery of partitions and drops what is fetched of them.
// The pause of a partition ends when it leaves this member.
func (c *Consumer) Pause(parts []abi.TopicPartition) error {
	if err := c.each("pause", parts, c.ck.Pause); err != nil {
		return err
	}
	for _, p := range parts {
		c.paused[p] = struct{}{}
	}
	return nil
}

// Resume continues the delivery at the position after the last record
// delivered, or at the position sought since.
func (c *Consumer) Resume(parts []abi.TopicPartition) error {
	if err := c.each("resume", parts, c.ck.Resume); err != nil {
		return err
	}
	for _, p := range parts {
		delete(c.paused, p)
	}
	return nil
}

func (c *Consumer) each(doing string, parts []abi.TopicPartition, do func([]ck.TopicPartition) error) error {
	if c.closed {
		return ErrClosed
	}
	if len(parts) == 0 {
		return nil
	}
	tps, err := c.partitions(parts)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := do(tps); err != nil {
		return newError(doing, err)
	}
	return nil
}

// Seek sets the next offset to be delivered of an assigned partition, an
// absolute one, abi.OffsetBeginning or abi.OffsetEnd. Records of it fetched
// before are not delivered any more, and an error met while reading it is
// forgotten.
func (c *Consumer) Seek(p abi.TopicPartition, offset int64) error {
	if c.closed {
		return ErrClosed
	}
	if !c.Owned(p) {
		return c.notOwned("seek", p)
	}
	tps, err := c.partitions([]abi.TopicPartition{p})
	if err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	tps[0].Offset = ck.Offset(offset)
	if offset < 0 {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if err := c.fromBounds(ctx, tps); err != nil {
			return err
		}
		if offset = int64(tps[0].Offset); offset < 0 {
			return codeError("seek", CodeInvalidArgument, fmt.Sprintf("%d is no offset", offset), c.topics[p.Topic], p.Partition, abi.OffsetNone)
		}
	}
	c.forget(p)
	// A fetcher that has only just been started refuses; it is ready a moment
	// later. One that an error stopped never is.
	for end := time.Now().Add(time.Second); ; time.Sleep(2 * time.Millisecond) {
		res, err := c.ck.SeekPartitions(tps)
		if err == nil && len(res) == 1 {
			err = res[0].Error
		}
		if err == nil {
			c.owned[p] = offset
			return nil
		}
		var ke ck.Error
		errors.As(err, &ke)
		switch ke.Code() {
		case ck.ErrState, ck.ErrPrevInProgress, ck.ErrInProgress:
			if c.stopped[p] || time.Now().After(end) {
				return c.restart(p, offset)
			}
		default:
			return codeError("seek", Code(ke.Code()), ke.String(), c.topics[p.Topic], p.Partition, offset)
		}
	}
}

// restart takes a partition off the assignment and puts it back at offset,
// which starts a reader that an error stopped.
func (c *Consumer) restart(p abi.TopicPartition, offset int64) error {
	delete(c.stopped, p)
	c.owned[p] = offset
	parts := []abi.TopicPartition{p}
	cooperative := c.cooperative()
	if !cooperative {
		// The eager protocol, and a reader, know only assignments as a whole.
		parts = c.ownedList()
	}
	tps, err := c.partitions(parts)
	if err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	for i, p := range parts {
		tps[i].Offset = ck.Offset(c.owned[p])
	}
	if cooperative {
		if err = c.ck.IncrementalUnassign(tps); err == nil {
			err = c.ck.IncrementalAssign(tps)
		}
	} else {
		err = c.ck.Assign(tps)
	}
	if err != nil {
		return at(newError("seek", err), c.topics[p.Topic], p.Partition)
	}
	// Stopping the old reader may undo the forward of the new one.
	c.restless = time.Now().Add(restlessFor)
	return nil
}

// restlessFor is how long a stopped reader may undo the forward of its
// successor.
const restlessFor = 2 * time.Second

// forget drops a held error about a partition.
func (c *Consumer) forget(p abi.TopicPartition) {
	if c.c != nil {
		C.slip_forget_eof(c.c, C.int32_t(p.Topic), C.int32_t(p.Partition))
	}
	var e *Error
	if errors.As(c.held, &e) && p.Topic >= 0 && e.Topic == c.topics[p.Topic] && e.Partition == p.Partition {
		c.held = nil
	}
}

func (c *Consumer) notOwned(doing string, p abi.TopicPartition) error {
	topic := "?"
	if p.Topic >= 0 && int(p.Topic) < len(c.topics) {
		topic = c.topics[p.Topic]
	}
	return codeError(doing, CodeNotAssigned, "the partition is not assigned to this member", topic, p.Partition, int64(ck.OffsetInvalid))
}

// partitions converts ids to the library's form.
func (c *Consumer) partitions(parts []abi.TopicPartition) ([]ck.TopicPartition, error) {
	tps := make([]ck.TopicPartition, len(parts))
	for i, p := range parts {
		if p.Topic < 0 || int(p.Topic) >= len(c.topics) {
			return nil, fmt.Errorf("topic id %d is none of the %d subscribed topics", p.Topic, len(c.topics))
		}
		tps[i] = ck.TopicPartition{Topic: &c.topics[p.Topic], Partition: p.Partition, Offset: ck.OffsetInvalid}
	}
	return tps, nil
}

// closeTimeout bounds Close. Leaving a group takes a few round trips; a broker
// that is gone must not keep the process.
const closeTimeout = 5 * time.Second

// staticCloseTimeout is the same for a static member, which has nothing to
// tell the group: it keeps its place, and what the library may still wait for,
// such as a join that is held up until other members answer, leads nowhere.
const staticCloseTimeout = 300 * time.Millisecond

// Close calls revoked for what is still assigned, leaves the group (a static
// member keeps its place for the session timeout) and frees the client. It
// never commits: what was delivered and not committed comes again. It waits a
// few seconds at most and then leaves the client behind, which an error says
// unless the member is static.
func (c *Consumer) Close() error {
	if c.closed {
		return nil
	}
	owned, _ := c.partitions(c.ownedList())
	c.revoke(c.ownedList(), len(c.owned) > 0 && c.ck.AssignmentLost())
	c.closed = true
	// Nothing may be fetched while closing: it would be polled and dropped.
	if c.cooperative() {
		_ = c.ck.IncrementalUnassign(owned)
	} else {
		_ = c.ck.Unassign()
	}
	if c.c != nil {
		C.slip_consumer_free(c.c)
		c.c = nil
	}
	c.assigned, c.revoked = nil, nil
	done := make(chan error, 1)
	go func() {
		err := c.ck.Close()
		c.logs.stop()
		done <- err
	}()
	limit := closeTimeout
	if c.cfg.InstanceID != "" {
		limit = staticCloseTimeout
	}
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case err := <-done:
		if err != nil {
			return newError("close the Kafka consumer", err)
		}
		return nil
	case <-timeout.C:
		if c.cfg.InstanceID != "" {
			c.log.Debug("the Kafka consumer still waits for its group and is left behind", "group", c.cfg.Group)
			return nil
		}
		return fmt.Errorf("close the Kafka consumer: it did not leave group %s within %s and was left behind; the broker drops it after the session timeout", c.cfg.Group, limit)
	}
}
