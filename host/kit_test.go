package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// fakeBackends connects a host to one broker per cluster and one fake module
// per list of functions; tests replace what they need otherwise.
func fakeBackends(plan *Plan, brokers []*hosttest.Broker, modules ...[]fakeFunc) Backends {
	return Backends{
		Consumer: func(_ context.Context, c, _ int) (Consumer, error) { return brokers[c].Consumer(plan.App), nil },
		Producer: func(_ context.Context, c, _ int) (Producer, error) { return brokers[c].Producer(), nil },
		Invoker: func(_ context.Context, m, _ int, _ module.State) (Invoker, error) {
			return newFakeInvoker(modules[m]), nil
		},
		Clock: realClock{},
	}
}

func one(b *hosttest.Broker) []*hosttest.Broker { return []*hosttest.Broker{b} }

// start runs h; the channel delivers what Run returned.
func start(h *Host) <-chan error {
	done := make(chan error, 1)
	go func() { done <- h.Run(context.Background()) }()
	return done
}

// endsWithin returns what a host's Run returns, and fails the test with the
// host's status when that takes longer than d.
func endsWithin(t testing.TB, h *Host, done <-chan error, d time.Duration) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		s := h.Status()
		h.Drain()
		<-done
		t.Fatalf("still running after %s: %+v", d, s)
		return nil
	}
}

// after lets d pass; when it returns every goroutine of the bubble waits, and
// what they wrote may be read.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// drained ends a host and wants no error.
func drained(t testing.TB, h *Host, done <-chan error) {
	t.Helper()
	h.Drain()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// seeded is a source of numbers that goroutines may share.
type seeded struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newSeeded(seed, stream uint64) *seeded {
	return &seeded{rnd: rand.New(rand.NewPCG(seed, stream))}
}

func (s *seeded) IntN(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.IntN(n)
}

// schedules returns the seeds of a chaos test: SLIPHOST_SEED alone if set,
// otherwise SLIPHOST_SCHEDULES random ones, n by default.
func schedules(t testing.TB, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("SLIPHOST_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("SLIPHOST_SEED: %v", err)
		}
		return []uint64{seed}
	}
	if s := os.Getenv("SLIPHOST_SCHEDULES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("SLIPHOST_SCHEDULES: %v", err)
		}
	}
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = rand.Uint64()
	}
	return seeds
}

// watched is a consumer that counts what it delivers and how often it is
// paused and resumed.
type watched struct {
	*hosttest.Consumer
	bytes, pauses, resumes atomic.Int64
}

func (c *watched) Poll(b *abi.Packed, n, m int, wait time.Duration) error {
	err := c.Consumer.Poll(b, n, m, wait)
	c.bytes.Add(int64(len(b.Buf)))
	return err
}

func (c *watched) Pause(parts []abi.TopicPartition) error {
	c.pauses.Add(1)
	return c.Consumer.Pause(parts)
}

func (c *watched) Resume(parts []abi.TopicPartition) error {
	c.resumes.Add(1)
	return c.Consumer.Resume(parts)
}

// watchedHost is fakeHost with one worker, whose consumer is watched.
func watchedHost(b *hosttest.Broker, plan *Plan, opts Options, funcs []fakeFunc) (*Host, *watched) {
	c := &watched{Consumer: b.Consumer(plan.App)}
	bk := fakeBackends(plan, one(b), funcs)
	bk.Consumer = func(context.Context, int, int) (Consumer, error) { return c, nil }
	return New(plan, opts, []int{0}, 0, bk, discard), c
}

// fileSource is a connector with n numbered lines; the last poll says eof.
// What Commit stored is in committed.
type fileSource struct {
	at, n, committed int64
}

func (f *fileSource) Poll(b *abi.Packed, maxRecords, _ int) (eof bool, err error) {
	b.Reset()
	run := abi.Run{BaseOffset: f.at, BaseTimestamp: 1}
	for i := 0; i < maxRecords && f.at < f.n; i++ {
		b.Buf = abi.AppendRecord(b.Buf, f.at-run.BaseOffset, 0, nil, fmt.Appendf(nil, "%d", f.at), nil)
		run.LastOffset = f.at
		run.Count++
		f.at++
	}
	run.End = len(b.Buf)
	if run.Count > 0 {
		b.Runs = append(b.Runs, run)
	}
	return f.at >= f.n, nil
}
func (f *fileSource) Ready() <-chan struct{} { return nil }
func (f *fileSource) Commit(at int64) error  { f.committed = at; return nil }
func (f *fileSource) Close() error           { return nil }

// fileHost makes a host whose one source is the connector c.
func fileHost(b *hosttest.Broker, plan *Plan, opts Options, c ConnectorSource, funcs []fakeFunc) *Host {
	plan.Sources[0] = Source{ID: "file:x", Kind: SourceConnector, Batch: plan.Sources[0].Batch, Handlers: plan.Sources[0].Handlers}
	bk := fakeBackends(plan, one(b), funcs)
	bk.Source = func(context.Context, int) (ConnectorSource, error) { return c, nil }
	return New(plan, opts, []int{0}, 0, bk, discard)
}

// scripted answers each call with what the script says; calls counts them.
type scripted struct {
	calls  int
	closed bool
	script func(call int, count int32) (reply []byte, done int32, err error)
}

func (s *scripted) Process(_ context.Context, _, count int32, _, _ []byte) ([]byte, int32, error) {
	s.calls++
	return s.script(s.calls, count)
}
func (s *scripted) RequestStop()                {}
func (s *scripted) Renew()                      {}
func (s *scripted) Close(context.Context) error { s.closed = true; return nil }

// passReply is the reply of a pass-through to count records.
func passReply(count int32) []byte {
	var reply []byte
	for i := range count {
		reply = okReply(reply, i, "out")
	}
	return reply
}

// okReply appends a result with one output for every sink.
func okReply(reply []byte, index int32, value string) []byte {
	reply = abi.AppendResult(reply, index, abi.StatusOK, 1)
	return abi.AppendOutput(reply, &abi.Output{Sink: abi.EverySink, Value: []byte(value)})
}

// moreReply appends a piece of a result, with one output for every sink.
func moreReply(reply []byte, index int32, value string) []byte {
	reply = abi.AppendResult(reply, index, abi.StatusMore, 1)
	return abi.AppendOutput(reply, &abi.Output{Sink: abi.EverySink, Value: []byte(value)})
}

func guilty(i int32) error {
	return &module.TrapError{Module: "fake", Kind: module.TrapUnreachable, Guilty: i}
}

var errNo = errors.New("no")

// running is a task that has begun.
func running() *task { return &task{streamTime: -1, phase: taskRunning} }
