package host

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// fakeFunc stands in for a handler: it emits or fails. errTrap traps.
type fakeFunc func(rec *abi.Record, emit func(abi.Output)) error

var errTrap = errors.New("trap")

// guestError is an error reply with a code of its own.
type guestError struct {
	code  abi.ErrorCode
	after int64
}

func (e guestError) Error() string { return "asked for" }

// fakeInvoker runs functions in place of a module, through the same messages.
type fakeInvoker struct {
	funcs []fakeFunc
	stop  *atomic.Bool
	calls int
	reply []byte
}

func (f *fakeInvoker) Process(_ context.Context, handler, count int32, head, records []byte) ([]byte, int32, error) {
	f.calls++
	r := abi.NewReader(append(head[:len(head):len(head)], records...))
	var h abi.BatchHeader
	abi.ReadBatchHeader(&r, &h)
	if r.Err() != nil || h.Count != count {
		return nil, 0, errors.New("the batch cannot be read")
	}
	f.reply = f.reply[:0]
	for i := range count {
		var rec abi.Record
		abi.ReadRecord(&r, &rec)
		if r.Err() != nil {
			return nil, 0, r.Err()
		}
		var outs []byte
		n := 0
		err := f.funcs[handler](&rec, func(o abi.Output) { outs = abi.AppendOutput(outs, &o); n++ })
		var ge guestError
		switch {
		case errors.Is(err, errTrap):
			return f.reply, i, &module.TrapError{Module: "fake", Kind: module.TrapUnreachable, Guilty: i}
		case errors.As(err, &ge):
			f.reply = abi.AppendResultError(f.reply, i, ge.code, ge.Error(), ge.after)
		case err != nil:
			f.reply = abi.AppendResultError(f.reply, i, abi.CodeFailed, err.Error(), 0)
		case n > 0:
			f.reply = append(abi.AppendResult(f.reply, i, abi.StatusOK, n), outs...)
		}
		if f.stop.Load() {
			return f.reply, i + 1, nil
		}
	}
	if r.Len() > 0 {
		return nil, 0, errors.New("bytes behind the last record")
	}
	return f.reply, count, nil
}

func (f *fakeInvoker) RequestStop()                { f.stop.Store(true) }
func (f *fakeInvoker) Renew()                      {}
func (f *fakeInvoker) Close(context.Context) error { return nil }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }
func (realClock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// fakeHost makes a host over an in-memory broker with one module of funcs.
func fakeHost(t testing.TB, b *hosttest.Broker, plan *Plan, opts Options, workers int, funcs []fakeFunc) *Host {
	t.Helper()
	clusters := make([]int, workers)
	return New(plan, opts, clusters, 0, Backends{
		Consumer: func(context.Context, int, int) (Consumer, error) { return b.Consumer(plan.App), nil },
		Producer: func(context.Context, int, int) (Producer, error) { return b.Producer(), nil },
		Invoker: func(context.Context, int, int, module.State) (Invoker, error) {
			return newFakeInvoker(funcs), nil
		},
		Clock: realClock{},
	}, discard)
}

var discard = slog.New(slog.DiscardHandler)

func newFakeInvoker(funcs []fakeFunc) *fakeInvoker {
	return &fakeInvoker{funcs: funcs, stop: new(atomic.Bool)}
}

// runIdle runs h until its inputs are drained.
func runIdle(t testing.TB, h *Host) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return h.Run(ctx)
}

// topicSource makes a source for a topic of the same name.
func topicSource(name string) Source { return Source{ID: name, Kind: SourceTopic, Topic: name} }

// topicSink makes a sink for a topic of the same name.
func topicSink(name string) Sink { return Sink{ID: name, Kind: SinkTopic, Topic: name} }
