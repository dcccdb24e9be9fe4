package hosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// Producer returns a producer without transactions. Its records arrive at
// Flush and not before, so that what relies on less is found out.
func (b *Broker) Producer() *Producer {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients++
	return &Producer{broker: b, name: fmt.Sprintf("producer-%d", b.clients), acked: map[topicPartition]int64{}, delivered: map[topicPartition]int64{}}
}

// TransactionalProducer returns a producer with a transactional id. Some of
// its records arrive at Send, see Broker.Arrive, and the rest at Flush or
// Commit.
func (b *Broker) TransactionalProducer(id string) *Producer {
	p := b.Producer()
	p.name = id
	p.txn = &txnClient{session: session{id: id}}
	return p
}

// Producer implements host.Producer.
type Producer struct {
	broker *Broker
	name   string
	txn    *txnClient // nil without a transactional id
	names  []string
	// staged is what was appended, underWay what was sent and has not arrived,
	// arrived how many have, all since the last Flush that returned.
	staged, underWay []Record
	arrived          int
	// refusal is the first refusal that Flush has not told.
	refusal error
	// delivered are the offsets behind what arrived, acked those that the
	// client knows of.
	delivered, acked map[topicPartition]int64
}

// ID names the producer in hooks: the transactional id, if it has one.
func (p *Producer) ID() string { return p.name }

func (p *Producer) as(op string) Call { return Call{p.name, op} }

// Topic implements host.Producer.
func (p *Producer) Topic(name string) int32 {
	if i := slices.Index(p.names, name); i >= 0 {
		return int32(i)
	}
	p.names = append(p.names, name)
	return int32(len(p.names) - 1)
}

// Append implements host.Producer.
func (p *Producer) Append(topic, partition int32, key, value, headers []byte, timestamp int64) {
	p.staged = append(p.staged, Record{
		Topic: p.names[topic], Partition: partition, Timestamp: timestamp,
		Key: bytes.Clone(key), Value: bytes.Clone(value), HeadersWire: bytes.Clone(headers),
	})
}

// Send implements host.Producer.
func (p *Producer) Send(ctx context.Context) error {
	if p.txn != nil && len(p.staged) > 0 {
		if err := p.usable(OpSend); err != nil {
			return err
		}
	}
	b := p.broker
	err := b.call(ctx, p.as(OpSend), false, func() error { return b.fault(OpSend) })
	n := len(p.staged)
	if err != nil {
		n /= 2
	}
	p.underWay = append(p.underWay, p.staged[:n]...)
	p.staged = slices.Delete(p.staged, 0, n)
	if err != nil || p.txn == nil || len(p.underWay) == 0 {
		return err
	}
	early := (len(p.underWay) + 1) / 2
	if b.Arrive != nil {
		early = b.Arrive(p.name, len(p.underWay))
	}
	if early = min(max(early, 0), len(p.underWay)); early == 0 {
		return nil
	}
	return p.deliver(ctx, early)
}

// Discard implements host.Producer.
func (p *Producer) Discard() { p.staged = p.staged[:0] }

// Flush implements host.Producer.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.Send(ctx); err != nil {
		return err
	}
	if p.txn != nil && (len(p.underWay) > 0 || p.arrived > 0) {
		if err := p.usable(OpFlush); err != nil {
			return err
		}
		if err := p.settled(ctx); err != nil {
			return err
		}
	}
	b, recs, s := p.broker, p.underWay, p.session()
	if p.txn != nil && len(recs) > 0 {
		p.txn.touched = true
	}
	var got arrivals
	ran, err := b.run(ctx, p.as(OpFlush), p.txn != nil, func() error {
		kept := len(recs)
		fault := b.fault(OpFlush)
		if fault != nil {
			kept = 0
			var lost *LostError
			if errors.As(fault, &lost) {
				kept = min(lost.Kept, len(recs))
			}
		}
		a, err := b.arrive(s, recs[:kept])
		got = a
		if fault != nil {
			return fault
		}
		return err
	})
	if ran {
		p.took(got)
	}
	if err != nil {
		return p.unflushed(err, ran, got.n == len(recs))
	}
	p.underWay = nil
	p.acknowledge()
	first := p.refusal
	p.refusal, p.arrived = nil, 0
	return first
}

// unflushed notes what an error of Flush means for the records under way: they
// are lost, unless they have all arrived or the client goes on trying.
func (p *Producer) unflushed(err error, ran, all bool) error {
	retriable := ClassOf(err) == Retriable
	switch {
	case retriable && !ran:
		return err
	case retriable && all:
		p.underWay = nil
		return err
	}
	p.underWay, p.refusal, p.arrived = nil, nil, 0
	if p.txn != nil {
		p.lost(err)
	}
	return err
}

// lost notes that records of the transaction may be missing.
func (p *Producer) lost(err error) {
	if ClassOf(err) == Fatal {
		p.txn.broken = err
		return
	}
	if p.txn.open && p.txn.doomed == nil {
		p.txn.doomed = answer(CodeDelivery, Abortable, "records of the transaction were lost: %v", err)
	}
}

func (p *Producer) session() *session {
	if p.txn == nil {
		return nil
	}
	s := p.txn.session
	return &s
}

// deliver lets the first n records under way arrive.
func (p *Producer) deliver(ctx context.Context, n int) error {
	if err := p.settled(ctx); err != nil {
		return err
	}
	p.txn.touched = true
	recs := p.underWay[:n]
	p.underWay = p.underWay[n:]
	b := p.broker
	b.mu.Lock()
	got, err := b.arrive(p.session(), recs)
	b.mu.Unlock()
	if err != nil {
		return p.failed(err)
	}
	p.took(got)
	return nil
}

// arrivals is what became of records: how many there were, the offsets behind
// the last ones, and the first refusal.
type arrivals struct {
	n       int
	next    map[topicPartition]int64
	refused error
	index   int
}

// arrive appends records to their topics. An error means that none was taken.
func (b *Broker) arrive(s *session, recs []Record) (arrivals, error) {
	a := arrivals{n: len(recs), next: map[topicPartition]int64{}}
	var txn *transaction
	if s != nil && len(recs) > 0 {
		var err error
		if txn, err = b.join(*s); err != nil {
			return arrivals{}, err
		}
	}
	for i, r := range recs {
		var err error
		if b.Refuse != nil {
			err = b.Refuse(r)
		}
		if t := b.topics[r.Topic]; r.Partition < 0 && t != nil {
			r.Partition = Partition(r.Key, len(t.parts))
		}
		var offset int64
		if err == nil {
			offset, err = b.produce(r, txn, false)
		}
		if err == nil {
			a.next[topicPartition{r.Topic, r.Partition}] = offset + 1
		} else if a.refused == nil {
			a.refused, a.index = err, i
		}
	}
	return a, nil
}

// took notes what became of records.
func (p *Producer) took(a arrivals) {
	if a.refused != nil && p.refusal == nil {
		p.refusal = &RefusedError{p.arrived + a.index, a.refused, p.txn != nil}
		if p.txn != nil && p.txn.doomed == nil {
			p.txn.doomed = answer(CodeDelivery, Abortable, "a record of the transaction was refused: %v", a.refused)
		}
	}
	p.arrived += a.n
	maps.Copy(p.delivered, a.next)
}

// acknowledge lets the client know of all that arrived.
func (p *Producer) acknowledge() { maps.Copy(p.acked, p.delivered) }

// Delivered implements host.Producer.
func (p *Producer) Delivered(topic, partition int32) int64 {
	if at, ok := p.acked[topicPartition{p.names[topic], partition}]; ok {
		return at
	}
	return abi.OffsetNone
}

// Close implements host.Producer. The broker does not learn of it: an open
// transaction stays open until its timeout, or until its id is taken over.
func (p *Producer) Close() error {
	p.staged, p.underWay = nil, nil
	return nil
}
