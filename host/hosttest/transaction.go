package hosttest

import (
	"context"

	"github.com/sliphost/sliphost/abi"
)

// txnClient is the part of a transactional producer that lives in the client.
type txnClient struct {
	session
	open bool
	// touched says that the broker may know of the open transaction.
	touched bool
	// doomed is why the open transaction can only be aborted, broken why the
	// producer cannot be used any more.
	doomed, broken error
}

// Init implements host.Transactions.
func (p *Producer) Init(ctx context.Context) error {
	t := p.txn
	switch {
	case t == nil:
		return answer(CodeInvalidTxnState, Fatal, "init: the producer has no transactional id")
	case t.broken != nil:
		return t.broken
	case t.epoch > 0:
		return answer(CodeInvalidTxnState, Fatal, "init: the producer was initialised before")
	}
	b, id, epoch := p.broker, t.id, 0
	err := b.call(ctx, p.as(OpInit), true, func() error {
		if err := b.fault(OpInit); err != nil {
			return err
		}
		epoch = b.takeOver(id)
		return nil
	})
	if err == nil {
		err = b.wait(ctx, func() bool { c := b.ids[id]; return c.txn == nil || c.txn.done() })
	}
	if err != nil {
		return p.failed(err)
	}
	t.epoch = epoch
	return nil
}

// Begin implements host.Transactions.
func (p *Producer) Begin() error {
	t := p.txn
	switch {
	case t == nil || t.epoch == 0:
		return answer(CodeInvalidTxnState, Fatal, "begin: the producer is not initialised")
	case t.broken != nil:
		return t.broken
	case t.open:
		return answer(CodeInvalidTxnState, Fatal, "begin: a transaction is open")
	}
	b := p.broker
	err := b.call(context.Background(), p.as(OpBegin), false, func() error { return b.fault(OpBegin) })
	if err != nil {
		return p.failed(err)
	}
	t.open, t.touched, t.doomed = true, false, nil
	t.seq++
	p.sequence = 0
	return nil
}

// usable says why a call within a transaction cannot be made.
func (p *Producer) usable(op string) error {
	t := p.txn
	switch {
	case t == nil:
		return answer(CodeInvalidTxnState, Fatal, "%s: the producer has no transactional id", op)
	case t.broken != nil:
		return t.broken
	case !t.open:
		return answer(CodeInvalidTxnState, Fatal, "%s: no transaction is open", op)
	}
	return nil
}

// failed notes what an error means for what follows, and returns it.
func (p *Producer) failed(err error) error {
	switch ClassOf(err) {
	case Retriable:
	case Abortable:
		if p.txn.doomed == nil {
			p.txn.doomed = err
		}
	default:
		p.txn.broken = err
	}
	return err
}

// settled waits until the broker can take another transaction of this
// producer, as the client does on its own.
func (p *Producer) settled(ctx context.Context) error {
	b, s := p.broker, p.txn.session
	return b.wait(ctx, func() bool {
		c := b.ids[s.id]
		return c.epoch != s.epoch || c.txn == nil || c.txn.state == Open || c.txn.done()
	})
}

// SendOffsets implements host.Transactions.
func (p *Producer) SendOffsets(ctx context.Context, group []byte, topics []string, offsets []abi.TopicOffset) error {
	if err := p.usable(OpSendOffsets); err != nil {
		return err
	}
	t := p.txn
	if t.doomed != nil {
		return t.doomed
	}
	of, err := parseMembership(group)
	if err != nil {
		return p.failed(err)
	}
	at := make(map[topicPartition]committed, len(offsets))
	for _, o := range offsets {
		if o.Topic < 0 || int(o.Topic) >= len(topics) {
			return p.failed(answer(CodeUnknownTopic, Abortable, "send offsets: topic %d is none of %d", o.Topic, len(topics)))
		}
		at[topicPartition{topics[o.Topic], o.Partition}] = committed{o.Offset, o.Metadata}
	}
	if err := p.settled(ctx); err != nil {
		return p.failed(err)
	}
	t.touched = true
	b, s := p.broker, t.session
	err = b.call(ctx, p.as(OpSendOffsets), true, func() error {
		if err := b.fault(OpSendOffsets); err != nil {
			return err
		}
		return b.addOffsets(s, of, at)
	})
	if err != nil {
		return p.failed(err)
	}
	return nil
}

// Commit implements host.Transactions. As the client does, it flushes first
// what was sent; what is staged is no part of the transaction.
func (p *Producer) Commit(ctx context.Context) error {
	if err := p.usable(OpCommitTxn); err != nil {
		return err
	}
	t := p.txn
	if t.doomed != nil {
		return t.doomed
	}
	if len(p.underWay) > 0 {
		if err := p.deliver(ctx, len(p.underWay)); err != nil {
			return p.failed(err)
		}
	}
	if p.refusal != nil {
		return p.failed(answer(CodeDelivery, Abortable, "commit: a record was refused: %v", p.refusal))
	}
	if err := p.end(ctx, OpCommitTxn, Committed); err != nil {
		return err
	}
	p.acknowledge()
	return nil
}

// Abort implements host.Transactions. What is under way is dropped; what is
// staged stays.
func (p *Producer) Abort(ctx context.Context) error {
	if err := p.usable(OpAbortTxn); err != nil {
		return err
	}
	p.underWay, p.refusal, p.arrived = nil, nil, 0
	return p.end(ctx, OpAbortTxn, Aborted)
}

func (p *Producer) end(ctx context.Context, op string, outcome State) error {
	t, b := p.txn, p.broker
	if t.touched {
		if err := p.settled(ctx); err != nil {
			return p.failed(err)
		}
	}
	s, touched := t.session, t.touched
	err := b.call(ctx, p.as(op), true, func() error {
		if err := b.fault(op); err != nil {
			return err
		}
		if !touched {
			return nil // the client asks nobody about an empty transaction
		}
		return b.end(s, outcome)
	})
	if err != nil {
		return p.failed(err)
	}
	t.open, t.doomed = false, nil
	return nil
}
