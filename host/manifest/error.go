package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Level says whether a finding prevents a run.
type Level string

// Levels of findings.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
)

// Error is one finding about a manifest, for people: what is wrong, where, and
// what to do. Nothing in it shows a secret. It is not worth a retry: the same
// manifest gives the same finding.
type Error struct {
	// File, Line and Col tell the place; Line and Col count from 1 and are 0
	// when only the file is known.
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
	// Level is LevelError or LevelWarning.
	Level Level `json:"level"`
	// Code is the key of Explain.
	Code Code `json:"code"`
	// Key is the path of the key concerned, "" if there is none.
	Key string `json:"key,omitempty"`
	// Msg says what is wrong, Hint what to do about it ("" if there is nothing
	// to add).
	Msg  string `json:"message"`
	Hint string `json:"hint,omitempty"`

	pos Position
}

// NewError returns the finding with the given code at pos, with the level that
// the table of codes gives it. A zero pos is allowed where no place is known.
func NewError(code Code, pos Position, msg, hint string) Error {
	level := LevelError
	if e, ok := Explain(code); ok {
		level = e.Level
	}
	return Error{
		File: pos.File, Line: pos.Line, Col: pos.Col,
		Level: level, Code: code, Msg: msg, Hint: hint, pos: pos,
	}
}

// Position returns the place the finding is about.
func (e Error) Position() Position { return e.pos }

// Error returns the finding on one line: file:line:col: error SLPnnn: text.
func (e Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", e.Line, e.Col)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%s %s: %s", e.Level, e.Code, e.Msg)
	return b.String()
}

// Render returns the finding with its source line, carets below the part it is
// about, and the hint; several lines, each ended by a newline. Secrets in the
// source line are replaced.
func (e Error) Render() string {
	var b strings.Builder
	b.WriteString(e.Error())
	b.WriteByte('\n')
	text, carets, ok := e.pos.excerpt()
	if !ok {
		if e.Hint != "" {
			fmt.Fprintf(&b, "      hint: %s\n", e.Hint)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%5d | %s\n", e.Line, text)
	fmt.Fprintf(&b, "      | %s", carets)
	if e.Hint != "" {
		fmt.Fprintf(&b, " %s", e.Hint)
	}
	b.WriteByte('\n')
	return b.String()
}

// MaxShown is the number of findings that are shown; the rest is counted.
const MaxShown = 20

// Errors are all findings about a manifest, sorted by position.
type Errors []Error

// Error returns a line for each finding, at most MaxShown of them.
func (es Errors) Error() string {
	return strings.TrimSuffix(es.render(func(e Error) string { return e.Error() + "\n" }), "\n")
}

// Render returns each finding as Error.Render does, at most MaxShown of them.
func (es Errors) Render() string { return es.render(Error.Render) }

func (es Errors) render(one func(Error) string) string {
	var b strings.Builder
	for i, e := range es {
		if i == MaxShown {
			fmt.Fprintf(&b, "... and %d more findings\n", len(es)-i)
			break
		}
		b.WriteString(one(e))
	}
	return b.String()
}

// Unwrap gives the findings to errors.Is and errors.As.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// Fatal returns the findings that prevent a run.
func (es Errors) Fatal() Errors { return es.only(LevelError) }

// Warnings returns the findings that do not.
func (es Errors) Warnings() Errors { return es.only(LevelWarning) }

func (es Errors) only(l Level) Errors {
	var out Errors
	for _, e := range es {
		if e.Level == l {
			out = append(out, e)
		}
	}
	return out
}

// Sort orders findings by position, then code and text, so that the same
// manifest always gives the same list. Findings without a place come first.
func (es Errors) Sort() {
	slices.SortStableFunc(es, func(a, b Error) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Msg, b.Msg),
		)
	})
}

// AsErrors returns the findings inside err, or nil if there are none.
func AsErrors(err error) Errors {
	var es Errors
	if errors.As(err, &es) {
		return es
	}
	var e Error
	if errors.As(err, &e) {
		return Errors{e}
	}
	return nil
}
