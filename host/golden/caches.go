package golden

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/state"
)

// keeping is what a scene has for manifests with caches.
type keeping struct {
	engine *state.Memory
	caches []state.Cache
	// parts is the number of partitions of each cache.
	parts []int32
	store *state.Store
}

// internalTopics makes changelogs and repartition topics with the partitions
// that they would have at a real broker.
func (s *scene) internalTopics() error {
	counts, found := s.b.InternalPartitions(func(_ int, name string) int { return s.parts[name] })
	if found.Fatal() != nil {
		return fmt.Errorf("%s: %w", s.f.path, found)
	}
	for name, n := range counts {
		s.parts[name] = n
	}
	return nil
}

// keep opens the store of the manifest's caches.
func (s *scene) keep() error {
	k := &s.kept
	k.caches, k.engine = s.b.Caches(), state.NewMemory()
	for i := range s.plan.Caches {
		c := &s.plan.Caches[i]
		c.Cluster, c.Partitions = 0, int32(s.parts[c.Topic])
		if c.Topic != "" && s.parts[c.Topic] > 0 {
			id, err := s.feed.broker.Identity(c.Topic)
			if err != nil {
				return err
			}
			c.Log = id
		}
		k.parts = append(k.parts, c.Partitions)
	}
	return s.openStore()
}

func (s *scene) openStore() (err error) {
	if len(s.kept.caches) > 0 {
		s.kept.store, err = state.Open(s.kept.engine, state.Config{App: s.plan.App, Caches: s.kept.caches, Log: s.log})
		s.feed.store = s.kept.store
	}
	return err
}

// reopenStore is what a new process does.
func (s *scene) reopenStore() error {
	if err := s.closeStore(); err != nil {
		return err
	}
	s.kept.engine = s.kept.engine.Restart()
	return s.openStore()
}

func (s *scene) closeStore() (err error) {
	if s.kept.store != nil {
		err = s.kept.store.Close()
		s.kept.store = nil
	}
	return err
}

// cacheOf finds the cache that a test names.
func (s *scene) cacheOf(t *cacheTest) (int, error) {
	i := slices.IndexFunc(s.plan.Caches, func(c host.Cache) bool { return c.ID == t.name })
	at := &block{at: t.at}
	switch {
	case i < 0:
		return 0, s.at(at, "%s has no cache %q", s.b.Manifest.File, t.name)
	case s.plan.Caches[i].Kind == state.Local:
		return 0, s.at(at, "cache %q is local: it is empty before the run and gone after it", t.name)
	case s.plan.Caches[i].Kind == state.Global && len(t.before) > 0:
		return 0, s.at(at, "cache %q is global: what it holds are the records of topic %q, which an [[input]] can give", t.name, s.b.Manifest.Caches[i].Topic)
	case s.kept.parts[i] == 0:
		return 0, s.at(at, "no handler uses cache %q", t.name)
	}
	return i, nil
}

// fill puts what the caches hold at the beginning into the store.
func (s *scene) fill() error {
	var errs []error
	for _, t := range s.f.caches {
		i, err := s.cacheOf(t)
		if err == nil {
			for _, e := range slices.Concat(t.before, t.after) {
				errs = append(errs, s.checkEntry(i, e))
			}
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, t := range s.f.caches {
		i, _ := s.cacheOf(t)
		if err := s.fillCache(i, t.before); err != nil {
			return err
		}
	}
	return nil
}

// checkEntry says what is wrong with an entry.
func (s *scene) checkEntry(cache int, e *entry) error {
	at := &block{at: e.at}
	if _, err := e.stored(s.kept.caches[cache].Key); err != nil {
		return s.at(at, "%s", err)
	}
	if _, err := e.encoded(); err != nil {
		return s.at(at, "value: %s", err)
	}
	if n := s.kept.parts[cache]; e.partition >= n {
		return s.at(at, "cache %q has partitions 0 to %d, not %d", s.kept.caches[cache].Name, n-1, e.partition)
	}
	return nil
}

// fillCache writes entries into a cache as committed ones, which no changelog
// has: its position is the beginning.
func (s *scene) fillCache(cache int, entries []*entry) (err error) {
	if len(entries) == 0 {
		return nil
	}
	o := s.kept.store.Overlay()
	defer func() { err = errors.Join(err, o.Close()) }()
	o.SetTime(s.f.now.UnixMilli())
	parts := map[int32]*state.Partition{}
	for _, e := range entries {
		n, err := s.partitionOf(cache, e)
		if err != nil {
			return err
		}
		p := parts[n]
		if p == nil {
			if p, err = o.Attach(cache, n); err != nil {
				return err
			}
			parts[n] = p
			p.SetPosition(state.Position{Log: s.plan.Caches[cache].Log})
		}
		key, _ := e.stored(s.kept.caches[cache].Key)
		value, _ := e.encoded()
		if err := p.Put(key, value); err != nil {
			return s.at(&block{at: e.at}, "%s", err)
		}
	}
	o.Commit()
	return nil
}

// partitionOf is where an entry goes: where its key would have gone, had a
// producer sent it.
func (s *scene) partitionOf(cache int, e *entry) (int32, error) {
	n := s.kept.parts[cache]
	switch typ := s.kept.caches[cache].Key; {
	case e.partition >= 0:
		return e.partition, nil
	case n == 1:
		return 0, nil
	case e.raw == nil && (typ == state.KeyBytes || typ == state.KeyString):
		key, err := (&entry{key: e.key}).stored(typ)
		return hosttest.Partition(key, int(n)), err
	}
	return 0, s.at(&block{at: e.at}, "say in which partition this entry is; the cache has %d", n)
}

// held returns what a cache holds.
func (s *scene) held(cache int) (all []held, err error) {
	o := s.kept.store.Overlay()
	defer func() { err = errors.Join(err, o.Close()) }()
	parts := s.kept.parts[cache]
	if s.plan.Caches[cache].Kind == state.Global {
		parts = 1
	}
	for n := range parts {
		p, err := o.Attach(cache, n)
		if err != nil {
			return nil, err
		}
		page := state.Page{Limit: 4096, MaxBytes: 1 << 20}
		var from []byte
		for more := true; more; {
			page.Reset()
			if more, err = p.Page(from, nil, false, &page); err != nil {
				return nil, err
			}
			for i := range page.Len() {
				key, value := page.Entry(i)
				all = append(all, held{n, clone(key), clone(value)})
				from = append(append(from[:0], key...), 0)
			}
		}
		o.Detach(p)
	}
	return all, nil
}

// cacheComparison is a cache's expected and real entries side by side.
type cacheComparison struct {
	test *cacheTest
	typ  state.KeyType
	got  []*entry
	// of is, for each expected entry, the one in got with its key, -1 for none;
	// right says that the value is the expected one, and extra lists those that
	// nothing expects.
	of    []int
	right []bool
	extra []int
	// split says that partitions have to be shown.
	split bool
}

func (c *cacheComparison) different() bool {
	return slices.Contains(c.right, false) || len(c.extra) > 0 && !c.test.partly
}

// compareCaches sets what the caches hold against what is expected.
func (s *scene) compareCaches() ([]cacheComparison, error) {
	var all []cacheComparison
	for _, t := range s.f.caches {
		if !t.compared {
			continue
		}
		i, err := s.cacheOf(t)
		if err != nil {
			return nil, err
		}
		have, err := s.held(i)
		if err != nil {
			return nil, err
		}
		all = append(all, compareCache(t, s.kept.caches[i].Key, have))
	}
	return all, nil
}

func compareCache(t *cacheTest, typ state.KeyType, have []held) cacheComparison {
	c := cacheComparison{test: t, typ: typ}
	keys := map[string]int32{}
	for i := range have {
		c.got = append(c.got, have[i].entry(typ))
		if p, twice := keys[string(have[i].key)]; twice && p != have[i].partition {
			c.split = true
		}
		keys[string(have[i].key)] = have[i].partition
	}
	taken := make([]bool, len(have))
	for _, e := range t.after {
		c.split = c.split || e.partition >= 0
		key, _ := e.stored(typ)
		at, right := -1, false
		for i := range have {
			if taken[i] || string(have[i].key) != string(key) || e.partition >= 0 && e.partition != have[i].partition {
				continue
			}
			if at < 0 || e.holds(have[i].value) {
				at, right = i, e.holds(have[i].value)
			}
			if right {
				break
			}
		}
		if at >= 0 {
			taken[at] = true
		}
		c.of, c.right = append(c.of, at), append(c.right, right)
	}
	for i := range have {
		if !taken[i] {
			c.extra = append(c.extra, i)
		}
	}
	return c
}

// render shows the entries that differ.
func (c *cacheComparison) render(f *file) string {
	var b strings.Builder
	more := ""
	if c.test.partly {
		more = " or more"
	}
	fmt.Fprintf(&b, "cache %q: want %d entries%s, got %d (- want, + got)\n", c.test.name, len(c.test.after), more, len(c.got))
	lines := 0
	add := func(format string, args ...any) {
		if lines++; lines <= shownLines {
			fmt.Fprintf(&b, format, args...)
		} else if lines == shownLines+1 {
			b.WriteString("    ... and more\n")
		}
	}
	for i, e := range c.test.after {
		if c.right[i] {
			continue
		}
		add("  - %s   (line %s)\n", e.show(e.partition >= 0), strings.Split(place(f.text, e.at), ":")[0])
		if c.of[i] >= 0 {
			add("  + %s\n", c.got[c.of[i]].show(c.split))
		}
	}
	if !c.test.partly {
		for _, i := range c.extra {
			add("  + %s\n", c.got[i].show(c.split))
		}
	}
	return b.String()
}

// changelogs reads the caches' topics.
func (s *scene) logReader(context.Context, int) (host.LogReader, error) {
	return &follower{LogReader: s.feed.broker.LogReader(), feed: s.feed}, nil
}

func (s *scene) logBounds(_ context.Context, _ int, parts []host.LogPartition) ([]host.Bounds, error) {
	var all []host.Bounds
	for _, p := range parts {
		all = append(all, s.feed.broker.Bounds(p.Topic, p.Partition))
	}
	return all, nil
}

// globalTopic returns the topic of a global cache by its id.
func (s *scene) globalTopic(id string) (topic string, caches []int) {
	for i := range s.b.Manifest.Caches {
		c := &s.b.Manifest.Caches[i]
		if c.Kind == manifest.CacheGlobal && c.Topic == id {
			topic, caches = s.b.Manifest.Topics[c.TopicIndex].Name, append(caches, i)
		}
	}
	return topic, caches
}
