package checkpoint

import (
	"bytes"
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

// valueSize is the length of the value at the start of b, 0 if there is none.
func valueSize(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	n := 0
	switch c := b[0]; {
	case c < 0x80 || c >= 0xe0:
		n = 1
	case c >= 0xcc && c <= 0xcf:
		n = 1 + 1<<(c-0xcc)
	case c >= 0xd0 && c <= 0xd3:
		n = 1 + 1<<(c-0xd0)
	default:
		r := abi.NewReader(b)
		n = len(r.Skip())
	}
	if n > len(b) {
		return 0
	}
	return n
}

// nests says whether the value at the start of b is an array or a map.
func nests(b []byte) bool {
	return len(b) > 0 && (b[0] >= 0x80 && b[0] <= 0x9f || b[0] >= 0xdc && b[0] <= 0xdf)
}

// stateKey reads the key at the start of b. It returns its one form, for text
// is the same key however it was written, and the bytes it takes, 0 if there
// is no key.
func (m *Machine) stateKey(b []byte) (key []byte, n int) {
	s := &m.state
	if s.hint >= len(s.pairs) {
		s.hint = 0
	}
	if s.hint < len(s.pairs) {
		if key := s.pairs[s.hint].key; bytes.HasPrefix(b, key) {
			return key, len(key)
		}
	}
	if n = valueSize(b); n == 0 {
		return nil, 0
	}
	if c := b[0]; c >= 0xc4 && c <= 0xc6 || c >= 0xd9 && c <= 0xdb {
		r := abi.NewReader(b)
		text := r.Str()
		m.scratch = append(abi.AppendStrHeader(m.scratch[:0], len(text)), text...)
		return m.scratch, n
	}
	return b[:n], n
}

// setState sets the keys of a raw map in the state, or none if it fails.
func (m *Machine) setState(raw []byte) error {
	if len(raw) == 0 || len(raw) == 1 && raw[0] == 0x80 {
		return nil
	}
	mark := m.Mark()
	r := abi.NewReader(raw)
	n := r.Map()
	rest := r.Rest()
	deep := false
	for ; n > 0; n-- {
		key, size := m.stateKey(rest)
		value := rest[size:]
		end := valueSize(value)
		if size == 0 || end == 0 {
			break
		}
		deep = deep || nests(rest) || nests(value)
		m.setPair(key, value[:end])
		rest = value[end:]
	}
	if deep {
		// The map itself is a level: what is kept must be readable as a whole.
		r.Reset(raw)
		r.Skip()
	}
	var err error
	switch {
	case r.Err() != nil || n > 0 || len(rest) > 0:
		if r.Err() == nil {
			r.Reset(raw) // to say where it breaks off
			r.Skip()
			r.End()
		}
		err = fmt.Errorf("pulse of checkpoint %s: %w: %w", m.spec.Name, ErrState, r.Err())
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
