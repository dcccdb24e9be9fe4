package golden

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// want is one expected record.
type want struct {
	*block
	record record
}

// matches says whether a record is the expected one.
func (w *want) matches(got *record) bool {
	switch {
	case !sameBytes(w.record.key, got.key), !sameBytes(w.record.value, got.value):
		return false
	case w.hasPart && w.record.partition != got.partition:
		return false
	case w.hasTS && w.record.timestamp != got.timestamp:
		return false
	}
	for _, h := range w.record.headers {
		if !slices.ContainsFunc(got.headers, func(g header) bool {
			return g.name == h.name && string(g.value) == string(h.value)
		}) {
			return false
		}
	}
	return true
}

// step is one line of a comparison: want and got are positions, -1 for a
// record that is only on the other side.
type step struct{ want, got int }

// align compares two lists: equal records in order, as many as possible.
func align(wants []want, got []record) []step {
	var steps []step
	start := 0
	for start < len(wants) && start < len(got) && wants[start].matches(&got[start]) {
		steps = append(steps, step{start, start})
		start++
	}
	endW, endG := len(wants), len(got)
	var tail []step
	for endW > start && endG > start && wants[endW-1].matches(&got[endG-1]) {
		endW--
		endG--
		tail = append(tail, step{endW, endG})
	}
	slices.Reverse(tail)
	steps = append(steps, middle(wants[:endW], got[:endG], start)...)
	return append(steps, tail...)
}

// maxTable bounds the comparison of what is left between equal ends; beyond it
// all of it counts as different.
const maxTable = 4 << 20

func middle(wants []want, got []record, start int) []step {
	n, m := len(wants)-start, len(got)-start
	var steps []step
	if n*m > maxTable {
		for i := range n {
			steps = append(steps, step{start + i, -1})
		}
		for i := range m {
			steps = append(steps, step{-1, start + i})
		}
		return steps
	}
	// longest[i][j] is the longest common list of wants[i:] and got[j:].
	longest := make([][]int32, n+1)
	equal := make([][]bool, n)
	for i := range longest {
		longest[i] = make([]int32, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		equal[i] = make([]bool, m)
		for j := m - 1; j >= 0; j-- {
			if equal[i][j] = wants[start+i].matches(&got[start+j]); equal[i][j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && equal[i][j]:
			steps = append(steps, step{start + i, start + j})
			i, j = i+1, j+1
		case i < n && (j == m || longest[i+1][j] >= longest[i][j+1]):
			steps = append(steps, step{start + i, -1})
			i++
		default:
			steps = append(steps, step{-1, start + j})
			j++
		}
	}
	return steps
}

func different(steps []step) bool {
	return slices.ContainsFunc(steps, func(s step) bool { return s.want < 0 || s.got < 0 })
}

// Bounds of a shown difference.
const (
	shownContext = 2
	shownLines   = 40
)

// render shows a difference with a few equal records around each change.
func render(f *file, sink string, wants []want, got []record, steps []step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "sink %q: want %d, got %d (- want, + got)\n", sink, len(wants), len(got))
	near := make([]bool, len(steps))
	for i, s := range steps {
		if s.want < 0 || s.got < 0 {
			for j := max(0, i-shownContext); j <= min(len(steps)-1, i+shownContext); j++ {
				near[j] = true
			}
		}
	}
	lines, skipped := 0, false
	var last *want
	for i, s := range steps {
		if !near[i] {
			skipped = true
			continue
		}
		if skipped {
			b.WriteString("    ...\n")
			skipped = false
		}
		if lines++; lines > shownLines {
			fmt.Fprintf(&b, "    ... and more\n")
			break
		}
		switch {
		case s.got < 0:
			w := &wants[s.want]
			last = w
			fmt.Fprintf(&b, "  - %s   (line %s)\n", show(&w.record, w.hasPart, w.hasTS, w.headersCompared), strings.Split(place(f.text, w.at), ":")[0])
		case s.want < 0:
			g := &got[s.got]
			as := last != nil
			fmt.Fprintf(&b, "  + %s\n", show(g, as && last.hasPart, as && last.hasTS, len(g.headers) > 0))
		default:
			w := &wants[s.want]
			fmt.Fprintf(&b, "    %s\n", show(&w.record, w.hasPart, w.hasTS, w.headersCompared))
		}
	}
	return b.String()
}

// show writes a record on one line.
func show(r *record, partition, timestamp, headers bool) string {
	var b strings.Builder
	b.WriteString("key=" + showBytes(r.key) + " value=" + showBytes(r.value))
	if partition {
		fmt.Fprintf(&b, " partition=%d", r.partition)
	}
	if timestamp {
		b.WriteString(" timestamp=" + time.UnixMilli(r.timestamp).UTC().Format(time.RFC3339Nano))
	}
	if headers {
		for _, h := range r.headers {
			b.WriteString(" " + h.name + "=" + showBytes(h.value))
		}
	}
	return b.String()
}

// shownBytes bounds a key or value in a difference.
const shownBytes = 500

func showBytes(b []byte) string {
	cut := ""
	if len(b) > shownBytes {
		cut = fmt.Sprintf("... (%d bytes)", len(b))
		b = b[:shownBytes]
	}
	switch v, isJSON := parseJSON(b); {
	case b == nil:
		return "null"
	case isJSON && isContainer(v) || cut != "" && len(b) > 0 && (b[0] == '{' || b[0] == '['):
		return string(b) + cut
	case utf8.Valid(b):
		return strconv.Quote(string(b)) + cut
	}
	return "base64:" + base64.StdEncoding.EncodeToString(b) + cut
}

func isContainer(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}
