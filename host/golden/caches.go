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
)

// keeping is what a scene has for manifests with caches.
type keeping struct {
	// keys has the type of the keys of each cache, parts the number of its
	// partitions.
	keys  []keyType
	parts []int32
	// caches is nil without any.
	caches *hosttest.Caches
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
func (s *scene) keep() (err error) {
	k := &s.kept
	caches := s.b.Caches()
	for i := range s.plan.Caches {
		c := &s.plan.Caches[i]
		c.Cluster, c.Partitions = 0, int32(s.parts[c.Topic])
		if c.Topic != "" && s.parts[c.Topic] > 0 {
			if c.Log, err = s.feed.broker.Identity(c.Topic); err != nil {
				return err
			}
		}
		k.keys = append(k.keys, keyType{s.b.Manifest.Caches[i].Key, caches[i].Key})
		k.parts = append(k.parts, c.Partitions)
	}
	if len(caches) > 0 {
		k.caches, err = hosttest.NewCaches(s.plan.App, caches, s.log)
		s.feed.caches = k.caches
	}
	return err
}

// restart is what a new process finds.
func (s *scene) restart() error {
	if s.kept.caches == nil {
		return nil
	}
	return s.kept.caches.Restart()
}

func (s *scene) close() error {
	if s.kept.caches == nil {
		return nil
	}
	return s.kept.caches.Close()
}

// cacheOf finds the cache that a test names.
func (s *scene) cacheOf(t *cacheTest) (int, error) {
	i := slices.IndexFunc(s.plan.Caches, func(c host.Cache) bool { return c.ID == t.name })
	at := &block{at: t.at}
	switch {
	case i < 0:
		return 0, s.at(at, "%s has no cache %q", s.b.Manifest.File, t.name)
	case s.b.Manifest.Caches[i].Kind == manifest.CacheLocal:
		return 0, s.at(at, "cache %q is local: it is empty before the run and gone after it", t.name)
	case s.b.Manifest.Caches[i].Kind == manifest.CacheGlobal && len(t.before) > 0:
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
	if _, err := e.stored(s.kept.keys[cache]); err != nil {
		return s.at(at, "%s", err)
	}
	if _, err := e.encoded(); err != nil {
		return s.at(at, "value: %s", err)
	}
	if n := s.kept.parts[cache]; e.partition >= n {
		return s.at(at, "cache %q has partitions 0 to %d, not %d", s.plan.Caches[cache].ID, n-1, e.partition)
	}
	return nil
}

// fillCache writes entries into a cache.
func (s *scene) fillCache(cache int, entries []*entry) error {
	for _, e := range entries {
		n, err := s.partitionOf(cache, e)
		if err != nil {
			return err
		}
		key, _ := e.stored(s.kept.keys[cache])
		value, _ := e.encoded()
		if err := s.kept.caches.Put(cache, n, s.plan.Caches[cache].Log, s.f.now.UnixMilli(), key, value); err != nil {
			return s.at(&block{at: e.at}, "%s", err)
		}
	}
	return nil
}

// partitionOf is where an entry goes: where its key would have gone, had a
// producer sent it.
func (s *scene) partitionOf(cache int, e *entry) (int32, error) {
	n := s.kept.parts[cache]
	switch typ := s.kept.keys[cache]; {
	case e.partition >= 0:
		return e.partition, nil
	case n == 1:
		return 0, nil
	case e.raw == nil && typ.isText():
		key, err := (&entry{key: e.key}).stored(typ)
		return hosttest.Partition(key, int(n)), err
	}
	return 0, s.at(&block{at: e.at}, "say in which partition this entry is; the cache has %d", n)
}

// held returns what a cache holds.
func (s *scene) held(cache int) (all []held, err error) {
	parts := s.kept.parts[cache]
	if s.b.Manifest.Caches[cache].Kind == manifest.CacheGlobal {
		parts = 1
	}
	for n := range parts {
		err := s.kept.caches.Each(cache, n, func(key, value []byte) { all = append(all, held{n, key, value}) })
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// cacheComparison is a cache's expected and real entries side by side.
type cacheComparison struct {
	test *cacheTest
	typ  keyType
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
		all = append(all, compareCache(t, s.kept.keys[i], have))
	}
	return all, nil
}

func compareCache(t *cacheTest, typ keyType, have []held) cacheComparison {
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
