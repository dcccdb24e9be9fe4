package kafka

/*
#include "shim.h"
*/
import "C"

import "strings"

// answer is the error of a call that the library settled.
func (p *Producer) answer(doing string, res *C.slip_txn_result) error {
	err := codeError(doing, Code(res.code), C.GoString(&res.text[0]), "", -1, noOffset)
	// The library's classes are the protocol's; a code alone does not tell.
	err.retriable, err.abortable, err.fatal = false, res.abortable != 0, res.fatal != 0
	switch err.Code {
	case CodeFenced, CodeProducerFenced:
		// Not in all answers does the library see that nothing can follow.
		err.abortable, err.fatal = false, true
	}
	if err.abortable && !err.fatal {
		p.explain(doing, err)
	}
	if !err.abortable && !err.fatal {
		p.txn.lost = true
	}
	return err
}

// explain adds the reason why the transaction had failed before the call that
// was told.
func (p *Producer) explain(doing string, err *Error) {
	o := p.outcome()
	switch r := p.txn.refused; {
	case r != nil:
		err.Topic, err.Partition, err.Code, err.Msg = r.Topic, r.Partition, r.Code, doing+": a record of it was refused: "+r.Msg
	case o.failed > 0:
		r := codeError("produce", Code(o.code), C.GoString(&o.text[0]), C.GoString(&o.topic[0]), int32(o.partition), noOffset)
		err.Topic, err.Partition, err.Code, err.Msg = r.Topic, r.Partition, r.Code, doing+": a record of it was refused: "+r.Msg
	}
}

// failed is the error of a call that cannot be made because the transaction,
// or the producer, has failed before; nil when that is not the reason.
func (p *Producer) failed(doing string, code Code, text string) error {
	if p.txn.id == "" {
		return nil
	}
	if err := p.fatal(doing); err != nil {
		return err
	}
	if code != CodeConflictingState {
		return nil
	}
	if cause := p.txn.cause.Load(); cause != nil {
		text = strings.TrimPrefix(*cause, "Current transaction ")
	}
	err := codeError(doing, code, "the transaction has failed and must be aborted: "+text, "", -1, noOffset)
	err.retriable, err.abortable = false, true
	p.explain(doing, err)
	return err
}

// fatal is the error that ended the producer, or nil.
func (p *Producer) fatal(doing string) error {
	var text [512]C.char
	code := C.rd_kafka_fatal_error(C.slip_producer_rk(p.p), &text[0], C.size_t(len(text)))
	if code == 0 {
		return nil
	}
	err := codeError(doing, Code(code), C.GoString(&text[0]), "", -1, noOffset)
	err.retriable, err.fatal = false, true
	return err
}

// refusedInTransaction is the error of Flush and Commit about o.
func (p *Producer) refusedInTransaction(o *C.slip_outcome) error {
	if err := p.fatal("produce"); err != nil {
		return err
	}
	err := codeError("produce", Code(o.code), C.GoString(&o.text[0]), C.GoString(&o.topic[0]), int32(o.partition), noOffset)
	err.retriable, err.fatal, err.abortable = false, false, true
	if o.failed == 0 {
		// Only given up: no record is to blame.
		failed := p.failed("produce", CodeConflictingState, "the records under way were given up")
		return failed
	}
	if p.txn.refused == nil {
		p.txn.refused = err
	}
	return &FlushError{Index: int(o.ordinal), Failed: int(o.failed), Err: err}
}
