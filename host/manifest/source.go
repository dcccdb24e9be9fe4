package manifest

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// Position is a stretch of a manifest. It is a small value; copy it. The zero
// Position stands for no place at all.
type Position struct {
	// File is the manifest's path as given, or the name of a --set argument.
	File string
	// Line and Col count from 1, Col in characters. Both are 0 when only the
	// file is known.
	Line, Col int

	at span
}

// IsZero reports whether the position names nothing.
func (p Position) IsZero() bool { return p.File == "" }

// source is one text that a manifest is made of.
type source struct {
	name string
	text string
	// lines holds the offset of each line's first byte.
	lines []int
	// secrets holds the stretches that are never shown, in no order.
	secrets []span
	// hidden is set when the text could not be parsed and so its secrets are
	// not known; readTo is where the last statement that could be read starts.
	hidden bool
	readTo int
}

// span is a stretch of bytes of a source.
type span struct {
	src        *source
	start, end int
}

func newSource(name string, text string) *source {
	s := &source{name: name, text: text, lines: []int{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// pos returns the position of a span, clipped to its text.
func (s span) pos() Position {
	if s.src == nil {
		return Position{}
	}
	s.start = min(max(s.start, 0), len(s.src.text))
	s.end = min(max(s.end, s.start), len(s.src.text))
	line := s.src.line(s.start)
	col := utf8.RuneCountInString(s.src.text[s.src.lines[line]:s.start]) + 1
	return Position{File: s.src.name, Line: line + 1, Col: col, at: s}
}

// line returns the index of the line that holds an offset.
func (s *source) line(offset int) int {
	return sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset }) - 1
}

// bounds returns where a line's text starts and ends, without its newline.
func (s *source) bounds(line int) (start, end int) {
	start, end = s.lines[line], len(s.text)
	if line+1 < len(s.lines) {
		end = s.lines[line+1] - 1
	}
	if end > start && s.text[end-1] == '\r' {
		end--
	}
	return start, end
}

// excerptLimit is the longest source line that is shown whole.
const excerptLimit = 160

// excerpt returns the line of a position with its secrets replaced, and the
// carets below the part that the position covers. ok is false when there is
// no line, or none that may be shown.
func (p Position) excerpt() (text, carets string, ok bool) {
	s := p.at.src
	if s == nil || p.Line == 0 {
		return "", "", false
	}
	if s.hidden && s.maybeSecret(p.Line-1) {
		return "", "", false
	}
	start, end := s.bounds(p.Line - 1)
	if end-start > excerptLimit {
		return "", "", false
	}
	var shown, below strings.Builder
	width := 0
	for i := start; i <= end; {
		marked := i >= p.at.start && (i < p.at.end || i == p.at.start)
		if cut, is := s.secretAt(i, end); is && i < end {
			marked = marked || p.at.start < cut && p.at.end > i
			put(&shown, &below, `"***"`, marked, &width)
			i = cut
			continue
		}
		if i == end {
			if marked && width == 0 {
				put(&shown, &below, " ", true, &width)
			}
			break
		}
		_, n := utf8.DecodeRuneInString(s.text[i:end])
		put(&shown, &below, s.text[i:i+n], marked, &width)
		i += n
	}
	return strings.TrimRight(shown.String(), " \t"), strings.TrimRight(below.String(), " \t"), true
}

// put appends one piece of a line and as many carets or blanks below it.
func put(shown, below *strings.Builder, piece string, marked bool, width *int) {
	for _, r := range piece {
		mark := ' '
		switch {
		case r == '\t' && !marked:
			mark = '\t'
		case marked:
			mark = '^'
			*width++
		}
		if r != '\t' && (r < ' ' || r == 0x7f || r == utf8.RuneError) {
			// Control characters could move the cursor or colour the terminal.
			r = '?'
		}
		shown.WriteRune(r)
		below.WriteRune(mark)
	}
}

// secretAt reports whether a secret covers offset i, and where it ends on a
// line that ends at limit.
func (s *source) secretAt(i, limit int) (end int, is bool) {
	for _, sp := range s.secrets {
		if i >= sp.start && i < sp.end {
			return min(sp.end, limit), true
		}
	}
	return 0, false
}

// maybeSecret reports, for a text that is no TOML, whether a line may be part
// of a secret. Where the statement with the error starts is not known for
// certain, so everything from the last statement that could be read counts.
func (s *source) maybeSecret(line int) bool {
	_, end := s.bounds(line)
	return secretName(s.text[min(s.readTo, end):end])
}
