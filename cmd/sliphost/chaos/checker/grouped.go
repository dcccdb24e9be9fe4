package checker

import (
	"fmt"
	"strconv"
	"strings"
)

// grouped judges the outputs of rekey and group. How the records of several
// input partitions meet in a group is not determined, but the rest is: each
// once, those of one input key in their order, and each output the count and
// the sum of what the group has seen so far. It fills the model's steps of the
// cache from the outputs; their last values do not depend on the order.
func (c *checking) grouped() {
	t := c.Outputs[Rekey]
	got := c.read(t)
	seen := map[int64]output{}
	steps := make([]map[string][]step, max(1, len(t.Parts)))
	for p, part := range got {
		steps[p] = map[string][]step{}
		tallies := map[string]*tally{}
		newest := map[string]map[string]output{} // by group and input key
		for _, o := range part {
			s, key := c.model.inputs[o.id], string(o.Key)
			if first, twice := seen[o.id]; twice {
				c.report("C2", t, p, o.Offset, key, c.from(o.id)+" once", fmt.Sprintf("it again: first %s", place{t.Name, first.partition, first.Offset}))
				continue
			}
			seen[o.id] = o
			if group := groupOf(o.id); key != group || p != partitionOf(group, len(t.Parts)) {
				c.report("C3", t, p, o.Offset, key, fmt.Sprintf("%s under key %q in partition %d", c.from(o.id), group, partitionOf(group, len(t.Parts))), "it here")
				continue
			}
			if newest[key] == nil {
				newest[key] = map[string]output{}
			}
			if prev, ok := newest[key][s.Key]; ok && c.model.inputs[prev.id].N > s.N {
				c.report("C3", t, p, o.Offset, key, fmt.Sprintf("%s before %s at offset %d", c.from(o.id), c.from(prev.id), prev.Offset), "it behind")
			}
			newest[key][s.Key] = o
			value := tallyOf(tallies, key).add(o.id)
			if want := fmt.Sprintf("%d %s", o.id, value); string(o.Value) != want {
				c.report("C5", t, p, o.Offset, key, strconv.Quote(want), strconv.Quote(cut(string(o.Value))))
				// Go on from what it says, so that one fault is one finding.
				_, value, _ = strings.Cut(string(o.Value), " ")
				_, _ = fmt.Sscanf(value, "%d %d", &tallies[key].count, &tallies[key].sum)
			}
			steps[p][key] = append(steps[p][key], step{value, o.id})
		}
	}
	// The end is that of the input, not of what came out.
	totals := map[string]*tally{}
	for _, part := range c.model.parts {
		for _, s := range part {
			group := groupOf(s.ID)
			tallyOf(totals, group).add(s.ID)
			if _, there := seen[s.ID]; !there {
				c.report("C1", t, partitionOf(group, max(1, len(t.Parts))), -1, group, "an output of "+c.from(s.ID), "nothing")
			}
		}
	}
	for group, total := range totals {
		p := partitionOf(group, len(steps))
		list := steps[p][group]
		if len(list) == 0 || list[len(list)-1].value != total.String() {
			steps[p][group] = append(list, step{total.String(), -1})
		}
	}
	c.model.steps[Groups] = steps
}
