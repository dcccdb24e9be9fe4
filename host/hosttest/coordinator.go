package hosttest

import (
	"slices"
	"time"
)

// State is how far a transaction is.
type State uint8

// States of transactions.
const (
	Open State = iota
	Committed
	Aborted
)

func (s State) String() string { return [...]string{"open", "committed", "aborted"}[s] }

// transaction is one of a transactional id. Its outcome is decided by state;
// it is done when every partition and group has its marker.
type transaction struct {
	number  int
	session session
	state   State
	parts   []touched
	offsets []pendingOffsets
	missing int    // markers on their way
	fates   []fate // of its records, by sequence number
	timeout alarm
}

// touched is a partition with records of a transaction. The topic may have
// been made anew since, and log have no place any more.
type touched struct {
	tp  topicPartition
	log *partition
}

type pendingOffsets struct {
	group   *group
	offsets map[topicPartition]committed
}

func (t *transaction) touch(p *partition, tp topicPartition) {
	if !slices.ContainsFunc(t.parts, func(x touched) bool { return x.log == p }) {
		t.parts = append(t.parts, touched{tp, p})
	}
}

func (t *transaction) done() bool { return t.state != Open && t.missing == 0 }

// coordinator is what the broker knows of one transactional id.
type coordinator struct {
	epoch int
	txn   *transaction // the last one
}

// session is under which a producer's request runs: seq numbers the
// transactions of an epoch from 1.
type session struct {
	id    string
	epoch int
	seq   int
}

// coordinate checks a request's epoch.
func (b *Broker) coordinate(s session) (*coordinator, error) {
	c := b.ids[s.id]
	if c == nil || c.epoch != s.epoch {
		return nil, answer(CodeFenced, Fatal, "transactional id %q: another producer has taken it over, or its transaction timed out", s.id)
	}
	return c, nil
}

// takeOver fences whoever has the id and aborts the transaction left open. The new
// producer may begin when the last transaction is done.
func (b *Broker) takeOver(id string) int {
	c := b.ids[id]
	if c == nil {
		c = &coordinator{}
		b.ids[id] = c
	}
	c.epoch++
	if c.txn != nil && c.txn.state == Open {
		b.decide(c.txn, Aborted)
	}
	return c.epoch
}

// join returns the open transaction of a session, which the first record or
// offset begins. What comes after its end is refused.
func (b *Broker) join(s session) (*transaction, error) {
	c, err := b.coordinate(s)
	if err != nil {
		return nil, err
	}
	if t := c.txn; t != nil && t.session.epoch == s.epoch && t.session.seq >= s.seq {
		if t.session.seq == s.seq && t.state == Open {
			return t, nil
		}
		return nil, answer(CodeInvalidTxnState, Fatal, "transactional id %q: the transaction has ended", s.id)
	}
	if c.txn != nil && !c.txn.done() {
		return nil, answer(CodeConcurrentTxn, Retriable, "transactional id %q: the last transaction is being completed", s.id)
	}
	b.begun++
	t := &transaction{number: b.begun, session: s}
	c.txn = t
	t.timeout.set(b, or(b.TransactionTimeout, time.Minute), func() {
		c.epoch++
		b.decide(t, Aborted)
	})
	return t, nil
}

// end commits or aborts the transaction of a session. Asked again it answers
// again.
func (b *Broker) end(s session, outcome State) error {
	c, err := b.coordinate(s)
	if err != nil {
		return err
	}
	t := c.txn
	if t == nil || t.session.epoch != s.epoch || t.session.seq < s.seq {
		// Nothing of it has arrived. What still comes late must not begin it.
		c.txn = &transaction{session: s, state: outcome}
		return nil
	}
	if t.session.seq > s.seq || t.state != Open && t.state != outcome {
		return answer(CodeInvalidTxnState, Fatal, "transactional id %q: the transaction was %s", s.id, t.state)
	}
	if t.state == Open {
		b.decide(t, outcome)
	}
	return nil
}

// decide ends a transaction: from here on its outcome is certain, and markers
// are on their way.
func (b *Broker) decide(t *transaction, outcome State) {
	t.state = outcome
	t.timeout.stop()
	for _, p := range t.parts {
		b.mark(t, p.tp, func() {
			if _, ok := p.log.open[t]; ok {
				delete(p.log.open, t)
				p.log.append(&entry{Record: Record{Topic: p.tp.topic, Partition: p.tp.partition}, txn: t, control: true})
			}
		})
	}
	for _, o := range t.offsets {
		b.mark(t, topicPartition{topic: OffsetsTopic}, func() {
			for tp, at := range o.offsets {
				if o.group.pending[tp]--; o.group.pending[tp] == 0 {
					delete(o.group.pending, tp)
				}
				if outcome == Committed {
					o.group.offsets[tp] = at
				}
			}
		})
	}
	b.wake()
}

// mark writes a marker, now or when its delay is over.
func (b *Broker) mark(t *transaction, to topicPartition, write func()) {
	var delay time.Duration
	if b.MarkerDelay != nil {
		delay = b.MarkerDelay(to.topic, to.partition)
	}
	if delay <= 0 {
		write()
		return
	}
	t.missing++
	time.AfterFunc(delay, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		write()
		t.missing--
		b.wake()
	})
}

// addOffsets makes offsets of a group part of a session's transaction. As the
// real one it checks the member and its generation, not who owns the
// partitions.
func (b *Broker) addOffsets(s session, of membership, offsets map[topicPartition]committed) error {
	t, err := b.join(s)
	if err != nil {
		return err
	}
	g := b.group(of.group)
	if err := g.validate(of); err != nil {
		return err
	}
	i := slices.IndexFunc(t.offsets, func(o pendingOffsets) bool { return o.group == g })
	if i < 0 {
		i = len(t.offsets)
		t.offsets = append(t.offsets, pendingOffsets{g, map[topicPartition]committed{}})
	}
	for tp, at := range offsets {
		if _, again := t.offsets[i].offsets[tp]; !again {
			g.pending[tp]++
		}
		t.offsets[i].offsets[tp] = at
	}
	b.wake()
	return nil
}
