// Package model says as plainly as possible what the handlers of the guest
// windows emit: it remembers everything and looks at all of it each time. Its
// cases are random; both SDKs must answer them alike.
package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
)

// late is the metric that counts late records.
const late = "slip_late_records"

// handler is the model of one handler for one partition.
type handler interface {
	// close emits what is over at stream time now, or everything.
	close(now int64, all bool)
	// handle emits what becomes of a record and says whether it is late.
	handle(now int64, r *cases.Record) (isLate bool)
}

// results collects outputs.
type results struct{ outputs []cases.Output }

func (r *results) emit(key, value string) {
	r.outputs = append(r.outputs, cases.Output{Sink: "out", Key: []byte(key), Value: []byte(value)})
}

// Fill sets the outputs of the case's records, and its count of late ones.
func Fill(c *cases.Case) {
	type task struct {
		handler
		now int64
	}
	var res results
	tasks := map[int32]*task{}
	c.Metrics = map[string]float64{late: 0}
	for i := range c.Records {
		r := &c.Records[i]
		k := tasks[r.Partition]
		if k == nil {
			k = &task{start(c.Handler, c.Params, &res), -1}
			tasks[r.Partition] = k
		}
		res.outputs = nil
		k.now = max(k.now, r.Time)
		k.close(k.now, r.Final)
		if !r.Advance && k.handle(k.now, r) {
			c.Metrics[late]++
			res.outputs = append(res.outputs, cases.Output{Sink: "late", Key: r.Key, Value: r.Value})
		}
		r.Outputs = res.outputs
	}
}

func start(name string, p map[string]int64, res *results) handler {
	switch name {
	case "tumbling":
		return &hopping{results: res, size: p["size"], step: p["size"], grace: p["grace"], onClose: p["close"] == 1}
	case "hopping":
		return &hopping{results: res, size: p["size"], step: p["step"], grace: p["grace"], onClose: p["close"] == 1}
	case "session":
		return &session{results: res, gap: p["gap"], grace: p["grace"], onClose: p["close"] == 1}
	case "join":
		return &join{results: res, before: p["before"], after: p["after"], grace: p["grace"], kind: p["kind"]}
	case "dedup":
		return &dedup{results: res, ttl: p["ttl"], seen: map[string]int64{}}
	}
	panic("no model of " + name)
}

// hopping counts in windows.
type hopping struct {
	*results
	size, step, grace int64
	onClose           bool
	windows           []*span
}

// span is a window or session of a key.
type span struct {
	key        string
	start, end int64
	count      int
	text       string
}

func (s *span) show(what any) string { return fmt.Sprintf("%d-%d:%v", s.start, s.end, what) }

// sweep is how many entries a record closes at most. What is over and not closed
// yet is seen by nobody.
const sweep = 512

// over takes out those spans that are over, by their end and key, up to most.
func over(all *[]*span, most int, is func(*span) bool) (gone []*span) {
	var rest []*span
	for _, s := range *all {
		if is(s) {
			gone = append(gone, s)
		} else {
			rest = append(rest, s)
		}
	}
	slices.SortFunc(gone, func(a, b *span) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key))
	})
	if len(gone) > most {
		gone, rest = gone[:most], append(rest, gone[most:]...)
	}
	*all = rest
	return gone
}

func limit(all bool) int {
	if all {
		return math.MaxInt
	}
	return sweep
}

func (h *hopping) close(now int64, all bool) {
	for _, w := range over(&h.windows, limit(all), func(w *span) bool { return all || w.end+h.grace <= now }) {
		if h.onClose {
			h.emit(w.key, w.show(w.count))
		}
	}
}

func (h *hopping) handle(now int64, r *cases.Record) bool {
	isLate := true
	for start := r.Time - h.size + 1; start <= r.Time; start++ {
		if start%h.step != 0 || start+h.size+h.grace <= now {
			continue
		}
		isLate = false
		at := slices.IndexFunc(h.windows, func(w *span) bool { return w.key == string(r.Key) && w.start == start })
		if at < 0 {
			at = len(h.windows)
			h.windows = append(h.windows, &span{key: string(r.Key), start: start, end: start + h.size})
		}
		w := h.windows[at]
		w.count++
		if !h.onClose {
			h.emit(w.key, w.show(w.count))
		}
	}
	return isLate
}

// session appends values in sessions.
type session struct {
	*results
	gap, grace int64
	onClose    bool
	open       []*span
}

func (h *session) close(now int64, all bool) {
	for _, s := range over(&h.open, limit(all), func(s *span) bool { return all || s.end+h.gap+h.grace < now }) {
		if h.onClose {
			h.emit(s.key, s.show(s.text))
		}
	}
}

func (h *session) handle(now int64, r *cases.Record) bool {
	near := over(&h.open, math.MaxInt, func(s *span) bool {
		return s.key == string(r.Key) && s.start-h.gap <= r.Time && r.Time <= s.end+h.gap && s.end+h.gap+h.grace >= now
	})
	if len(near) == 0 && r.Time+h.gap+h.grace < now {
		return true
	}
	s := &span{key: string(r.Key), start: r.Time, end: r.Time}
	for i, n := range near {
		s.start, s.end = min(s.start, n.start), max(s.end, n.end)
		if i > 0 {
			s.text += "+"
		}
		s.text += n.text
	}
	s.text += string(r.Value)
	h.open = append(h.open, s)
	if h.onClose {
		return false
	}
	for _, n := range near {
		if n.start != s.start || n.end != s.end {
			h.emit(n.key, n.show("gone"))
		}
	}
	h.emit(s.key, s.show(s.text))
	return false
}

// dedup passes on what is seen first.
type dedup struct {
	*results
	ttl  int64
	seen map[string]int64
}

func (*dedup) close(int64, bool) {}

func (h *dedup) handle(now int64, r *cases.Record) bool {
	if at, ok := h.seen[string(r.Key)]; !ok || now >= at+h.ttl {
		h.seen[string(r.Key)] = now
		h.emit(string(r.Key), string(r.Value))
	}
	return false
}
