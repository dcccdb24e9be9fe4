package checker

import (
	"fmt"
	"strings"
)

// output is a record of an output topic, and the input it says it is of.
type output struct {
	*Record
	partition int
	id        int64
	known     bool // the input exists
}

// phantom reports what no committed input accounts for.
func (c *checking) phantom(t *Topic, o output) {
	expected := "an output of a committed input"
	got := fmt.Sprintf("%.60q of id %d, which is no input", o.Value, o.id)
	if c.Journal != nil && c.Journal.Aborted[o.id] {
		got = fmt.Sprintf("%.60q of id %d, whose transaction was aborted", o.Value, o.id)
	}
	c.report("C7", t, o.partition, o.Offset, string(o.Key), expected, got)
}

// read lists the outputs of a topic by partition and reports those of no input.
func (c *checking) read(t *Topic) [][]output {
	all := make([][]output, len(t.Parts))
	for p, recs := range t.Parts {
		for i := range recs {
			o := output{Record: &recs[i], partition: p}
			id, ok := idOf(o.Value)
			o.id, o.known = id, ok && c.model.inputs[id] != nil
			if !o.known {
				c.phantom(t, o)
				continue
			}
			all[p] = append(all[p], o)
		}
	}
	return all
}

// outputs judges the output topic of a handler: loss, duplicates, order.
func (c *checking) outputs(handler string) {
	t := c.Outputs[handler]
	got := c.read(t)
	byID := map[int64][]output{}
	for _, part := range got {
		for _, o := range part {
			byID[o.id] = append(byID[o.id], o)
		}
	}
	for _, part := range c.model.lines[handler] {
		for len(part) > 0 {
			n := 1
			for n < len(part) && part[n].id == part[0].id {
				n++
			}
			c.compare(t, part[:n], byID[part[0].id])
			delete(byID, part[0].id)
			part = part[n:]
		}
	}
	for p := range got {
		for _, o := range got[p] {
			if _, left := byID[o.id]; left {
				c.report("C2", t, p, o.Offset, string(o.Key), "no output of "+c.from(o.id), fmt.Sprintf("%.60q", o.Value))
			}
		}
	}
	c.order(t, handler, got)
}

// compare judges the outputs of one input.
func (c *checking) compare(t *Topic, expected []line, got []output) {
	first := expected[0]
	partition := partitionOf(first.key, max(1, len(t.Parts)))
	used := make([]bool, len(got))
	take := func(l line) int {
		for i, o := range got {
			if !used[i] && string(o.Value) == l.value && string(o.Key) == l.key {
				used[i] = true
				return i
			}
		}
		return -1
	}
	var missing []line
	for _, l := range expected {
		i := take(l)
		if i < 0 {
			missing = append(missing, l)
		} else if o := got[i]; o.partition != partition {
			c.report("C3", t, o.partition, o.Offset, l.key, fmt.Sprintf("the key in partition %d", partition), "it here")
		}
	}
	var surplus []output
	for i, o := range got {
		if used[i] {
			continue
		}
		repeated := contains(expected, o)
		if repeated && c.Delivery == AtLeastOnce {
			continue
		}
		if repeated {
			c.report("C2", t, o.partition, o.Offset, string(o.Key), fmt.Sprintf("%q of %s once", cut(string(o.Value)), c.from(o.id)), "it again: "+placesOf(t, got, o))
			continue
		}
		surplus = append(surplus, o)
	}
	// An output in place of another one tells of a wrong state, not of a loss.
	for len(missing) > 0 && len(surplus) > 0 {
		l, o := missing[0], surplus[0]
		missing, surplus = missing[1:], surplus[1:]
		c.report("C5", t, o.partition, o.Offset, string(o.Key), fmt.Sprintf("%q under key %q for %s", cut(l.value), l.key, c.from(l.id)), fmt.Sprintf("%q", cut(string(o.Value))))
	}
	for _, l := range missing {
		c.report("C1", t, partition, -1, l.key, fmt.Sprintf("%q of %s", cut(l.value), c.from(l.id)), "nothing")
	}
	for _, o := range surplus {
		c.report("C2", t, o.partition, o.Offset, string(o.Key), fmt.Sprintf("%d outputs of %s", len(expected), c.from(o.id)), fmt.Sprintf("another one, %q", cut(string(o.Value))))
	}
}

func contains(lines []line, o output) bool {
	for _, l := range lines {
		if l.key == string(o.Key) && l.value == string(o.Value) {
			return true
		}
	}
	return false
}

// placesOf lists where an output is.
func placesOf(t *Topic, all []output, o output) string {
	var places []string
	for _, other := range all {
		if string(other.Value) == string(o.Value) {
			places = append(places, place{t.Name, other.partition, other.Offset}.String())
		}
	}
	return strings.Join(places, " and ")
}

// cut shortens what is shown.
func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
