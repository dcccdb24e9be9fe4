package codec

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// TimePointer finds a time in a document: a number of milliseconds since
// 1970, or a text in a layout.
type TimePointer struct {
	at     Pointer
	layout string
}

// NewTimePointer makes a TimePointer from a pointer and a layout in the
// notation of Go's package time, such as "2006-01-02 15:04". An empty layout
// stands for an integer of milliseconds or a text as RFC 3339 defines it.
// Texts without an offset are UTC.
func NewTimePointer(at, layout string) (TimePointer, error) {
	p, err := ParsePointer(at)
	if err != nil {
		return TimePointer{}, err
	}
	if layout != "" {
		// A layout of another language passes for literal text.
		a, b := time.Unix(0, 0).UTC(), time.Date(2021, 2, 3, 4, 5, 6, 0, time.UTC)
		got, err := time.Parse(layout, b.Format(layout))
		if err != nil || a.Format(layout) == b.Format(layout) || got.Year() != b.Year() {
			return TimePointer{}, fmt.Errorf("time layout %q: it has to say where the year is, written as the date 2006-01-02 15:04:05 would be", layout)
		}
	}
	return TimePointer{p, layout}, nil
}

// ParseTimePointer reads "/pointer" or "/pointer:layout". The first colon
// ends the pointer.
func ParseTimePointer(s string) (TimePointer, error) {
	at, layout, found := strings.Cut(s, ":")
	if found && layout == "" {
		return TimePointer{}, fmt.Errorf("time pointer %q: no layout after ':'", s)
	}
	return NewTimePointer(at, layout)
}

// Millis returns the time in doc, in milliseconds since 1970. doc has to be a
// document that JSON.Decode accepts.
func (t TimePointer) Millis(doc []byte) (int64, error) {
	raw, err := t.at.Find(doc)
	if err != nil {
		return 0, err
	}
	var ms int64
	if raw[0] != '"' {
		if t.layout != "" {
			return 0, fmt.Errorf("time at %s: want a string in the layout %q, not %s", t.at, t.layout, excerpt(raw))
		}
		if ms, err = strconv.ParseInt(string(raw), 10, 64); err != nil {
			return 0, fmt.Errorf("time at %s: want whole milliseconds since 1970, or a string, not %s", t.at, excerpt(raw))
		}
	} else {
		layout := t.layout
		if layout == "" {
			layout = time.RFC3339
		}
		at, err := time.Parse(layout, string(AppendText(nil, raw)))
		if err != nil {
			return 0, fmt.Errorf("time at %s: %s is not in the layout %q", t.at, excerpt(raw), layout)
		}
		ms = at.UnixMilli()
	}
	if ms < 0 {
		return 0, fmt.Errorf("time at %s: %s is before 1970, which Kafka has no timestamp for", t.at, excerpt(raw))
	}
	return ms, nil
}

// excerpt shortens a value for a message.
func excerpt(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "..."
	}
	return string(raw)
}
