package checker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// segment is what a partition has of a transaction.
type segment struct {
	topic     string
	partition int
	Writer
}

func (s segment) String() string {
	return fmt.Sprintf("transaction %d of producer %d epoch %d in %s[%d]", s.Seq, s.Producer, s.Epoch, s.topic, s.partition)
}

func (s segment) compare(t segment) int {
	return cmp.Or(cmp.Compare(s.topic, t.topic), cmp.Compare(s.partition, t.partition),
		cmp.Compare(s.Producer, t.Producer), cmp.Compare(s.Epoch, t.Epoch), cmp.Compare(s.Seq, t.Seq))
}

// transactions joins the segments that one input record ties together.
type transactions struct {
	c      *checking
	parent map[segment]segment
	first  map[int64]segment // the first segment met of each input
	tie    map[segment]int64 // an input of each segment
	topics map[segment]*Topic
}

// atomic finds effects of one input in different transactions. A partition
// numbers the transactions of a producer for itself; which of them belong
// together is told by the inputs they share. If two of one partition are tied
// together in that way, some input's effects are spread over both.
func (c *checking) atomic() {
	if c.Delivery != ExactlyOnce {
		return
	}
	// Group's effects are in the transactions that its own input, the
	// repartition topic, is committed in.
	direct := c.transactions()
	for _, h := range c.direct() {
		direct.outputs(c.Outputs[h], h)
		for _, cache := range CachesOf(h) {
			direct.changelog(c.Changelogs[cache], cache)
		}
	}
	if c.Dead != nil {
		direct.letters(c.Dead)
	}
	direct.conflicts()
	if t := c.Outputs[Rekey]; t != nil {
		grouped := c.transactions()
		grouped.outputs(t, Rekey)
		grouped.changelog(c.Changelogs[Groups], Groups)
		grouped.conflicts()
	}
}

func (c *checking) transactions() *transactions {
	return &transactions{
		c: c, parent: map[segment]segment{}, first: map[int64]segment{},
		tie: map[segment]int64{}, topics: map[segment]*Topic{},
	}
}

func (x *transactions) root(s segment) segment {
	for x.parent[s] != s {
		x.parent[s] = x.parent[x.parent[s]]
		s = x.parent[s]
	}
	return s
}

// add ties the transaction of a record to those of its input's other effects.
func (x *transactions) add(t *Topic, p int, r *Record, id int64) {
	if r.Writer == (Writer{}) {
		x.c.report("C4", t, p, r.Offset, string(r.Key), "a record of a transaction", "one of none")
		return
	}
	s := segment{t.Name, p, r.Writer}
	if _, ok := x.parent[s]; !ok {
		x.parent[s], x.tie[s], x.topics[s] = s, id, t
	}
	first, ok := x.first[id]
	if !ok {
		x.first[id] = s
		return
	}
	if first.Producer != s.Producer || first.Epoch != s.Epoch {
		x.c.report("C4", t, p, r.Offset, string(r.Key), fmt.Sprintf("the effects of %s in one transaction", x.c.from(id)), fmt.Sprintf("%s and %s", first, s))
		return
	}
	if a, b := x.root(first), x.root(s); a != b {
		x.parent[b] = a
	}
}

// outputs ties what the input calls for; the rest is up to other checks.
func (x *transactions) outputs(t *Topic, handler string) {
	seen := map[string]bool{}
	for p, recs := range t.Parts {
		for i := range recs {
			r := &recs[i]
			_, due := x.c.model.rank(handler, r)
			if id, ok := idOf(r.Value); ok && x.c.model.inputs[id] != nil && (due || handler == Rekey) && !seen[string(r.Value)] {
				seen[string(r.Value)] = true
				x.add(t, p, r, id)
			}
		}
	}
}

func (x *transactions) changelog(t *Topic, cache string) {
	for p, recs := range t.Parts {
		for i := range recs {
			if id, ok := x.c.model.setter(cache, p, &recs[i]); ok {
				x.add(t, p, &recs[i], id)
			}
		}
	}
}

func (x *transactions) letters(t *Topic) {
	seen := map[int64]bool{}
	for p, recs := range t.Parts {
		for i := range recs {
			s := x.c.letterOf(&recs[i])
			if s != nil && s.Mark.Dies() && !seen[s.ID] {
				seen[s.ID] = true
				x.add(t, p, &recs[i], s.ID)
			}
		}
	}
}

// conflicts reports transactions of one partition that are tied together.
func (x *transactions) conflicts() {
	type spot struct {
		root      segment
		topic     string
		partition int
	}
	met := map[spot]segment{}
	for _, s := range slices.SortedFunc(maps.Keys(x.parent), segment.compare) {
		at := spot{x.root(s), s.topic, s.partition}
		other, twice := met[at]
		if !twice {
			met[at] = s
			continue
		}
		met[at] = s
		x.c.report("C4", x.topics[s], s.partition, -1, "",
			"the effects of each input in one transaction",
			fmt.Sprintf("%s (with %s) and %s (with %s) tied together by what else these inputs caused", other, x.c.from(x.tie[other]), s, x.c.from(x.tie[s])))
	}
}
