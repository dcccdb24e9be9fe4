package host

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// unsureConsumer tells unknown ends the first times it is asked.
type unsureConsumer struct {
	*hosttest.Consumer
	left int
}

func (c *unsureConsumer) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	b, err := c.Consumer.Bounds(ctx, parts)
	if c.left--; c.left >= 0 {
		for i := range b {
			b[i] = abi.Bounds{Low: 0, LastStable: abi.OffsetNone, High: abi.OffsetNone}
		}
	}
	return b, err
}

// TestUnknownEndsMoveNoPosition restarts a group whose committed offset lies
// behind what an unsure broker calls the end: nothing is processed again.
func TestUnknownEndsMoveNoPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "b")
		for range 2 {
			h := New(onePlan(OnError{}), Options{UntilIdle: true}, []int{0}, 0, Backends{
				Consumer: func(context.Context, int, int) (Consumer, error) {
					return &unsureConsumer{Consumer: b.Consumer("app"), left: 3}, nil
				},
				Producer: func(context.Context, int, int) (Producer, error) { return b.Producer(), nil },
				Invoker: func(context.Context, int, int, module.State) (Invoker, error) {
					return newFakeInvoker([]fakeFunc{passThrough}), nil
				},
				Clock: realClock{},
			}, discard)
			if err := runIdle(t, h); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(b.Records("out")); n != 2 {
			t.Errorf("%d records came out, want 2", n)
		}
	})
}
