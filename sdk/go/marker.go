package slip

import (
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Marker says how far a source of a checkpoint has come: a time, an integer,
// text or, as the zero value, nothing. Markers are comparable with ==.
type Marker struct{ m abi.Marker }

// TimeMarker returns a marker for milliseconds since 1970 UTC.
func TimeMarker(ms int64) Marker { return Marker{abi.Marker{Kind: abi.MarkerTime, Int: ms}} }

// IntMarker returns a marker for a number that grows.
func IntMarker(n int64) Marker { return Marker{abi.Marker{Kind: abi.MarkerInt, Int: n}} }

// TextMarker returns a marker for text that grows in the order of its bytes;
// it has at most 255 of them. The checks that a checkpoint has by default
// cannot compare text: it is for checks of the handler's own.
func TextMarker(text string) Marker { return Marker{abi.Marker{Kind: abi.MarkerText, Text: text}} }

// IsSet says whether there is a marker at all.
func (m Marker) IsSet() bool { return m.m.Kind != abi.MarkerNone }

// Time returns a time in milliseconds since 1970 UTC; false if the marker is
// no time.
func (m Marker) Time() (ms int64, ok bool) { return m.m.Int, m.m.Kind == abi.MarkerTime }

// Int returns an integer; false if the marker is none.
func (m Marker) Int() (n int64, ok bool) { return m.m.Int, m.m.Kind == abi.MarkerInt }

// Text returns text; false if the marker is no text.
func (m Marker) Text() (text string, ok bool) { return m.m.Text, m.m.Kind == abi.MarkerText }

// Sub returns how far m is ahead of n: milliseconds between times, the
// difference of integers, the greatest or least number if that does not fit;
// false if they are not both times or both integers.
func (m Marker) Sub(n Marker) (ahead int64, ok bool) {
	k := m.m.Kind
	if k != n.m.Kind || k != abi.MarkerTime && k != abi.MarkerInt {
		return 0, false
	}
	a, b := m.m.Int, n.m.Int
	d := a - b
	switch {
	case a >= 0 && b < 0 && d < 0:
		d = 1<<63 - 1
	case a < 0 && b >= 0 && d >= 0:
		d = -1 << 63
	}
	return d, true
}

// Compare returns a negative number if m is behind n, 0 if they are equal and a
// positive one if m is ahead; false if they are not of the same kind, or none.
func (m Marker) Compare(n Marker) (order int, ok bool) {
	a, b := &m.m, &n.m
	switch {
	case a.Kind != b.Kind || a.Kind == abi.MarkerNone:
		return 0, false
	case a.Int < b.Int || a.Text < b.Text:
		return -1, true
	case a.Int > b.Int || a.Text > b.Text:
		return 1, true
	}
	return 0, true
}

// String returns the marker for a log line: milliseconds of a time, the digits
// of an integer, the text, or "none".
func (m Marker) String() string {
	switch m.m.Kind {
	case abi.MarkerTime, abi.MarkerInt:
		return strconv.FormatInt(m.m.Int, 10)
	case abi.MarkerText:
		return m.m.Text
	}
	return "none"
}
