package slip

import "github.com/sliphost/sliphost/abi"

// Map is a map that is being built. Fields keep their order; setting one that
// is there replaces it in its place. Obtain one from [Call.NewMap] or, with
// the fields of a document to begin with, from [Value.Edit]. It is valid until
// the handler returns.
type Map struct {
	c      *Call
	fields []field
}

// field is one entry in its encoded form.
type field struct {
	key, value []byte
}

// NewMap returns an empty map for building a value.
func (c *Call) NewMap() *Map {
	c.check()
	in := c.in
	if in.mapsUsed == len(in.maps) {
		in.maps = append(in.maps, new(Map))
	}
	m := in.maps[in.mapsUsed]
	in.mapsUsed++
	m.c, m.fields = c, m.fields[:0]
	return m
}

// Edit returns a map with the fields of v, for emitting a document with
// changes; v itself does not change. A missing or null value gives an empty
// map; any other kind fails the record. Use it on values of a record or of
// [Call.Doc].
func (v Value) Edit() *Map {
	m := v.c.NewMap()
	if v.empty() {
		return m
	}
	r, n := v.open(KindMap)
	for ; n > 0 && r.Err() == nil; n-- {
		m.fields = append(m.fields, field{r.Skip(), r.Skip()})
	}
	v.broken(&r)
	return m
}

// Set sets a field to v, which is what [Writer.Value] takes. A value of
// another type fails the record. It returns m, so that calls can be chained.
func (m *Map) Set(name string, v any) *Map {
	value, ok := m.c.keep(v)
	if !ok {
		return m
	}
	if f := m.find(name); f != nil {
		f.value = value
		return m
	}
	key := m.c.in.arena.take(len(name) + 5)[:0]
	m.fields = append(m.fields, field{abi.AppendStr(key, name), value})
	return m
}

// Delete removes a field if it is there, and returns m.
func (m *Map) Delete(name string) *Map {
	m.c.check()
	for i := range m.fields {
		if m.fields[i].is(name) {
			m.fields = append(m.fields[:i], m.fields[i+1:]...)
			break
		}
	}
	return m
}

// Get returns a field, or a missing value.
func (m *Map) Get(name string) Value {
	m.c.check()
	v := Value{c: m.c, name: name}
	if f := m.find(name); f != nil {
		v.raw = f.value
	}
	return v
}

// Len returns the number of fields.
func (m *Map) Len() int { return len(m.fields) }

// MarshalMsgpack implements [Marshaler].
func (m *Map) MarshalMsgpack(w *Writer) error {
	m.c.check()
	w.Map(len(m.fields))
	for i := range m.fields {
		w.Raw(m.fields[i].key)
		w.Raw(m.fields[i].value)
	}
	return nil
}

func (m *Map) find(name string) *field {
	for i := range m.fields {
		if m.fields[i].is(name) {
			return &m.fields[i]
		}
	}
	return nil
}

func (f *field) is(name string) bool {
	r := abi.NewReader(f.key)
	return isField(&r, name)
}

// List is an array that is being built; see [Call.NewList]. It is valid until
// the handler returns.
type List struct {
	c      *Call
	values [][]byte
}

// NewList returns an empty array for building a value.
func (c *Call) NewList() *List {
	c.check()
	return &List{c: c}
}

// Append appends v, which is what [Writer.Value] takes, and returns l. A value
// of another type fails the record.
func (l *List) Append(v any) *List {
	if value, ok := l.c.keep(v); ok {
		l.values = append(l.values, value)
	}
	return l
}

// Len returns the number of elements.
func (l *List) Len() int { return len(l.values) }

// MarshalMsgpack implements [Marshaler].
func (l *List) MarshalMsgpack(w *Writer) error {
	l.c.check()
	w.Array(len(l.values))
	for _, v := range l.values {
		w.Raw(v)
	}
	return nil
}

// keep encodes v into memory that lasts until the handler returns; false after
// failing the record.
func (c *Call) keep(v any) ([]byte, bool) {
	c.check()
	w := &c.in.keeper
	w.buf = w.buf[:0]
	if err := w.Value(v); err != nil {
		c.failWith(err)
		return nil, false
	}
	return append(c.in.arena.take(len(w.buf))[:0], w.buf...), true
}

// arena hands out memory that lasts until the next reset.
type arena struct {
	buf []byte
}

// maxChunk bounds the growth of chunks: a record that takes more than it is
// given in several, so that those it has done with can be freed.
const maxChunk = 4 << 20

// take returns n bytes with undefined contents, its capacity n.
func (a *arena) take(n int) []byte {
	if cap(a.buf)-len(a.buf) < n {
		a.grow(n)
	}
	at := len(a.buf)
	a.buf = a.buf[:at+n]
	return a.buf[at : at+n : at+n]
}

// room returns at least n bytes, all that are free in one piece. The next
// take returns the first of them.
func (a *arena) room(n int) []byte {
	if cap(a.buf)-len(a.buf) < n {
		a.grow(n)
	}
	return a.buf[len(a.buf):cap(a.buf)]
}

// grow begins a chunk with at least n bytes. Memory handed out before stays
// valid: only the old chunk is left behind.
func (a *arena) grow(n int) {
	a.buf = make([]byte, 0, max(min(2*cap(a.buf), maxChunk), n, 4096))
}

func (a *arena) reset() { a.buf = a.buf[:0] }
