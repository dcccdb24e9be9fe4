package checker

import (
	"bytes"
	"fmt"
	"math"
)

// Observation is what was seen at one moment during the faults. The four parts
// are read one after the other, in this order.
type Observation struct {
	// Before holds the committed offset of each input partition, 0 for none,
	// read so that the end of pending transactions is waited for.
	Before []int64
	// High holds the end of each partition, open transactions included, by
	// topic name.
	High map[string][]int64
	// Stable holds what a read_committed reader can read up to.
	Stable map[string][]int64
	// After is Before, read once more.
	After []int64
}

// reach says of a topic's partition which inputs its first records belong to.
type reach struct {
	offsets []int64
	// upTo is, for each input partition, the largest input offset among the
	// records up to here; from is the smallest from here on.
	upTo, from [][]int64
}

// observed finds moments at which outputs were visible before, or missing
// after, the commit of their inputs' offsets.
func (c *checking) observed() {
	for _, h := range c.direct() {
		t := c.Outputs[h]
		for p := range t.Parts {
			c.watch(t, p)
		}
	}
}

func (c *checking) watch(t *Topic, p int) {
	r := c.reachOf(t, p)
	for n, o := range c.Watched {
		high, stable := o.High[t.Name], o.Stable[t.Name]
		if p >= len(high) || p >= len(stable) {
			continue
		}
		for in := range c.Input.Parts {
			if i := r.at(high[p]); i < len(r.from) && in < len(o.Before) && r.from[i][in] < o.Before[in] {
				s := c.model.parts[in][indexOf(c.model.parts[in], r.from[i][in])]
				c.report("C4", t, p, -1, s.Key, fmt.Sprintf("the output of %s below offset %d, since input offset %d was committed (observation %d)", c.from(s.ID), high[p], o.Before[in], n), "it written later")
				return
			}
			if c.Delivery == AtLeastOnce {
				continue
			}
			if i := r.at(stable[p]); i > 0 && in < len(o.After) && r.upTo[i-1][in] >= o.After[in] {
				s := c.model.parts[in][indexOf(c.model.parts[in], r.upTo[i-1][in])]
				c.report("C4", t, p, -1, s.Key, fmt.Sprintf("the output of %s invisible while only inputs below offset %d were committed (observation %d)", c.from(s.ID), o.After[in], n), fmt.Sprintf("it readable below offset %d", stable[p]))
				return
			}
		}
	}
}

func indexOf(part []*source, offset int64) int {
	for i, s := range part {
		if s.offset == offset {
			return i
		}
	}
	return 0
}

// at is the number of records below an offset.
func (r *reach) at(offset int64) int {
	lo, hi := 0, len(r.offsets)
	for lo < hi {
		if mid := (lo + hi) / 2; r.offsets[mid] < offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// reachOf leaves repetitions out: the first output of an input tells.
func (c *checking) reachOf(t *Topic, p int) *reach {
	r := &reach{}
	inputs := len(c.Input.Parts)
	seen := map[string]bool{}
	var ids []*source
	for i := range t.Parts[p] {
		rec := &t.Parts[p][i]
		id, ok := idOf(rec.Value)
		if s := c.model.inputs[id]; ok && s != nil && !seen[string(rec.Value)] {
			seen[string(rec.Value)] = true
			ids = append(ids, s)
			r.offsets = append(r.offsets, rec.Offset)
		}
	}
	r.upTo, r.from = make([][]int64, len(ids)), make([][]int64, len(ids))
	now := filled(inputs, -1)
	for i, s := range ids {
		now = append([]int64(nil), now...)
		now[s.partition] = max(now[s.partition], s.offset)
		r.upTo[i] = now
	}
	now = filled(inputs, math.MaxInt64)
	for i := len(ids) - 1; i >= 0; i-- {
		s := ids[i]
		now = append([]int64(nil), now...)
		now[s.partition] = min(now[s.partition], s.offset)
		r.from[i] = now
	}
	return r
}

func filled(n int, v int64) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// views finds records that a concurrent reader was given and that are not
// there now, or not so: a committed log never changes.
func (c *checking) views() {
	topics := map[string]*Topic{c.Input.Name: &c.Input}
	for _, t := range c.Outputs {
		topics[t.Name] = t
	}
	for i := range c.Views {
		view := &c.Views[i]
		t := topics[view.Name]
		if t == nil {
			continue
		}
		for p, recs := range view.Parts {
			if p >= len(t.Parts) {
				break
			}
			for n := range recs {
				was := &recs[n]
				if n >= len(t.Parts[p]) {
					c.report("C7", t, p, was.Offset, string(was.Key), "what a concurrent reader was given", "nothing there")
					break
				}
				if is := &t.Parts[p][n]; is.Offset != was.Offset || !bytes.Equal(is.Key, was.Key) || !bytes.Equal(is.Value, was.Value) {
					c.report("C7", t, p, was.Offset, string(was.Key), fmt.Sprintf("%q, as a concurrent reader was given", cut(string(was.Value))), fmt.Sprintf("%q at offset %d", cut(string(is.Value)), is.Offset))
					break
				}
			}
		}
	}
}
