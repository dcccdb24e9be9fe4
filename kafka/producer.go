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
	"math"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Producer sends records to one cluster: idempotent, acknowledged by all
// in-sync replicas, in order within a partition. Its methods must not be
// called concurrently.
//
// Records are staged in Go memory by Append, copied into the client by Send
// and on their way from then on; Flush waits for the broker.
type Producer struct {
	log    *slog.Logger
	onStat func([]byte)
	link   connection // used by serve alone

	p      *C.slip_producer
	out    *C.slip_sent    // C memory: what calls answer must not escape to
	res    *C.slip_outcome // the heap for each of them
	topics []string
	ids    map[string]int32

	stage []byte
	ends  []int // end of each staged record in stage
	begun int   // staged records already handed over or refused
	used  int   // and their bytes

	txn txn // of a transactional producer

	denied atomic.Pointer[Error] // the last refusal to authenticate
	stop   chan struct{}
	served sync.WaitGroup
	closed bool
}

// SendError says that one record cannot be sent as it is. Records staged
// before it are on their way, it is off the stage, and those after it are
// still staged: the next Send goes on with them.
type SendError struct {
	// Index is the record's position among the records appended since the
	// last Send that returned nil, from 0.
	Index int
	// Err is the reason, an *Error that names the topic.
	Err error
}

// Error implements error.
func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *SendError) Unwrap() error { return e.Err }

// RecordIndex is Index.
func (e *SendError) RecordIndex() int { return e.Index }

// FlushError says that records were sent and not accepted.
type FlushError struct {
	// Index is the position of the first one among all records sent since the
	// last Flush that returned nil or a FlushError, from 0.
	Index int
	// Failed is how many there are.
	Failed int
	// Err is the reason, an *Error that names topic and partition.
	Err error
}

// Error implements error.
func (e *FlushError) Error() string {
	if e.Failed > 1 {
		return fmt.Sprintf("%s; %d records failed", e.Err, e.Failed)
	}
	return e.Err.Error()
}

// Unwrap returns the reason.
func (e *FlushError) Unwrap() error { return e.Err }

// RecordIndex is Index.
func (e *FlushError) RecordIndex() int { return e.Index }

// NewProducer makes a producer; it does not wait for a broker. What the
// properties make impossible is an error here.
func NewProducer(cfg ProducerConfig) (*Producer, error) {
	if cfg.servers() == "" {
		return nil, fmt.Errorf("make a Kafka producer: %w", errNoServers)
	}
	if err := checkLink(); err != nil {
		return nil, err
	}
	conf, err := newConf(cfg.properties())
	if err != nil {
		return nil, err
	}
	var text [512]C.char
	var transactional C.int
	if cfg.TransactionalID != "" {
		transactional = 1
	}
	cp := C.slip_producer_new(conf, transactional, &text[0], C.size_t(len(text)))
	if cp == nil {
		return nil, errors.New("make a Kafka producer: " + C.GoString(&text[0]))
	}
	p := &Producer{
		log: cfg.logger(), onStat: cfg.OnStats, p: cp,
		out:  (*C.slip_sent)(C.calloc(1, C.sizeof_slip_sent)),
		res:  (*C.slip_outcome)(C.calloc(1, C.sizeof_slip_outcome)),
		ids:  map[string]int32{},
		txn:  txn{id: cfg.TransactionalID},
		stop: make(chan struct{}),
	}
	p.link = connection{log: p.log, servers: cfg.servers()}
	p.served.Add(2)
	go p.serve()
	go p.prime()
	return p, nil
}

// prime makes the first record leave half a second earlier. An idempotent
// producer needs an id from a broker; the library asks for it when metadata
// arrives, if a broker is connected then, and else again after 500 ms. The
// first answer comes over the connection to the bootstrap address, which is
// given up for one to the same broker by its name: the second one finds that.
func (p *Producer) prime() {
	defer p.served.Done()
	for answers := 0; answers < 3; {
		select {
		case <-p.stop:
			return
		default:
		}
		if C.slip_producer_prime(p.p, 100) == 0 {
			answers++
		}
	}
}

// serve runs until Close: it takes delivery reports, in C, and passes logs,
// errors and statistics on.
func (p *Producer) serve() {
	defer p.served.Done()
	var ev C.slip_event
	for {
		select {
		case <-p.stop:
			return
		default:
		}
		rkev := C.slip_producer_serve(p.p, 1000)
		if rkev == nil {
			continue
		}
		C.slip_event_read(rkev, &ev)
		switch ev._type {
		case C.RD_KAFKA_EVENT_LOG:
			facility, text := C.GoString(ev.facility), C.GoString(ev.text)
			if facility == "TXNERR" {
				p.txn.cause.Store(&text)
			}
			logLine(p.log, int(ev.level), facility, text)
		case C.RD_KAFKA_EVENT_STATS:
			if p.onStat != nil {
				p.onStat([]byte(C.GoString(ev.text)))
			}
		case C.RD_KAFKA_EVENT_ERROR:
			code, text := Code(ev.code), C.GoString(ev.text)
			switch {
			case connectivity(code):
				p.link.down(text)
			case code == CodeAuthentication:
				p.denied.Store(codeError("produce", code, text, "", -1, noOffset))
			default:
				p.log.Error("the Kafka producer reports an error", "code", int(code), "detail", text)
			}
		}
		C.rd_kafka_event_destroy(rkev)
	}
}

// Topic returns the id of a topic for Append; the topic need not exist yet. A
// name that Kafka forbids, or a closed producer, gives -1, which Append turns
// into an error of Send.
func (p *Producer) Topic(name string) int32 {
	if id, ok := p.ids[name]; ok {
		return id
	}
	if p.closed || name == "" || len(name) > 249 {
		return -1
	}
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	id := int32(C.slip_producer_topic(p.p, c))
	if id >= 0 {
		p.ids[name] = id
		p.topics = append(p.topics, name)
	}
	return id
}

// Append stages one record and copies all it is given. A nil key or value is
// null, an empty one is empty. headers is a msgpack array of [str, bin|nil],
// or nil, or the single byte of a msgpack nil. partition -1 leaves the choice
// to the partitioner; timestamp -1 means now, otherwise it is milliseconds
// since 1970, of which 0 becomes 1, since the library takes 0 for now. What is
// wrong with a record shows in Send.
func (p *Producer) Append(topic, partition int32, key, value, headers []byte, timestamp int64) {
	if len(headers) == 1 && headers[0] == 0xc0 {
		headers = nil
	}
	if timestamp == 0 {
		timestamp = 1
	}
	h := C.slip_head{
		topic: C.int32_t(topic), partition: C.int32_t(partition), timestamp: C.int64_t(timestamp),
		key: size(key), value: size(value), headers: size(headers),
	}
	if topic < 0 || int(topic) >= len(p.topics) || partition < -1 ||
		len(key) > math.MaxInt32 || len(value) > math.MaxInt32 || len(headers) > math.MaxInt32 {
		// Stage a mark that Send refuses.
		h = C.slip_head{topic: -1, key: -1, value: -1, headers: -1}
		key, value, headers = nil, nil, nil
	}
	p.stage = append(p.stage, unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h))...)
	p.stage = append(p.stage, key...)
	p.stage = append(p.stage, value...)
	p.stage = append(p.stage, headers...)
	p.ends = append(p.ends, len(p.stage))
}

func size(b []byte) C.int32_t {
	if b == nil {
		return -1
	}
	return C.int32_t(len(b))
}

// Staged returns the number of records appended and not yet sent, and their
// bytes.
func (p *Producer) Staged() (records, bytes int) {
	return len(p.ends) - p.begun, len(p.stage) - p.used
}

// Discard takes everything staged and not yet sent off the stage.
func (p *Producer) Discard() {
	p.stage, p.ends = p.stage[:0], p.ends[:0]
	p.begun, p.used = 0, 0
}

// Send hands what is staged to the client, waiting while its queue is full. A
// *SendError is about one record only; any other error leaves the rest staged
// for another try, or in a transaction that failed, for Discard.
func (p *Producer) Send(ctx context.Context) error {
	if p.closed {
		return ErrClosed
	}
	if p.begun < len(p.ends) {
		if err := p.sendable(); err != nil {
			return err
		}
	}
	for p.begun < len(p.ends) {
		status := C.slip_producer_send(p.p, (*C.uint8_t)(unsafe.Pointer(&p.stage[p.used])), C.size_t(len(p.stage)-p.used), p.out)
		p.used += int(p.out.used)
		p.begun += int(p.out.count)
		switch status {
		case C.SLIP_REFUSED:
			if err := p.failed("produce", Code(p.out.code), C.GoString(&p.out.text[0])); err != nil {
				return err
			}
			return p.refuse(Code(p.out.code), C.GoString(&p.out.text[0]))
		case C.SLIP_FULL:
			o := p.outcome()
			if o.acked == o.sent && C.rd_kafka_outq_len(C.slip_producer_rk(p.p)) == 0 {
				return p.refuse(CodeQueueFull, "the record alone is larger than the client's queue; raise queue.buffering.max.kbytes")
			}
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("send: the client's queue is full and the broker takes nothing: %w", err)
			}
			if err := p.denied.Swap(nil); err != nil {
				return err
			}
			C.slip_producer_wait(p.p, o.acked, C.int(waitStep.Milliseconds()))
		}
	}
	p.Discard()
	return nil
}

// refuse takes the record at the front off the stage and reports it.
func (p *Producer) refuse(code Code, text string) error {
	h := (*C.slip_head)(unsafe.Pointer(&p.stage[p.used]))
	topic, partition := "", int32(-1)
	if h.topic >= 0 {
		topic, partition = p.topics[h.topic], int32(h.partition)
	}
	err := &SendError{Index: p.begun, Err: codeError("produce", code, text, topic, partition, noOffset)}
	p.used = p.ends[p.begun]
	p.begun++
	return err
}

func (p *Producer) outcome() *C.slip_outcome {
	C.slip_producer_outcome(p.p, p.res)
	return p.res
}

// Flush sends what is staged and waits until the broker has answered for every
// record sent so far, without lingering. A *FlushError tells of records that
// were refused since the last Flush; a *SendError is Send's. When ctx ends
// first, records may still arrive: what became of them is unknown until a
// later Flush.
//
// In a transaction a refused record makes the error abortable: nothing of the
// transaction can be committed any more. An *Error that is no *FlushError then
// says why it failed before any record was refused.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.Send(ctx); err != nil {
		return err
	}
	if p.txn.lost {
		return errLost
	}
	for C.slip_producer_flush(p.p, C.int(waitStep.Milliseconds())) == 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("flush: the broker has not acknowledged every record: %w", err)
		}
		// The client would try again until the records are too old.
		if err := p.denied.Swap(nil); err != nil {
			return err
		}
	}
	o := p.outcome()
	C.slip_producer_forget(p.p)
	if o.code == 0 {
		return nil
	}
	if p.txn.id != "" {
		return p.refusedInTransaction(o)
	}
	err := codeError("produce", Code(o.code), C.GoString(&o.text[0]), C.GoString(&o.topic[0]), int32(o.partition), noOffset)
	if C.rd_kafka_fatal_error(C.slip_producer_rk(p.p), nil, 0) != 0 {
		err.fatal = true
	}
	return &FlushError{Index: int(o.ordinal), Failed: int(o.failed), Err: err}
}

// Close gives up what is not acknowledged and frees the client. A transaction
// that is open stays so until the next Init of its id or its timeout. Behind a
// call about a transaction whose context ended Close waits for the client, a
// few seconds at most.
func (p *Producer) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	if p.txn.calling != nil {
		// A call that was given up may still wait for records.
		C.slip_producer_purge(p.p)
		<-p.txn.calling
	}
	close(p.stop)
	C.slip_producer_wake(p.p)
	p.served.Wait()
	C.slip_producer_free(p.p)
	C.free(unsafe.Pointer(p.out))
	C.free(unsafe.Pointer(p.res))
	p.p, p.out, p.res = nil, nil, nil
	p.Discard()
	return nil
}

// noOffset stands in errors where no offset is known.
const noOffset int64 = -1001
