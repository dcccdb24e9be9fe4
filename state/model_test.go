package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The model is a map for every partition, copied whole wherever something may
// be taken back.

type modelEntry struct {
	value  string
	expiry int64
	seq    uint64
}

type modelState struct {
	entries map[string]modelEntry
	// staged is what Changes has to tell: the last stored value, "" and false
	// for a delete, in the order of first staging.
	staged map[string]*string
	order  []string
	seq    uint64
}

func (m *modelState) clone() *modelState {
	return &modelState{entries: maps.Clone(m.entries), staged: maps.Clone(m.staged), order: slices.Clone(m.order), seq: m.seq}
}

func newModelState() *modelState {
	return &modelState{entries: map[string]modelEntry{}, staged: map[string]*string{}}
}

func (m *modelState) size() (n int64) {
	for k, e := range m.entries {
		n += int64(len(k) + len(e.value))
	}
	return n
}

type modelPart struct {
	cache     *Cache
	now       *modelState
	committed *modelState
	log       [][2]*string // the changelog: key and value
	owner     int          // -1: nobody
	p         *Partition
	parked    bool
}

func (mp *modelPart) set(key string, e *modelEntry) {
	m := mp.now
	if _, ok := m.staged[key]; !ok {
		m.order = append(m.order, key)
	}
	if e == nil {
		delete(m.entries, key)
		m.staged[key] = nil
		return
	}
	m.entries[key] = *e
	stored := e.value
	if mp.cache.header() != 0 {
		stored = string(appendHeader(nil, mp.cache.header(), &stamp{expiry: e.expiry, seq: e.seq})) + e.value
	}
	m.staged[key] = &stored
}

func (mp *modelPart) put(key, value string, now int64) bool {
	c := mp.cache
	if c.MaxBytes > 0 && int64(len(key)+len(value)) > c.MaxBytes {
		return false
	}
	e := modelEntry{value: value, expiry: never, seq: mp.now.seq}
	if c.TTL > 0 && now >= 0 {
		e.expiry = now + c.TTL.Milliseconds()
	}
	if c.MaxBytes > 0 {
		mp.now.seq++
	}
	mp.set(key, &e)
	for c.MaxBytes > 0 && mp.now.size() > c.MaxBytes {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(mp.now.entries)), func(a, b string) int {
			return cmp.Or(cmp.Compare(mp.now.entries[a].seq, mp.now.entries[b].seq), cmp.Compare(a, b))
		})
		mp.set(oldest, nil)
	}
	return true
}

func (mp *modelPart) live(key string, now int64) (string, bool) {
	e, ok := mp.now.entries[key]
	if !ok || mp.cache.TTL > 0 && e.expiry <= now {
		return "", false
	}
	return e.value, true
}

func (mp *modelPart) scan(from, to string, end, reverse bool, now int64) (out [][2]string) {
	for _, k := range slices.Sorted(maps.Keys(mp.now.entries)) {
		if v, ok := mp.live(k, now); ok && k >= from && (!end || k < to) {
			out = append(out, [2]string{k, v})
		}
	}
	if reverse {
		slices.Reverse(out)
	}
	return out
}

// frame is a mark with the state to return to.
type frame struct {
	journal, mark int
	bytes         int64
	states        map[slot]*modelState
}

type modelOverlay struct {
	o       *Overlay
	now     int64
	frames  []frame
	journal int
	// flying says what a held write makes durable.
	flying map[slot]int
}

type machine struct {
	caches []Cache
	conf   Config
	mem    *Memory
	s      *Store
	os     [2]*modelOverlay
	parts  map[slot]*modelPart
	slots  []slot
	// durable is how much of a changelog is on disk.
	durable map[slot]int
	clock   time.Time
	gate    *gate
}

// gate is the engine's hook: reads and writes can be made to fail, a write to
// wait for its verdict.
type gate struct {
	mu                    sync.Mutex
	hold                  bool
	failReads, failWrites bool
	entered               chan struct{}
	verdict               chan error
}

var errInjected = errors.New("injected")

func (g *gate) hook(c Call) error {
	g.mu.Lock()
	hold, reads, writes := g.hold && c == CallWrite, g.failReads, g.failWrites
	g.mu.Unlock()
	switch {
	case hold:
		g.entered <- struct{}{}
		return <-g.verdict
	case reads && (c == CallGet || c == CallPage), writes && c == CallWrite:
		return errInjected
	}
	return nil
}

func (g *gate) set(f func(*gate)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

var modelCaches = []Cache{
	{Name: "plain"},
	{Name: "ttl", TTL: 10 * time.Millisecond},
	{Name: "bound", MaxBytes: 24},
	{Name: "both", TTL: 15 * time.Millisecond, MaxBytes: 40},
	{Name: "memo", Kind: Local},
}

func newMachine(t *rapid.T) *machine {
	m := &machine{
		caches: modelCaches, mem: NewMemory(), parts: map[slot]*modelPart{}, durable: map[slot]int{},
		clock: time.UnixMilli(1e12), gate: &gate{entered: make(chan struct{}), verdict: make(chan error)},
	}
	m.conf = Config{App: "model", Caches: m.caches, RecordCache: rapid.SampledFrom([]int64{-1, 1500, 1 << 20}).Draw(t, "record cache"), Now: func() time.Time { return m.clock }}
	all := rapid.IntRange(0, 3).Draw(t, "all partitions") == 0
	for c := range m.caches {
		for p := range int32(2) {
			if !all && rapid.IntRange(0, 3).Draw(t, "leave out") != 0 {
				continue
			}
			m.slots = append(m.slots, slot{c, p})
			m.parts[slot{c, p}] = &modelPart{cache: &m.caches[c], now: newModelState(), committed: newModelState(), owner: -1}
		}
	}
	if len(m.parts) == 0 {
		at := slot{rapid.IntRange(0, len(m.caches)-1).Draw(t, "cache"), 0}
		m.slots = []slot{at}
		m.parts[at] = &modelPart{cache: &m.caches[at.cache], now: newModelState(), committed: newModelState(), owner: -1}
	}
	m.open(t)
	return m
}

func (m *machine) open(t *rapid.T) {
	m.mem.Hook(m.gate.hook)
	var err error
	if m.s, err = Open(m.mem, m.conf); err != nil {
		t.Fatal(err)
	}
	for i := range m.os {
		m.os[i] = &modelOverlay{o: m.s.Overlay(), now: -1}
	}
}

// land gives a held write its verdict.
func (m *machine) land(ok bool) {
	for _, mo := range m.os {
		if mo.flying == nil {
			continue
		}
		m.gate.set(func(g *gate) { g.hold = false })
		if ok {
			m.gate.verdict <- nil
			maps.Copy(m.durable, mo.flying)
		} else {
			m.gate.verdict <- errInjected
		}
		mo.flying = nil
	}
	// The overlay has not noticed yet. Partitions without owner that were part
	// of the write are busy until its goroutine is done; another write passes
	// over them till then.
	m.s.mu.Lock()
	for len(m.s.busy) > 0 {
		m.s.free.Wait()
	}
	m.s.mu.Unlock()
}

// reach is what a write of overlay i makes durable.
func (m *machine) reach(i int) map[slot]int {
	out := map[slot]int{}
	for at, mp := range m.parts {
		if mp.owner == i || mp.parked {
			out[at] = len(mp.log)
		}
	}
	return out
}

func (m *machine) overlay(t *rapid.T) (int, *modelOverlay) {
	i := rapid.IntRange(0, 1).Draw(t, "overlay")
	return i, m.os[i]
}

// owned draws an attached partition; it skips the action if there is none.
func (m *machine) owned(t *rapid.T) (*modelOverlay, *modelPart) {
	var have []slot
	for at, mp := range m.parts {
		if mp.owner >= 0 {
			have = append(have, at)
		}
	}
	if len(have) == 0 {
		t.Skip("nothing attached")
	}
	slices.SortFunc(have, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.cache, b.cache), cmp.Compare(a.partition, b.partition))
	})
	mp := m.parts[rapid.SampledFrom(have).Draw(t, "slot")]
	return m.os[mp.owner], mp
}

var (
	drawKey   = rapid.SampledFrom([]string{"a", "b", "c", "ab", "a\x00", "", "\x00", "ba", "\xff", "\xff\xff", "zz", "zzz"})
	drawValue = rapid.SampledFrom([]string{"four", "22", "1", "a longer value", "", "a value above every bound, whatever the cache has as one"})
)

func (m *machine) attach(t *rapid.T) {
	m.land(rapid.Bool().Draw(t, "ok"))
	i, mo := m.overlay(t)
	at := rapid.SampledFrom(m.slots).Draw(t, "slot")
	mp := m.parts[at]
	if mp.owner >= 0 {
		if _, err := mo.o.Attach(at.cache, at.partition); !errors.Is(err, ErrAttached) {
			t.Fatalf("second attach: %v", err)
		}
		return
	}
	m.restore(t, at)
	p, err := mo.o.Attach(at.cache, at.partition)
	if err != nil {
		t.Fatal(err)
	}
	mp.owner, mp.p, mp.parked = i, p, false
	for k, e := range mp.committed.entries {
		if mp.cache.MaxBytes > 0 && e.seq >= p.seq {
			t.Fatalf("next number is %d, %q has %d", p.seq, k, e.seq)
		}
	}
	mp.committed.seq, mp.now.seq = p.seq, p.seq
}

// restore brings the store to the end of the changelog, as a worker does.
func (m *machine) restore(t *rapid.T, at slot) {
	mp := m.parts[at]
	if mp.cache.Kind == Local {
		return
	}
	pos, ok, err := m.s.Position(at.cache, at.partition)
	if err != nil {
		t.Fatal(err)
	}
	if ok != (len(mp.log) > 0 && pos.Next > 0) || int(pos.Next) < m.durable[at] {
		t.Fatalf("position %v %v, on disk are %d of %d", pos, ok, m.durable[at], len(mp.log))
	}
	replay(t, m.s, at, mp.log, int(pos.Next), rapid.IntRange(1, 5).Draw(t, "records a batch"))
	if int(pos.Next) < len(mp.log) {
		m.durable[at] = len(mp.log)
	}
}

func replay(t *rapid.T, s *Store, at slot, log [][2]*string, from, batch int) {
	l := s.Load()
	for n := from; n < len(log); n++ {
		var value []byte
		if log[n][1] != nil {
			value = append([]byte{}, *log[n][1]...)
		}
		l.Put(at.cache, at.partition, []byte(*log[n][0]), value)
		if n == len(log)-1 || n%batch == 0 {
			l.SetPosition(at.cache, at.partition, Position{Next: int64(n + 1), Log: 5})
			if err := l.Write(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (m *machine) detach(t *rapid.T) {
	m.land(rapid.Bool().Draw(t, "ok"))
	mo, mp := m.owned(t)
	mo.o.Detach(mp.p)
	if _, _, err := mp.p.Get([]byte("a"), nil); !errors.Is(err, ErrDetached) {
		t.Fatalf("get after detach: %v", err)
	}
	mp.owner, mp.p, mp.parked = -1, nil, true
	mp.now = mp.committed.clone()
	for i := range mo.frames {
		for at, q := range m.parts {
			if q == mp {
				delete(mo.frames[i].states, at)
			}
		}
	}
}

func (m *machine) get(t *rapid.T) {
	mo, mp := m.owned(t)
	key := drawKey.Draw(t, "key")
	mo.o.SetTime(mo.now)
	got, ok, err := mp.p.Get([]byte(key), []byte("dst"))
	want, there := mp.live(key, mo.now)
	if err != nil || ok != there || string(got) != "dst"+want {
		t.Fatalf("get %q: %q %v %v, want %q %v", key, got, ok, err, want, there)
	}
}

func (m *machine) put(t *rapid.T) {
	mo, mp := m.owned(t)
	key, value := drawKey.Draw(t, "key"), drawValue.Draw(t, "value")
	mo.o.SetTime(mo.now)
	err := mp.p.Put([]byte(key), []byte(value))
	if ok := mp.put(key, value, mo.now); ok && err != nil || !ok && !errors.Is(err, ErrTooLarge) {
		t.Fatalf("put %q: %v", key, err)
	}
}

func (m *machine) putWithFailingReads(t *rapid.T) {
	mo, mp := m.owned(t)
	key, value := drawKey.Draw(t, "key"), drawValue.Draw(t, "value")
	mark := mo.o.Mark()
	m.gate.set(func(g *gate) { g.failReads = true })
	err := mp.p.Put([]byte(key), []byte(value))
	m.gate.set(func(g *gate) { g.failReads = false })
	mo.o.Undo(mo.journal, mark)
	if err != nil && !errors.Is(err, errInjected) && !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	mp.now.seq = mp.p.seq
}

func (m *machine) delete(t *rapid.T) {
	_, mp := m.owned(t)
	key := drawKey.Draw(t, "key")
	if err := mp.p.Delete([]byte(key)); err != nil {
		t.Fatal(err)
	}
	mp.set(key, nil)
}

func bounds(t *rapid.T) (from, to string, end bool, toBytes []byte) {
	from, to, end = drawKey.Draw(t, "from"), drawKey.Draw(t, "to"), rapid.Bool().Draw(t, "end")
	if end {
		toBytes = append([]byte{}, to...)
	}
	return from, to, end, toBytes
}

func (m *machine) deleteRange(t *rapid.T) {
	mo, mp := m.owned(t)
	from, to, end, toBytes := bounds(t)
	limit := rapid.SampledFrom([]int64{-1, 100, 3, 0}).Draw(t, "limit")
	mo.o.SetTime(mo.now)
	err := mp.p.DeleteRange([]byte(from), toBytes, limit)
	left := limit
	for _, e := range mp.scan(from, to, end, false, mo.now) {
		if left -= int64(len(e[0])); limit >= 0 && left < 0 {
			if !errors.Is(err, ErrTooLarge) {
				t.Fatalf("delete range: %v", err)
			}
			return
		}
		mp.set(e[0], nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) scan(t *rapid.T) {
	mo, mp := m.owned(t)
	from, to, end, toBytes := bounds(t)
	reverse := rapid.Bool().Draw(t, "reverse")
	page := Page{Limit: rapid.IntRange(0, 4).Draw(t, "limit"), MaxBytes: rapid.SampledFrom([]int{0, 1, 10, 1000}).Draw(t, "bytes")}
	mo.o.SetTime(mo.now)
	more, err := mp.p.Page([]byte(from), toBytes, reverse, &page)
	if err != nil {
		t.Fatal(err)
	}
	want := mp.scan(from, to, end, reverse, mo.now)
	n, size := 0, 0
	for ; n < len(want); n++ {
		size += len(want[n][0]) + len(want[n][1])
		if n > 0 && (page.Limit > 0 && n >= page.Limit || page.MaxBytes > 0 && size > page.MaxBytes) {
			break
		}
	}
	var got [][2]string
	for i := range page.Len() {
		k, v := page.Entry(i)
		got = append(got, [2]string{string(k), string(v)})
	}
	if d := gocmp.Diff(want[:n], got); more != (n < len(want)) || n > 0 && d != "" || len(got) != n {
		t.Fatalf("scan [%q, %q) %v reverse %v: more %v\n%s", from, to, end, reverse, more, d)
	}
}

func (m *machine) mark(t *rapid.T) {
	i, mo := m.overlay(t)
	mo.journal = rapid.IntRange(0, 2).Draw(t, "journal")
	mo.o.Use(mo.journal)
	f := frame{journal: mo.journal, mark: mo.o.Mark(), bytes: mo.o.JournalBytes(), states: map[slot]*modelState{}}
	for at, mp := range m.parts {
		if mp.owner == i {
			f.states[at] = mp.now.clone()
		}
	}
	mo.frames = append(mo.frames, f)
}

func (m *machine) undo(t *rapid.T) {
	_, mo := m.overlay(t)
	if len(mo.frames) == 0 {
		t.Skip("no mark")
	}
	to := rapid.IntRange(0, len(mo.frames)-1).Draw(t, "frame")
	for i := len(mo.frames) - 1; i >= to; i-- {
		mo.o.Undo(mo.frames[i].journal, mo.frames[i].mark)
	}
	f := mo.frames[to]
	for at, st := range f.states {
		mp := m.parts[at]
		seq := mp.now.seq
		mp.now = st.clone()
		mp.now.seq = seq
	}
	// What was attached since was committed and has only what was staged since.
	for at, mp := range m.parts {
		if mp.owner >= 0 && m.os[mp.owner] == mo && f.states[at] == nil {
			seq := mp.now.seq
			mp.now = mp.committed.clone()
			mp.now.seq = seq
		}
	}
	mo.o.Use(f.journal)
	mo.journal = f.journal
	if got := mo.o.JournalBytes(); got > f.bytes {
		t.Fatalf("journal has %d bytes, had %d at the mark", got, f.bytes)
	}
	mo.frames = mo.frames[:to+1]
}

func (m *machine) forget(t *rapid.T) {
	_, mo := m.overlay(t)
	mo.o.Forget()
	mo.frames = nil
}

func (m *machine) moveTime(t *rapid.T) {
	_, mo := m.overlay(t)
	mo.now = max(mo.now, 0) + int64(rapid.IntRange(0, 9).Draw(t, "ms"))
	mo.o.SetTime(mo.now)
}

func (m *machine) sweep(t *rapid.T) {
	mo, mp := m.owned(t)
	limit := rapid.IntRange(0, 3).Draw(t, "max")
	n, err := mo.o.Sweep(mp.p, mo.now, limit)
	if err != nil {
		t.Fatal(err)
	}
	keys := slices.Collect(maps.Keys(mp.now.entries))
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(mp.now.entries[a].expiry, mp.now.entries[b].expiry), cmp.Compare(a, b))
	})
	want := 0
	for _, k := range keys {
		if mp.cache.TTL > 0 && want < limit && mp.now.entries[k].expiry <= mo.now {
			mp.set(k, nil)
			want++
		}
	}
	if n != want {
		t.Fatalf("swept %d, want %d", n, want)
	}
}

func (m *machine) commit(t *rapid.T) {
	i, mo := m.overlay(t)
	got := map[slot][]string{}
	logs := map[slot][][2]*string{}
	err := mo.o.Changes(func(p *Partition, key, value []byte) error {
		at := slot{p.Cache(), p.Partition()}
		line := fmt.Sprintf("%q deleted", key)
		k := string(key)
		change := [2]*string{&k, nil}
		if value != nil {
			v := string(value)
			line, change[1] = fmt.Sprintf("%q = %q", key, value), &v
		}
		got[at], logs[at] = append(got[at], line), append(logs[at], change)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for at, mp := range m.parts {
		if mp.owner != i {
			continue
		}
		var want []string
		for _, k := range mp.now.order {
			if v := mp.now.staged[k]; v != nil {
				want = append(want, fmt.Sprintf("%q = %q", k, *v))
			} else {
				want = append(want, fmt.Sprintf("%q deleted", k))
			}
		}
		if mp.cache.Kind == Local {
			want = nil
		}
		if d := gocmp.Diff(want, got[at]); d != "" {
			t.Fatalf("changes of %v:\n%s", at, d)
		}
		mp.log = append(mp.log, logs[at]...)
		if mp.cache.Kind == KV && len(mp.log) > 0 {
			mp.p.SetPosition(Position{Next: int64(len(mp.log)), Log: 5})
		}
		mp.now.staged, mp.now.order = map[string]*string{}, nil
		mp.committed = mp.now.clone()
	}
	mo.o.Commit()
	mo.frames = nil
	if mo.o.Staged() != 0 || mo.o.JournalBytes() != 0 {
		t.Fatalf("staged %d, journal %d after the commit", mo.o.Staged(), mo.o.JournalBytes())
	}
}

func (m *machine) rollback(t *rapid.T) {
	i, mo := m.overlay(t)
	mo.o.Rollback()
	mo.frames = nil
	for _, mp := range m.parts {
		if mp.owner == i {
			mp.now = mp.committed.clone()
		}
	}
	if mo.o.Staged() != 0 {
		t.Fatalf("staged %d after the rollback", mo.o.Staged())
	}
}

// maintain starts a write that lasts until land, other actions going on.
func (m *machine) maintain(t *rapid.T) {
	m.land(rapid.Bool().Draw(t, "ok"))
	i, mo := m.overlay(t)
	mo.o.finish(true)
	mo.o.writer.err = nil
	m.clock = m.clock.Add(2 * time.Second)
	m.gate.set(func(g *gate) { g.hold = true })
	if err := mo.o.Maintain(m.clock, false); err != nil {
		t.Fatal(err)
	}
	if mo.o.writer.busy {
		<-m.gate.entered
		mo.flying = m.reach(i)
	} else {
		m.gate.set(func(g *gate) { g.hold = false })
	}
}

func (m *machine) flush(t *rapid.T) {
	m.land(rapid.Bool().Draw(t, "ok"))
	i, mo := m.overlay(t)
	other := m.os[1-i].o
	other.finish(true) // so that no parked partition is busy
	other.writer.err = nil
	fail := rapid.Bool().Draw(t, "fail")
	m.gate.set(func(g *gate) { g.failWrites = fail })
	err := mo.o.Maintain(m.clock, true)
	m.gate.set(func(g *gate) { g.failWrites = false })
	if err != nil && !(fail && errors.Is(err, errInjected)) {
		t.Fatal(err)
	}
	if !fail {
		maps.Copy(m.durable, m.reach(i))
		if mo.o.Unwritten() != 0 {
			t.Fatalf("%d bytes unwritten after a flush", mo.o.Unwritten())
		}
	}
}

func (m *machine) wipe(t *rapid.T) {
	m.land(true)
	at := rapid.SampledFrom(m.slots).Draw(t, "slot")
	mp := m.parts[at]
	err := m.s.Wipe(at.cache, at.partition)
	if mp.owner >= 0 {
		if !errors.Is(err, ErrAttached) {
			t.Fatalf("wipe of an attached partition: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.durable[at], mp.parked = 0, false
	if mp.cache.Kind == Local {
		mp.now, mp.committed = newModelState(), newModelState()
	}
}

// kill restarts from what is on disk.
func (m *machine) kill(t *rapid.T) {
	m.land(rapid.Bool().Draw(t, "ok"))
	m.stop()
	m.mem = m.mem.Clone()
	for _, mp := range m.parts {
		if mp.cache.Kind == Local {
			mp.committed = newModelState()
		}
		mp.now = mp.committed.clone()
		mp.owner, mp.p, mp.parked = -1, nil, false
	}
	m.open(t)
}

func (m *machine) stop() {
	for _, mo := range m.os {
		mo.o.finish(true)
		mo.o.writer.stop()
	}
}

func (m *machine) recreate(t *rapid.T) {
	m.land(true)
	seen := m.s.Epoch()
	for range 2 {
		if err := m.s.Recreate(seen); err != nil {
			t.Fatal(err)
		}
	}
	for _, mp := range m.parts {
		if mp.p != nil {
			if _, _, err := mp.p.Get([]byte("a"), nil); !errors.Is(err, ErrStale) {
				t.Fatalf("get after recreate: %v", err)
			}
		}
		if mp.cache.Kind == Local {
			mp.committed = newModelState()
		}
		mp.now = mp.committed.clone()
		mp.owner, mp.p, mp.parked = -1, nil, false
	}
	for _, mo := range m.os {
		mo.o.Rollback()
		mo.frames = nil
	}
	clear(m.durable)
}

// check looks at what must hold between any two actions.
func (m *machine) check(t *rapid.T) {
	used := int64(0)
	for _, mo := range m.os {
		checkOverlay(t, mo.o)
		used += mo.o.cached
	}
	if got := m.s.budget.used.Load(); got != used {
		t.Fatalf("record cache counts %d bytes, overlays have %d", got, used)
	}
	for at, mp := range m.parts {
		if mp.p == nil {
			continue
		}
		if mp.cache.header() != 0 && mp.p.Size() != mp.now.size() {
			t.Fatalf("%v has size %d, want %d", at, mp.p.Size(), mp.now.size())
		}
		checkIndexes(t, mp.p, mp.now)
	}
}

func checkOverlay(t *rapid.T, o *Overlay) {
	var cached, unwritten, stagedBytes int64
	clean := 0
	for _, p := range o.parts {
		for _, sp := range p.spaces {
			if sp == nil {
				continue
			}
			pinnedCount := 0
			for k, e := range sp.entries {
				if k != string(e.key) || e.space != sp {
					t.Fatalf("entry %q is in the map as %q", e.key, k)
				}
				cached += e.cost
				unwritten += e.debt
				is := e.flags&(staged|dirty|flying) != 0
				if is != (e.flags&pinned != 0) || is == (e.newer != nil) {
					t.Fatalf("entry %q: flags %b, in ring %v", k, e.flags, e.newer != nil)
				}
				if (e.flags&staged != 0) != (e.stagedAt > 0 && sp.staging[e.stagedAt-1] == e) {
					t.Fatalf("entry %q is not listed as staged", k)
				}
				if (e.flags&dirty != 0) != (e.dirtyAt > 0 && sp.dirty[e.dirtyAt-1] == e) {
					t.Fatalf("entry %q is not listed as dirty", k)
				}
				if e.flags&staged != 0 {
					stagedBytes += int64(len(e.key) + len(e.next))
				}
				if is {
					pinnedCount++
				} else {
					clean++
				}
			}
			if sp.order != nil && sp.order.Len() != pinnedCount {
				t.Fatalf("%d entries are in order, %d pinned", sp.order.Len(), pinnedCount)
			}
		}
	}
	ringed := 0
	if e := o.ring.head; e != nil {
		for ringed = 1; e.newer != o.ring.head; ringed++ {
			e = e.newer
		}
	}
	if cached != o.cached || unwritten != o.unwritten || stagedBytes != o.staged || clean != ringed {
		t.Fatalf("cached %d/%d, unwritten %d/%d, staged %d/%d, clean %d/%d", o.cached, cached, o.unwritten, unwritten, o.staged, stagedBytes, ringed, clean)
	}
}

// checkIndexes compares the indexes, staged entries included, with the model.
func checkIndexes(t *rapid.T, p *Partition, want *modelState) {
	for place, sp := range p.spaces {
		if place == dataSpace || sp == nil {
			continue
		}
		real := p.overlay.front(sp)
		var expected []string
		for k, e := range want.entries {
			n := e.seq
			if place == expirySpace {
				n = expiryKey(e.expiry)
			}
			expected = append(expected, fmt.Sprintf("%016x%s", n, k))
		}
		slices.Sort(expected)
		if d := gocmp.Diff(expected, real); len(expected)+len(real) > 0 && d != "" {
			t.Fatalf("index %d of %s:\n%s", place, p.cache.Name, d)
		}
	}
}

// front lists an index by brute force.
func (o *Overlay) front(sp *space) (out []string) {
	seen := map[string]bool{}
	var page Page
	hi := successor(bytes.Clone(sp.prefix))
	if _, err := o.store.engine.Page(sp.family, sp.prefix, hi, false, &page); err != nil {
		return []string{err.Error()}
	}
	for i := range page.Len() {
		k, _ := page.Entry(i)
		seen[string(k[len(sp.prefix):])] = true
	}
	for k, e := range sp.entries {
		_, ok := e.view()
		seen[k] = ok
	}
	for k, ok := range seen {
		if ok {
			out = append(out, fmt.Sprintf("%x%s", k[:8], k[8:]))
		}
	}
	slices.Sort(out)
	return out
}

// fold compares a fresh store loaded from the changelogs with the model.
func (m *machine) fold(t *rapid.T) {
	s, err := Open(NewMemory(), m.conf)
	if err != nil {
		t.Fatal(err)
	}
	o := s.Overlay()
	for at, mp := range m.parts {
		if mp.cache.Kind == Local {
			continue
		}
		replay(t, s, at, mp.log, 0, 3)
		p, err := o.Attach(at.cache, at.partition)
		if err != nil {
			t.Fatal(err)
		}
		var page Page
		if _, err := p.Page(nil, nil, false, &page); err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for i := range page.Len() {
			k, v := page.Entry(i)
			got = append(got, string(k)+"="+string(v))
		}
		for _, k := range slices.Sorted(maps.Keys(mp.committed.entries)) {
			want = append(want, k+"="+mp.committed.entries[k].value)
		}
		if strings.Join(got, ";") != strings.Join(want, ";") {
			t.Fatalf("%v restored: %q, want %q", at, got, want)
		}
		if mp.cache.header() != 0 && p.Size() != mp.committed.size() {
			t.Fatalf("%v restored: size %d, want %d", at, p.Size(), mp.committed.size())
		}
		checkIndexes(t, p, mp.committed)
	}
	if err := errors.Join(o.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOverlaysBehaveLikeTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		defer func() {
			m.land(true)
			m.stop()
		}()
		put := m.put
		t.Repeat(map[string]func(*rapid.T){
			"attach": m.attach, "attach again": m.attach, "detach": m.detach,
			"get": m.get, "put": put, "put again": put, "put more": put, "put with failing reads": m.putWithFailingReads,
			"delete": m.delete, "delete range": m.deleteRange, "scan": m.scan, "scan again": m.scan,
			"mark": m.mark, "undo": m.undo, "forget": m.forget, "time": m.moveTime, "sweep": m.sweep,
			"commit": m.commit, "commit again": m.commit, "rollback": m.rollback,
			"maintain": m.maintain, "flush": m.flush, "wipe": m.wipe, "kill": m.kill, "recreate": m.recreate,
			"": m.check,
		})
		m.land(true)
		m.fold(t)
	})
}
