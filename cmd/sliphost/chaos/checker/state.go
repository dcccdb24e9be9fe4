package checker

import (
	"fmt"
	"maps"
	"slices"
)

// Fold is what a cache holds, by partition and key.
type Fold []map[string]string

// FoldOf is what a changelog says a cache holds: the last value of each key,
// without those that end in a tombstone.
func FoldOf(t *Topic) Fold {
	f := make(Fold, len(t.Parts))
	for p, recs := range t.Parts {
		f[p] = map[string]string{}
		for _, r := range recs {
			if r.Value == nil {
				delete(f[p], string(r.Key))
				continue
			}
			f[p][string(r.Key)] = string(r.Value)
		}
	}
	return f
}

// state compares every cache with the model: the changelog's fold, its steps,
// and the dump of the store where there is one.
func (c *checking) state() {
	for _, h := range c.Handlers {
		for _, cache := range CachesOf(h) {
			t := c.Changelogs[cache]
			c.steps(t, cache)
			c.folded(t, "the changelog's fold", FoldOf(t), cache)
			if dump, ok := c.Stores[cache]; ok {
				c.folded(&Topic{Name: "store of " + cache}, "the store", dump, cache)
			}
		}
	}
}

// folded compares what a cache holds with the model's end.
func (c *checking) folded(t *Topic, what string, got Fold, cache string) {
	want := c.model.steps[cache]
	for p := range max(len(want), len(got)) {
		expected, there := map[string]string{}, map[string]string{}
		if p < len(want) {
			for key, steps := range want[p] {
				expected[key] = steps[len(steps)-1].value
			}
		}
		if p < len(got) && got[p] != nil {
			there = got[p]
		}
		for _, key := range slices.Sorted(maps.Keys(expected)) {
			value, ok := there[key]
			switch {
			case !ok:
				c.report("C5", t, p, -1, key, fmt.Sprintf("%q in %s", expected[key], what), "no entry")
			case value != expected[key]:
				c.report("C5", t, p, -1, key, fmt.Sprintf("%q in %s", expected[key], what), fmt.Sprintf("%q", cut(value)))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(there)) {
			if _, ok := expected[key]; !ok {
				c.report("C5", t, p, -1, key, "no entry in "+what, fmt.Sprintf("%q", cut(there[key])))
			}
		}
	}
}

// steps finds values in a changelog that the cache never held, or held
// earlier than what stands before them.
func (c *checking) steps(t *Topic, cache string) {
	for p, recs := range t.Parts {
		if p >= len(c.model.steps[cache]) {
			break // folded reports it
		}
		at := map[string]int{}
		for i := range recs {
			r := &recs[i]
			key, value := string(r.Key), string(r.Value)
			list := c.model.steps[cache][p][key]
			n := slices.IndexFunc(list[min(at[key], len(list)):], func(s step) bool { return s.value == value })
			if n < 0 {
				got := fmt.Sprintf("%q, which it never holds", cut(value))
				if slices.ContainsFunc(list, func(s step) bool { return s.value == value }) {
					got = fmt.Sprintf("%q, which it holds before %q", cut(value), list[at[key]].value)
				}
				c.report("C5", t, p, r.Offset, key, "a later value of the cache", got)
				continue
			}
			at[key] += n
		}
	}
}

// setter is the input that gave a cache the value that a changelog's record
// has, or false.
func (m *model) setter(cache string, p int, r *Record) (int64, bool) {
	if p >= len(m.steps[cache]) {
		return 0, false
	}
	for _, s := range m.steps[cache][p][string(r.Key)] {
		if s.value == string(r.Value) {
			return s.id, s.id >= 0
		}
	}
	return 0, false
}
