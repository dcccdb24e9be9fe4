package hosttest

import (
	"slices"
	"sort"
)

// entry is one offset of a log: a record, or the marker that ends a
// transaction there.
type entry struct {
	Record
	txn     *transaction // nil outside transactions
	control bool
	aborted bool // made by Broker.Abort
}

// visible says that readers of committed records get the entry, once the last
// stable offset has passed it.
func (e *entry) visible() bool {
	return !e.control && !e.aborted && (e.txn == nil || e.txn.state == Committed)
}

// partition is the log of one partition: entries in the order of their
// offsets, which may have gaps, from low to next.
type partition struct {
	low, next int64
	entries   []*entry
	// held is where Broker.Begin stopped the last stable offset, -1 if nowhere.
	held int64
	// open holds the first offset of each transaction whose marker is missing.
	open map[*transaction]int64
}

func newPartition() *partition { return &partition{held: -1, open: map[*transaction]int64{}} }

// lastStable is the end of what readers of committed records get.
func (p *partition) lastStable() int64 {
	end := p.next
	if p.held >= 0 {
		end = min(end, p.held)
	}
	for _, first := range p.open {
		end = min(end, first)
	}
	return max(end, p.low)
}

// append gives e the next offset.
func (p *partition) append(e *entry) int64 {
	e.Offset = p.next
	p.next++
	p.entries = append(p.entries, e)
	if e.txn != nil && !e.control {
		if _, ok := p.open[e.txn]; !ok {
			p.open[e.txn] = e.Offset
		}
	}
	return e.Offset
}

// from returns the entries at and behind an offset.
func (p *partition) from(offset int64) []*entry {
	i := sort.Search(len(p.entries), func(i int) bool { return p.entries[i].Offset >= offset })
	return p.entries[i:]
}

// deleteBefore removes what lies below an offset.
func (p *partition) deleteBefore(before int64) {
	before = min(before, p.next)
	if before <= p.low {
		return
	}
	p.entries = slices.Clone(p.from(before))
	p.low = before
}

// truncate removes what lies at or behind an offset. Open transactions stay
// open.
func (p *partition) truncate(end int64) {
	if end >= p.next {
		return
	}
	end = max(end, 0)
	p.entries = slices.Clone(p.entries[:len(p.entries)-len(p.from(end))])
	p.next = end
	p.low = min(p.low, end)
	for txn, first := range p.open {
		p.open[txn] = min(first, end)
	}
	if p.held >= 0 {
		p.held = min(p.held, end)
	}
}

// compact keeps, below the last stable offset, the last visible record of each
// key and records without a key. Aborted records go; markers and tombstones
// go with clean.
func (p *partition) compact(clean bool) {
	stable := p.lastStable()
	last := map[string]int64{}
	for _, e := range p.entries {
		if e.Offset < stable && e.visible() && e.Key != nil {
			last[string(e.Key)] = e.Offset
		}
	}
	p.entries = slices.DeleteFunc(slices.Clone(p.entries), func(e *entry) bool {
		switch {
		case e.Offset >= stable:
			return false
		case e.control:
			return clean
		case !e.visible():
			return true
		case e.Key == nil:
			return false
		}
		return last[string(e.Key)] != e.Offset || clean && e.Value == nil
	})
}
