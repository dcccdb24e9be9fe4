package hosttest

import (
	"errors"
	"fmt"
)

// Code names what a broker answers, as the Kafka protocol does.
type Code string

// The answers of this broker. Scripted is the code of errors made by tests.
const (
	CodeScripted          Code = "SCRIPTED"
	CodeFenced            Code = "PRODUCER_FENCED"
	CodeInvalidTxnState   Code = "INVALID_TXN_STATE"
	CodeConcurrentTxn     Code = "CONCURRENT_TRANSACTIONS"
	CodeIllegalGeneration Code = "ILLEGAL_GENERATION"
	CodeUnknownMember     Code = "UNKNOWN_MEMBER_ID"
	CodeFencedInstance    Code = "FENCED_INSTANCE_ID"
	CodeUnstableOffset    Code = "UNSTABLE_OFFSET_COMMIT"
	CodeOutOfRange        Code = "OFFSET_OUT_OF_RANGE"
	CodeUnknownTopic      Code = "UNKNOWN_TOPIC_OR_PARTITION"
	CodeTimedOut          Code = "TIMED_OUT"
	CodeDelivery          Code = "DELIVERY_FAILED"
)

// Class says what the caller of a client has to do about an error.
type Class uint8

// Classes of errors. Unclassified leaves the outcome unknown: the client must
// be replaced.
const (
	Unclassified Class = iota
	Retriable
	Abortable
	Fatal
)

// Error is what the broker, or a client of it, answered.
type Error struct {
	Code  Code
	Class Class
	Msg   string
}

// NewError makes an error for a hook to return.
func NewError(class Class, msg string) *Error { return &Error{CodeScripted, class, msg} }

func answer(code Code, class Class, format string, args ...any) *Error {
	return &Error{code, class, fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%s)", e.Msg, e.Code) }

// Retriable says that the same call may be made again.
func (e *Error) Retriable() bool { return e.Class == Retriable }

// Abortable says that the transaction must be aborted, and work goes on.
func (e *Error) Abortable() bool { return e.Class == Abortable }

// Fatal says that the client is of no use any more.
func (e *Error) Fatal() bool { return e.Class == Fatal }

// HasCode says whether err is an Error with this code.
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ClassOf is the class of any error, by the methods it has.
func ClassOf(err error) Class {
	var retriable interface{ Retriable() bool }
	var abortable interface{ Abortable() bool }
	var fatal interface{ Fatal() bool }
	switch {
	case errors.As(err, &fatal) && fatal.Fatal():
		return Fatal
	case errors.As(err, &abortable) && abortable.Abortable():
		return Abortable
	case errors.As(err, &retriable) && retriable.Retriable():
		return Retriable
	}
	return Unclassified
}

// LostError is a fault of flush after which the first Kept records that were
// under way have arrived all the same.
type LostError struct {
	Kept int
	Err  error
}

func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// PartitionError says that the reading of a partition stopped.
type PartitionError struct {
	Topic     string
	Partition int32
	Err       error
}

func (e *PartitionError) Error() string {
	return fmt.Sprintf("read %s[%d]: %v", e.Topic, e.Partition, e.Err)
}

// Unwrap returns Err.
func (e *PartitionError) Unwrap() error { return e.Err }

// Where names the partition.
func (e *PartitionError) Where() (topic string, partition int32) { return e.Topic, e.Partition }

// Fatal says that the consumer can go on.
func (e *PartitionError) Fatal() bool { return false }

// RefusedError is a record that the broker did not take.
type RefusedError struct {
	Index int
	Err   error
	// InTransaction says that the transaction cannot be committed any more.
	InTransaction bool
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// RecordIndex is the record's position among those appended since the last
// Flush that returned.
func (e *RefusedError) RecordIndex() int { return e.Index }

// Abortable says that the transaction of the record must be aborted.
func (e *RefusedError) Abortable() bool { return e.InTransaction }

// Fatal says that the producer can go on.
func (e *RefusedError) Fatal() bool { return false }
