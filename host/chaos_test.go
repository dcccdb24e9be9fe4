package host

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// TestNothingIsLostWhateverHappens runs schedules of all that may happen at
// once: hosts come and go, records fail, trap, ask for a retry or cannot be
// decoded, modules break, members are expelled, clients fail for a while or
// for good, outputs are refused, readers stop, transactions are aborted. In
// the end, every record has come out of each handler or is a dead letter of
// it; a schedule without faults of brokers doubles nothing, and where no
// output is refused the order of first arrivals is that of each partition.
//
// SLIPHOST_SCHEDULES sets their number, SLIPHOST_SEED repeats one.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	seeds := schedules(t, 60)
	bad := 0
	for _, seed := range seeds {
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = newChaos(t, seed).run() })
		if wrong == "" {
			continue
		}
		t.Errorf("SLIPHOST_SEED=%d: %s", seed, wrong)
		if bad++; bad == 5 {
			break
		}
	}
}

// chaos is one schedule.
type chaos struct {
	t                              *testing.T
	seed                           uint64
	rnd                            *seeded // of the schedule: one goroutine
	luck                           *seeded // of everything else
	b                              *hosttest.Broker
	plan                           *Plan
	expel, faults, refuse, readers bool

	mu        sync.Mutex
	tries     map[string]int
	consumers []*hosttest.Consumer

	members     []*member
	total       int
	undecodable map[int]bool
}

type member struct {
	h    *Host
	done <-chan error
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{t: t, seed: seed, rnd: newSeeded(seed, 1), luck: newSeeded(seed, 2), tries: map[string]int{}, undecodable: map[int]bool{}}
	c.b = hosttest.NewBroker(map[string]int{"in": 2, "in2": 2, "out": 1, "out2": 1, "out3": 1, "dead": 1})
	c.expel, c.faults, c.refuse, c.readers = c.rnd.IntN(3) == 0, c.rnd.IntN(3) == 0, c.rnd.IntN(3) == 0, c.rnd.IntN(3) == 0
	left := 40 // the hooks below are called with the broker locked
	c.b.Fault = func(op string) error {
		if !c.faults || left == 0 || c.luck.IntN(12) > 0 {
			return nil
		}
		left--
		err := clientError{errors.New(op + " failed"), c.luck.IntN(8) == 0}
		if op == "flush" && c.luck.IntN(2) == 0 {
			return clientError{&hosttest.LostError{Kept: c.luck.IntN(20), Err: err}, err.fatal}
		}
		return err
	}
	refusals, stops := 30, 10
	c.b.Refuse = func(r hosttest.Record) error {
		if !c.refuse || strings.HasPrefix(r.Topic, "in") || refusals == 0 || c.luck.IntN(60) > 0 {
			return nil
		}
		refusals--
		return errors.New("refused")
	}
	c.b.Unreadable = func(string, int32) error {
		if !c.readers || stops == 0 || c.luck.IntN(20) > 0 {
			return nil
		}
		stops--
		return errors.New("cannot be read")
	}
	c.network()
	return c
}

// network is in, in2 -> a -> out, p, q; p -> b -> out2, q; in -> d -> q;
// q -> c -> out3. A value grows by the name of each handler it passes.
func (c *chaos) network() {
	js, _ := codec.ByName("json")
	s1, s2 := topicSource("in"), topicSource("in2")
	s1.Value, s2.Value = js, js
	p, q := Sink{ID: "p", Kind: SinkProxy, Proxy: 2}, Sink{ID: "q", Kind: SinkProxy, Proxy: 3}
	out := func(name string) Sink { s := topicSink(name); s.Value = js; return s }
	dlq := func() OnError {
		return OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 4 + c.rnd.IntN(3), Backoff: time.Duration(1+c.rnd.IntN(200)) * time.Millisecond}
	}
	c.plan = &Plan{App: "app", Clusters: []string{"default"}, Modules: []string{"fake", "fake2"}, Proxies: []int{2, 3}}
	c.plan.Sources = []Source{s1, s2, {ID: "p", Kind: SourceProxy}, {ID: "q", Kind: SourceProxy}}
	c.plan.Handlers = []Handler{
		{ID: "a", Sinks: []Sink{out("out"), p, q}, OnError: dlq()},
		{ID: "b", Module: 1, Sinks: []Sink{out("out2"), q}, OnError: dlq()},
		{ID: "c", Binding: 1, Sinks: []Sink{out("out3")}, OnError: dlq()},
		{ID: "d", Binding: 2, Sinks: []Sink{q}, OnError: dlq()},
	}
	c.plan.Sources[0].Handlers = []HandlerSource{{Handler: 0}, {Handler: 3}}
	c.plan.Sources[1].Handlers = []HandlerSource{{Handler: 0, Position: 1}}
	c.plan.Sources[2].Handlers = []HandlerSource{{Handler: 1}}
	c.plan.Sources[3].Handlers = []HandlerSource{{Handler: 2}}
}

// text is a value in the guest's form, or as it is in a topic, without its
// dress: "12.ab" is record 12 behind handlers a and b.
func text(v []byte) string {
	if len(v) > 0 && v[0] >= 0xa0 && v[0] < 0xc0 {
		v = v[1:]
	}
	return strings.Trim(string(v), `"!`)
}

// handler fails some records a few times and some for ever, by their value.
func (c *chaos) handler(id string) fakeFunc {
	return func(rec *abi.Record, emit func(abi.Output)) error {
		v := text(rec.Value)
		emit(abi.Output{Sink: abi.EverySink, Value: abi.AppendStr(nil, v+id)})
		c.mu.Lock()
		defer c.mu.Unlock()
		k := id + v
		c.tries[k]++
		h := fnv.New64a()
		fmt.Fprintf(h, "%d/%s", c.seed, v)
		switch x := h.Sum64() % 30; {
		case x == 0 && c.tries[k] < 3:
			return errors.New("try again")
		case x == 1 && c.tries[k] < 4:
			return errTrap
		case x == 2 && c.tries[k] < 5:
			return guestError{code: abi.CodeRetry, after: int64(1 + len(k)*13)}
		case x == 3 && id == "c":
			return errors.New("never")
		case x == 4 && id == "b":
			return errTrap
		}
		return nil
	}
}

// moody is an instance that traps without a guilty record and breaks.
type moody struct {
	*fakeInvoker
	luck *seeded
}

func (m *moody) Process(ctx context.Context, handler, count int32, head, records []byte) ([]byte, int32, error) {
	x := m.luck.IntN(40)
	if x == 0 && count > 1 {
		return nil, 0, &module.TrapError{Module: "m", Guilty: -1}
	}
	reply, done, err := m.fakeInvoker.Process(ctx, handler, count, head, records)
	switch {
	case err != nil:
	case x == 1 && done == count:
		return reply, done, &module.TrapError{Module: "m", Guilty: -1}
	case x == 2:
		return nil, 0, errors.New("broken")
	}
	return reply, done, err
}

func (c *chaos) join() {
	bk := fakeBackends(c.plan, one(c.b))
	bk.Consumer = func(context.Context, int, int) (Consumer, error) {
		k := c.b.Consumer("app")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.consumers = append(c.consumers, k)
		return k, nil
	}
	modules := [][]fakeFunc{{c.handler("a"), c.handler("c"), c.handler("d")}, {c.handler("b")}}
	bk.Invoker = func(_ context.Context, m, _ int, _ module.State) (Invoker, error) {
		return &moody{newFakeInvoker(modules[m]), c.luck}, nil
	}
	opts := Options{MaxRecords: 1 + c.rnd.IntN(20), CommitInterval: time.Duration(1+c.rnd.IntN(400)) * time.Millisecond}
	h := New(c.plan, opts, make([]int, 1+c.rnd.IntN(2)), 0, bk, discard)
	c.members = append(c.members, &member{h, start(h)})
}

func (c *chaos) leave(i int) {
	c.members[i].h.Drain()
	<-c.members[i].done // an error means that it has not committed, no more
	c.members = append(c.members[:i], c.members[i+1:]...)
}

// produce appends some records, a few of them undecodable or aborted.
func (c *chaos) produce(n int) {
	for range n {
		v := fmt.Sprintf(`"%d."`, c.total)
		if c.rnd.IntN(25) == 0 {
			v, c.undecodable[c.total] = fmt.Sprintf(`!%d.`, c.total), true
		}
		topic, p := "in", int32(c.total%2)
		if c.total%4 >= 2 {
			topic = "in2"
		}
		produce(c.t, c.b, hosttest.Record{Topic: topic, Partition: p, Value: []byte(v)})
		if c.rnd.IntN(20) == 0 {
			if err := c.b.Abort(topic, p, 1+c.rnd.IntN(3)); err != nil {
				c.t.Fatal(err)
			}
		}
		c.total++
	}
}

func (c *chaos) run() (wrong string) {
	for range 25 {
		switch {
		case len(c.members) == 0 || len(c.members) < 3 && c.rnd.IntN(3) == 0:
			c.join()
		case c.rnd.IntN(3) == 0:
			c.leave(c.rnd.IntN(len(c.members)))
		}
		c.produce(c.rnd.IntN(25))
		time.Sleep(time.Duration(c.rnd.IntN(700)) * time.Millisecond)
		if c.expel && c.rnd.IntN(4) == 0 {
			c.mu.Lock()
			known := c.consumers
			c.mu.Unlock()
			if len(known) > 0 {
				known[c.rnd.IntN(len(known))].Expel()
			}
		}
	}
	if len(c.members) == 0 {
		c.join()
	}
	time.Sleep(10 * time.Minute)
	for _, m := range c.members {
		for _, w := range m.h.Status().Workers {
			for _, p := range w.Partitions {
				if p.Stopped != "" || p.Waiting > 0 {
					wrong = fmt.Sprintf("%s[%d]: %d records wait, stopped %q", p.Topic, p.Partition, p.Waiting, p.Stopped)
				}
			}
		}
	}
	for len(c.members) > 0 {
		c.leave(0)
	}
	if wrong == "" {
		wrong = c.check()
	}
	if wrong != "" {
		wrong += fmt.Sprintf(" (expel %v, faults %v, refuse %v, readers %v)", c.expel, c.faults, c.refuse, c.readers)
	}
	return wrong
}

// check compares all that came out with what went in.
func (c *chaos) check() string {
	seen, last := map[string]int{}, map[string]int{}
	for _, r := range c.b.All() {
		if strings.HasPrefix(r.Topic, "in") {
			continue
		}
		v := text(r.Value)
		k := r.Topic + ":" + v
		if r.Topic == "dead" {
			k = "dead:" + headers(c.t, r)[HeaderHandler] + ":" + v
		}
		if seen[k]++; seen[k] > 1 {
			if !c.expel && !c.faults && !c.refuse {
				return "doubled: " + k
			}
			continue
		}
		if r.Topic == "dead" {
			continue
		}
		number, path, _ := strings.Cut(v, ".")
		var n int
		fmt.Sscan(number, &n)
		of := fmt.Sprint(r.Topic, path, n%4) // one handler's outputs of one partition
		if n < last[of] && !c.refuse {
			return fmt.Sprintf("%s: %s after %d", r.Topic, v, last[of])
		}
		last[of] = n
	}
	for i := range c.total {
		if lost := c.lost(seen, i); len(lost) > 0 {
			return fmt.Sprintf("record %d of %d: lost %v", i, c.total, lost)
		}
	}
	return ""
}

// lost lists what should have come of record i and did not.
func (c *chaos) lost(seen map[string]int, i int) (lost []string) {
	n := fmt.Sprintf("%d.", i)
	dead := func(handler, v string) bool { return seen["dead:"+handler+":"+v] > 0 }
	want := func(topic, v, handler string) {
		if seen[topic+":"+v+handler] == 0 && !dead(handler, v) {
			lost = append(lost, topic+":"+v+handler)
		}
	}
	if c.undecodable[i] {
		if !dead("a", n) || i%4 < 2 && !dead("d", n) {
			lost = append(lost, "the dead letter of "+n)
		}
		return lost
	}
	want("out", n, "a")
	if !dead("a", n) {
		want("out2", n+"a", "b")
		want("out3", n+"a", "c")
		if !dead("b", n+"a") {
			want("out3", n+"ab", "c")
		}
	}
	if i%4 < 2 && !dead("d", n) {
		want("out3", n+"d", "c")
	}
	return lost
}
