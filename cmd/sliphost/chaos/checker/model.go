package checker

import (
	"fmt"
	"strconv"
)

// Handlers that a run may have. Hop stands for hop and hop-read, Rekey for
// rekey and group.
const (
	Pass   = "pass"
	Fan    = "fan"
	Count  = "count"
	Hop    = "hop"
	Poison = "poison"
	Rekey  = "rekey"
)

// Caches of the handlers.
const (
	Counts    = "counts"
	Seen      = "seen"
	Hops      = "hops"
	Survivors = "survivors"
	Groups    = "groups"
)

// CachesOf lists the caches of a handler.
func CachesOf(handler string) []string {
	switch handler {
	case Count:
		return []string{Counts}
	case Hop:
		return []string{Seen, Hops}
	case Poison:
		return []string{Survivors}
	case Rekey:
		return []string{Groups}
	}
	return nil
}

// groupOf is the key that rekey gives a record.
func groupOf(id int64) string { return "g" + strconv.FormatInt(id%7, 10) }

// source is an input record and where it is.
type source struct {
	Input
	partition int
	offset    int64
	record    *Record
}

// line is an output that the input calls for.
type line struct {
	key, value string
	id         int64
}

// step is a value that a cache held under a key, and the input that set it.
type step struct {
	value string
	id    int64
}

// model is what follows from an input topic.
type model struct {
	inputs map[int64]*source
	parts  [][]*source
	// lines are the outputs by handler and input partition. The outputs of
	// Rekey depend on how partitions met and are not among them.
	lines map[string][][]line
	// steps are the values by cache, partition and key.
	steps   map[string][]map[string][]step
	letters []*source // the dead letters
	ranks   map[string]map[text]rank
}

// text is what tells an output of a handler from all others.
type text struct{ key, value string }

// rank is a place in the order of outputs: the input partition and the number
// of the line there.
type rank struct{ partition, n int }

// rank returns the place of an output, false if the input does not call for it.
func (m *model) rank(handler string, r *Record) (rank, bool) {
	x, ok := m.ranks[handler][text{string(r.Key), string(r.Value)}]
	return x, ok
}

// newModel computes the model of handlers over input. The error says that the
// input itself is damaged: then nothing can be judged.
func newModel(input *Topic, handlers []string) (*model, error) {
	m := &model{
		inputs: map[int64]*source{},
		lines:  map[string][][]line{},
		steps:  map[string][]map[string][]step{},
		ranks:  map[string]map[text]rank{},
	}
	for p, recs := range input.Parts {
		var part []*source
		for i := range recs {
			r := &recs[i]
			in, err := ParseInput(r.Key, r.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", place{input.Name, p, r.Offset}, err)
			}
			if twin := m.inputs[in.ID]; twin != nil {
				return nil, fmt.Errorf("%s: id %d was already at %s", place{input.Name, p, r.Offset}, in.ID, place{input.Name, twin.partition, twin.offset})
			}
			s := &source{Input: in, partition: p, offset: r.Offset, record: r}
			m.inputs[in.ID] = s
			part = append(part, s)
		}
		m.parts = append(m.parts, part)
	}
	for _, h := range handlers {
		if err := m.run(h); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *model) run(handler string) error {
	for _, c := range CachesOf(handler) {
		m.steps[c] = make([]map[string][]step, len(m.parts))
	}
	if handler == Rekey {
		return nil // grouped.go
	}
	for p, part := range m.parts {
		var lines []line
		emit := func(s *source, format string, args ...any) {
			lines = append(lines, line{s.Key, fmt.Sprintf(format, args...), s.ID})
		}
		counts, hops := map[string]*tally{}, map[string]*tally{}
		for _, c := range CachesOf(handler) {
			m.steps[c][p] = map[string][]step{}
		}
		note := func(cache string, s *source, value string) {
			m.steps[cache][p][s.Key] = append(m.steps[cache][p][s.Key], step{value, s.ID})
		}
		for _, s := range part {
			switch handler {
			case Pass:
				emit(s, "%s", s.Value())
			case Fan:
				for i := range s.ID % 4 {
					emit(s, "%d %d %d", s.ID, s.N, i)
				}
			case Count:
				text := tallyOf(counts, s.Key).add(s.ID)
				note(Counts, s, text)
				emit(s, "%d %s", s.ID, text)
			case Hop:
				note(Seen, s, strconv.FormatInt(s.ID, 10))
				for range 1 + s.ID%2 {
					t := tallyOf(hops, s.Key)
					note(Hops, s, t.add(s.ID))
					emit(s, "%d %d %d %d", s.ID, s.N, s.ID, t.count)
				}
			case Poison:
				if s.Mark.Dies() {
					m.letters = append(m.letters, s)
				}
				if s.Mark.Fails() {
					continue
				}
				text := tallyOf(counts, s.Key).add(s.ID)
				note(Survivors, s, text)
				emit(s, "%d %s", s.ID, text)
			default:
				return fmt.Errorf("the model knows no handler %q", handler)
			}
		}
		m.lines[handler] = append(m.lines[handler], lines)
		if m.ranks[handler] == nil {
			m.ranks[handler] = map[text]rank{}
		}
		for n, l := range lines {
			m.ranks[handler][text{l.key, l.value}] = rank{p, n}
		}
	}
	return nil
}

// tally is what the handlers keep as "COUNT SUM".
type tally struct{ count, sum int64 }

func (t *tally) add(id int64) string {
	t.count++
	t.sum += id
	return t.String()
}

func (t *tally) String() string { return fmt.Sprintf("%d %d", t.count, t.sum) }

func tallyOf(m map[string]*tally, key string) *tally {
	if m[key] == nil {
		m[key] = &tally{}
	}
	return m[key]
}
