package hosttest

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
)

// copier copies topic x to topic y, each batch in a transaction with the
// offsets behind it: the least that exactly-once takes.
type copier struct {
	b     *Broker
	id    string
	c     *Consumer
	p     *Producer
	owned map[abi.TopicPartition]bool
	stop  <-chan struct{}
	// careless takes a commit with an unknown end for one without effect, and
	// goes back to where the batch began.
	careless bool
	batch    map[abi.TopicPartition]int64
}

func (k *copier) stopped() bool {
	select {
	case <-k.stop:
		return true
	default:
		return false
	}
}

// again repeats a call while its error is retriable.
func (k *copier) again(f func() error) error {
	for {
		err := f()
		if err == nil || ClassOf(err) != Retriable || k.stopped() {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// positions are the committed offsets; it asks until it knows.
func (k *copier) positions(parts []abi.TopicPartition) []int64 {
	offsets := make([]abi.TopicOffset, len(parts))
	at := make([]int64, len(parts))
	for i, p := range parts {
		offsets[i].TopicPartition = p
	}
	for k.c.Committed(background, offsets) != nil && !k.stopped() {
		time.Sleep(100 * time.Millisecond)
	}
	for i, o := range offsets {
		at[i] = max(o.Offset, 0)
	}
	return at
}

func (k *copier) run(t *testing.T) {
	must(t, k.c.Subscribe([]string{"x"}, func(parts []abi.TopicPartition) []int64 {
		for _, p := range parts {
			k.owned[p] = true
		}
		return k.positions(parts)
	}, func(parts []abi.TopicPartition, _ bool) {
		for _, p := range parts {
			delete(k.owned, p)
		}
	}))
	for !k.stopped() {
		if err := k.step(); err != nil {
			k.recover(err)
		}
	}
	_ = k.c.Close()
	if k.p != nil {
		_ = k.p.Close()
	}
}

func (k *copier) step() error {
	if k.p == nil {
		k.p = k.b.TransactionalProducer(k.id)
		if err := k.p.Init(background); err != nil {
			return err
		}
		if k.careless && k.batch != nil {
			k.seek(k.batch)
		} else {
			k.rewind()
		}
	}
	var b abi.Packed
	if err := k.c.Poll(&b, 5, 1<<20, time.Second); err != nil || len(b.Runs) == 0 {
		return nil
	}
	if err := k.p.Begin(); err != nil {
		return err
	}
	var next []abi.TopicOffset
	k.batch = map[abi.TopicPartition]int64{}
	y := k.p.Topic("y")
	for _, run := range b.Runs {
		k.batch[abi.TopicPartition{Partition: run.Partition}] = run.BaseOffset
		r := abi.NewReader(b.Buf[run.Start:run.End])
		for range run.Count {
			var rec abi.Record
			abi.ReadRecord(&r, &rec)
			k.p.Append(y, run.Partition, nil, rec.Value, nil, 1)
		}
		next = append(next, abi.TopicOffset{TopicPartition: abi.TopicPartition{Partition: run.Partition}, Offset: run.LastOffset + 1})
	}
	if err := k.again(func() error { return k.p.Flush(background) }); err != nil {
		return err
	}
	if k.c.Lost() {
		return NewError(Abortable, "lost")
	}
	group, err := k.c.GroupMetadata()
	if err != nil {
		return err
	}
	if err := k.again(func() error { return k.p.SendOffsets(background, group, []string{"x"}, next) }); err != nil {
		return err
	}
	return k.again(func() error { return k.p.Commit(background) })
}

func (k *copier) recover(err error) {
	k.p.Discard()
	if ClassOf(err) == Abortable && k.again(func() error { return k.p.Abort(background) }) == nil {
		k.rewind()
		return
	}
	_ = k.p.Close()
	k.p = nil
	time.Sleep(50 * time.Millisecond)
}

func (k *copier) place() map[abi.TopicPartition]int64 {
	var parts []abi.TopicPartition
	for p := range k.owned {
		parts = append(parts, p)
	}
	at := map[abi.TopicPartition]int64{}
	for i, o := range k.positions(parts) {
		at[parts[i]] = o
	}
	return at
}

func (k *copier) seek(at map[abi.TopicPartition]int64) {
	for p, o := range at {
		_ = k.c.Seek(p, o) // a partition that is lost is given up in the next poll
	}
}

func (k *copier) rewind() { k.seek(k.place()) }

// schedule runs copiers among faults and says what came out wrong.
func schedule(t *testing.T, seed uint64, careless bool) (wrong string) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	luck := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
	b := NewBroker(map[string]int{"x": 3, "y": 3})
	b.Eager = luck(2) == 0
	b.TransactionTimeout = 20 * time.Second
	b.MarkerDelay = func(string, int32) time.Duration { return time.Duration(luck(4)/2*luck(300)) * time.Millisecond }
	var calm atomic.Bool
	b.Before = func(c Call) error {
		if calm.Load() || luck(15) > 0 {
			return nil
		}
		switch c.Op {
		case OpFlush, OpInit, OpSendOffsets, OpCommitTxn, OpAbortTxn:
		default:
			return nil
		}
		if luck(3) == 0 {
			time.Sleep(time.Duration(luck(30)) * time.Second) // a zombie, perhaps
			return nil
		}
		err := NewError(Class(luck(4)), c.Op+" failed")
		if luck(2) == 0 {
			return &LateError{Err: err, After: time.Duration(luck(2000)) * time.Millisecond}
		}
		return err
	}
	b.After = func(c Call, err error) error {
		if c.Op == OpCommitTxn && err == nil && luck(10) == 0 && !calm.Load() {
			return []error{NewError(Retriable, "no answer"), errors.New("no answer"), NewError(Fatal, "no answer"), context.DeadlineExceeded}[luck(4)]
		}
		return err
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var all []*copier
	start := func(id int) {
		k := &copier{b: b, id: fmt.Sprint("w", id), c: b.Consumer("g"), owned: map[abi.TopicPartition]bool{}, stop: stop, careless: careless}
		all = append(all, k)
		wg.Go(func() { k.run(t) })
	}
	start(0)
	start(1)
	n := 0
	for round := range 30 {
		for range luck(8) {
			if _, err := b.Produce(Record{Topic: "x", Partition: int32(n % 3), Value: fmt.Append(nil, n)}); err != nil {
				t.Fatal(err)
			}
			n++
		}
		time.Sleep(time.Duration(luck(1500)) * time.Millisecond)
		switch k := all[luck(len(all))]; luck(8) {
		case 0:
			k.c.Expel()
		case 1:
			k.c.Forget()
		}
		if round == 10 {
			start(2)
		}
	}
	calm.Store(true)
	time.Sleep(5 * time.Minute)
	var got []int
	for p := range int32(3) {
		last := -1
		for _, r := range b.View("y", p) {
			var v int
			fmt.Sscan(string(r.Value), &v)
			if v <= last {
				wrong = fmt.Sprintf("y[%d]: %d after %d", p, v, last)
			}
			last = v
			got = append(got, v)
		}
	}
	if wrong == "" && len(got) != n {
		wrong = fmt.Sprintf("%d records of %d", len(got), n)
	}
	close(stop)
	wg.Wait()
	return wrong
}

// TestACopierIsExactlyOnce: what Kafka promises suffices, whatever fails, for
// a program that follows the rules; and the schedules are such that one which
// does not is found out. SLIPHOST_SEED repeats one.
func TestACopierIsExactlyOnce(t *testing.T) {
	found := false
	for range 15 {
		seed := rand.Uint64()
		if s, err := strconv.ParseUint(os.Getenv("SLIPHOST_SEED"), 10, 64); err == nil {
			seed = s
		}
		synctest.Test(t, func(t *testing.T) {
			if wrong := schedule(t, seed, false); wrong != "" {
				t.Errorf("SLIPHOST_SEED=%d: %s", seed, wrong)
			}
		})
		synctest.Test(t, func(t *testing.T) { found = schedule(t, seed, true) != "" || found })
	}
	if !found && os.Getenv("SLIPHOST_SEED") == "" {
		t.Error("a careless copier was not found out")
	}
}
