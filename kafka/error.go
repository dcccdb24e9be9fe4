package kafka

import (
	"errors"
	"fmt"
	"strconv"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Code is an error code of the Kafka protocol (0 and above) or of the client
// library (below 0).
type Code int32

// The codes this package and its callers decide by.
const (
	CodeOffsetOutOfRange   = Code(ck.ErrOffsetOutOfRange)
	CodeUnknownTopic       = Code(ck.ErrUnknownTopicOrPart)
	CodeMessageTooLarge    = Code(ck.ErrMsgSizeTooLarge)
	CodeTopicExists        = Code(ck.ErrTopicAlreadyExists)
	CodeInvalidArgument    = Code(ck.ErrInvalidArg)
	CodeNoOffset           = Code(ck.ErrNoOffset)
	CodeAutoOffsetReset    = Code(ck.ErrAutoOffsetReset)
	CodeTimedOut           = Code(ck.ErrTimedOut)
	CodeQueueFull          = Code(ck.ErrQueueFull)
	CodeFenced             = Code(ck.ErrFenced)
	CodeNotAssigned        = Code(ck.ErrState)
	CodeClosed             = Code(ck.ErrDestroy)
	CodeAllBrokersDown     = Code(ck.ErrAllBrokersDown)
	CodeAuthentication     = Code(ck.ErrAuthentication)
	CodeIllegalGeneration  = Code(ck.ErrIllegalGeneration)
	CodeUnknownMember      = Code(ck.ErrUnknownMemberID)
	CodeFencedInstanceID   = Code(ck.ErrFencedInstanceID)
	CodeLeaderNotAvailable = Code(ck.ErrLeaderNotAvailable)
	CodeRebalanceInProcess = Code(ck.ErrRebalanceInProgress)
	CodeProducerFenced     = Code(ck.ErrProducerFenced)
	CodeProducerEpoch      = Code(ck.ErrInvalidProducerEpoch)
	CodeConflictingState   = Code(ck.ErrState)
	CodeFatal              = Code(ck.ErrFatal)
	CodePurgedInQueue      = Code(ck.ErrPurgeQueue)
	CodePurgedInFlight     = Code(ck.ErrPurgeInflight)
)

// String describes the code in words.
func (c Code) String() string { return ck.ErrorCode(c).String() }

// ErrClosed is returned by every method of a closed consumer, producer,
// reader or admin.
var ErrClosed = errors.New("kafka client is closed")

// Error is what Kafka or its client answered. What to do about it is in
// Retriable, Abortable and Fatal; host sees them through an interface of these
// methods.
type Error struct {
	// Topic is the topic concerned, or empty.
	Topic string
	// Partition is the partition concerned, or -1.
	Partition int32
	// Offset is the offset concerned, or -1001.
	Offset int64
	// Code is the answer itself.
	Code Code
	// Msg says what was being done and what came of it, for people.
	Msg string

	retriable, abortable, fatal bool
}

// Error implements error.
func (e *Error) Error() string {
	where := e.Topic
	if where != "" && e.Partition >= 0 {
		where += "[" + strconv.Itoa(int(e.Partition)) + "]"
		if e.Offset >= 0 {
			where += " at offset " + strconv.FormatInt(e.Offset, 10)
		}
	}
	if where != "" {
		where = " (" + where + ")"
	}
	return e.Msg + where
}

// Retriable reports whether the same call may succeed later.
func (e *Error) Retriable() bool { return e.retriable }

// Abortable reports whether the producer's transaction has failed: Abort it,
// then the next Begin works. Nothing of it will be seen.
func (e *Error) Abortable() bool { return e.abortable }

// Where names the partition that the error is about; partition is -1 when it
// is not about one.
func (e *Error) Where() (topic string, partition int32) { return e.Topic, e.Partition }

// Fatal reports whether the client that returned the error is beyond use: it
// has to be closed and made anew.
func (e *Error) Fatal() bool { return e.fatal }

// Is makes errors.Is(err, &Error{Code: c}) compare codes alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Topic == "" && t.Msg == ""
}

// HasCode reports whether err is an Error of this code.
func HasCode(err error, c Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == c
}

// newError wraps what the client library returned; doing names the action.
func newError(doing string, err error) error {
	if err == nil {
		return nil
	}
	var ke ck.Error
	if !errors.As(err, &ke) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return &Error{
		Partition: -1, Offset: int64(ck.OffsetInvalid), Code: Code(ke.Code()),
		Msg:       doing + ": " + describe(Code(ke.Code()), ke.String()),
		retriable: ke.IsRetriable() || retriable(Code(ke.Code())),
		fatal:     ke.IsFatal() || fatal(Code(ke.Code())),
	}
}

// codeError builds an Error from a code and the library's text.
func codeError(doing string, code Code, text, topic string, partition int32, offset int64) *Error {
	return &Error{
		Topic: topic, Partition: partition, Offset: offset, Code: code,
		Msg:       doing + ": " + describe(code, text),
		retriable: retriable(code), fatal: fatal(code),
	}
}

// describe puts the codes people meet most into a sentence that says what to
// do; text is what the library had to say.
func describe(code Code, text string) string {
	switch code {
	case CodeUnknownTopic:
		return "the broker does not know this topic or partition; create the topic (create = true in the manifest, or Kafka's own tools)"
	case CodeMessageTooLarge:
		return "the record is larger than message.max.bytes of the topic or of the client allows; raise both, or make the record smaller"
	case CodeFenced, CodeProducerFenced, CodeProducerEpoch:
		return "another producer has taken the transactional id over, or the broker ended the transaction because it took longer than the transaction timeout; this producer is of no use any more"
	case CodeIllegalGeneration, CodeUnknownMember:
		return "the group has moved on to another generation, or has dropped this member: the offsets belong to an assignment that is over (" + text + ")"
	case CodeFencedInstanceID:
		return "the group has given the member's place to another connection: the broker was restarted and forgot it, or, if this goes on, two hosts share one state directory or a copy of it"
	}
	if text == "" {
		text = code.String()
	}
	return text
}

// retriable lists what passes by itself: brokers coming and going, elections,
// a rebalance, a queue that empties.
func retriable(c Code) bool {
	switch ck.ErrorCode(c) {
	case ck.ErrTransport, ck.ErrAllBrokersDown, ck.ErrTimedOut, ck.ErrTimedOutQueue,
		ck.ErrMsgTimedOut, ck.ErrWaitCoord, ck.ErrWaitCache, ck.ErrQueueFull, ck.ErrResolve,
		ck.ErrLeaderNotAvailable, ck.ErrNotLeaderForPartition, ck.ErrRequestTimedOut,
		ck.ErrBrokerNotAvailable, ck.ErrReplicaNotAvailable, ck.ErrNetworkException,
		ck.ErrCoordinatorLoadInProgress, ck.ErrCoordinatorNotAvailable, ck.ErrNotCoordinator,
		ck.ErrRebalanceInProgress, ck.ErrNotEnoughReplicas, ck.ErrNotEnoughReplicasAfterAppend,
		ck.ErrNotController, ck.ErrKafkaStorageError, ck.ErrUnstableOffsetCommit,
		ck.ErrConcurrentTransactions, ck.ErrFencedLeaderEpoch, ck.ErrUnknownLeaderEpoch,
		ck.ErrRetry, ck.ErrInProgress, ck.ErrPrevInProgress, ck.ErrThrottlingQuotaExceeded:
		return true
	}
	return false
}

func fatal(c Code) bool {
	switch ck.ErrorCode(c) {
	case ck.ErrFatal, ck.ErrFenced, ck.ErrFencedInstanceID, ck.ErrInvalidProducerEpoch,
		ck.ErrProducerFenced, ck.ErrOutOfOrderSequenceNumber, ck.ErrDestroy:
		return true
	}
	return false
}

// connectivity reports whether the code says no more than that brokers cannot
// be reached at the moment. The client retries by itself.
func connectivity(c Code) bool {
	switch ck.ErrorCode(c) {
	case ck.ErrAllBrokersDown, ck.ErrTransport, ck.ErrResolve, ck.ErrTimedOut, ck.ErrRequestTimedOut,
		ck.ErrNetworkException, ck.ErrBrokerNotAvailable, ck.ErrCoordinatorNotAvailable, ck.ErrTimedOutQueue:
		return true
	}
	return false
}
