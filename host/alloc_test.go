package host

import (
	"context"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module"
)

// sinkhole is a producer that takes everything.
type sinkhole struct {
	Transactions
	n int
}

func (*sinkhole) Topic(string) int32                           { return 0 }
func (s *sinkhole) Append(_, _ int32, _, _, _ []byte, _ int64) { s.n++ }
func (*sinkhole) Send(context.Context) error                   { return nil }
func (*sinkhole) Flush(context.Context) error                  { return nil }
func (*sinkhole) Discard()                                     {}
func (*sinkhole) Delivered(int32, int32) int64                 { return abi.OffsetNone }
func (*sinkhole) Close() error                                 { return nil }

// In steady state neither a record nor a batch allocates: not on its way
// through a handler, and not on a second way through a proxy.
func TestDispatchAllocatesNothing(t *testing.T) {
	for _, n := range []int{1, 64, 1024} {
		for name, plan := range map[string]*Plan{"one handler": onePlan(OnError{}), "a proxy": proxyPlan(OnError{})} {
			for _, trace := range []bool{false, true} {
				var headers, wire []byte
				if trace {
					headers = abi.AppendArrayHeader(nil, 1)
					headers = abi.AppendHeader(headers, "traceparent", []byte("00-abc"))
				}
				for i := range n {
					wire = abi.AppendRecord(wire, int64(i), 0, []byte("k"), []byte("value"), headers)
				}
				reply := passReply(int32(n))
				sink := &sinkhole{}
				h := New(plan, Options{}, []int{0}, 0, Backends{
					Producer: func(context.Context, int, int) (Producer, error) { return sink, nil },
					Invoker: func(context.Context, int, int, module.State) (Invoker, error) {
						return &scripted{script: func(_ int, count int32) ([]byte, int32, error) { return reply, count, nil }}, nil
					},
					Clock: realClock{},
				}, discard)
				w := h.workers[0]
				w.topics = nil // no consumer: the batch is handed over here
				ctx := context.Background()
				if err := w.open(ctx); err != nil {
					t.Fatal(err)
				}
				tk := &input{task: running()}
				head := abi.BatchHeader{Count: int32(n)}
				a := testing.AllocsPerRun(50, func() {
					if done, _, err := w.dispatch(ctx, tk, head, wire); done != n || err != nil {
						t.Fatal(done, err)
					}
				})
				if a != 0 {
					t.Errorf("%s, %d records, headers %v: %.0f allocations a batch", name, n, trace, a)
				}
				if sink.n != 51*n { // AllocsPerRun warms up with one run
					t.Errorf("%s: %d outputs of %d records", name, sink.n, 51*n)
				}
				w.close(ctx)
			}
		}
	}
}

// A worker's round goes through its tasks without a new list.
func TestRetriesAllocateNothing(t *testing.T) {
	w := &worker{inputs: map[abi.TopicPartition]*input{}}
	for p := range int32(20) {
		w.inputs[abi.TopicPartition{Partition: p}] = &input{task: running()}
	}
	w.relist()
	ctx := context.Background()
	now := realClock{}.Now()
	if a := testing.AllocsPerRun(50, func() {
		if err := w.retries(ctx, now); err != nil {
			t.Fatal(err)
		}
	}); a != 0 {
		t.Errorf("%.0f allocations", a)
	}
}

// Replies that grow with each batch leave no trail of outgrown chunks.
func TestTheArenaOfGrowingRepliesStaysSmall(t *testing.T) {
	var a arena
	largest := 4 * arenaChunk
	for n := arenaChunk; n < largest; n += 16 << 10 {
		a.reset()
		a.copy(make([]byte, n))
	}
	total := 0
	for _, c := range a.chunks {
		total += cap(c)
	}
	if total > 2*largest {
		t.Errorf("%d MiB in %d chunks held for a largest reply of 4 MiB", total>>20, len(a.chunks))
	}
}
