package checker

import (
	"fmt"
	"slices"
)

// Delivery is what the run's manifest promises.
type Delivery int

// Deliveries. Under AtLeastOnce outputs may repeat, so caches, which would
// count repetitions, are not judged.
const (
	ExactlyOnce Delivery = iota
	AtLeastOnce
)

// Run is all that is known of a run, after it has come to rest: every input
// processed, every transaction ended. All topics are as a read_committed reader
// sees them.
type Run struct {
	Delivery Delivery
	Handlers []string
	Input    Topic
	Journal  *Journal // nil where nothing was journaled
	// Outputs holds the output topics by handler, Changelogs the changelog
	// topics by cache.
	Outputs    map[string]*Topic
	Changelogs map[string]*Topic
	Dead       *Topic // nil without Poison
	// DeadHandler is the id that dead letters name as the handler.
	DeadHandler string
	// Offsets are the group's, of all topics it reads.
	Offsets []Offset
	// Stores are dumps of the caches on disk, by cache; nil without one.
	Stores map[string]Fold
	// Watched is what an observer saw while the faults happened.
	Watched []Observation
	// Views are what concurrent readers had read, by topic name: prefixes of
	// what is there now.
	Views []Topic
	// Aborted counts records that were written and never committed. MustAbort
	// says that the faults cannot have failed to cause some.
	Aborted   int
	MustAbort bool
	Progress  []Progress
}

// Check judges a run. The error says that it cannot be judged.
func Check(r *Run) (Findings, error) {
	if r.Delivery == AtLeastOnce {
		for _, h := range r.Handlers {
			if len(CachesOf(h)) > 0 {
				return nil, fmt.Errorf("handler %s keeps a cache, which at least once says nothing about", h)
			}
		}
	}
	m, err := newModel(&r.Input, r.Handlers)
	if err != nil {
		return nil, err
	}
	for _, h := range r.Handlers {
		if r.Outputs[h] == nil {
			return nil, fmt.Errorf("the output topic of handler %s was not read", h)
		}
		for _, c := range CachesOf(h) {
			if r.Changelogs[c] == nil {
				return nil, fmt.Errorf("the changelog of cache %s was not read", c)
			}
		}
	}
	c := &checking{Run: r, model: m}
	c.acked()
	for _, h := range r.Handlers {
		if h == Rekey {
			c.grouped()
			continue
		}
		c.outputs(h)
	}
	if r.Dead != nil {
		c.deadLetters()
	}
	c.atomic()
	c.observed()
	c.views()
	c.state()
	c.offsets()
	c.aborts()
	c.live()
	return c.found, nil
}

// checking is one Check under way.
type checking struct {
	*Run
	model *model
	found Findings
}

func (c *checking) report(check string, t *Topic, p int, offset int64, key, expected, got string) {
	c.found = append(c.found, Finding{check, t.Name, p, offset, key, expected, got})
}

// acked finds inputs that the broker acknowledged and does not have. That is
// no fault of the host, and yet a loss.
func (c *checking) acked() {
	if c.Journal == nil {
		return
	}
	for _, a := range c.Journal.Acked {
		s := c.model.inputs[a.ID]
		switch {
		case s == nil:
			c.report("C1", &c.Input, int(a.Partition), a.Offset, "", fmt.Sprintf("the acknowledged input %d", a.ID), "nothing")
		case s.partition != int(a.Partition) || s.offset != a.Offset:
			c.report("C1", &c.Input, int(a.Partition), a.Offset, s.Key, fmt.Sprintf("the acknowledged input %d", a.ID), "it at "+place{c.Input.Name, s.partition, s.offset}.String())
		}
	}
}

// direct lists the handlers whose outputs belong to the transaction of their
// input.
func (c *checking) direct() []string {
	return slices.DeleteFunc(slices.Clone(c.Handlers), func(h string) bool { return h == Rekey })
}

// from says for people where an input is.
func (c *checking) from(id int64) string {
	s := c.model.inputs[id]
	if s == nil {
		return fmt.Sprintf("id %d", id)
	}
	return fmt.Sprintf("id %d of %s", id, place{c.Input.Name, s.partition, s.offset})
}
