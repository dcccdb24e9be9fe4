package kafka

import (
	"context"
	"errors"

	"github.com/sliphost/sliphost/abi"
)

var errNotYet = errors.New("kafka: transactions: not built yet")

// Init takes the transactional id over.
func (p *Producer) Init(context.Context) error { return errNotYet }

// Begin opens a transaction.
func (p *Producer) Begin() error { return errNotYet }

// SendOffsets makes offsets part of the transaction.
func (p *Producer) SendOffsets(_ context.Context, group []byte, topics []string, offsets []abi.TopicOffset) error {
	return errNotYet
}

// Commit ends the transaction.
func (p *Producer) Commit(context.Context) error { return errNotYet }

// Abort ends the transaction.
func (p *Producer) Abort(context.Context) error { return errNotYet }

// Delivered is the offset behind the last record acknowledged.
func (p *Producer) Delivered(topic, partition int32) int64 { return abi.OffsetNone }

// GroupMetadata is the present membership.
func (c *Consumer) GroupMetadata() ([]byte, error) { return nil, errNotYet }

// Lost says that the membership is gone.
func (c *Consumer) Lost() bool { return false }
