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
	// sequence numbers the first record under way within its transaction, so
	// that the broker knows what it was sent again.
	sequence int
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
	b, recs, s, sequence := p.broker, p.underWay, p.session(), p.sequence
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
		a, err := b.arrive(s, sequence, recs[:kept])
		got = a
		if fault != nil {
			return fault
		}
		return err
	})
	if ran {
		p.took(got)
	}
	if ran || ClassOf(err) != Retriable {
		p.sequence += len(recs)
	}
	if err != nil {
		return p.unflushed(err, ran, ran && got.n == len(recs))
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
	got, err := b.arrive(p.session(), p.sequence, recs)
	b.mu.Unlock()
	p.sequence += n
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
// sequence is that of the first one in its transaction: what was sent twice,
// because a request was long on its way, is taken once.
func (b *Broker) arrive(s *session, sequence int, recs []Record) (arrivals, error) {
	a := arrivals{n: len(recs), next: map[topicPartition]int64{}}
	var txn *transaction
	if s != nil && len(recs) > 0 {
		var err error
		if txn, err = b.join(*s); err != nil {
			return arrivals{}, err
		}
		txn.skip(sequence)
	}
	for i, r := range recs {
		var got fate
		if txn != nil && sequence+i < len(txn.fates) {
			got = txn.fates[sequence+i]
		} else {
			got = b.accept(r, txn)
		}
		if got.err == nil {
			a.next[got.tp] = got.next
		} else if a.refused == nil {
			a.refused, a.index = got.err, i
		}
	}
	return a, nil
}

// fate is what became of one record: the offset behind it, or why it is not
// there.
type fate struct {
	tp   topicPartition
	next int64
	err  error
}

// accept takes one record.
func (b *Broker) accept(r Record, txn *transaction) (got fate) {
	if b.Refuse != nil {
		got.err = b.Refuse(r)
	}
	if t := b.topics[r.Topic]; r.Partition < 0 && t != nil {
		r.Partition = Partition(r.Key, len(t.parts))
	}
	if got.err == nil {
		got.tp = topicPartition{r.Topic, r.Partition}
		got.next, got.err = b.produce(r, txn, false)
		got.next++
	}
	if txn != nil {
		txn.fates = append(txn.fates, got)
	}
	return got
}

// skip notes that the records before a sequence number were lost.
func (t *transaction) skip(sequence int) {
	for len(t.fates) < sequence {
		t.fates = append(t.fates, fate{err: answer(CodeDelivery, Abortable, "records behind it arrived first")})
	}
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
