package checkpoint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// state is the dependent's state: raw msgpack keys and values, in the order in
// which the keys came.
type state struct {
	pairs []pair
	index map[string]int32
	// bytes counts those of keys and values.
	bytes int
	// hint is the pair behind the one found last: pulses give the same keys in
	// the same order.
	hint int
}

type pair struct {
	key, value []byte
	saved      uint64
}

// size is that of the map with its header.
func (s *state) size() int {
	switch n := len(s.pairs); {
	case n < 16:
		return 1 + s.bytes
	case n < 1<<16:
		return 3 + s.bytes
	}
	return 5 + s.bytes
}

func (s *state) append(dst []byte) []byte {
	dst = abi.AppendMapHeader(dst, len(s.pairs))
	for i := range s.pairs {
		dst = append(dst, s.pairs[i].key...)
		dst = append(dst, s.pairs[i].value...)
	}
	return dst
}

func (s *state) find(key []byte) int {
	if s.hint >= len(s.pairs) {
		s.hint = 0
	}
	i := s.hint
	if i >= len(s.pairs) || string(s.pairs[i].key) != string(key) {
		at, ok := s.index[string(key)]
		if !ok {
			return -1
		}
		i = int(at)
	}
	s.hint = i + 1
	return i
}

func (s *state) add(key, value []byte) {
	if s.index == nil {
		s.index = make(map[string]int32)
	}
	s.index[string(key)] = int32(len(s.pairs))
	s.pairs = append(s.pairs, pair{key: slices.Clone(key), value: slices.Clone(value)})
	s.bytes += len(key) + len(value)
}

func (s *state) replace(i int, value []byte) {
	p := &s.pairs[i]
	s.bytes += len(value) - len(p.value)
	p.value = append(p.value[:0], value...)
}

func (s *state) dropLast() {
	p := pop(&s.pairs)
	delete(s.index, string(p.key))
	s.bytes -= len(p.key) + len(p.value)
}

func (s *state) clone() state {
	next := state{index: maps.Clone(s.index), bytes: s.bytes, pairs: slices.Clone(s.pairs)}
	for i := range next.pairs {
		// Keys are never changed, values are.
		next.pairs[i].value = slices.Clone(next.pairs[i].value)
	}
	return next
}

// stateKey reads a key and returns its one form: text is the same key however
// it was written.
func (m *Machine) stateKey(r *abi.Reader) []byte {
	rest := r.Rest()
	if len(rest) == 0 {
		return r.Skip() // its error
	}
	switch c := rest[0]; {
	case c >= 0xa0 && c <= 0xbf:
		return r.Skip()
	case c >= 0xc4 && c <= 0xc6 || c >= 0xd9 && c <= 0xdb:
		text := r.Str()
		m.scratch = append(abi.AppendStrHeader(m.scratch[:0], len(text)), text...)
		return m.scratch
	}
	return r.Skip()
}

// setState sets the keys of a raw map in the state, or none if it fails.
func (m *Machine) setState(raw []byte) error {
	if len(raw) == 0 || len(raw) == 1 && raw[0] == 0x80 {
		return nil
	}
	mark := m.Mark()
	r := abi.NewReader(raw)
	for n := r.Map(); n > 0; n-- {
		key := m.stateKey(&r)
		value := r.Skip()
		if r.Err() != nil {
			break
		}
		m.setPair(key, value)
	}
	r.End()
	err := r.Err()
	switch {
	case err != nil:
		err = fmt.Errorf("pulse of checkpoint %s: %w: %w", m.spec.Name, ErrState, err)
	case m.state.size() > abi.MaxState:
		err = fmt.Errorf("pulse of checkpoint %s: it would have %d bytes after this, at most %d are possible: %w", m.spec.Name, m.state.size(), abi.MaxState, ErrState)
	default:
		m.stateCopy = nil
		return nil
	}
	m.Undo(mark)
	return err
}

func (m *Machine) setPair(key, value []byte) {
	i := m.state.find(key)
	if i < 0 {
		m.note(entryNewPair, 0, 0, 0)
		m.state.add(key, value)
		return
	}
	p := &m.state.pairs[i]
	if string(p.value) == string(value) {
		return
	}
	if p.saved != m.journal.tick {
		p.saved = m.journal.tick
		m.journal.bytes = append(m.journal.bytes, p.value...)
		m.note(entryPair, 0, i, len(p.value))
	}
	m.state.replace(i, value)
}

// rawState returns a copy of the state that is shared by all who ask before
// the state changes.
func (m *Machine) rawState() []byte {
	if m.stateCopy == nil {
		m.stateCopy = m.state.append(make([]byte, 0, m.state.size()))
	}
	return m.stateCopy
}
