package manifest

import (
	"strings"
	"time"
)

// Words that a marker can be, and its form with both keys.
const (
	markerTimestamp = "timestamp"
	markerCall      = "call"
	markerForms     = `"timestamp", "call", or a field such as { at = "/date", layout = "2006-01-02" }`
)

// marker reads where a record's marker is found: a word, or a table with a
// pointer into the value and, for a time written as text, its layout.
func (d *decoder) marker(f *field, n *node, path []string, target any) {
	d.origin(n, path, expanded{})
	switch n.kind {
	case kindString:
		e, ok := d.text(n, path)
		if !ok {
			return
		}
		switch e.text {
		case markerTimestamp:
			f.slot(target).set(Marker{})
		case markerCall:
			f.slot(target).set(Marker{Kind: MarkerCall})
		default:
			hint := "one of: " + markerForms
			if strings.HasPrefix(e.text, "/") {
				hint = "write marker = { at = " + quote(e.text) + " }"
			}
			d.report(CodeChoice, n.val, path, shown(e, path)+" is not a place where a marker is", hint)
		}
	case kindTable:
		d.markerField(f, n, path, target)
	default:
		d.wrongType(n, path, "a word or a table", "write marker = "+f.example)
	}
}

func (d *decoder) markerField(f *field, n *node, path []string, target any) {
	m := Marker{Kind: MarkerField}
	ok := true
	for _, c := range n.children {
		full := join(path, c.name)
		into := &m.At
		switch c.name {
		case "at":
		case "layout":
			into = &m.Layout
		default:
			d.report(CodeUnknownKey, c.key, full, "unknown key "+quoteName(c.name)+" in ["+dotted(path)+"]", didYouMean(c.name, []string{"at", "layout"}, "known here"))
			ok = false
			continue
		}
		if c.kind != kindString {
			d.wrongType(c, full, "a string", "")
			ok = false
			continue
		}
		e, good := d.text(c, full)
		ok = ok && good
		*into = e.text
		if good && c.name == "layout" && badLayout(e.text) {
			d.report(CodeCheckpointMarker, c.val, full, "the layout "+shown(e, full)+" does not say where the year is", "write the date 2006-01-02 15:04:05 as it would stand there; leave layout out for RFC 3339, integers and plain text")
			ok = false
		}
	}
	switch {
	case n.child("at") == nil:
		d.report(CodeMissingKey, n.val, join(path, "at"), "the key at is missing", `write at = "/date": a JSON pointer to the field`)
		return
	case ok && !validPointer(m.At):
		d.reportAt(CodeCheckpointMarker, join(path, "at"), quoteName(m.At)+" is no JSON pointer", `write the names on the way to the field with a slash before each, as in "/date" or "/weather/date"; in a name ~1 is a slash and ~0 a tilde`)
		return
	}
	if ok {
		f.slot(target).set(m)
	}
}

// validPointer says whether s is a JSON pointer to something inside a value.
func validPointer(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(s), "~")
}

// badLayout says whether a layout has no year in it: one of another language
// would pass for literal text.
func badLayout(layout string) bool {
	at := time.Date(2021, 2, 3, 4, 5, 6, 0, time.UTC)
	got, err := time.Parse(layout, at.Format(layout))
	return err != nil || got.Year() != at.Year()
}

// String is the marker as a manifest has it.
func (m Marker) String() string {
	switch m.Kind {
	case MarkerCall:
		return quote(markerCall)
	case MarkerField:
		if m.Layout == "" {
			return "{ at = " + quote(m.At) + " }"
		}
		return "{ at = " + quote(m.At) + ", layout = " + quote(m.Layout) + " }"
	}
	return quote(markerTimestamp)
}

// value is the marker as JSON has it.
func (m Marker) value() any {
	switch m.Kind {
	case MarkerCall:
		return markerCall
	case MarkerField:
		fields := map[string]string{"at": m.At}
		if m.Layout != "" {
			fields["layout"] = m.Layout
		}
		return fields
	}
	return markerTimestamp
}
