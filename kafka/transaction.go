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
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// txn is the state of a transactional producer.
type txn struct {
	id    string // empty for a producer without transactions
	ready bool   // Init succeeded
	known bool   // the broker knows of the open transaction
	begun int64  // records answered for when it was opened
	open  bool
	lost  bool // a call's outcome is unknown: the producer must be replaced
	// calling, of a call that was given up, is closed when it has come back.
	calling chan struct{}
	// refused is what the first record refused in the transaction met.
	refused *Error
	cause   atomic.Pointer[string] // why the library failed the transaction
}

var errLost = errors.New("produce: the outcome of an earlier call about a transaction is unknown; close this producer, and find it out with the Init of a new one")

// callStep bounds one call into the library, and with it what Close may have
// to wait for. The calls are resumed by calling again, but the library asks
// for as few resumptions as possible: were its own thread held up for longer
// than this between two of them, the transaction would end in an error, though
// never in a wrong answer. So it is no small step, the call waits on a
// goroutine of its own, and a context that ends gives the producer up.
const callStep = 5 * time.Second

// Init takes the transactional id over: it waits until the transaction that an
// earlier producer with this id left behind has ended (a commit that had begun
// is finished, anything else aborted) and fences that producer. It comes once,
// before everything else. Brokers that are away are waited for until ctx ends.
func (p *Producer) Init(ctx context.Context) error {
	const doing = "initialize transactions"
	switch {
	case p.closed:
		return ErrClosed
	case p.txn.id == "":
		return fmt.Errorf("%s: the producer has no transactional id", doing)
	case p.txn.ready:
		return fmt.Errorf("%s: done already", doing)
	}
	if err := p.call(ctx, doing, C.SLIP_TXN_INIT); err != nil {
		return err
	}
	p.txn.ready = true
	return nil
}

// Begin opens a transaction, before the first Send. It asks no broker.
func (p *Producer) Begin() error {
	const doing = "begin a transaction"
	switch {
	case p.closed:
		return ErrClosed
	case p.txn.lost:
		return errLost
	case !p.txn.ready:
		return fmt.Errorf("%s: Init has not succeeded", doing)
	case p.txn.open:
		return fmt.Errorf("%s: one is open already", doing)
	}
	p.txn.cause.Store(nil)
	var res C.slip_txn_result
	C.slip_txn(p.p, C.SLIP_TXN_BEGIN, 0, &res)
	if res.code != 0 {
		return p.answer(doing, &res)
	}
	p.txn.open, p.txn.known, p.txn.refused = true, false, nil
	p.txn.begun = int64(p.outcome().acked)
	return nil
}

// SendOffsets makes offsets, with their metadata, part of the transaction:
// they are the group's when and only when it is committed. group is from
// GroupMetadata of the consumer that read the records, asked for after the
// last of them; an offset's topic is a position in topics. The broker checks
// the membership but not who owns a partition: that the offsets are of
// partitions the consumer owns is the caller's part. A membership that is over
// is an abortable error.
func (p *Producer) SendOffsets(ctx context.Context, group []byte, topics []string, offsets []abi.TopicOffset) error {
	const doing = "send offsets to the transaction"
	if err := p.inTransaction(doing); err != nil {
		return err
	}
	if len(offsets) == 0 {
		return nil
	}
	if len(group) == 0 {
		return fmt.Errorf("%s: no group metadata given", doing)
	}
	list := C.rd_kafka_topic_partition_list_new(C.int(len(offsets)))
	md := C.CBytes(group)
	free := func() {
		C.rd_kafka_topic_partition_list_destroy(list)
		C.free(md)
	}
	if err := fillOffsets(list, topics, offsets); err != nil {
		free()
		return fmt.Errorf("%s: %w", doing, err)
	}
	// What the call reads is C memory: it may outlive this method.
	err := p.run(ctx, doing, free, func(limit C.int, res *C.slip_txn_result) {
		C.slip_txn_offsets(p.p, list, md, C.size_t(len(group)), limit, res)
	})
	p.txn.known = p.txn.known || err == nil
	return err
}

func fillOffsets(list *C.rd_kafka_topic_partition_list_t, topics []string, offsets []abi.TopicOffset) error {
	names := make([]*C.char, len(topics))
	defer func() {
		for _, n := range names {
			C.free(unsafe.Pointer(n))
		}
	}()
	for _, o := range offsets {
		if o.Topic < 0 || int(o.Topic) >= len(topics) {
			return fmt.Errorf("topic %d is none of the %d topics named", o.Topic, len(topics))
		}
		if o.Offset < 0 {
			// The library would leave it out without a word.
			return fmt.Errorf("%d is no offset (%s[%d])", o.Offset, topics[o.Topic], o.Partition)
		}
		if names[o.Topic] == nil {
			names[o.Topic] = C.CString(topics[o.Topic])
		}
		var meta *C.char
		if len(o.Metadata) > 0 {
			meta = (*C.char)(unsafe.Pointer(unsafe.StringData(o.Metadata)))
		}
		if C.slip_list_add(list, names[o.Topic], C.int32_t(o.Partition), C.int64_t(o.Offset), meta, C.size_t(len(o.Metadata))) != 0 {
			return errors.New("out of memory")
		}
	}
	return nil
}

// Commit ends the transaction: it waits for what was sent, then for the broker.
// After nil, readers of committed records see all of it, and otherwise, after
// Abort, nothing. Something staged and not sent is an error.
func (p *Producer) Commit(ctx context.Context) error {
	const doing = "commit the transaction"
	if err := p.inTransaction(doing); err != nil {
		return err
	}
	if n, _ := p.Staged(); n > 0 {
		return fmt.Errorf("%s: %d records are staged and not sent", doing, n)
	}
	// The library would refuse too, without naming the record.
	if o := p.outcome(); o.code != 0 && o.acked == o.sent {
		return p.refusedInTransaction(o)
	}
	if p.txn.refused != nil {
		return p.failed(doing, CodeConflictingState, "")
	}
	if err := p.call(ctx, doing, C.SLIP_TXN_COMMIT); err != nil {
		return err
	}
	p.txn.open = false
	return nil
}

// Abort ends the transaction; nothing of it is ever seen. Records that are
// under way are given up, and what became of them is no error of a later
// Flush. It is right after every abortable error, and at any time between Begin
// and Commit; what is staged stays until Discard.
func (p *Producer) Abort(ctx context.Context) error {
	const doing = "abort the transaction"
	if err := p.inTransaction(doing); err != nil {
		return err
	}
	p.awaitKnown(ctx)
	if err := p.call(ctx, doing, C.SLIP_TXN_ABORT); err != nil {
		return err
	}
	p.txn.open = false
	// The library has answered for every record, but the last answers may not
	// be counted yet.
	for C.slip_producer_flush(p.p, C.int(waitStep.Milliseconds())) == 0 {
		if err := ctx.Err(); err != nil {
			p.txn.lost = true
			return fmt.Errorf("%s: not every record is answered for: %w", doing, err)
		}
	}
	C.slip_producer_forget(p.p)
	return nil
}

// knownTimeout bounds awaitKnown.
const knownTimeout = time.Second

// awaitKnown waits until the broker has answered for anything of the
// transaction. A broker still at work on the one before puts the first
// partition off; the library would then ask for the abort of a transaction the
// broker knows nothing of, and takes the refusal for the end of the producer.
func (p *Producer) awaitKnown(ctx context.Context) {
	for end := time.Now().Add(knownTimeout); !p.txn.known; {
		o := p.outcome()
		if o.acked == o.sent || int64(o.acked) > p.txn.begun || ctx.Err() != nil || time.Now().After(end) {
			return
		}
		C.slip_producer_wait(p.p, o.acked, C.int(waitStep.Milliseconds()))
	}
}

// Delivered is the offset behind the last record of a topic's partition that
// this producer sent and the broker acknowledged, abi.OffsetNone if there is
// none. topic is an id from Topic. After a Flush that returned nil the record
// is the last one sent. Records of transactions that were aborted count, since
// they take their place in the log too.
func (p *Producer) Delivered(topic, partition int32) int64 {
	if p.closed {
		return abi.OffsetNone
	}
	if next := int64(C.slip_producer_delivered(p.p, C.int32_t(topic), C.int32_t(partition))); next >= 0 {
		return next
	}
	return abi.OffsetNone
}

// inTransaction is why a call that needs an open transaction cannot be made.
func (p *Producer) inTransaction(doing string) error {
	switch {
	case p.closed:
		return ErrClosed
	case p.txn.lost:
		return errLost
	case !p.txn.open:
		return fmt.Errorf("%s: no transaction is open", doing)
	}
	return nil
}

// sendable is why records cannot be sent now.
func (p *Producer) sendable() error {
	if p.txn.id == "" {
		return nil
	}
	return p.inTransaction("produce")
}

// call makes one of the calls without arguments.
func (p *Producer) call(ctx context.Context, doing string, which C.int) error {
	if p.txn.lost {
		return errLost
	}
	return p.run(ctx, doing, func() {}, func(limit C.int, res *C.slip_txn_result) {
		C.slip_txn(p.p, which, limit, res)
	})
}

// run makes a call, again while the library says that it may be resumed or
// repeated, until ctx ends. free runs once no call uses its arguments.
func (p *Producer) run(ctx context.Context, doing string, free func(), do func(limit C.int, res *C.slip_txn_result)) error {
	if err := ctx.Err(); err != nil {
		free()
		return p.giveUp(doing, "", err)
	}
	last, reminder := "", reminder{began: time.Now(), next: firstReminder}
	for {
		limit := callStep
		if end, ok := ctx.Deadline(); ok {
			limit = min(limit, max(time.Until(end), time.Millisecond))
		}
		done := make(chan *C.slip_txn_result, 1)
		came := make(chan struct{})
		go func() {
			defer close(came)
			res := new(C.slip_txn_result)
			do(C.int(ceilMillis(limit)), res)
			done <- res
		}()
		res, err := p.await(ctx, done)
		if err != nil {
			p.txn.calling = make(chan struct{})
			go func() {
				<-came
				free()
				close(p.txn.calling)
			}()
			return p.giveUp(doing, last, err)
		}
		switch {
		case res.code == 0:
			free()
			return nil
		case res.retriable != 0 && res.fatal == 0 && res.abortable == 0:
			last = C.GoString(&res.text[0])
			reminder.tell(p.log, doing, last)
			if err := ctx.Err(); err != nil {
				free()
				return p.giveUp(doing, last, err)
			}
			if Code(res.code) != CodeTimedOut {
				// An answer, not the end of a wait: do not ask in a tight loop.
				time.Sleep(5 * time.Millisecond)
			}
		default:
			free()
			return p.answer(doing, res)
		}
	}
}

// await waits for the result of a call, for the end of ctx, or for a broker
// that refuses to authenticate, which the library would try again for ever.
func (p *Producer) await(ctx context.Context, done <-chan *C.slip_txn_result) (*C.slip_txn_result, error) {
	for {
		select {
		case res := <-done:
			return res, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(waitStep):
			if err := p.denied.Swap(nil); err != nil {
				return nil, err
			}
		}
	}
}

// giveUp leaves a call whose outcome is not known.
func (p *Producer) giveUp(doing, last string, err error) error {
	p.txn.lost = true
	if last != "" {
		return fmt.Errorf("%s: the outcome is unknown (%s): %w", doing, last, err)
	}
	return fmt.Errorf("%s: the outcome is unknown: %w", doing, err)
}
