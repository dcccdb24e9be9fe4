package hosttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// TestCommitWithAnUncertainEnd lets a commit fail in every class, with its
// effect and without, and looks at what the caller may do then.
func TestCommitWithAnUncertainEnd(t *testing.T) {
	for _, when := range []Moment{BeforeEffect, AfterEffect} {
		for _, class := range []Class{Retriable, Abortable, Fatal, Unclassified} {
			b := NewBroker(map[string]int{"x": 1})
			c := subscribed(t, b.Consumer("g"), "x")
			c.poll(t)
			p := started(t, b, "w")
			put(t, p, "a")
			must(t, p.SendOffsets(background, metadata(t, c.Consumer), []string{"x"}, offsets(9)))
			b.Fail(Call{"w", OpCommitTxn}, when, NewError(class, "no answer"))
			wants(t, p.Commit(background), CodeScripted, class)
			took := when == AfterEffect
			equal(t, "in the log", view(b) == "a", took)
			equal(t, "in the group", b.Committed("g", "x", 0) == 9, took)
			switch class {
			case Retriable:
				must(t, p.Commit(background))
				equal(t, "tried again", view(b), "a")
			case Abortable:
				err := p.Abort(background)
				if took {
					wants(t, err, CodeInvalidTxnState, Fatal)
				} else {
					must(t, err)
					equal(t, "aborted", view(b), "")
				}
			default:
				wants(t, p.Commit(background), CodeScripted, class) // of no use any more
				wants(t, p.Abort(background), CodeScripted, class)
			}
			want := b.View("x", 0)
			q := b.TransactionalProducer("w")
			must(t, q.Init(background))
			equal(t, "settled", line(b.View("x", 0)), line(want))
			must(t, q.Begin())
			put(t, q, "b")
			must(t, q.Commit(background))
		}
	}
}

func TestEveryCallCanFail(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	c := subscribed(t, b.Consumer("g"), "x")
	c.poll(t)
	r := b.LogReader()
	must(t, r.Open(background, []string{"x"}))
	part := []abi.TopicPartition{{}}
	var batch abi.Packed
	open := func() *Producer { p := started(t, b, "w"); put(t, p, "a"); return p }
	calls := map[string]func() error{
		OpInit:      func() error { return b.TransactionalProducer("w").Init(background) },
		OpBegin:     func() error { p := b.TransactionalProducer("w"); must(t, p.Init(background)); return p.Begin() },
		OpSend:      func() error { p := started(t, b, "w"); stage(p, 0, "b"); return p.Send(background) },
		OpFlush:     func() error { p := started(t, b, "w"); stage(p, 0, "b"); return p.Flush(background) },
		OpCommitTxn: func() error { return open().Commit(background) },
		OpAbortTxn:  func() error { return open().Abort(background) },
		OpSendOffsets: func() error {
			return open().SendOffsets(background, metadata(t, c.Consumer), []string{"x"}, offsets(1))
		},
		OpPoll:   func() error { return c.Poll(&batch, 1, 1, 0) },
		OpSeek:   func() error { return c.Seek(part[0], 0) },
		OpCommit: func() error { return c.Commit(background, offsets(1)) },
		OpCommitted: func() error {
			b.TransactionalProducer("w").Init(background)
			return c.Committed(background, offsets(1))
		},
		OpBounds:        func() error { _, err := c.Bounds(background, part); return err },
		OpGroupMetadata: func() error { _, err := c.GroupMetadata(); return err },
		OpOpenLog:       func() error { return b.LogReader().Open(background, []string{"x"}) },
		OpReadLog:       func() error { return r.Poll(&batch, 1, 1, 0) },
		OpLogBounds:     func() error { _, err := r.Bounds(background, part); return err },
		OpIdentity:      func() error { _, err := b.Identity("x"); return err },
		OpPurge:         func() error { return b.Purge(background, "x", nil) },
	}
	for op, call := range calls {
		must(t, call())
		want := NewError(Retriable, op)
		b.Fail(Call{Op: op}, BeforeEffect, want)
		if err := call(); !errors.Is(err, want) {
			t.Errorf("%s: %v by a rule", op, err)
		}
		b.Fault = func(o string) error {
			if o == op {
				return want
			}
			return nil
		}
		if err := call(); !errors.Is(err, want) {
			t.Errorf("%s: %v by Fault", op, err)
		}
		b.Fault = nil
		b.Before = func(c Call) error {
			if c.Op == op {
				return want
			}
			return nil
		}
		if err := call(); !errors.Is(err, want) {
			t.Errorf("%s: %v by Before", op, err)
		}
		b.Before = nil
		must(t, call())
	}
}

func TestAfterReplacesTheResult(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	var seen []string
	b.After = func(c Call, err error) error {
		seen = append(seen, c.Client+" "+c.Op)
		if c.Op == OpCommitTxn {
			return NewError(Fatal, "the answer was lost")
		}
		return err
	}
	p := started(t, b, "w")
	put(t, p, "a")
	wants(t, p.Commit(background), CodeScripted, Fatal)
	equal(t, "view", view(b), "a")
	equal(t, "calls", len(seen), 5) // init, begin, send, flush, commit
	equal(t, "the last", seen[4], "w commit transaction")
}

// TestAZombieCommitsLater: its request leaves when another producer has the id.
func TestAZombieCommitsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		zombie := started(t, b, "w")
		put(t, zombie, "a")
		h := b.Hold(Call{"w", OpCommitTxn}, BeforeEffect)
		done := make(chan error)
		go func() { done <- zombie.Commit(background) }()
		<-h.Reached()
		p := started(t, b, "w")
		put(t, p, "b")
		h.Release(nil)
		wants(t, <-done, CodeFenced, Fatal)
		must(t, p.Commit(background))
		equal(t, "view", view(b), "b")
	})
}

func TestAHeldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		p := started(t, b, "w")
		put(t, p, "a")
		h := b.Hold(Call{Op: OpCommitTxn}, AfterEffect)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = p.Commit(ctx) })
		<-h.Reached()
		equal(t, "the effect is there", view(b), "a")
		wg.Wait()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if again := p.Commit(background); again != err {
			t.Fatalf("a producer with an unknown end goes on: %v", again)
		}
	})
}

// TestARequestThatIsLongOnItsWay arrives when the caller has gone on: with
// effect, or too late.
func TestARequestThatIsLongOnItsWay(t *testing.T) {
	lost := NewError(Unclassified, "timed out")
	t.Run("a commit before the id is taken over", func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		p := started(t, b, "w")
		put(t, p, "a")
		h := b.Delay(Call{"w", OpCommitTxn}, lost)
		if err := p.Commit(background); err != lost {
			t.Fatal(err)
		}
		equal(t, "not yet", view(b), "")
		must(t, h.Arrive())
		equal(t, "then", view(b), "a")
		started(t, b, "w")
		equal(t, "for good", view(b), "a")
	})
	t.Run("a commit after it", func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		p := started(t, b, "w")
		put(t, p, "a")
		h := b.Delay(Call{"w", OpCommitTxn}, lost)
		if err := p.Commit(background); err != lost {
			t.Fatal(err)
		}
		q := started(t, b, "w")
		put(t, q, "b")
		wants(t, h.Arrive(), CodeFenced, Fatal)
		must(t, q.Commit(background))
		equal(t, "view", view(b), "b")
	})
	t.Run("offsets after the end of their transaction", func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		c := subscribed(t, b.Consumer("g"), "x")
		p := started(t, b, "w")
		h := b.Delay(Call{"w", OpSendOffsets}, NewError(Retriable, "timed out"))
		if err := p.SendOffsets(background, metadata(t, c.Consumer), []string{"x"}, offsets(3)); ClassOf(err) != Retriable {
			t.Fatal(err)
		}
		must(t, p.Abort(background))
		must(t, p.Begin())
		if h.Arrive() == nil {
			t.Fatal("offsets of an ended transaction were taken")
		}
		must(t, p.Commit(background))
		equal(t, "committed", b.Committed("g", "x", 0), abi.OffsetNone)
	})
	t.Run("by the hook", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := NewBroker(map[string]int{"x": 1})
			b.Before = func(c Call) error {
				if c.Op == OpCommitTxn {
					return &LateError{Err: lost, After: time.Second}
				}
				return nil
			}
			p := started(t, b, "w")
			put(t, p, "a")
			if err := p.Commit(background); err != lost {
				t.Fatal(err)
			}
			equal(t, "not yet", view(b), "")
			time.Sleep(time.Second)
			synctest.Wait()
			equal(t, "then", view(b), "a")
		})
	})
	t.Run("records", func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		b.Arrive = func(string, int) int { return 0 }
		p := started(t, b, "w")
		stage(p, 0, "a")
		h := b.Delay(Call{"w", OpFlush}, NewError(Abortable, "timed out"))
		if err := p.Flush(background); err == nil {
			t.Fatal("no error")
		}
		must(t, p.Abort(background))
		if h.Arrive() == nil {
			t.Fatal("a record of an ended transaction was taken")
		}
		equal(t, "high", b.Bounds("x", 0).High, 0)
	})
}

func TestARetriableFlushKeepsItsRecords(t *testing.T) {
	for _, when := range []Moment{BeforeEffect, AfterEffect} {
		b := NewBroker(map[string]int{"x": 1})
		p := started(t, b, "w")
		stage(p, 0, "a", "b", "c")
		b.Fail(Call{"w", OpFlush}, when, NewError(Retriable, "not yet"))
		wants(t, p.Flush(background), CodeScripted, Retriable)
		equal(t, "acknowledged", p.Delivered(p.Topic("x"), 0), abi.OffsetNone)
		must(t, p.Flush(background))
		equal(t, "acknowledged", p.Delivered(p.Topic("x"), 0), 3)
		must(t, p.Commit(background))
		equal(t, "view", view(b), "a b c")
	}
}

// TestRecordsSentTwiceAreTakenOnce: the first request arrives before or after
// the one that repeats it.
func TestRecordsSentTwiceAreTakenOnce(t *testing.T) {
	for _, first := range []bool{true, false} {
		b := NewBroker(map[string]int{"x": 1})
		b.Refuse = func(r Record) error {
			if string(r.Value) == "bad" {
				return errors.New("no")
			}
			return nil
		}
		p := started(t, b, "w")
		stage(p, 0, "a", "b", "c", "d")
		h := b.Delay(Call{"w", OpFlush}, NewError(Retriable, "timed out"))
		wants(t, p.Flush(background), CodeScripted, Retriable)
		if first {
			must(t, h.Arrive())
		}
		stage(p, 0, "e")
		must(t, p.Flush(background))
		equal(t, "delivered", p.Delivered(p.Topic("x"), 0), 5)
		if !first {
			must(t, h.Arrive())
		}
		must(t, p.Commit(background))
		equal(t, "view", view(b), "a b c d e")

		must(t, p.Begin())
		stage(p, 0, "f", "bad")
		h = b.Delay(Call{"w", OpFlush}, NewError(Retriable, "timed out"))
		wants(t, p.Flush(background), CodeScripted, Retriable)
		if first {
			must(t, h.Arrive())
		}
		var refused *RefusedError
		if err := p.Flush(background); !errors.As(err, &refused) || refused.Index != 1 {
			t.Fatal(err)
		}
		must(t, p.Abort(background))
		equal(t, "view", view(b), "a b c d e")
	}
}

func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 2})
		b.SessionTimeout = 10 * time.Second
		c, d := subscribed(t, b.Consumer("g"), "x"), subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		d.poll(t)
		p := started(t, b, "w")
		put(t, p, "a")
		b.Cut("w")
		b.Cut(c.ID())
		before := time.Now()
		wants(t, p.Commit(background), CodeTimedOut, Retriable)
		equal(t, "waited", time.Since(before), time.Second)
		ctx, cancel := context.WithTimeout(background, 100*time.Millisecond)
		defer cancel()
		if err := c.Commit(ctx, offsets(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		_, _ = b.Produce(Record{Topic: "x", Value: []byte("v")})
		equal(t, "delivered", c.poll(t), "")
		equal(t, "lost", c.Lost(), false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		equal(t, "lost", c.Lost(), true)
		c.events()
		c.poll(t)
		equal(t, "events", c.events(), "!0/0")
		d.events()
		d.poll(t)
		equal(t, "the other's events", d.events(), "+0/0")
		b.Heal("w")
		b.Heal(c.ID())
		must(t, p.Commit(background))
		c.poll(t)
		equal(t, "lost", c.Lost(), false)
	})
}

func TestHealedInTimeNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1})
		c := subscribed(t, b.Consumer("g"), "x")
		c.poll(t)
		b.Cut(c.ID())
		done := make(chan error)
		go func() { done <- c.Commit(background, offsets(1)) }()
		time.Sleep(500 * time.Millisecond)
		b.Heal(c.ID())
		must(t, <-done)
		time.Sleep(time.Hour)
		equal(t, "lost", c.Lost(), false)
	})
}
