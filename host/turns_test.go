package host

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// shredder is a consumer whose polls bring each partition in several runs that
// alternate, as a client's queues may.
type shredder struct{ *hosttest.Consumer }

func (c shredder) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	err := c.Consumer.Poll(b, maxRecords, maxBytes, wait)
	var cut [][]abi.Run
	for _, run := range b.Runs {
		var pieces []abi.Run
		for run.Count > 3 {
			wire := b.Buf[run.Start:run.End]
			piece := run
			piece.Count = 3
			piece.LastOffset = nextOffset(&run, wire, 3) - 1
			piece.End = run.Start + prefixBytes(wire, 3)
			run.Start, run.Count = piece.End, run.Count-3
			pieces = append(pieces, piece)
		}
		cut = append(cut, append(pieces, run))
	}
	b.Runs = b.Runs[:0]
	for i := 0; ; i++ {
		n := len(b.Runs)
		for _, pieces := range cut {
			if i < len(pieces) {
				b.Runs = append(b.Runs, pieces[i])
			}
		}
		if len(b.Runs) == n {
			return err
		}
	}
}

// twoInputsPlan has two topics whose handler counts in one cache; with replays
// the second one brings dead letters back.
func twoInputsPlan() *Plan {
	p := countPlan()
	in := topicSource("in2")
	in.Handlers = []HandlerSource{{Handler: 0, Position: 1}}
	p.Sources = append(p.Sources, in)
	p.Subs[0].Inputs = []int{0, 1}
	return p
}

// runTwoInputs puts records with the given timestamps into both topics and
// returns what the handler saw, in its order.
func runTwoInputs(t *testing.T, plan *Plan, stamps map[string][]int64) []string {
	t.Helper()
	b := hosttest.NewBroker(map[string]int{"in": 1, "in2": 1, "out": 1, "app-counts-changelog": 1})
	for _, topic := range []string{"in", "in2"} {
		for i, ts := range stamps[topic] {
			if _, err := b.Produce(hosttest.Record{Topic: topic, Key: []byte("k"), Value: fmt.Appendf(nil, "%s-%03d", topic, i), Timestamp: ts}); err != nil {
				t.Fatal(err)
			}
		}
	}
	echo := func(c *fakeCall, rec *abi.Record) error {
		c.put(0, "last", string(rec.Value))
		c.emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: rec.Value})
		return nil
	}
	l := &life{b, "h", state.NewMemory()}
	bk := l.backends(t, plan, []statefulFunc{echo})
	consumer := bk.Consumer
	bk.Consumer = func(ctx context.Context, cluster, w int) (Consumer, error) {
		c, err := consumer(ctx, cluster, w)
		return shredder{c.(*hosttest.Consumer)}, err
	}
	h := New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	return values(b.Records("out"))
}

// Within a partition the offsets are the order, whatever the timestamps say and
// however a poll cuts it; between partitions of a task the timestamps are.
func TestInputsKeepTheirOrderWhileTheyTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var falling, rising []int64
		for i := range int64(40) {
			falling, rising = append(falling, 1000-7*i), append(rising, 600+11*i)
		}
		got := runTwoInputs(t, twoInputsPlan(), map[string][]int64{"in": falling, "in2": rising})
		if len(got) != 80 {
			t.Fatalf("%d of 80 records came out", len(got))
		}
		next := map[string]int{}
		for i, v := range got {
			topic, _, _ := strings.Cut(v, "-")
			if want := fmt.Sprintf("%s-%03d", topic, next[topic]); v != want {
				t.Fatalf("output %d is %s, want %s", i, v, want)
			}
			next[topic]++
		}
		// in begins at 1000: what in2 has before that goes first.
		for i := range 36 {
			if want := fmt.Sprintf("in2-%03d", i); got[i] != want {
				t.Fatalf("output %d is %s, want %s, the earlier one", i, got[i], want)
			}
		}
	})
}

// Letters that come back are old; the records of the topic do not wait for
// them, nor they for those.
func TestLettersTakeNoTurns(t *testing.T) {
	plan := twoInputsPlan()
	plan.Sources[1].Replays = []int{0}
	w := newWorker(New(plan, Options{}, nil, 0, Backends{}, discard), 0, 0)
	task := running()
	for source := range plan.Sources {
		task.inputs = append(task.inputs, &input{task: task, source: source})
	}
	for _, in := range task.inputs {
		if w.takesTurns(in) {
			t.Errorf("%s takes turns", plan.Sources[in.source].ID)
		}
	}
	plan.Sources[1].Replays = nil
	for _, in := range task.inputs {
		if !w.takesTurns(in) {
			t.Errorf("%s takes no turns without letters", plan.Sources[in.source].ID)
		}
	}
}
