package hosttest

import (
	"context"
	"errors"

	"github.com/sliphost/sliphost/abi"
)

var errNotYet = errors.New("hosttest: transactions: not built yet")

// Init implements host.Transactions.
func (p *Producer) Init(context.Context) error { return errNotYet }

// Begin implements host.Transactions.
func (p *Producer) Begin() error { return errNotYet }

// SendOffsets implements host.Transactions.
func (p *Producer) SendOffsets(_ context.Context, group []byte, topics []string, offsets []abi.TopicOffset) error {
	return errNotYet
}

// Commit implements host.Transactions.
func (p *Producer) Commit(context.Context) error { return errNotYet }

// Abort implements host.Transactions.
func (p *Producer) Abort(context.Context) error { return errNotYet }

// Delivered implements host.Producer.
func (p *Producer) Delivered(topic, partition int32) int64 { return abi.OffsetNone }

// GroupMetadata implements host.Consumer.
func (c *Consumer) GroupMetadata() ([]byte, error) { return nil, errNotYet }

// Lost implements host.Consumer.
func (c *Consumer) Lost() bool { return false }
