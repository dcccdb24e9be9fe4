package hosttest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// reading is a reader of x[0] from an offset.
func reading(t testing.TB, b *Broker, from int64) *LogReader {
	t.Helper()
	r := b.LogReader()
	must(t, r.Open(background, []string{"y", "x"}))
	must(t, r.Add(abi.TopicPartition{Topic: 1}, from))
	return r
}

func read(t testing.TB, r *LogReader) string {
	t.Helper()
	var b abi.Packed
	must(t, r.Poll(&b, 100, 1<<20, 0))
	return values(t, &b)
}

// produce appends key=value records outside transactions; "-" is a tombstone.
func produce(t testing.TB, b *Broker, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		r := Record{Topic: "x", Key: []byte(pairs[i]), Value: []byte(pairs[i+1])}
		if pairs[i+1] == "-" {
			r.Value = nil
		}
		if _, err := b.Produce(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadersStopAtTheLastStableOffset(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	r := reading(t, b, 0)
	c := subscribed(t, b.Consumer("g"), "x")
	both := func(want string) {
		t.Helper()
		equal(t, "reader", read(t, r), want)
		equal(t, "consumer", c.poll(t), want)
	}
	both("|0")
	p, q := started(t, b, "p"), started(t, b, "q")
	produce(t, b, "", "1")
	both("1 |1")
	put(t, p, "2")
	put(t, q, "3")
	both("")
	must(t, q.Commit(background))
	both("")
	must(t, p.Abort(background))
	both("3 |5")
	must(t, p.Begin())
	put(t, p, "4")
	must(t, p.Abort(background))
	both("|7") // nothing but an aborted record and a marker
	both("")
}

func TestPollsInPieces(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	r := reading(t, b, abi.OffsetBeginning)
	p := started(t, b, "p")
	put(t, p, "a", "b")
	must(t, p.Commit(background))
	produce(t, b, "", "c")
	for _, want := range []string{"a", "b", "c |4", ""} {
		var batch abi.Packed
		must(t, r.Poll(&batch, 1, 1<<20, 0))
		equal(t, "piece", values(t, &batch), want)
	}
}

func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBroker(map[string]int{"x": 1, "y": 1})
		r := reading(t, b, 0)
		read(t, r)
		p := started(t, b, "p")
		put(t, p, "a")
		before := time.Now()
		var batch abi.Packed
		must(t, r.Poll(&batch, 10, 1<<20, 3*time.Second))
		equal(t, "nothing after", time.Since(before), 3*time.Second)
		go func() {
			time.Sleep(time.Second)
			must(t, p.Commit(background))
		}()
		must(t, r.Poll(&batch, 10, 1<<20, time.Hour))
		equal(t, "after the commit", values(t, &batch), "a |2")
		equal(t, "at", time.Since(before), 4*time.Second)
	})
}

func TestLogReaderAddsAndDrops(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	produce(t, b, "", "a", "", "b")
	r := reading(t, b, 1)
	equal(t, "from 1", read(t, r), "b |2")
	must(t, r.Add(abi.TopicPartition{Topic: 1}, 0))
	equal(t, "again from 0", read(t, r), "a b |2")
	must(t, r.Drop(abi.TopicPartition{Topic: 1}))
	produce(t, b, "", "c")
	equal(t, "dropped", read(t, r), "")
	must(t, r.Add(abi.TopicPartition{Topic: 1}, abi.OffsetEnd))
	equal(t, "from the end", read(t, r), "|3")
	for name, err := range map[string]error{
		"drop of what is not read": r.Drop(abi.TopicPartition{}),
		"unknown topic":            r.Add(abi.TopicPartition{Topic: 2}, 0),
		"unknown partition":        r.Add(abi.TopicPartition{Topic: 1, Partition: 1}, 0),
		"no offset":                r.Add(abi.TopicPartition{Topic: 1}, -7),
		"open an unknown topic":    b.LogReader().Open(background, []string{"z"}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSeek(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1})
	produce(t, b, "", "a", "", "b", "", "c")
	b.DeleteRecords("x", 0, 1)
	c := subscribed(t, b.Consumer("g"), "x")
	var batch abi.Packed
	wants(t, c.Poll(&batch, 10, 1<<20, 0), CodeOutOfRange, Unclassified)
	for at, want := range map[int64]string{abi.OffsetBeginning: "b c |3", abi.OffsetEnd: "|3", 2: "c |3", 1: "b c |3"} {
		must(t, c.Seek(abi.TopicPartition{}, at))
		equal(t, fmt.Sprint("from ", at), c.poll(t), want)
	}
	if c.Seek(abi.TopicPartition{Partition: 1}, 0) == nil {
		t.Fatal("sought in a partition that is not owned")
	}
}

func TestOutOfRange(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	produce(t, b, "", "a", "", "b", "", "c")
	b.DeleteRecords("x", 0, 2)
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{Low: 2, LastStable: 3, High: 3})
	for _, at := range []int64{1, 4} {
		r := reading(t, b, at)
		var batch abi.Packed
		err := r.Poll(&batch, 10, 1<<20, 0)
		var where *PartitionError
		if !errors.As(err, &where) || where.Topic != "x" || !HasCode(err, CodeOutOfRange) || ClassOf(err) != Unclassified {
			t.Fatalf("at %d: %v", at, err)
		}
		equal(t, "told once", read(t, r), "")
		must(t, r.Add(abi.TopicPartition{Topic: 1}, 2))
		equal(t, "goes on", read(t, r), "c |3")
	}
	must(t, b.Purge(background, "x", map[int32]int64{0: 99}))
	equal(t, "purged", b.Bounds("x", 0), abi.Bounds{Low: 3, LastStable: 3, High: 3})
	if b.Purge(background, "x", map[int32]int64{7: 1}) == nil {
		t.Fatal("purged a partition that is not there")
	}
}

func TestDeletedRecordsOfAnOpenTransaction(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	p := started(t, b, "p")
	put(t, p, "a", "b", "c")
	b.DeleteRecords("x", 0, 2)
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{Low: 2, LastStable: 2, High: 3})
	must(t, p.Commit(background))
	equal(t, "read", read(t, reading(t, b, 2)), "c |4")
}

func TestCompact(t *testing.T) {
	for _, clean := range []bool{false, true} {
		b := NewBroker(map[string]int{"x": 1, "y": 1})
		produce(t, b, "a", "1", "b", "2", "a", "3", "b", "-") // 0..3
		p := started(t, b, "p")
		x := p.Topic("x")
		p.Append(x, 0, []byte("c"), []byte("aborted"), nil, 1) // 4, 5
		must(t, p.Flush(background))
		must(t, p.Abort(background))
		must(t, p.Begin())
		p.Append(x, 0, []byte("c"), []byte("4"), nil, 1) // 6, 7
		must(t, p.Flush(background))
		must(t, p.Commit(background))
		must(t, p.Begin())
		p.Append(x, 0, []byte("c"), []byte("5"), nil, 1) // 8
		must(t, p.Flush(background))
		produce(t, b, "a", "6") // 9
		b.Compact("x", clean)
		var got []string
		for _, e := range b.Log("x", 0) {
			got = append(got, fmt.Sprintf("%d:%s%s", e.Offset, e.Key, e.Value))
		}
		want := "[2:a3 3:b 5: 6:c4 7: 8:c5 9:a6]"
		if clean {
			want = "[2:a3 6:c4 8:c5 9:a6]"
		}
		equal(t, "entries", fmt.Sprint(got), want)
		equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{LastStable: 8, High: 10})
		values := "3  4 |8"
		if clean {
			values = "3 4 |8"
		}
		equal(t, "read", read(t, reading(t, b, 0)), values)
		must(t, p.Abort(background))
		b.Compact("x", true)
		equal(t, "read", read(t, reading(t, b, 0)), "4 6 |11")
		equal(t, "from a gap", read(t, reading(t, b, 7)), "6 |11")
		equal(t, "behind the last record", read(t, reading(t, b, 10)), "|11")
	}
}

func TestTruncate(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	produce(t, b, "", "a", "", "b", "", "c")
	p := started(t, b, "p")
	put(t, p, "d")
	b.TruncateTo("x", 0, 2)
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{LastStable: 2, High: 2})
	b.TruncateTo("x", 0, 7)
	produce(t, b, "", "e")
	must(t, p.Commit(background))
	equal(t, "read", read(t, reading(t, b, 0)), "a b e |4")
	b.DeleteRecords("x", 0, 3)
	b.TruncateTo("x", 0, 1)
	equal(t, "bounds", b.Bounds("x", 0), abi.Bounds{Low: 1, LastStable: 1, High: 1})
}

func TestIdentity(t *testing.T) {
	id := func(b *Broker, topic string) uint32 {
		t.Helper()
		i, err := b.Identity(topic)
		must(t, err)
		return i
	}
	b := NewBroker(map[string]int{"x": 1, "y": 2, "z": 1})
	again := NewBroker(map[string]int{"z": 1, "y": 2, "x": 1})
	first := id(b, "x")
	if first == 0 || first == id(b, "y") || first != id(again, "x") {
		t.Fatalf("identities %d %d %d", first, id(b, "y"), id(again, "x"))
	}
	produce(t, b, "", "a")
	b.DeleteTopic("x")
	second := id(b, "x")
	b.RecreateTopic("x", 3)
	third := id(b, "x")
	if first == second || second == third || first == third {
		t.Fatalf("identities %d %d %d", first, second, third)
	}
	equal(t, "bounds", b.Bounds("x", 2), abi.Bounds{})
	b.CreateTopic("x", 1)
	equal(t, "left alone", id(b, "x"), third)
	b.CreateTopic("new", 1)
	if id(b, "new") == 0 {
		t.Fatal("no identity")
	}
	_, err := b.Identity("none")
	wants(t, err, CodeUnknownTopic, Unclassified)
}

func TestOldHooksOfTransactions(t *testing.T) {
	b := NewBroker(map[string]int{"x": 1, "y": 1})
	must(t, b.Abort("x", 0, 2))
	end := b.Begin("x", 0)
	produce(t, b, "", "a")
	equal(t, "held", read(t, reading(t, b, 0)), "|2")
	end()
	equal(t, "ended", read(t, reading(t, b, 0)), "a |3")
}
