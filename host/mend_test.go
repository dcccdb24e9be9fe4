package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// mendRun is one schedule of TestChangelogsAreMended.
type mendRun struct {
	t    *testing.T
	rnd  *seeded // of the schedule
	luck *seeded // of everything else
	b    *hosttest.Broker
	disk *state.Memory
	plan *Plan
	life int

	mu        sync.Mutex
	refusals  int
	noOffsets int
}

const (
	mendParts = 2
	mendLog   = "app-counts-changelog"
)

func newMendRun(t *testing.T, seed uint64) *mendRun {
	m := &mendRun{t: t, rnd: newSeeded(seed, 1), luck: newSeeded(seed, 2), disk: state.NewMemory()}
	m.b = hosttest.NewBroker(map[string]int{"in": mendParts, "out": mendParts, "dead": 1, mendLog: mendParts})
	m.refusals, m.noOffsets = m.rnd.IntN(12), m.rnd.IntN(6)
	m.b.Refuse = func(r hosttest.Record) error {
		switch v := string(r.Value); {
		case r.Topic == mendLog && v == "bad", r.Topic == "out" && strings.HasSuffix(v, "unwanted"):
			return errors.New("never taken")
		case r.Topic != mendLog && r.Topic != "out" || m.luck.IntN(25) > 0:
			return nil
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.refusals == 0 {
			return nil
		}
		m.refusals--
		return errors.New("not now")
	}
	m.b.Before = func(c hosttest.Call) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c.Op != hosttest.OpCommit || m.noOffsets == 0 || m.luck.IntN(4) > 0 {
			return nil
		}
		m.noOffsets--
		return hosttest.NewError(hosttest.Retriable, "no offsets now")
	}
	m.plan = countPlan()
	m.plan.ExactlyOnce = false
	m.plan.Caches[0].Log, _ = m.b.Identity(mendLog)
	m.plan.Handlers[0].OnError = OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 20, Backoff: time.Millisecond}
	return m
}

// records produces n of them. Their values say what is to become of them.
func (m *mendRun) records(n int) {
	for range n {
		kind := []string{"put", "put", "put", "delete", "bad", "unwanted"}[m.rnd.IntN(6)]
		key := m.rnd.IntN(6)
		produce(m.t, m.b, hosttest.Record{Topic: "in", Partition: int32(key % mendParts), Key: fmt.Append(nil, "k", key), Value: []byte(kind)})
	}
}

// countInStep keeps three entries of a key in step with each other. The cache is what
// get and put make of it.
func countInStep(key, kind string, get func(string) (string, bool), put func(key, value string), del func(string)) (out string) {
	n := 0
	if v, ok := get(key + "/b"); ok {
		n, _ = strconv.Atoi(v)
	}
	next := strconv.Itoa(n + 1)
	put(key+"/b", next)
	put(key+"/a", next)
	put(key+"/"+next, "")
	if kind == "delete" {
		del(key + "/a")
		del(key + "/" + strconv.Itoa(n))
	}
	if kind == "bad" {
		put(key+"/c", "bad")
	}
	return next + kind
}

func (m *mendRun) host(opts Options) *Host {
	m.disk = m.disk.Restart()
	m.life++
	f := func(c *fakeCall, rec *abi.Record) error {
		v := guestVault{c}
		get := func(key string) (string, bool) { return c.get(0, key) }
		out := countInStep(string(rec.Key), string(rec.Value), get, func(k, val string) { c.put(0, k, val) }, func(k string) { v.del(0, k) })
		c.emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: []byte(out)})
		return nil
	}
	l := &life{m.b, fmt.Sprint("h", m.life), m.disk}
	bk := l.backends(m.t, m.plan, []statefulFunc{f})
	bk.Producer = func(context.Context, int, int) (Producer, error) { return m.b.Producer(), nil }
	opts.MaxRecords = []int{1, 3, 10, 100}[m.rnd.IntN(4)]
	opts.CommitInterval = time.Duration(1+m.rnd.IntN(50)) * time.Millisecond
	return New(m.plan, opts, make([]int, 1+m.rnd.IntN(2)), 0, bk, discard)
}

// run returns what is wrong.
func (m *mendRun) run() string {
	for range 3 {
		if m.rnd.IntN(2) == 0 {
			m.disk = state.NewMemory()
		}
		h := m.host(Options{})
		done := start(h)
		for range 3 {
			m.records(m.rnd.IntN(20))
			time.Sleep(time.Duration(m.rnd.IntN(3000)) * time.Millisecond)
		}
		h.Drain()
		<-done // the last commit may be refused as well
	}
	m.mu.Lock()
	m.refusals, m.noOffsets = 0, 0
	m.mu.Unlock()
	if err := m.finish(); err != nil {
		return err.Error()
	}
	want, letters := map[string]string{}, 0
	for p := range int32(mendParts) {
		for _, r := range m.b.View("in", p) {
			if kind := string(r.Value); kind == "bad" || kind == "unwanted" {
				letters++
				continue
			}
			get := func(key string) (string, bool) { v, ok := want[key]; return v, ok }
			countInStep(string(r.Key), string(r.Value), get, func(k, v string) { want[k] = v }, func(k string) { delete(want, k) })
		}
	}
	if n := len(m.b.View("dead", 0)); n != letters {
		return fmt.Sprintf("%d dead letters, want %d", n, letters)
	}
	fold := map[string]string{}
	for p := range int32(mendParts) {
		for _, r := range m.b.View(mendLog, p) {
			if r.Value == nil {
				delete(fold, string(r.Key))
			} else {
				fold[string(r.Key)] = string(r.Value)
			}
		}
	}
	if !maps.Equal(fold, want) {
		return fmt.Sprintf("the changelog holds\n%v, want\n%v", fold, want)
	}
	return m.restored(want)
}

// finish runs a host until nothing is left to do.
func (m *mendRun) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	defer cancel()
	return m.host(Options{UntilIdle: true}).Run(ctx)
}

// restored compares what a new disk gets from the changelog.
func (m *mendRun) restored(want map[string]string) string {
	m.disk = state.NewMemory()
	h := m.host(Options{})
	done := start(h)
	time.Sleep(time.Minute)
	drained(m.t, h, done)
	store, err := hosttest.StoreOn(m.disk.Restart(), state.Cache{Name: "counts"})
	if err != nil {
		return err.Error()
	}
	defer store.Close()
	o := store.Overlay()
	defer o.Close()
	got := map[string]string{}
	for p := range int32(mendParts) {
		part, err := o.Attach(0, p)
		if err != nil {
			return err.Error()
		}
		var page state.Page
		if _, err := part.Page(nil, nil, false, &page); err != nil {
			return err.Error()
		}
		for i := range page.Len() {
			k, v := page.Entry(i)
			got[string(k)] = string(v)
		}
	}
	if !maps.Equal(got, want) {
		return fmt.Sprintf("restored\n%v, want\n%v", got, want)
	}
	return ""
}

// At least once, too, a changelog holds nothing of calls that were taken back:
// whichever records are refused, by it or elsewhere, for once or for ever, and
// whichever commits of positions fail, it is in the end what a model of the
// handler that takes one record at a time has, and so is what a new disk
// restores from it.
//
// SLIPHOST_SCHEDULES sets the number of schedules, SLIPHOST_SEED repeats one.
func TestChangelogsAreMended(t *testing.T) {
	for _, seed := range schedules(t, 20) {
		synctest.Test(t, func(t *testing.T) {
			if wrong := newMendRun(t, seed).run(); wrong != "" {
				t.Errorf("SLIPHOST_SEED=%d: %s", seed, wrong)
			}
		})
	}
}
