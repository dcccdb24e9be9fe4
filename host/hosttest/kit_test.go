package hosttest

import (
	"context"
	"fmt"
	"strings"

	"github.com/sliphost/sliphost/abi"
)

// tb is a test, or a check of package rapid.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var background = context.Background()

// must fails the test on an error.
func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails the test unless err has a code and a class.
func wants(t tb, err error, code Code, class Class) {
	t.Helper()
	if err == nil || !HasCode(err, code) || ClassOf(err) != class {
		t.Fatalf("got error %v of class %d, want %s of class %d", err, ClassOf(err), code, class)
	}
}

// started returns an initialised producer with an open transaction.
func started(t tb, b *Broker, id string) *Producer {
	t.Helper()
	p := b.TransactionalProducer(id)
	must(t, p.Init(background))
	must(t, p.Begin())
	return p
}

// put appends values to partition 0 of topic x and flushes them.
func put(t tb, p *Producer, values ...string) {
	t.Helper()
	stage(p, 0, values...)
	must(t, p.Flush(background))
}

func stage(p *Producer, partition int32, values ...string) {
	x := p.Topic("x")
	for _, v := range values {
		p.Append(x, partition, nil, []byte(v), nil, 1)
	}
}

// view is what committed readers see of x[0], as one line.
func view(b *Broker) string { return line(b.View("x", 0)) }

func line(recs []Record) string {
	var all []string
	for _, r := range recs {
		all = append(all, string(r.Value))
	}
	return strings.Join(all, " ")
}

// offsets are offsets of topic 0, by partition.
func offsets(at ...int64) []abi.TopicOffset {
	var all []abi.TopicOffset
	for i, o := range at {
		all = append(all, abi.TopicOffset{TopicPartition: abi.TopicPartition{Partition: int32(i)}, Offset: o, Metadata: fmt.Sprint("m", o)})
	}
	return all
}

// watch is a consumer that notes what it owns and what happens to it.
type watch struct {
	*Consumer
	owned map[abi.TopicPartition]bool
	log   []string
	// onRevoke runs inside the callback.
	onRevoke func()
}

func subscribed(t tb, c *Consumer, topics ...string) *watch {
	t.Helper()
	w := &watch{Consumer: c, owned: map[abi.TopicPartition]bool{}}
	must(t, c.Subscribe(topics, func(parts []abi.TopicPartition) []int64 {
		w.log = append(w.log, "+"+names(parts))
		for _, p := range parts {
			w.owned[p] = true
		}
		return nil
	}, func(parts []abi.TopicPartition, lost bool) {
		sign := "-"
		if lost {
			sign = "!"
		}
		w.log = append(w.log, sign+names(parts))
		if w.onRevoke != nil {
			w.onRevoke()
		}
		for _, p := range parts {
			delete(w.owned, p)
		}
	}))
	return w
}

func names(parts []abi.TopicPartition) string {
	var all []string
	for _, p := range parts {
		all = append(all, fmt.Sprintf("%d/%d", p.Topic, p.Partition))
	}
	return strings.Join(all, ",")
}

// poll polls without waiting and returns the values delivered.
func (w *watch) poll(t tb) string {
	t.Helper()
	var b abi.Packed
	must(t, w.Poll(&b, 1000, 1<<20, 0))
	return values(t, &b)
}

// events returns what happened since the last call.
func (w *watch) events() string {
	s := strings.Join(w.log, " ")
	w.log = nil
	return s
}

// values are the values of a batch, and its ends as "|offset".
func values(t tb, b *abi.Packed) string {
	t.Helper()
	var all []string
	for _, run := range b.Runs {
		r := abi.NewReader(b.Buf[run.Start:run.End])
		for range run.Count {
			var rec abi.Record
			abi.ReadRecord(&r, &rec)
			if r.Err() != nil {
				t.Fatal(r.Err())
			}
			all = append(all, string(rec.Value))
		}
	}
	for _, e := range b.Ends {
		all = append(all, fmt.Sprintf("|%d", e.Offset))
	}
	return strings.Join(all, " ")
}

// metadata is a consumer's membership.
func metadata(t tb, c *Consumer) []byte {
	t.Helper()
	m, err := c.GroupMetadata()
	must(t, err)
	return m
}

func equal[T comparable](t tb, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
