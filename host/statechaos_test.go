package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// TestStateIsExactWhateverHappens runs schedules of processes with stores of
// their own that come, go and die, inside calls of clients too; of brokers that
// refuse, answer late or wrongly; of stores that fail, are damaged, lost or
// older than they were; of members expelled and rebalances of both kinds. What
// readers of committed records see in the end, dead letters, changelogs,
// stores and positions are those of a plain model that takes one record at a
// time. Every second schedule is at least once: then nothing is lost, the
// order of first arrivals is kept, and what handlers store that do not mind
// repetition is right.
//
// SLIPHOST_SCHEDULES sets their number, SLIPHOST_SEED repeats one.
func TestStateIsExactWhateverHappens(t *testing.T) {
	bad := 0
	for _, seed := range schedules(t, 40) {
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = newStateChaos(t, seed).run() })
		if wrong == "" {
			continue
		}
		t.Errorf("SLIPHOST_SEED=%d: %s", seed, wrong)
		if bad++; bad == 5 {
			break
		}
	}
}

const chaosParts = 2

// stateChaos is one schedule.
type stateChaos struct {
	t          *testing.T
	seed       uint64
	rnd, luck  *seeded // of the schedule; of everything else
	b          *hosttest.Broker
	plan       *Plan
	exactly    bool
	join       bool // in2 belongs to the task of in
	lockstep   bool
	faults     bool
	crashes    bool
	expel      bool
	stores     bool
	refuse     bool
	quiet      bool // no more faults
	mu         sync.Mutex
	tries      map[string]int
	lives      []*process
	byClient   map[string]*process
	consumers  []*hosttest.Consumer
	total      int
	faultsLeft int
}

// process is one that has died and come again any number of times.
type process struct {
	c       *stateChaos
	id      string
	workers int
	disk    *state.Memory
	older   []*state.Memory
	cancel  context.CancelFunc
	host    *Host
	store   *state.Store
	done    chan error
	up      bool
}

func newStateChaos(t *testing.T, seed uint64) *stateChaos {
	c := &stateChaos{t: t, seed: seed, rnd: newSeeded(seed, 1), luck: newSeeded(seed, 2), tries: map[string]int{}, byClient: map[string]*process{}, faultsLeft: 60}
	one := func(n int) bool { return c.rnd.IntN(n) == 0 }
	c.exactly, c.join, c.lockstep = !one(3), one(3), one(2)
	c.faults, c.crashes, c.expel, c.stores, c.refuse = one(2), one(2), one(3), one(2), one(3)
	topics := map[string]int{}
	for _, n := range []string{"in", "in2", "rep", "out", "out2", "out3", "out4", "dead", "app-a-changelog", "app-b-changelog", "app-d-changelog"} {
		topics[n] = chaosParts
	}
	topics["dead"] = 1
	c.b = hosttest.NewBroker(topics)
	c.b.Eager, c.b.SessionTimeout, c.b.TransactionTimeout = one(2), 10*time.Second, 20*time.Second
	if c.join {
		c.b.Assignor = hosttest.Range
	}
	c.b.Before, c.b.After = c.before, c.after
	refusals := 15
	c.b.Refuse = func(r hosttest.Record) error {
		v := string(r.Value)
		if r.Topic == "out2" && strings.Contains(v, "refuse") {
			return errors.New("never taken")
		}
		if c.refuse && !c.quiet && refusals > 0 && !strings.HasPrefix(r.Topic, "in") && c.luck.IntN(80) == 0 {
			refusals--
			return errors.New("not now")
		}
		return nil
	}
	c.network()
	return c
}

// network: in (and in2) -> a -> out, p, rep; in -> c -> out3; p -> b -> out2;
// rep -> d -> out4. a, b and d have a cache each, or a and b one in lock-step.
func (c *stateChaos) network() {
	dlq := func() OnError {
		return OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 3 + c.rnd.IntN(3), Backoff: time.Duration(1+c.rnd.IntN(100)) * time.Millisecond}
	}
	src := func(name string, sub int) Source {
		s := topicSource(name)
		s.Sub, s.Lockstep = sub, c.lockstep && sub == 0
		return s
	}
	small := topicSink("out")
	small.MaxBytes, small.Limit = 2000, "max.message.bytes"
	rep := src("rep", 1)
	rep.Internal = true
	p := &Plan{App: "app", Clusters: []string{"default"}, Modules: []string{"m"}, Proxies: []int{3}, ExactlyOnce: c.exactly}
	p.Sources = []Source{src("in", 0), src("in2", 0), rep, {ID: "p", Kind: SourceProxy}}
	p.Handlers = []Handler{
		{ID: "a", Sinks: []Sink{small, {ID: "p", Kind: SinkProxy, Proxy: 3}, topicSink("rep")}, Caches: []int{0}, Staged: 4096, OnError: dlq()},
		{ID: "b", Binding: 1, Sinks: []Sink{topicSink("out2")}, Caches: []int{1}, Staged: 4096, OnError: dlq()},
		{ID: "c", Binding: 2, Sinks: []Sink{topicSink("out3")}, OnError: dlq()},
		{ID: "d", Binding: 3, Sinks: []Sink{topicSink("out4")}, Caches: []int{2}, Staged: 4096, OnError: dlq()},
	}
	if c.lockstep {
		p.Handlers[1].Caches = []int{0}
	}
	p.Sources[0].Handlers = []HandlerSource{{Handler: 0}, {Handler: 2}}
	p.Sources[1].Handlers = []HandlerSource{{Handler: 0, Position: 1}}
	p.Sources[2].Handlers = []HandlerSource{{Handler: 3}}
	p.Sources[3].Handlers = []HandlerSource{{Handler: 1}}
	p.Subs = []Sub{{Name: "a", Inputs: []int{0, 1}, Caches: []int{0, 1}}, {Name: "d", Inputs: []int{2}, Caches: []int{2}}}
	if !c.join { // in2 is left out
		p.Subs[0].Inputs = []int{0}
		p.Sources[1] = Source{ID: "unused", Kind: SourceProxy}
	}
	for _, n := range []string{"a", "b", "d"} {
		id, _ := c.b.Identity("app-" + n + "-changelog")
		p.Caches = append(p.Caches, Cache{ID: n, Kind: state.KV, Topic: "app-" + n + "-changelog", Log: id, Partitions: chaosParts})
	}
	c.plan = p
}

// vault is what the handlers work with: the engine's calls, or the model.
type vault interface {
	get(cache int32, key string) (string, bool)
	put(cache int32, key, value string)
	del(cache int32, key string)
	scan(cache int32, prefix string) []string
	savepoint(op int32)
	streamTime() int64
	emit(o abi.Output)
}

// kind is what a handler makes of a record, by its number.
func (c *stateChaos) kind(handler, n string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%s", c.seed, handler, n)
	kinds := []string{"flaky", "trapping", "never", "poison", "limit", "drop"}
	switch x := int(h.Sum64() % 120); {
	case x < len(kinds):
		return kinds[x]
	case x == 6 && handler == "b":
		return "refuse"
	case x == 7 && handler == "a":
		return "large"
	case x < 20:
		return "savepoint"
	case x < 30:
		return "sweep"
	}
	return ""
}

// hopeless kinds end in a dead letter.
func hopeless(kind string) bool {
	return slices.Contains([]string{"never", "poison", "limit", "refuse", "large"}, kind)
}

// work is the handler of that name. Its results for a key follow from the
// records of that key alone.
func (c *stateChaos) work(id string, v vault, key, value string, flaky bool) error {
	n, _, _ := strings.Cut(value, ".")
	kind := c.kind(id, n)
	out := abi.Output{Sink: 0, Key: []byte(key)}
	mark := ""
	if id != "c" {
		count := 0
		if s, ok := v.get(0, id+key); ok {
			count, _ = strconv.Atoi(s)
		}
		if count++; !c.exactly {
			count, _ = strconv.Atoi(n) // repetition does not matter
		}
		v.put(0, id+key, strconv.Itoa(count))
		if c.exactly {
			mark = ":" + strconv.Itoa(count)
			v.put(0, id+key+"/"+n, n)
			if c.lockstep && id == "b" { // sees what a has put for this very record
				s, _ := v.get(0, "a"+key)
				mark += "," + s
			}
			if kind == "savepoint" {
				v.savepoint(abi.SavepointBegin)
				v.del(0, id+key)
				v.put(0, id+key+"/"+n, "inner")
				v.savepoint(abi.SavepointBegin)
				v.put(0, id+key+"/gone", "x")
				v.savepoint(abi.SavepointRelease)
				v.savepoint(abi.SavepointRollback)
			}
			if list := v.scan(0, id+key+"/"); len(list) > 4 || kind == "sweep" {
				for _, k := range list[1:] {
					v.del(0, k)
				}
				mark += "-" + strings.Join(list, "+")
			}
			if !c.join && id == "a" {
				mark += fmt.Sprint("@", v.streamTime())
			}
		}
	}
	switch {
	case kind == "flaky" && flaky:
		return errors.New("try again")
	case kind == "trapping" && flaky:
		return errTrap
	case kind == "never":
		return errors.New("never")
	case kind == "poison":
		return errTrap
	case kind == "drop":
		return guestError{code: abi.CodeDrop}
	case kind == "limit" && id != "c":
		v.put(0, id+key, strings.Repeat("x", 5000))
	case kind == "limit":
		return errors.New("no cache to fill")
	case kind == "refuse":
		mark += "refuse"
	case kind == "large":
		mark += strings.Repeat("x", 2000)
	}
	out.Value = []byte(value + "." + id + mark)
	v.emit(out)
	if id == "a" {
		v.emit(abi.Output{Sink: 1, Key: out.Key, Value: []byte(value + ".a")})
		v.emit(abi.Output{Sink: 2, Key: append([]byte("r"), key...), Value: []byte(value + ".a")})
	}
	return nil
}

// guestVault makes the calls of a guest.
type guestVault struct{ *fakeCall }

func (g guestVault) checked(n int32) {
	if n == module.StateFailed {
		panic(errState)
	}
}

func (g guestVault) del(cache int32, key string) {
	g.checked(g.state.CacheDelete(g.at, cache, []byte(key)))
}
func (g guestVault) savepoint(op int32) { g.checked(g.state.Savepoint(g.at, op)) }
func (g guestVault) streamTime() int64  { return g.state.StreamTime(g.at) }
func (g guestVault) scan(cache int32, prefix string) (keys []string) {
	req := abi.ScanRequest{Prefix: []byte(prefix), Limit: 2}
	for {
		buf := make([]byte, 4096)
		n := g.state.CacheScan(g.at, cache, abi.AppendScanRequest(nil, &req), buf)
		if n == module.StateFailed {
			panic(errState)
		}
		r := abi.NewReader(buf[:n])
		var page abi.ScanPage
		abi.ReadScanPage(&r, &page)
		for range page.Count {
			keys = append(keys, string(r.Bin()))
			r.Bin()
		}
		if page.Next == nil {
			return keys
		}
		req.Cursor = slices.Clone(page.Next)
	}
}

// handler is work in the engine.
func (c *stateChaos) handler(id string) statefulFunc {
	return func(call *fakeCall, rec *abi.Record) error {
		n, _, _ := strings.Cut(string(rec.Value), ".")
		c.mu.Lock()
		c.tries[id+n]++
		flaky := c.tries[id+n] < 3
		c.mu.Unlock()
		return c.work(id, guestVault{call}, string(rec.Key), string(rec.Value), flaky)
	}
}

// before runs ahead of every call of a client, after behind its effect.
func (c *stateChaos) before(call hosttest.Call) error {
	if err := c.die(call); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.faults || c.quiet || c.faultsLeft == 0 || c.luck.IntN(40) > 0 {
		return nil
	}
	c.faultsLeft--
	class := hosttest.Class(c.luck.IntN(4))
	switch call.Op {
	case hosttest.OpPoll, hosttest.OpReadLog, hosttest.OpSeek:
		if class != hosttest.Fatal {
			class = hosttest.Retriable
		}
	case hosttest.OpPurge:
		class = hosttest.Retriable
	}
	err := error(hosttest.NewError(class, call.Op+" failed"))
	if c.luck.IntN(4) == 0 && class != hosttest.Abortable && class != hosttest.Retriable {
		err = &hosttest.LateError{Err: err, After: time.Duration(c.luck.IntN(3000)) * time.Millisecond}
	}
	return err
}

func (c *stateChaos) after(call hosttest.Call, err error) error {
	if derr := c.die(call); derr != nil {
		return derr
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || !c.faults || c.quiet || c.faultsLeft == 0 || c.luck.IntN(60) > 0 {
		return err
	}
	switch call.Op {
	case hosttest.OpFlush, hosttest.OpSendOffsets, hosttest.OpCommitTxn, hosttest.OpAbortTxn, hosttest.OpInit, hosttest.OpCommit:
		c.faultsLeft--
		classes := []hosttest.Class{hosttest.Retriable, hosttest.Fatal, hosttest.Unclassified}
		return hosttest.NewError(classes[c.luck.IntN(3)], call.Op+" done, but the answer is lost")
	}
	return nil
}

// die kills the process of a client now and then.
func (c *stateChaos) die(call hosttest.Call) error {
	c.mu.Lock()
	p := c.byClient[call.Client]
	hit := p != nil && c.crashes && !c.quiet && c.luck.IntN(400) == 0
	c.mu.Unlock()
	if !hit {
		return nil
	}
	p.kill()
	return context.Canceled
}

// kill ends the process at once: nothing it writes from here on arrives.
func (p *process) kill() {
	p.c.mu.Lock()
	p.disk = p.disk.Restart()
	p.c.mu.Unlock()
	p.cancel()
}

func (p *process) start() {
	c := p.c
	c.mu.Lock()
	switch disk := p.disk; {
	case !c.stores:
	case c.rnd.IntN(8) == 0:
		p.disk = state.NewMemory()
	case len(p.older) > 0 && c.rnd.IntN(4) == 0:
		p.disk = p.older[c.rnd.IntN(len(p.older))].Clone()
	default:
		p.older = append(p.older, disk.Clone())
	}
	disk := p.disk
	disk.Hook(nil)
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.up, p.done = cancel, true, make(chan error, 1)
	l := &life{c.b, p.id, disk}
	funcs := []statefulFunc{c.handler("a"), c.handler("b"), c.handler("c"), c.handler("d")}
	bk := l.backends(c.t, c.plan, funcs)
	p.store = bk.Store
	own := func(name string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.byClient[name] = p
	}
	bk.Consumer = func(_ context.Context, _, w int) (Consumer, error) {
		k := c.b.StaticConsumer("app", fmt.Sprint(p.id, "-", w))
		own(k.ID())
		c.mu.Lock()
		defer c.mu.Unlock()
		c.consumers = append(c.consumers, k)
		return k, nil
	}
	bk.Producer = func(_ context.Context, _, w int) (Producer, error) {
		k := c.b.Producer()
		if c.exactly {
			k = c.b.TransactionalProducer(fmt.Sprint(p.id, "-", w))
		}
		own(k.ID())
		return k, nil
	}
	bk.LogReader = func(context.Context, int) (LogReader, error) {
		k := c.b.LogReader()
		own(k.ID())
		return slowReader{k}, nil
	}
	bk.Purge = func(ctx context.Context, _ int, topic string, before map[int32]int64) error {
		return c.b.Purge(ctx, topic, before)
	}
	opts := Options{MaxRecords: []int{1, 3, 7, 20, 1024}[c.rnd.IntN(5)], CommitInterval: time.Duration(1+c.rnd.IntN(300)) * time.Millisecond, PurgeInterval: 3 * time.Second}
	p.host = New(c.plan, opts, make([]int, p.workers), 0, bk, c.log(p.id))
	if c.stores {
		disk.Hook(c.brokenDisk())
	}
	go func() { p.done <- p.host.Run(ctx) }()
}

// slowReader reads a few records at a time, so that restores take several
// packs.
type slowReader struct{ *hosttest.LogReader }

func (r slowReader) Poll(b *abi.Packed, _, maxBytes int, wait time.Duration) error {
	return r.LogReader.Poll(b, 5, maxBytes, wait)
}

// brokenDisk fails some calls of an engine, for a while.
func (c *stateChaos) brokenDisk() func(state.Call) error {
	var until time.Time
	var what state.Call
	return func(call state.Call) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.quiet {
			return nil
		}
		if time.Now().Before(until) {
			if call == what {
				return errors.New("disk full")
			}
			return nil
		}
		switch {
		case c.luck.IntN(300) == 0 && (call == state.CallGet || call == state.CallWrite || call == state.CallPage):
			what, until = call, time.Now().Add(time.Duration(c.luck.IntN(2000))*time.Millisecond)
			return errors.New("disk full")
		case c.luck.IntN(2000) == 0 && call != state.CallRecreate && call != state.CallClose:
			return fmt.Errorf("block 7: %w", state.ErrCorrupt)
		}
		return nil
	}
}

// end waits for a process that was killed, or drains it.
func (p *process) end(clean bool) error {
	if clean {
		p.host.Drain()
	}
	err := <-p.done
	p.up = false
	p.cancel()
	if clean && err == nil {
		_ = p.store.Close() // what it could not write is in the changelogs
	}
	p.c.mu.Lock()
	p.disk = p.disk.Restart()
	p.c.mu.Unlock()
	return err
}

func (c *stateChaos) produce(n int) {
	for range n {
		key := c.rnd.IntN(8)
		topic, name := "in", "k"
		if c.join && c.rnd.IntN(2) == 0 {
			topic, name = "in2", "j"
		}
		produce(c.t, c.b, hosttest.Record{
			Topic: topic, Partition: int32(key % chaosParts), Key: fmt.Append(nil, name, key),
			Value: fmt.Append(nil, c.total), Timestamp: 1000 + int64(c.total) - int64(c.rnd.IntN(30)),
		})
		if c.rnd.IntN(30) == 0 {
			_ = c.b.Abort(topic, int32(key%chaosParts), 1+c.rnd.IntN(3))
		}
		c.total++
	}
}

func (c *stateChaos) run() string {
	for i := range 1 + c.rnd.IntN(3) {
		c.lives = append(c.lives, &process{c: c, id: fmt.Sprint("h", i), workers: 1 + c.rnd.IntN(2), disk: state.NewMemory()})
	}
	for range 20 {
		for _, p := range c.lives {
			switch {
			case p.up && len(p.done) > 0:
				_ = p.end(false)
			case !p.up && c.rnd.IntN(2) == 0:
				p.start()
			case p.up && c.crashes && c.rnd.IntN(8) == 0:
				p.kill()
				_ = p.end(false)
			case p.up && c.rnd.IntN(8) == 0:
				_ = p.end(true)
			}
		}
		c.produce(c.rnd.IntN(30))
		time.Sleep(time.Duration(c.rnd.IntN(900)) * time.Millisecond)
		if c.expel && c.rnd.IntN(3) == 0 {
			c.mu.Lock()
			known := c.consumers
			c.mu.Unlock()
			if len(known) > 0 {
				if k := known[c.rnd.IntN(len(known))]; c.rnd.IntN(2) == 0 {
					k.Expel()
				} else {
					k.Forget()
				}
			}
		}
		if c.rnd.IntN(5) == 0 {
			for i := range c.plan.Caches {
				c.b.Compact(c.plan.Caches[i].Topic, false)
			}
		}
	}
	c.mu.Lock()
	c.quiet = true
	c.mu.Unlock()
	wrong := ""
	for i := range 40 {
		for _, p := range c.lives {
			if p.up && len(p.done) > 0 {
				if err := p.end(false); err != nil && i > 1 {
					wrong = err.Error()
				}
			}
			if !p.up {
				p.start()
			}
		}
		time.Sleep(30 * time.Second)
	}
	for _, p := range c.lives {
		for _, w := range p.host.Status().Workers {
			for _, s := range w.Partitions {
				if s.Stopped != "" || s.Waiting > 0 {
					wrong = fmt.Sprintf("%s[%d]: %d records wait, stopped %q", s.Topic, s.Partition, s.Waiting, s.Stopped)
				}
			}
		}
	}
	synctest.Wait()
	for _, p := range c.lives {
		for _, w := range p.host.workers {
			if w.suspended != nil {
				wrong = cmp.Or(wrong, "suspended: "+w.suspended.Error())
			}
			for _, k := range w.tasks {
				if !k.ready() {
					wrong = cmp.Or(wrong, fmt.Sprintf("%s worker %d: task %v has not begun: phase %d, unsettled %v, %d inputs, entering %v", p.id, w.id, k.taskKey, k.phase, k.unsettled, len(k.inputs), w.entering))
				}
			}
		}
	}
	for _, p := range c.lives {
		if err := p.end(true); err != nil {
			wrong = cmp.Or(wrong, err.Error())
		}
	}
	if bad := c.check(); bad != "" {
		wrong = wrong + "; " + bad
	}
	if wrong != "" {
		wrong += fmt.Sprintf(" (exactly %v, join %v, lockstep %v, faults %v, crashes %v, expel %v, stores %v, refuse %v, eager %v, %d records)",
			c.exactly, c.join, c.lockstep, c.faults, c.crashes, c.expel, c.stores, c.refuse, c.b.Eager, c.total)
	}
	return wrong
}

// chaosModel takes one record at a time, depth first.
type chaosModel struct {
	c       *stateChaos
	caches  [3]map[string]string
	outs    map[string][]string // topic and key -> values
	letters map[string]string   // handler, topic, value of the record -> its key
	rep     []*abi.Record
	time    int64
}

// modelVault is one call in the model.
type modelVault struct {
	m     *chaosModel
	cache map[string]string
	saves []map[string]string
	outs  []abi.Output
}

func (v *modelVault) get(_ int32, key string) (string, bool) { s, ok := v.cache[key]; return s, ok }
func (v *modelVault) put(_ int32, key, value string)         { v.cache[key] = value }
func (v *modelVault) del(_ int32, key string)                { delete(v.cache, key) }
func (v *modelVault) streamTime() int64                      { return v.m.time }
func (v *modelVault) emit(o abi.Output)                      { v.outs = append(v.outs, o) }
func (v *modelVault) scan(_ int32, prefix string) (keys []string) {
	for k := range v.cache {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func (v *modelVault) savepoint(op int32) {
	n := len(v.saves)
	switch op {
	case abi.SavepointBegin:
		v.saves = append(v.saves, maps.Clone(v.cache))
	case abi.SavepointRollback:
		v.cache, v.saves = v.saves[n-1], v.saves[:n-1]
	case abi.SavepointRelease:
		v.saves = v.saves[:n-1]
	}
}

func (m *chaosModel) call(id string, cache int, topic, key, value string) {
	c := m.c
	n, _, _ := strings.Cut(value, ".")
	v := &modelVault{m: m}
	if cache >= 0 {
		v.cache = maps.Clone(m.caches[cache])
	}
	err := c.work(id, v, key, value, false)
	if kind := c.kind(id, n); hopeless(kind) {
		m.letters[id+"/"+value] = key
		return
	}
	if err != nil {
		return // dropped
	}
	if cache >= 0 {
		m.caches[cache] = v.cache
	}
	for _, o := range v.outs {
		h := &c.plan.Handlers[strings.Index("abcd", id)]
		switch sink := h.Sinks[o.Sink].ID; sink {
		case "p":
			m.call("b", h1(c), topic, string(o.Key), string(o.Value))
		case "rep":
			m.rep = append(m.rep, &abi.Record{Key: o.Key, Value: o.Value})
		default:
			at := sink + "/" + string(o.Key)
			m.outs[at] = append(m.outs[at], string(o.Value))
		}
	}
}

// h1 is b's cache.
func h1(c *stateChaos) int { return c.plan.Handlers[1].Caches[0] }

func (c *stateChaos) model() *chaosModel {
	m := &chaosModel{c: c, outs: map[string][]string{}, letters: map[string]string{}}
	for i := range m.caches {
		m.caches[i] = map[string]string{}
	}
	for p := range int32(chaosParts) {
		for _, topic := range []string{"in", "in2"} {
			m.time = -1
			for _, r := range c.b.View(topic, p) {
				m.time = max(m.time, r.Timestamp)
				m.call("a", 0, topic, string(r.Key), string(r.Value))
				if topic == "in" {
					m.call("c", -1, topic, string(r.Key), string(r.Value))
				}
			}
		}
	}
	for _, r := range m.rep {
		m.call("d", 2, "rep", string(r.Key), string(r.Value))
	}
	return m
}

// check compares everything with the model.
func (c *stateChaos) check() string {
	m := c.model()
	got, letters := map[string][]string{}, map[string]int{}
	for _, topic := range []string{"out", "out2", "out3", "out4"} {
		for p := range int32(chaosParts) {
			for _, r := range c.b.View(topic, p) {
				at := topic + "/" + string(r.Key)
				if !c.exactly && slices.Contains(got[at], string(r.Value)) {
					continue
				}
				got[at] = append(got[at], string(r.Value))
			}
		}
	}
	for _, r := range c.b.View("dead", 0) {
		h := headers(c.t, r)
		id := h[HeaderHandler] + "/" + string(r.Value)
		if key, ok := m.letters[id]; !ok || key != string(r.Key) {
			return fmt.Sprintf("a dead letter of %s with key %q: %v", id, r.Key, h)
		}
		if n, err := strconv.Atoi(h[HeaderAttempts]); err != nil || n < 1 {
			return fmt.Sprintf("the dead letter of %s counts %q attempts", id, h[HeaderAttempts])
		}
		if letters[id]++; letters[id] > 1 && c.exactly {
			return "two dead letters of " + id
		}
	}
	for at, want := range m.outs {
		if !c.exactly && (c.refuse || strings.HasPrefix(at, "out2/")) { // what comes behind a refused record may arrive before it
			slices.Sort(want)
			slices.Sort(got[at])
		}
		if !slices.Equal(got[at], want) {
			return fmt.Sprintf("%s: came out\n%q, want\n%q", at, got[at], want)
		}
		delete(got, at)
	}
	for at, more := range got {
		return fmt.Sprintf("%s: nothing was to come out, got %q", at, more)
	}
	for id := range m.letters {
		if letters[id] == 0 {
			return "no dead letter of " + id
		}
	}
	return c.checkState(m)
}

// checkState compares changelogs, stores and positions with the model.
func (c *stateChaos) checkState(m *chaosModel) string {
	for i := range c.plan.Caches {
		fold := map[string]string{}
		for p := range int32(chaosParts) {
			for _, r := range c.b.View(c.plan.Caches[i].Topic, p) {
				if r.Value == nil {
					delete(fold, string(r.Key))
				} else {
					fold[string(r.Key)] = string(r.Value)
				}
			}
		}
		if !maps.Equal(fold, m.caches[i]) {
			return fmt.Sprintf("the changelog of cache %s holds\n%v, want\n%v", c.plan.Caches[i].ID, fold, m.caches[i])
		}
		if bad := c.checkStores(i, m.caches[i]); bad != "" {
			return bad
		}
	}
	for i := range c.plan.Sources {
		s := &c.plan.Sources[i]
		if s.Kind != SourceTopic {
			continue
		}
		for p := range int32(chaosParts) {
			if at, end := c.b.Committed("app", s.Topic, p), c.b.Bounds(s.Topic, p).High; at != end {
				return fmt.Sprintf("%s[%d]: committed %d, the end is %d", s.Topic, p, at, end)
			}
		}
	}
	return ""
}

// checkStores looks into the stores that are up to date: one at least.
func (c *stateChaos) checkStores(cache int, want map[string]string) string {
	have, found := map[string]string{}, map[int32]bool{}
	source := c.plan.Sources[c.plan.Subs[min(cache/2, 1)].Inputs[0]].Topic
	for _, l := range c.lives {
		var caches []state.Cache
		for _, k := range c.plan.Caches {
			caches = append(caches, state.Cache{Name: k.ID, Kind: k.Kind, Key: k.Key})
		}
		l.disk.Hook(nil)
		store, err := hosttest.StoreOn(l.disk, caches...)
		if err != nil {
			return err.Error()
		}
		o := store.Overlay()
		for p := range int32(chaosParts) {
			_, text := c.b.CommittedOffset("app", source, p)
			meta, err := decodeMeta(text)
			if err != nil {
				return fmt.Sprintf("%s[%d]: metadata %q: %v", source, p, text, err)
			}
			pos, known := meta.position(c.plan.Caches[cache].ID)
			at, stored, err := store.Position(cache, p)
			if err != nil || !known {
				return fmt.Sprintf("position of cache %d partition %d: %v, known %v", cache, p, err, known)
			}
			if at != pos || !stored && pos.Next > 0 {
				continue
			}
			part, err := o.Attach(cache, p)
			if err != nil {
				return err.Error()
			}
			var page state.Page
			if _, err := part.Page(nil, nil, false, &page); err != nil {
				return err.Error()
			}
			found[p] = true
			for i := range page.Len() {
				k, v := page.Entry(i)
				have[string(k)] = string(v)
			}
		}
		_ = o.Close()
		_ = store.Close()
		l.disk = l.disk.Restart()
	}
	if len(found) == chaosParts && !maps.Equal(have, want) {
		return fmt.Sprintf("stores hold of cache %d\n%v, want\n%v", cache, have, want)
	}
	if len(found) < chaosParts {
		return fmt.Sprintf("no store is up to date with cache %d: %v", cache, found)
	}
	return ""
}

// log prints what a schedule does when one is repeated.
func (c *stateChaos) log(id string) *slog.Logger {
	if os.Getenv("SLIPHOST_SEED") == "" || !testing.Verbose() {
		return discard
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", id)
}
