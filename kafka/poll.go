package kafka

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// forwardEvery is how often an idle consumer repeats the forwards of its
// partitions' queues; see slip_forward_again.
const forwardEvery = time.Second

// Poll empties b and fills it with up to maxRecords records or about maxBytes
// bytes, of which a single record may be more. It waits at most wait for the
// first one and takes what is there beyond it. It returns nil with an empty
// batch when nothing came, or when a rebalance was handled instead.
//
// With an error b is empty. An *Error that names a partition means its reader
// stopped there: Seek continues it, and other partitions go on with the next
// Poll. Brokers that cannot be reached are no error; the client tries again
// and the change is logged.
//
// Group heartbeats do not depend on Poll, but a member that does not call it
// for max.poll.interval.ms loses its partitions.
func (c *Consumer) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	b.Reset()
	if c.closed {
		return ErrClosed
	}
	if maxRecords <= 0 || maxBytes <= 0 {
		return fmt.Errorf("poll: a batch of %d records and %d bytes holds nothing", maxRecords, maxBytes)
	}
	if err := c.held; err != nil {
		c.held = nil
		return err
	}
	if c.c == nil {
		return c.pollPlain(b, maxRecords, maxBytes, wait)
	}
	if cap(b.Buf) == 0 {
		b.Buf = make([]byte, 0, min(maxBytes, 64<<10)+64)
	}
	if cap(b.Runs) == 0 {
		b.Runs = make([]abi.Run, 0, 16)
	}
	var started time.Time
	left := wait
	for have := 0; ; {
		slice := left
		if !c.restless.IsZero() {
			slice = min(left, 10*time.Millisecond)
		}
		status := C.slip_drain(c.c,
			(*C.uint8_t)(unsafe.SliceData(b.Buf)), C.size_t(len(b.Buf)), C.size_t(cap(b.Buf)),
			(*C.slip_run)(unsafe.Pointer(unsafe.SliceData(b.Runs))), C.int(len(b.Runs)), C.int(cap(b.Runs)),
			C.int(have), C.int(maxRecords), C.size_t(maxBytes), C.int(ceilMillis(slice)))
		b.Buf = b.Buf[:c.c.len]
		b.Runs = b.Runs[:c.c.nruns]
		have = int(c.c.records_taken)
		switch status {
		case C.SLIP_GROW:
			b.Buf = grow(b.Buf, int(c.c.need), maxBytes)
			continue
		case C.SLIP_RUNS:
			b.Runs = append(b.Runs, abi.Run{})[:len(b.Runs)]
			continue
		case C.SLIP_ERROR:
			err := c.drainError()
			if have == 0 {
				return err
			}
			c.held = err
		case C.SLIP_EVENTS:
			done, err := c.serve(b)
			if err != nil || done {
				return err
			}
			// Not a rebalance: go on waiting for what is left of wait.
			now := time.Now()
			if started.IsZero() {
				started = now
			}
			if left = wait - now.Sub(started); left < 0 {
				left = 0
			}
			have = 0
			continue
		}
		c.ends(b)
		if have > 0 {
			c.link.up()
			c.delivered(b)
			return nil
		}
		now := time.Now()
		restless := now.Before(c.restless)
		if restless || now.Sub(c.forwarded) > forwardEvery {
			C.slip_forward_again(c.c)
			c.forwarded = now
		}
		if started.IsZero() {
			started = now.Add(-slice)
		}
		if left = wait - now.Sub(started); !restless || left <= 0 {
			return nil
		}
	}
}

// ends moves the ends of partitions met since the last call to b.
func (c *Consumer) ends(b *abi.Packed) {
	for c.c.ends != 0 {
		var e abi.TopicOffset
		if C.slip_take_eof(c.c, (*C.int32_t)(unsafe.Pointer(&e.Topic)), (*C.int32_t)(unsafe.Pointer(&e.Partition)), (*C.int64_t)(unsafe.Pointer(&e.Offset))) == 0 {
			return
		}
		if c.Owned(e.TopicPartition) {
			b.Ends = append(b.Ends, e)
		}
	}
}

// delivered notes the positions after a batch.
func (c *Consumer) delivered(b *abi.Packed) {
	for i := range b.Runs {
		r := &b.Runs[i]
		c.owned[abi.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = r.LastOffset + 1
	}
}

func ceilMillis(d time.Duration) int {
	return int((max(0, d) + time.Millisecond - 1) / time.Millisecond)
}

// grow makes room for need bytes: twice what there was, but not beyond what a
// batch may hold, unless one record needs more.
func grow(buf []byte, need, maxBytes int) []byte {
	n := max(need, min(2*cap(buf), maxBytes+64))
	bigger := make([]byte, len(buf), n)
	copy(bigger, buf)
	return bigger
}

func (c *Consumer) drainError() error {
	e := &c.c.err
	topic := ""
	if e.topic >= 0 {
		topic = c.topics[e.topic]
		c.stopped[abi.TopicPartition{Topic: int32(e.topic), Partition: int32(e.partition)}] = true
	}
	return readError(Code(e.code), C.GoString(&e.text[0]), topic, int32(e.partition), int64(e.offset))
}

// readError is what stopped the reading of a partition.
func readError(code Code, text, topic string, partition int32, offset int64) error {
	switch code {
	case CodeAutoOffsetReset, CodeOffsetOutOfRange, CodeNoOffset:
		text = "the log no longer has the offset to read next, or never had it (" + text + "); its retention passed the group, or the topic was made anew: seek to where reading shall go on"
	}
	return codeError("read", code, text, topic, partition, offset)
}

// serve handles the consumer's own queue until it is empty. It reports whether
// Poll shall return: after a rebalance, an error, or a record that came on
// this queue.
func (c *Consumer) serve(b *abi.Packed) (bool, error) {
	c.rebalanced = false
	for range 100 {
		ev := c.ck.Poll(0)
		if err := c.failure; err != nil {
			c.failure = nil
			return true, err
		}
		switch ev := ev.(type) {
		case nil:
			if C.rd_kafka_queue_length(c.c.events) == 0 {
				return c.rebalanced, nil
			}
		case *ck.Message:
			// Fetched before the partition's queue was forwarded.
			err := c.message(b, ev)
			c.delivered(b)
			return true, err
		default:
			if err := c.event(ev); err != nil {
				return true, err
			}
		}
	}
	return c.rebalanced, nil
}

// event handles what is neither a record nor a rebalance.
func (c *Consumer) event(ev ck.Event) error {
	switch ev := ev.(type) {
	case ck.Error:
		code := Code(ev.Code())
		if connectivity(code) && !ev.IsFatal() {
			c.link.down(ev.String())
			return nil
		}
		if ev.Code() == ck.ErrMaxPollExceeded {
			c.log.Warn("the group took the partitions back: no poll for max.poll.interval.ms", "detail", ev.String())
			return nil
		}
		err := newError("consume", ev)
		// The library names a missing topic only in its text.
		if rest, ok := strings.CutPrefix(ev.String(), "Subscribed topic not available: "); ok {
			name, _, _ := strings.Cut(rest, ":")
			err = at(err, name, -1)
		}
		return err
	case *ck.Stats:
		if c.cfg.OnStats != nil {
			c.cfg.OnStats([]byte(ev.String()))
		}
	}
	return nil
}
