package abi

// MarkerKind says what a marker is.
type MarkerKind uint8

// Kinds of markers. They are told apart by their encoding, not by number.
const (
	// MarkerNone: no marker was given yet.
	MarkerNone MarkerKind = iota
	MarkerInt
	MarkerText
	// MarkerTime: milliseconds since 1970 UTC.
	MarkerTime
)

// Marker says how far a source of a checkpoint has come. Markers are
// comparable with ==; the zero value is none.
type Marker struct {
	Kind MarkerKind
	// Int is the integer, or the time in milliseconds.
	Int  int64
	Text string
}

// AppendMarker appends m. A text above MaxMarker bytes is refused by readers.
func AppendMarker(b []byte, m Marker) []byte {
	switch m.Kind {
	case MarkerInt:
		return AppendInt(b, m.Int)
	case MarkerText:
		return AppendStr(b, m.Text)
	case MarkerTime:
		return AppendInt(append(b, 0x91), m.Int)
	}
	return AppendNil(b)
}

// ReadMarker reads a marker; a text is copied.
func ReadMarker(r *Reader) Marker {
	const want = "a marker: nil, integer, text or [milliseconds]"
	c, ok := r.next(want)
	if !ok {
		return Marker{}
	}
	switch at := r.off; {
	case c == 0xc0:
		r.off++
		return Marker{}
	case c < 0x80 || c >= 0xe0 || c >= 0xcc && c <= 0xd3:
		return Marker{Kind: MarkerInt, Int: r.Int()}
	case c >= 0xa0 && c <= 0xbf || c >= 0xc4 && c <= 0xc6 || c >= 0xd9 && c <= 0xdb:
		s := r.Str()
		if len(s) > MaxMarker {
			r.failAt(at, "a marker of at most 255 bytes")
			return Marker{}
		}
		return Marker{Kind: MarkerText, Text: string(s)}
	case c >= 0x90 && c <= 0x9f || c == 0xdc || c == 0xdd:
		more := r.ArrayMin(1, want)
		ms := r.Int()
		r.SkipN(more)
		return Marker{Kind: MarkerTime, Int: ms}
	}
	r.fail(want)
	return Marker{}
}

// state reads a checkpoint's state, a map, and returns its raw bytes,
// aliasing the input.
func (r *Reader) state() []byte {
	const want = "a map of at most 65536 bytes"
	at := r.off
	c, ok := r.next(want)
	if ok && c&0xf0 != 0x80 && c != 0xde && c != 0xdf {
		r.fail(want)
		return nil
	}
	raw := r.Skip()
	if len(raw) > MaxState {
		r.failAt(at, want)
		return nil
	}
	return raw
}

// appendState appends a raw map; none is an empty one.
func appendState(b, raw []byte) []byte {
	if len(raw) == 0 {
		return append(b, 0x80)
	}
	return append(b, raw...)
}
