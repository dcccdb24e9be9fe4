package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/kafka"
	"github.com/sliphost/sliphost/kafka/kafkatest"
)

// transactional returns a producer whose Init has succeeded.
func transactional(t testing.TB, b *kafkatest.Broker, id string, timeout time.Duration) *kafka.Producer {
	t.Helper()
	p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config(), TransactionalID: id, TransactionTimeout: timeout})
	must(t, p.Init(kafkatest.Context(t)))
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// class says how an error wants to be met.
func class(err error) string {
	var e interface {
		Retriable() bool
		Abortable() bool
		Fatal() bool
	}
	switch {
	case err == nil:
		return "nil"
	case !errors.As(err, &e):
		return "unknown"
	case e.Fatal():
		return "fatal"
	case e.Abortable():
		return "abortable"
	case e.Retriable():
		return "retriable"
	}
	return "unknown"
}

func values(recs []kafkatest.Record) string {
	out := make([]string, len(recs))
	for i, r := range recs {
		out[i] = string(r.Value)
	}
	return strings.Join(out, " ")
}

func TestCommitIsSeenAndAbortIsNot(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		p := transactional(t, b, kafkatest.Name("txn"), 0)
		id := p.Topic(topic)
		send := func(v string) {
			t.Helper()
			p.Append(id, 0, nil, []byte(v), nil, -1)
			must(t, p.Flush(ctx))
		}
		must(t, p.Begin())
		send("a")
		if got := values(b.ConsumeAll(t, topic)); got != "" {
			t.Errorf("an open transaction shows %s", got)
		}
		must(t, p.Commit(ctx))
		must(t, p.Begin())
		send("b")
		must(t, p.Abort(ctx))
		must(t, p.Begin())
		must(t, p.Commit(ctx)) // with nothing in it
		must(t, p.Begin())
		must(t, p.Abort(ctx))
		for i := range 20 { // the broker may still be busy with the last one
			must(t, p.Begin())
			send(fmt.Sprint(i))
			must(t, p.Commit(ctx))
		}
		if got, want := values(b.ConsumeAll(t, topic)), "a 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestCallsOutOfOrder: each is an error and changes nothing.
func TestTransactionCallsOutOfOrder(t *testing.T) {
	b := kafkatest.Embedded(t)
	topic := b.Topic(t, 1)
	ctx := kafkatest.Context(t)
	plain := producer(t, kafka.ProducerConfig{ClientConfig: b.Config()})
	for name, err := range map[string]error{
		"init": plain.Init(ctx), "begin": plain.Begin(), "commit": plain.Commit(ctx), "abort": plain.Abort(ctx),
		"offsets": plain.SendOffsets(ctx, []byte("x"), nil, nil),
	} {
		if err == nil {
			t.Errorf("%s without a transactional id", name)
		}
	}
	p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config(), TransactionalID: kafkatest.Name("txn")})
	if err := p.Begin(); err == nil {
		t.Error("begin before init")
	}
	must(t, p.Init(ctx))
	if err := p.Init(ctx); err == nil {
		t.Error("init twice")
	}
	id := p.Topic(topic)
	p.Append(id, 0, nil, []byte("x"), nil, -1)
	var se *kafka.SendError
	if err := p.Send(ctx); err == nil || errors.As(err, &se) {
		t.Errorf("send before begin: %v", err)
	}
	for name, err := range map[string]error{"commit": p.Commit(ctx), "abort": p.Abort(ctx), "offsets": p.SendOffsets(ctx, []byte("x"), nil, nil)} {
		if err == nil {
			t.Errorf("%s before begin", name)
		}
	}
	must(t, p.Begin())
	if err := p.Begin(); err == nil {
		t.Error("begin twice")
	}
	if err := p.Commit(ctx); err == nil {
		t.Error("commit with a record staged")
	}
	for _, offs := range [][]abi.TopicOffset{
		{{TopicPartition: tp(1, 0), Offset: 1}},
		{{TopicPartition: tp(-1, 0), Offset: 1}},
		{{TopicPartition: tp(0, 0), Offset: abi.OffsetNone}},
	} {
		if err := p.SendOffsets(ctx, []byte("no metadata"), []string{topic}, offs); err == nil {
			t.Errorf("offsets %v were taken", offs)
		}
	}
	must(t, p.Flush(ctx))
	must(t, p.Commit(ctx))
	must(t, p.Close())
	for _, err := range []error{p.Init(ctx), p.Begin(), p.Commit(ctx), p.Abort(ctx), p.SendOffsets(ctx, nil, nil, nil)} {
		if !errors.Is(err, kafka.ErrClosed) {
			t.Errorf("after close: %v", err)
		}
	}
	if got := values(b.ConsumeAll(t, topic)); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestOffsetsOfATransaction(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 2)
		ctx := kafkatest.Context(t)
		b.Produce(t, topic, kafkatest.Record{Partition: 0}, kafkatest.Record{Partition: 1})
		cfg := kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}
		c := join(t, b, false, cfg, topic)
		take(t, c, 2, 100)
		p := transactional(t, b, kafkatest.Name("txn"), 0)
		meta := strings.Repeat("0123456789abcdef", 250) // 4000 bytes
		offs := []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: 1, Metadata: meta}, {TopicPartition: tp(0, 1), Offset: 1}}
		send := func() {
			t.Helper()
			md, err := c.GroupMetadata()
			must(t, err)
			must(t, p.SendOffsets(ctx, md, []string{topic}, offs))
		}
		committed := func() []abi.TopicOffset {
			t.Helper()
			got := []abi.TopicOffset{{TopicPartition: tp(0, 0)}, {TopicPartition: tp(0, 1)}}
			must(t, c.Committed(ctx, got))
			return got
		}
		none := []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: abi.OffsetNone}, {TopicPartition: tp(0, 1), Offset: abi.OffsetNone}}

		must(t, p.Begin())
		send()
		must(t, p.Abort(ctx))
		if diff := cmp.Diff(none, committed()); diff != "" {
			t.Errorf("after an abort: %s", diff)
		}

		must(t, p.Begin())
		send()
		// A pending offset is neither the old nor the new one.
		short, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
		got := slices.Clone(none)
		got[0].Offset, got[1].Offset = 77, 77
		err := c.Committed(short, got)
		cancel()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pending offsets were read as %v, %v", got, err)
		}
		if got[0].Offset != 77 || got[1].Offset != 77 {
			t.Errorf("an error wrote offsets: %v", got)
		}
		must(t, p.Commit(ctx))
		if diff := cmp.Diff(offs, committed()); diff != "" {
			t.Errorf("after the commit: %s", diff)
		}
	})
}

// TestInitFencesTheEarlierProducer: what a zombie sent and sends is never seen.
func TestInitFencesTheEarlierProducer(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		name := kafkatest.Name("txn")
		for _, last := range []string{"flush", "commit", "abort", "offsets"} {
			old := transactional(t, b, name, 0)
			id := old.Topic(topic)
			must(t, old.Begin())
			old.Append(id, 0, nil, []byte("old"), nil, -1)
			must(t, old.Flush(ctx))
			fresh := transactional(t, b, name, 0)
			var err error
			switch last {
			case "flush":
				old.Append(id, 0, nil, []byte("late"), nil, -1)
				err = old.Flush(ctx)
			case "commit":
				err = old.Commit(ctx)
			case "abort":
				err = old.Abort(ctx)
			case "offsets":
				c := join(t, b, false, kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}, topic)
				take(t, c, 3, 100)
				md, e := c.GroupMetadata()
				must(t, e)
				err = old.SendOffsets(ctx, md, []string{topic}, []abi.TopicOffset{{Offset: 1}})
				must(t, c.Close())
			}
			// kfake refuses a record by the state before it looks at the epoch.
			if got := class(err); got != "fatal" && !(got == "abortable" && last == "flush" && b.Embedded != nil) {
				t.Errorf("%s of a fenced producer is %s: %v", last, class(err), err)
			}
			t.Log(err)
			if err := old.Abort(ctx); class(err) != "fatal" {
				t.Errorf("abort after a fatal error is %s: %v", class(err), err)
			}
			old.Append(id, 0, nil, []byte("later"), nil, -1)
			if err := old.Send(ctx); class(err) != "fatal" {
				t.Errorf("send after a fatal error is %s: %v", class(err), err)
			}
			must(t, old.Close())
			must(t, fresh.Begin())
			fresh.Append(fresh.Topic(topic), 0, nil, []byte(last), nil, -1)
			must(t, fresh.Flush(ctx))
			must(t, fresh.Commit(ctx))
			must(t, fresh.Close())
		}
		if got := values(b.ConsumeAll(t, topic)); got != "flush commit abort offsets" {
			t.Errorf("got %s", got)
		}
	})
}

func TestStaleGenerationIsAbortable(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 2)
		ctx := kafkatest.Context(t)
		b.Produce(t, topic, kafkatest.Record{Partition: 0}, kafkatest.Record{Partition: 1})
		cfg := kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}
		c := join(t, b, false, cfg, topic)
		take(t, c, 2, 100)
		stale, err := c.GroupMetadata()
		must(t, err)
		// A second member makes a new generation.
		d := join(t, b, false, cfg, topic)
		var batch abi.Packed
		for c.Owned(tp(0, 0)) == c.Owned(tp(0, 1)) || d.Owned(tp(0, 0)) == d.Owned(tp(0, 1)) {
			must(t, ctx.Err())
			must(t, c.Poll(&batch, 1, 1<<20, 20*time.Millisecond))
			must(t, d.Poll(&batch, 1, 1<<20, 20*time.Millisecond))
		}
		kept := tp(0, 0)
		if !c.Owned(kept) {
			kept = tp(0, 1)
		}
		offs := []abi.TopicOffset{{TopicPartition: kept, Offset: 1, Metadata: "m"}}
		p := transactional(t, b, kafkatest.Name("txn"), 0)
		must(t, p.Begin())
		p.Append(p.Topic(topic), 0, nil, []byte("gone"), nil, -1)
		must(t, p.Flush(ctx))
		err = p.SendOffsets(ctx, stale, []string{topic}, offs)
		var ke *kafka.Error
		if class(err) != "abortable" || !errors.As(err, &ke) || ke.Code != kafka.CodeIllegalGeneration {
			t.Fatalf("%s: %v", class(err), err)
		}
		t.Log(err)
		if err := p.Commit(ctx); class(err) != "abortable" {
			t.Errorf("commit is %s: %v", class(err), err)
		}
		must(t, p.Abort(ctx))
		must(t, p.Begin())
		md, err := c.GroupMetadata()
		must(t, err)
		must(t, p.SendOffsets(ctx, md, []string{topic}, offs))
		must(t, p.Commit(ctx))
		got := []abi.TopicOffset{{TopicPartition: kept}}
		must(t, c.Committed(ctx, got))
		if diff := cmp.Diff(offs, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRefusedRecordInATransaction has the broker refuse a record among good
// ones, of its own partition and of others.
func TestRefusedRecordInATransaction(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		small := b.Topic(t, 1, "max.message.bytes=1000")
		topic := b.Topic(t, 3)
		ctx := kafkatest.Context(t)
		p := transactional(t, b, kafkatest.Name("txn"), 0)
		good, bad := p.Topic(topic), p.Topic(small)
		for round := range 4 {
			must(t, p.Begin())
			for i := range 7 {
				p.Append(good, int32(i%3), nil, []byte("gone"), nil, -1)
			}
			p.Append(bad, 0, nil, make([]byte, 5000), nil, -1)
			for i := range 100 {
				p.Append(good, int32(i%3), nil, []byte("gone"), nil, -1)
			}
			if round%2 == 0 {
				err := p.Flush(ctx)
				var fe *kafka.FlushError
				var ke *kafka.Error
				if !errors.As(err, &fe) || !errors.As(err, &ke) || fe.Index != 7 || ke.Topic != small || ke.Code != kafka.CodeMessageTooLarge || class(err) != "abortable" {
					t.Fatalf("round %d: %s %#v %v", round, class(err), fe, err)
				}
			} else {
				must(t, p.Send(ctx)) // not flushed: the commit meets it
			}
			err := p.Commit(ctx)
			var ke *kafka.Error
			if class(err) != "abortable" || !errors.As(err, &ke) || ke.Topic != small || ke.Code != kafka.CodeMessageTooLarge {
				t.Errorf("round %d: commit is %s: %v", round, class(err), err)
			}
			t.Log(err)
			p.Append(good, 0, nil, []byte("staged"), nil, -1)
			if err := p.Send(ctx); class(err) != "abortable" {
				t.Errorf("round %d: send is %s: %v", round, class(err), err)
			}
			p.Discard()
			must(t, p.Abort(ctx))
			must(t, p.Begin())
			p.Append(good, 0, nil, fmt.Append(nil, round), nil, -1)
			must(t, p.Flush(ctx))
			must(t, p.Commit(ctx))
		}
		if got := values(b.ConsumeAll(t, topic)); got != "0 1 2 3" {
			t.Errorf("got %s", got)
		}
	})
}

// TestAbortGivesUpWhatIsUnderWay lets an abort meet records in every state.
func TestAbortGivesUpWhatIsUnderWay(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 3)
		ctx := kafkatest.Context(t)
		rng := seeded(t)
		p := producer(t, kafka.ProducerConfig{ClientConfig: b.Config(), TransactionalID: kafkatest.Name("txn"), Linger: 3 * time.Millisecond})
		must(t, p.Init(ctx))
		id := p.Topic(topic)
		var want []string
		for round := range 30 {
			must(t, p.Begin())
			for i := range rng.IntN(2000) {
				p.Append(id, int32(i%3), nil, []byte("gone"), nil, -1)
			}
			must(t, p.Send(ctx))
			time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
			must(t, p.Abort(ctx))
			must(t, p.Begin())
			v := fmt.Sprint(round)
			p.Append(id, 0, nil, []byte(v), nil, -1)
			must(t, p.Flush(ctx))
			want = append(want, v)
			must(t, p.Commit(ctx))
		}
		if got, want := values(b.ConsumeAll(t, topic)), strings.Join(want, " "); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// TestTransactionTimeout lets the broker end a transaction.
func TestTransactionTimeout(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		name := kafkatest.Name("txn")
		p := transactional(t, b, name, time.Second)
		must(t, p.Begin())
		p.Append(p.Topic(topic), 0, nil, []byte("gone"), nil, -1)
		must(t, p.Flush(ctx))
		b.AwaitTransactions(t, topic)
		err := p.Commit(ctx)
		if class(err) != "fatal" {
			t.Errorf("commit is %s: %v", class(err), err)
		}
		t.Log(err)
		must(t, p.Close())
		p = transactional(t, b, name, 0)
		must(t, p.Begin())
		p.Append(p.Topic(topic), 0, nil, []byte("next"), nil, -1)
		must(t, p.Flush(ctx))
		must(t, p.Commit(ctx))
		if got := values(b.ConsumeAll(t, topic)); got != "next" {
			t.Errorf("got %s", got)
		}
	})
}

func TestDelivered(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topics := []string{b.Topic(t, 3), b.Topic(t, 2), b.Topic(t, 1)}
		ctx := kafkatest.Context(t)
		rng := seeded(t)
		p := transactional(t, b, kafkatest.Name("txn"), 0)
		var ids []int32
		for _, name := range topics {
			ids = append(ids, p.Topic(name))
		}
		if d := p.Delivered(ids[0], 0); d != abi.OffsetNone {
			t.Errorf("before the first record: %d", d)
		}
		next, last := map[abi.TopicPartition]int64{}, map[abi.TopicPartition]int64{}
		check := func(round int) {
			t.Helper()
			for part, want := range last {
				if d := p.Delivered(ids[part.Topic], part.Partition); d != want {
					t.Errorf("round %d: delivered %v: %d, want %d", round, part, d, want)
				}
			}
		}
		for round := range 20 {
			must(t, p.Begin())
			used := map[abi.TopicPartition]bool{}
			for range rng.IntN(500) {
				i := rng.IntN(5)
				part := []abi.TopicPartition{tp(0, 0), tp(0, 1), tp(0, 2), tp(1, 0), tp(1, 1)}[i]
				p.Append(ids[part.Topic], part.Partition, nil, []byte("v"), nil, -1)
				next[part]++
				last[part] = next[part]
				used[part] = true
			}
			must(t, p.Flush(ctx))
			check(round)
			if round%4 == 3 {
				must(t, p.Abort(ctx))
			} else {
				must(t, p.Commit(ctx))
			}
			check(round)
			for part := range used {
				next[part]++ // the marker
			}
		}
		if d := p.Delivered(ids[2], 0); d != abi.OffsetNone {
			t.Errorf("of an unused topic: %d", d)
		}
		for _, bad := range []abi.TopicPartition{tp(-1, 0), tp(99, 0), tp(0, -1), tp(0, 1000)} {
			if d := p.Delivered(bad.Topic, bad.Partition); d != abi.OffsetNone {
				t.Errorf("of %v: %d", bad, d)
			}
		}
		var sum int64
		if a := testing.AllocsPerRun(100, func() { sum += p.Delivered(ids[0], 1) }); a != 0 {
			t.Errorf("%v allocations", a)
		}
	})
}

// TestContextEndsACall cuts the broker off: the call returns with the context
// and the producer says that it must be replaced.
func TestContextEndsACall(t *testing.T) {
	b := kafkatest.Embedded(t)
	topic := b.Topic(t, 1)
	ctx := kafkatest.Context(t)
	p := transactional(t, b, kafkatest.Name("txn"), 0)
	must(t, p.Begin())
	p.Append(p.Topic(topic), 0, nil, []byte("x"), nil, -1)
	must(t, p.Flush(ctx))
	must(t, b.Embedded.Close())
	short, cancel := context.WithCancel(ctx)
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	err := p.Commit(short)
	if class(err) != "unknown" || !errors.Is(err, context.Canceled) {
		t.Errorf("commit is %s: %v", class(err), err)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("commit came back after %s", d)
	}
	t.Log(err)
	for name, err := range map[string]error{"commit": p.Commit(ctx), "abort": p.Abort(ctx), "begin": p.Begin(), "flush": p.Flush(ctx)} {
		if class(err) != "unknown" {
			t.Errorf("%s afterwards is %s: %v", name, class(err), err)
		}
	}
	start = time.Now()
	must(t, p.Close())
	if d := time.Since(start); d > 7*time.Second {
		t.Errorf("close took %s", d)
	}

	gone := producer(t, kafka.ProducerConfig{ClientConfig: b.Config(), TransactionalID: kafkatest.Name("txn")})
	short, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := gone.Init(short); class(err) != "unknown" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("init is %s: %v", class(err), err)
	}
}

// TestTransactionTimeoutBoundsTheOthers: limits the user set for longer
// transactions are no reason to refuse a short one.
func TestTransactionTimeoutBoundsTheOthers(t *testing.T) {
	b := kafkatest.Embedded(t)
	for _, name := range []string{"message.timeout.ms", "delivery.timeout.ms", "socket.timeout.ms"} {
		for _, value := range []string{"290000", "1500"} {
			cfg := b.Config()
			cfg.Properties[name] = value
			p := producer(t, kafka.ProducerConfig{ClientConfig: cfg, TransactionalID: kafkatest.Name("txn"), TransactionTimeout: 2 * time.Second})
			must(t, p.Init(kafkatest.Context(t)))
		}
	}
	cfg := b.Config()
	cfg.Properties["message.timeout.ms"] = "soon"
	if _, err := kafka.NewProducer(kafka.ProducerConfig{ClientConfig: cfg, TransactionalID: "x"}); err == nil {
		t.Error("a timeout that is no number was taken")
	}
}

// TestPendingOffsets: a wait for offsets that an open transaction holds back is
// explained, to a consumer and to an admin client, and ends with it.
func TestPendingOffsets(t *testing.T) {
	kafkatest.Each(t, func(t *testing.T, b *kafkatest.Broker) {
		topic := b.Topic(t, 1)
		ctx := kafkatest.Context(t)
		b.Produce(t, topic, kafkatest.Record{Partition: 0})
		cfg := kafka.ConsumerConfig{ClientConfig: b.Config(), Group: kafkatest.Name("g")}
		c := join(t, b, false, cfg, topic)
		take(t, c, 1, 100)
		p := transactional(t, b, kafkatest.Name("txn"), 0)
		send := func(offset int64) {
			t.Helper()
			must(t, p.Begin())
			md, err := c.GroupMetadata()
			must(t, err)
			must(t, p.SendOffsets(ctx, md, []string{topic}, []abi.TopicOffset{{TopicPartition: tp(0, 0), Offset: offset}}))
		}
		send(0)
		must(t, p.Commit(ctx))
		send(1)
		admin := b.Admin(t)
		defer admin.Close()
		for name, ask := range map[string]func(context.Context) error{
			"consumer": func(ctx context.Context) error {
				return c.Committed(ctx, []abi.TopicOffset{{TopicPartition: tp(0, 0)}})
			},
			"admin": func(ctx context.Context) error {
				_, err := admin.GroupOffsets(ctx, cfg.Group)
				return err
			},
		} {
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			err := ask(short)
			cancel()
			var pending *kafka.PendingError
			if !errors.As(err, &pending) || pending.Group != cfg.Group || !strings.Contains(err.Error(), "transaction.timeout.ms") {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, p.Commit(ctx))
		got := []abi.TopicOffset{{TopicPartition: tp(0, 0)}}
		if err := c.Committed(ctx, got); err != nil || got[0].Offset != 1 {
			t.Errorf("after the commit: %v, %v", got, err)
		}
		must(t, c.Close())
	})
}
