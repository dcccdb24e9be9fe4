package checker

import "fmt"

// order finds outputs that overtook others: of one key always, of a whole
// partition where outputs are partitioned as the inputs are. Of outputs that
// repeat, the first counts.
func (c *checking) order(t *Topic, handler string, got [][]output) {
	aligned := len(t.Parts) == len(c.Input.Parts)
	for p, part := range got {
		type last struct {
			rank
			o output
		}
		byKey := map[string]last{}
		var before *last
		seen := map[text]bool{}
		for _, o := range part {
			x := text{string(o.Key), string(o.Value)}
			r, known := c.model.rank(handler, o.Record)
			if !known || seen[x] {
				continue
			}
			seen[x] = true
			prev, same := byKey[x.key]
			switch {
			case same && prev.partition == r.partition && prev.n > r.n:
				c.report("C3", t, p, o.Offset, x.key, fmt.Sprintf("%q before %q at offset %d, as their inputs are", cut(x.value), cut(string(prev.o.Value)), prev.o.Offset), "it behind")
				continue
			case aligned && before != nil && before.partition == r.partition && before.n > r.n:
				c.report("C3", t, p, o.Offset, x.key, fmt.Sprintf("%q before %q of key %q at offset %d, as their inputs are in partition %d", cut(x.value), cut(string(before.o.Value)), before.o.Key, before.o.Offset, r.partition), "it behind")
				continue
			}
			l := last{r, o}
			byKey[x.key], before = l, &l
		}
	}
}
