package hosttest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
)

func TestRecordsOfATransactionLieInTheLogBeforeItsEnd(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p := started(t, b, "w")
	put(t, p, "a", "b")
	if _, err := b.Produce(Record{Topic: "x", Value: []byte("plain")}); err != nil {
		t.Fatal(err)
	}
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{Low: 0, LastStable: 0, High: 3})
	equal(t, "view", view(b), "")
	equal(t, "records", line(b.Records("x")), "plain")
	equal(t, "entries", len(b.Log("x", 0)), 3)
	must(t, p.Commit(background))
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{Low: 0, LastStable: 4, High: 4})
	equal(t, "view", view(b), "a b plain")
	if log := b.Log("x", 0); !log[3].Control || log[3].Txn != log[0].Txn || log[0].State != Committed || log[2].Txn != 0 {
		t.Fatalf("log: %+v", log)
	}
}

func TestAbortedRecordsAreNeverSeen(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p := started(t, b, "w")
	put(t, p, "a")
	stage(p, 0, "sent", "and lost")
	must(t, p.Send(background))
	must(t, p.Abort(background))
	must(t, p.Begin())
	put(t, p, "b")
	must(t, p.Commit(background))
	equal(t, "view", view(b), "b")
	equal(t, "records", line(b.Records("x")), "b")
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{LastStable: 5, High: 5}) // a, sent, marker, b, marker
}

func TestAnEmptyTransactionLeavesNothing(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p := started(t, b, "w")
	must(t, p.Commit(background))
	must(t, p.Begin())
	must(t, p.Abort(background))
	equal(t, "high", b.Bounds("x", 0).High, 0)
}

// TestInitFences holds that whoever takes an id over ends what was open, and
// that no call of the former producer has an effect any more.
func TestInitFences(t *testing.T) {
	calls := map[string]func(*Producer) error{
		"flush":  func(p *Producer) error { stage(p, 0, "z"); return p.Flush(background) },
		"commit": func(p *Producer) error { return p.Commit(background) },
		"abort":  func(p *Producer) error { return p.Abort(background) },
		"offsets": func(p *Producer) error {
			return p.SendOffsets(background, membership{group: "g"}.encode(), []string{"x"}, offsets(1))
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			b := NewBroker(map[string]int{"x": 1})
			old := started(t, b, "w")
			put(t, old, "a")
			p := b.TransactionalProducer("w")
			must(t, p.Init(background))
			equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{LastStable: 2, High: 2})
			must(t, p.Begin())
			put(t, p, "b")
			wants(t, call(old), CodeFenced, Fatal)
			wants(t, old.Commit(background), CodeFenced, Fatal) // it stays so
			must(t, p.Commit(background))
			equal(t, "view", view(b), "b")
		})
	}
}

func TestAnotherIdIsNotFenced(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p, q := started(t, b, "p"), started(t, b, "q")
	put(t, p, "a")
	put(t, q, "b")
	put(t, p, "c")
	must(t, q.Commit(background))
	equal(t, "last stable", b.Bounds("x", 0).LastStable, 0)
	must(t, p.Abort(background))
	equal(t, "view", view(b), "b")
}

func TestTheTimeoutFences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		b.TransactionTimeout = 10 * time.Second
		p := started(t, b, "w")
		time.Sleep(time.Hour) // begun, and the broker does not know
		put(t, p, "a")
		time.Sleep(9 * time.Second)
		equal(t, "last stable", b.Bounds("x", 0).LastStable, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "last stable", b.Bounds("x", 0).LastStable, 2)
		wants(t, p.Commit(background), CodeFenced, Fatal)
		equal(t, "view", view(b), "")
	})
}

func TestCommitInTimeStopsTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		p := started(t, b, "w")
		put(t, p, "a")
		must(t, p.Commit(background))
		time.Sleep(time.Hour)
		must(t, p.Begin())
		put(t, p, "b")
		must(t, p.Commit(background))
		equal(t, "view", view(b), "a b")
	})
}

func TestOffsetsArePendingUntilTheEnd(t *testing.T) {
	for _, commit := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBroker(map[string]int{"x": 2})
			b.SetCommitted("g", "x", 0, 3, "old")
			c := subscribed(t, b.Consumer("g"), "x")
			c.poll(t)
			p := started(t, b, "w")
			must(t, p.SendOffsets(background, metadata(t, c.Consumer), []string{"x"}, offsets(6))) // and again
			must(t, p.SendOffsets(background, metadata(t, c.Consumer), []string{"y", "x"}, []abi.TopicOffset{{TopicPartition: abi.TopicPartition{Topic: 1}, Offset: 7, Metadata: "new"}}))
			other := subscribed(t, b.Consumer("g"), "x") // anyone has to wait
			before := time.Now()
			wants(t, other.Committed(background, offsets(0)), CodeUnstableOffset, Retriable)
			equal(t, "waited", time.Since(before), time.Second)
			ctx, cancel := context.WithTimeout(background, 200*time.Millisecond)
			defer cancel()
			wants(t, other.Committed(ctx, offsets(0)), CodeUnstableOffset, Retriable)
			equal(t, "waited", time.Since(before), 1200*time.Millisecond)
			must(t, other.Committed(background, []abi.TopicOffset{{TopicPartition: abi.TopicPartition{Partition: 1}}}))
			equal(t, "before the end", b.Committed("g", "x", 0), 3)
			go func() {
				time.Sleep(500 * time.Millisecond)
				if commit {
					must(t, p.Commit(background))
				} else {
					must(t, p.Abort(background))
				}
			}()
			got := offsets(0)
			must(t, other.Committed(background, got))
			if want := (abi.TopicOffset{Offset: 7, Metadata: "new"}); commit && got[0] != want {
				t.Errorf("after the commit: %+v", got[0])
			}
			if want := (abi.TopicOffset{Offset: 3, Metadata: "old"}); !commit && got[0] != want {
				t.Errorf("after the abort: %+v", got[0])
			}
		})
	}
}

// TestOffsetsAreCheckedAgainstTheMember: a stale generation and an unknown
// member doom the transaction; who owns the partition is not asked.
func TestOffsetsAreCheckedAgainstTheMember(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(b *Broker, c *watch) // after the metadata was taken
		code   Code
	}{
		{"another joins", func(b *Broker, _ *watch) { subscribed(t, b.Consumer("g"), "x") }, CodeIllegalGeneration},
		{"expelled", func(_ *Broker, c *watch) { c.Expel() }, CodeUnknownMember},
		{"closed", func(_ *Broker, c *watch) { must(t, c.Close()) }, CodeUnknownMember},
		{"rejoined", func(_ *Broker, c *watch) { c.Forget(); c.poll(t) }, CodeUnknownMember},
		{"replaced", func(b *Broker, _ *watch) { subscribed(t, b.StaticConsumer("g", "i"), "x") }, CodeFencedInstance},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := NewBroker(map[string]int{"x": 2})
			instance := ""
			if tc.code == CodeFencedInstance {
				instance = "i"
			}
			c := subscribed(t, b.StaticConsumer("g", instance), "x")
			c.poll(t)
			p := started(t, b, "w")
			put(t, p, "a")
			stale := metadata(t, c.Consumer)
			must(t, p.SendOffsets(background, stale, []string{"x"}, offsets(1)))
			tc.change(b, c)
			wants(t, p.SendOffsets(background, stale, []string{"x"}, offsets(2)), tc.code, Abortable)
			wants(t, p.Commit(background), tc.code, Abortable)
			must(t, p.Abort(background))
			equal(t, "committed", b.Committed("g", "x", 0), abi.OffsetNone)
			must(t, p.Begin())
			put(t, p, "b")
			must(t, p.Commit(background))
			equal(t, "view", view(b), "b")
		})
	}
	t.Run("not the owner", func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 2})
		c := subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		d := subscribed(t, b.Consumer("g"), "x")
		p := started(t, b, "w")
		must(t, p.SendOffsets(background, metadata(t, d.Consumer), []string{"x"}, offsets(4, 5)))
		must(t, p.Commit(background))
		equal(t, "of the other's partition", b.Committed("g", "x", 0), 4)
	})
	t.Run("nonsense", func(t *testing.T) {
		p := started(t, NewBroker(map[string]int{"x": 1}), "w")
		wants(t, p.SendOffsets(background, []byte("?"), []string{"x"}, offsets(1)), CodeUnknownMember, Abortable)
	})
}

func TestARefusedRecordDoomsTheTransaction(t *testing.T) {
	for name, flush := range map[string]bool{"told by flush": true, "found by commit": false} {
		t.Run(name, func(t *testing.T) {
			b := NewBroker(map[string]int{"x": 1})
			b.Refuse = func(r Record) error {
				if string(r.Value) == "bad" {
					return errors.New("too large")
				}
				return nil
			}
			p := started(t, b, "w")
			stage(p, 0, "a", "b", "bad", "c")
			must(t, p.Send(background))
			if flush {
				var refused *RefusedError
				if err := p.Flush(background); !errors.As(err, &refused) || refused.RecordIndex() != 2 || ClassOf(err) != Abortable {
					t.Fatalf("flush: %v", err)
				}
				must(t, p.Flush(background)) // told once
				wants(t, p.SendOffsets(background, membership{}.encode(), nil, nil), CodeDelivery, Abortable)
			}
			wants(t, p.Commit(background), CodeDelivery, Abortable)
			must(t, p.Abort(background))
			must(t, p.Begin())
			put(t, p, "d")
			must(t, p.Commit(background))
			equal(t, "view", view(b), "d")
		})
	}
}

func TestTheFirstRefusalCountsFromTheLastFlush(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	b.Arrive = func(string, int) int { return 1 }
	bad := map[string]bool{"e": true, "f": true}
	b.Refuse = func(r Record) error {
		if bad[string(r.Value)] {
			return errors.New("no")
		}
		return nil
	}
	p := started(t, b, "w")
	put(t, p, "a", "b")
	for _, v := range []string{"c", "d", "e"} {
		stage(p, 0, v)
		must(t, p.Send(background))
	}
	stage(p, 0, "f")
	var refused *RefusedError
	if err := p.Flush(background); !errors.As(err, &refused) || refused.Index != 2 {
		t.Fatalf("flush: %v", err)
	}
}

// TestLostRecordsDoomTheTransaction: otherwise a flush that failed could be
// followed by a commit without its records.
func TestLostRecordsDoomTheTransaction(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p := started(t, b, "w")
	stage(p, 0, "a", "b", "c", "d")
	failing := true
	b.Fault = func(op string) error {
		if op == OpFlush && failing {
			failing = false
			return &LostError{Kept: 1, Err: NewError(Retriable, "gone")}
		}
		return nil
	}
	if err := p.Flush(background); ClassOf(err) != Retriable {
		t.Fatal(err)
	}
	wants(t, p.Commit(background), CodeDelivery, Abortable)
	must(t, p.Abort(background))
	equal(t, "high", b.Bounds("x", 0).High, 4) // two early, one kept, the marker
	equal(t, "view", view(b), "")
}

func TestCommitFlushesWhatWasSentOnly(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p := started(t, b, "w")
	stage(p, 0, "a", "b", "c")
	must(t, p.Send(background))
	stage(p, 0, "d")
	equal(t, "early", len(b.Log("x", 0)), 2)
	must(t, p.Commit(background))
	equal(t, "view", view(b), "a b c")
	if err := p.Send(background); err == nil {
		t.Fatal("sent outside a transaction")
	}
}

func TestDelivered(t *testing.T) {
	b := NewBroker(map[string]int{"x": 2})
	p := started(t, b, "w")
	x := p.Topic("x")
	equal(t, "at first", p.Delivered(x, 0), abi.OffsetNone)
	stage(p, 0, "a", "b")
	must(t, p.Send(background))
	equal(t, "not acknowledged", p.Delivered(x, 0), abi.OffsetNone)
	must(t, p.Flush(background))
	equal(t, "after flush", p.Delivered(x, 0), 2)
	equal(t, "the other partition", p.Delivered(x, 1), abi.OffsetNone)
	must(t, p.Commit(background))
	must(t, p.Begin())
	put(t, p, "c")
	equal(t, "over the marker", p.Delivered(x, 0), 4)
	must(t, p.Abort(background))

	q := b.Producer()
	q.Append(q.Topic("x"), -1, []byte("k"), nil, nil, 1)
	must(t, q.Flush(background))
	part := Partition([]byte("k"), 2)
	equal(t, "plain, by key", q.Delivered(q.Topic("x"), part), b.Bounds("x", part).High)
}

func TestCallsOutOfOrder(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	plain := b.Producer()
	p := b.TransactionalProducer("w")
	for name, err := range map[string]error{
		"init of a plain producer":  plain.Init(background),
		"begin of a plain producer": plain.Begin(),
		"commit of a plain one":     plain.Commit(background),
		"begin before init":         p.Begin(),
		"commit before begin":       p.Commit(background),
	} {
		if ClassOf(err) != Fatal {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, p.Init(background))
	wants(t, p.Init(background), CodeInvalidTxnState, Fatal)
	must(t, p.Begin())
	wants(t, p.Begin(), CodeInvalidTxnState, Fatal)
	stage(p, 0, "a")
	must(t, p.Flush(background))
	must(t, p.Commit(background))
	wants(t, p.Abort(background), CodeInvalidTxnState, Fatal)
}

// TestMarkersMayBeLate: the producer has its answer, readers and the group
// still wait, and neither the next transaction nor a new producer overtakes.
func TestMarkersMayBeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 2})
		b.MarkerDelay = func(topic string, partition int32) time.Duration {
			if topic == OffsetsTopic {
				return 3 * time.Second
			}
			return time.Duration(partition) * time.Second
		}
		c := subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		p := started(t, b, "w")
		stage(p, 1, "b")
		put(t, p, "a")
		must(t, p.SendOffsets(background, metadata(t, c.Consumer), []string{"x"}, offsets(5)))
		before := time.Now()
		must(t, p.Commit(background))
		equal(t, "answered after", time.Since(before), 0)
		equal(t, "first partition", line(b.View("x", 0)), "a")
		equal(t, "second partition", line(b.View("x", 1)), "")
		wants(t, c.Committed(background, offsets(0)), CodeUnstableOffset, Retriable)
		synctest.Wait()
		equal(t, "second partition, later", line(b.View("x", 1)), "b")
		must(t, p.Begin())
		stage(p, 0, "c")
		must(t, p.Flush(background))
		equal(t, "the next one began after", time.Since(before), 3*time.Second)
		equal(t, "committed", b.Committed("g", "x", 0), 5)
		stage(p, 1, "d")
		must(t, p.Flush(background))
		q := b.TransactionalProducer("w")
		must(t, q.Init(background))
		equal(t, "taken over after", time.Since(before), 4*time.Second)
		equal(t, "last stable", b.Bounds("x", 1).LastStable, 4)
	})
}

func TestATopicMadeAnewGetsNoMarker(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	p := started(t, b, "w")
	put(t, p, "a")
	b.RecreateTopic("x", 1)
	must(t, p.Commit(background))
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{})
}
