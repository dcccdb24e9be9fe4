package hosttest

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"pgregory.net/rapid"
)

// model is what the broker should be: per partition what arrived, in order,
// and what became of each transaction. It knows nothing of how the broker
// keeps that.
type model struct {
	b       *Broker
	logs    [2][]modelEntry
	low     [2]int64
	txns    map[int]*modelTxn // the open one of each id
	live    map[int]*Producer // the present producer of each id
	zombies []*Producer
	c       *watch
	stale   []byte
	group   map[int32]int64
	readers [2]*LogReader
	read    [2][]string
	next    int
}

type modelEntry struct {
	value  string // empty: a marker
	txn    *modelTxn
	marker bool
}

type modelTxn struct {
	state   State
	begun   time.Time
	parts   map[int]bool
	offsets map[int32]int64
	doomed  bool
}

// known says that the broker has heard of the transaction.
func (t *modelTxn) known() bool { return len(t.parts) > 0 || len(t.offsets) > 0 }

func (m *model) end(id int, outcome State) {
	t := m.txns[id]
	delete(m.txns, id)
	t.state = outcome
	for p := range 2 {
		if t.parts[p] {
			m.logs[p] = append(m.logs[p], modelEntry{txn: t, marker: true})
		}
	}
	if outcome == Committed {
		for p, at := range t.offsets {
			m.group[p] = at
		}
	}
}

func (m *model) stable(p int) int64 {
	for i, e := range m.logs[p] {
		if e.txn != nil && e.txn.state == Open {
			return max(int64(i), m.low[p])
		}
	}
	return int64(len(m.logs[p]))
}

func (m *model) view(p int, from int64) []string {
	var all []string
	for i, e := range m.logs[p] {
		if int64(i) >= from && int64(i) < m.stable(p) && !e.marker && (e.txn == nil || e.txn.state == Committed) {
			all = append(all, e.value)
		}
	}
	return all
}

func (m *model) value() string { m.next++; return fmt.Sprint("v", m.next) }

// modelTimeout is short because package rapid counts the virtual time.
const modelTimeout = 60 * time.Millisecond

// TestTheBrokerKeepsItsPromises holds the broker against the model, whatever
// producers, zombies, members and timeouts do: what readers of committed
// records see is what was committed, in the order of arrival, up to the first
// open transaction; offsets come with their transaction and are withheld
// before; whoever is fenced changes nothing.
func TestTheBrokerKeepsItsPromises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Hidden in a struct, since a bubble's test has no deadline to ask for.
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) { newModel(t).run(t) })
	})
}

func newModel(t *rapid.T) *model {
	m := &model{
		b:    NewBroker(map[string]int{"x": 2}),
		txns: map[int]*modelTxn{}, live: map[int]*Producer{}, group: map[int32]int64{},
	}
	m.b.TransactionTimeout = modelTimeout
	m.b.Eager = rapid.Bool().Draw(t, "eager")
	m.c = subscribed(t, m.b.Consumer("g"), "x")
	must(t, m.c.rebalance())
	m.stale = metadata(t, m.c.Consumer)
	for p := range m.readers {
		m.readers[p] = m.b.LogReader()
		must(t, m.readers[p].Open(background, []string{"x"}))
		must(t, m.readers[p].Add(abi.TopicPartition{Partition: int32(p)}, 0))
	}
	return m
}

func (m *model) run(t *rapid.T) {
	id := func(t *rapid.T) int { return rapid.IntRange(0, 2).Draw(t, "id") }
	part := func(t *rapid.T) int { return rapid.IntRange(0, 1).Draw(t, "partition") }
	// open returns an open transaction and its producer.
	open := func(t *rapid.T) (int, *modelTxn, *Producer) {
		i := id(t)
		if m.txns[i] == nil {
			t.Skip("no open transaction")
		}
		return i, m.txns[i], m.live[i]
	}
	t.Repeat(map[string]func(*rapid.T){
		"": m.check,
		"init": func(t *rapid.T) {
			i := id(t)
			if m.live[i] != nil {
				m.zombies = append(m.zombies, m.live[i])
			}
			if m.txns[i] != nil {
				m.end(i, Aborted)
			}
			m.live[i] = m.b.TransactionalProducer(fmt.Sprint(i))
			must(t, m.live[i].Init(background))
		},
		"begin": func(t *rapid.T) {
			i := id(t)
			if m.live[i] == nil || m.txns[i] != nil {
				t.Skip("not ready")
			}
			must(t, m.live[i].Begin())
			m.txns[i] = &modelTxn{parts: map[int]bool{}, offsets: map[int32]int64{}}
		},
		"produce": func(t *rapid.T) {
			_, txn, p := open(t)
			for range rapid.IntRange(1, 3).Draw(t, "n") {
				v, to := m.value(), part(t)
				if !txn.known() {
					txn.begun = time.Now()
				}
				stage(p, int32(to), v)
				must(t, p.Flush(background))
				txn.parts[to] = true
				m.logs[to] = append(m.logs[to], modelEntry{value: v, txn: txn})
				equal(t, "delivered", p.Delivered(p.Topic("x"), int32(to)), int64(len(m.logs[to])))
			}
		},
		"plain": func(t *rapid.T) {
			v, to := m.value(), part(t)
			m.logs[to] = append(m.logs[to], modelEntry{value: v})
			if _, err := m.b.Produce(Record{Topic: "x", Partition: int32(to), Value: []byte(v)}); err != nil {
				t.Fatal(err)
			}
		},
		"offsets": func(t *rapid.T) {
			_, txn, p := open(t)
			if !txn.known() {
				txn.begun = time.Now()
			}
			m.next++
			to, at := int32(part(t)), int64(m.next)
			err := p.SendOffsets(background, metadata(t, m.c.Consumer), []string{"x"}, []abi.TopicOffset{{TopicPartition: abi.TopicPartition{Partition: to}, Offset: at}})
			if txn.doomed {
				equal(t, "of a doomed one", ClassOf(err), Abortable)
				return
			}
			must(t, err)
			txn.offsets[to] = at
		},
		"stale offsets": func(t *rapid.T) {
			_, txn, p := open(t)
			if now := metadata(t, m.c.Consumer); slices.Equal(now, m.stale) {
				m.c.Expel()
				must(t, m.c.rebalance())
			}
			if !txn.known() {
				txn.begun = time.Now()
				txn.parts[-1] = true // the broker has begun it
			}
			txn.doomed = true
			err := p.SendOffsets(background, m.stale, []string{"x"}, offsets(1))
			equal(t, "class", ClassOf(err), Abortable)
		},
		"commit": func(t *rapid.T) {
			i, txn, p := open(t)
			err := p.Commit(background)
			if txn.doomed {
				equal(t, "of a doomed one", ClassOf(err), Abortable)
				return
			}
			must(t, err)
			m.end(i, Committed)
		},
		"commit without an answer": func(t *rapid.T) {
			i, txn, p := open(t)
			if txn.doomed {
				t.Skip("doomed")
			}
			class := rapid.SampledFrom([]Class{Retriable, Fatal, Unclassified}).Draw(t, "class")
			m.b.Fail(Call{fmt.Sprint(i), OpCommitTxn}, AfterEffect, NewError(class, "no answer"))
			equal(t, "class", ClassOf(p.Commit(background)), class)
			m.end(i, Committed)
			if class == Retriable {
				must(t, p.Commit(background))
			} else {
				m.zombies = append(m.zombies, p)
				delete(m.live, i)
			}
		},
		"abort": func(t *rapid.T) {
			i, _, p := open(t)
			if rapid.Bool().Draw(t, "unflushed") {
				m.b.Arrive = func(string, int) int { return 0 }
				stage(p, 0, "never")
				must(t, p.Send(background))
				m.b.Arrive = nil
			}
			must(t, p.Abort(background))
			m.end(i, Aborted)
		},
		"a zombie": func(t *rapid.T) {
			if len(m.zombies) == 0 {
				t.Skip("none")
			}
			p := rapid.SampledFrom(m.zombies).Draw(t, "zombie")
			// The client alone answers for a transaction with nothing in it, and
			// for one that can only be aborted.
			asked := !p.txn.open || p.txn.touched && p.txn.doomed == nil
			var err error
			switch rapid.IntRange(0, 3).Draw(t, "call") {
			case 0:
				stage(p, 0, "zombie")
				err = p.Flush(background)
			case 1:
				if err = p.Commit(background); !asked {
					return
				}
			case 2:
				if err = p.Abort(background); !asked {
					return
				}
			case 3:
				err = p.SendOffsets(background, metadata(t, m.c.Consumer), []string{"x"}, offsets(99))
				if p.txn.doomed != nil {
					return
				}
			}
			if c := ClassOf(err); err == nil || c == Retriable || c == Abortable {
				t.Fatalf("a zombie hears %v", err)
			}
		},
		"time passes": func(t *rapid.T) {
			time.Sleep(time.Duration(rapid.IntRange(1, 90).Draw(t, "ms")) * time.Millisecond)
			synctest.Wait()
			var over []int
			for i, txn := range m.txns {
				if txn.known() && time.Since(txn.begun) >= modelTimeout {
					over = append(over, i)
				}
			}
			// Their markers come in the order in which their times were over.
			slices.SortFunc(over, func(i, j int) int { return m.txns[i].begun.Compare(m.txns[j].begun) })
			m.timedOut(over)
		},
		"a member comes": func(t *rapid.T) {
			d := subscribed(t, m.b.Consumer("g"), "x")
			must(t, m.c.rebalance())
			must(t, d.Close())
			must(t, m.c.rebalance())
		},
		"delete": func(t *rapid.T) {
			p := part(t)
			before := rapid.Int64Range(0, int64(len(m.logs[p]))).Draw(t, "before")
			if before > m.stable(p) {
				t.Skip("behind the last stable offset")
			}
			m.b.DeleteRecords("x", int32(p), before)
			m.low[p] = max(m.low[p], before)
		},
	})
}

// timedOut ends transactions in the model; several at one time have their
// markers in an order that only the broker knows.
func (m *model) timedOut(ids []int) {
	for _, i := range ids {
		m.end(i, Aborted)
		m.zombies = append(m.zombies, m.live[i])
		delete(m.live, i)
	}
}

func (m *model) check(t *rapid.T) {
	for p := range 2 {
		n := int32(p)
		equal(t, "bounds", m.b.Bounds("x", n), abi.Bounds{Low: m.low[p], LastStable: m.stable(p), High: int64(len(m.logs[p]))})
		want := m.view(p, m.low[p])
		equal(t, "view", line(m.b.View("x", n)), join(want))
		for i, e := range m.b.Log("x", n) {
			of := m.logs[p][m.low[p]+int64(i)]
			state := Committed
			if of.txn != nil {
				state = of.txn.state
			}
			if string(e.Value) != of.value || e.Control != of.marker || e.State != state || e.Offset != m.low[p]+int64(i) {
				t.Fatalf("x[%d] at %d: %+v, want %+v", p, e.Offset, e, of)
			}
		}
		// A reader that has always followed has seen all of it, once.
		var batch abi.Packed
		must(t, m.readers[p].Poll(&batch, 1000, 1<<20, 0))
		ends := batch.Ends
		batch.Ends = nil
		if v := values(t, &batch); v != "" {
			m.read[p] = append(m.read[p], v)
		}
		equal(t, "read", join(m.read[p]), join(m.view(p, 0)))
		if len(ends) > 0 {
			equal(t, "end", ends[0].Offset, m.stable(p))
		}
		m.checkOffset(t, n)
	}
}

func (m *model) checkOffset(t *rapid.T, p int32) {
	want, ok := m.group[p]
	if !ok {
		want = abi.OffsetNone
	}
	equal(t, "the group's offset", m.b.Committed("g", "x", p), want)
	pending := false
	for _, txn := range m.txns {
		_, holds := txn.offsets[p]
		pending = pending || holds
	}
	m.b.RequestTimeout = time.Nanosecond // the check must take no time
	got := []abi.TopicOffset{{TopicPartition: abi.TopicPartition{Partition: p}}}
	err := m.c.Committed(background, got)
	m.b.RequestTimeout = 0
	if pending {
		wants(t, err, CodeUnstableOffset, Retriable)
		return
	}
	must(t, err)
	equal(t, "the offset read", got[0].Offset, want)
}

func join(values []string) string {
	s := ""
	for i, v := range values {
		if i > 0 {
			s += " "
		}
		s += v
	}
	return s
}
