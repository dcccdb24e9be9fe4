package golden

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// comparison is a sink's expected and real records side by side.
type comparison struct {
	sink  string
	wants []want
	got   []record
	steps []step
}

// update writes what came out into the test file, and into the files of
// records that it names. Everything that is right already keeps its text, and
// comments stay with the block below them.
func update(f *file, all []comparison, caches []cacheComparison) error {
	u := updater{f: f, replaced: map[*block]string{}, before: map[*block]string{}, after: map[*block]string{}}
	for i := range all {
		if !different(all[i].steps) {
			continue
		}
		if err := u.sink(&all[i]); err != nil {
			return err
		}
	}
	text, err := updateCaches(f.path, u.text(), caches)
	if err != nil {
		return err
	}
	if bytes.Equal(text, f.text) {
		return nil
	}
	if _, err := parseFile(f.path, text); err != nil {
		return fmt.Errorf("%s: the expectations cannot be written as TOML: %w", f.path, err)
	}
	return os.WriteFile(f.path, text, 0o644)
}

type updater struct {
	f *file
	// replaced holds new texts of blocks, "" for none, before and after what
	// comes around them; end is what comes last.
	replaced, before, after map[*block]string
	end                     string
}

// sink collects the changes of one sink.
func (u *updater) sink(c *comparison) error {
	if i := slices.IndexFunc(c.wants, func(w want) bool { return w.from != "" }); i >= 0 || u.emptyFile(c) != nil {
		return u.recordFile(c)
	}
	var last *block
	add := func(text string) {
		switch first := u.first(c.sink); {
		case last != nil:
			u.after[last] += text
		case first != nil:
			u.before[first] += text
		default:
			u.end += text
		}
	}
	for i := 0; i < len(c.steps); {
		s := c.steps[i]
		if s.want >= 0 && s.got >= 0 {
			last = c.wants[s.want].block
			i++
			continue
		}
		// A stretch of differences: old and new ones are paired in their order,
		// so that comments stay.
		var olds, news []int
		for ; i < len(c.steps) && (c.steps[i].want < 0 || c.steps[i].got < 0); i++ {
			if c.steps[i].want >= 0 {
				olds = append(olds, c.steps[i].want)
			} else {
				news = append(news, c.steps[i].got)
			}
		}
		for n, old := range olds {
			b := c.wants[old].block
			u.replaced[b] = ""
			if n < len(news) {
				u.replaced[b] = u.comments(b) + blockText(b, &c.got[news[n]])
			}
			last = b
		}
		for _, n := range news[min(len(olds), len(news)):] {
			add(blockText(&block{endpoint: c.sink}, &c.got[n]))
		}
	}
	return nil
}

// first returns the first block of a sink.
func (u *updater) first(sink string) *block {
	for _, b := range u.f.outputs {
		if b.endpoint == sink {
			return b
		}
	}
	return nil
}

// emptyFile returns the block of a sink whose file of records has none.
func (u *updater) emptyFile(c *comparison) *block {
	if b := u.first(c.sink); b != nil && b.from != "" {
		return b
	}
	return nil
}

// recordFile writes the records of a sink that expects a file's.
func (u *updater) recordFile(c *comparison) error {
	var b *block
	for _, o := range u.f.outputs {
		if o.endpoint != c.sink {
			continue
		}
		if b != nil {
			return fmt.Errorf("%s: sink %q expects a file's records beside others; such a test cannot be updated", u.f.path, c.sink)
		}
		b = o
	}
	var text bytes.Buffer
	for i := range c.got {
		v := c.got[i].value
		if v == nil || bytes.IndexByte(v, '\n') >= 0 {
			return fmt.Errorf("%s: record %d of sink %q has no value of one line, which %s could hold", u.f.path, i, c.sink, b.from)
		}
		text.Write(v)
		text.WriteByte('\n')
	}
	return os.WriteFile(b.from, text.Bytes(), 0o644)
}

// extent is where a block's text begins, with the comments right above its
// header, and where the next one begins.
func (u *updater) extent(b *block) (start, header, end int) {
	text := u.f.text
	header = bytes.LastIndexByte(text[:b.at], '\n') + 1
	start = commentsAbove(text, header)
	end = len(text)
	for at := header; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
		if line := bytes.TrimLeft(text[at:], " \t"); len(line) > 0 && line[0] == '[' && u.isHeader(at) {
			end = commentsAbove(text, at)
			break
		}
	}
	return start, header, end
}

// isHeader says whether a line that starts with a bracket is the header of a
// block or table of the top level, not part of a value and not a table inside
// the block.
func (u *updater) isHeader(at int) bool {
	for _, list := range [][]*block{u.f.inputs, u.f.outputs} {
		for _, b := range list {
			if bytes.LastIndexByte(u.f.text[:b.at], '\n')+1 == at {
				return true
			}
		}
	}
	return slices.ContainsFunc(u.f.heads, func(h head) bool {
		return (h.path[0] == "cache" || h.path[0] == "env") && bytes.LastIndexByte(u.f.text[:h.at], '\n')+1 == at
	})
}

func commentsAbove(text []byte, at int) int {
	for at > 0 {
		prev := bytes.LastIndexByte(text[:at-1], '\n') + 1
		if line := bytes.TrimSpace(text[prev:at]); len(line) == 0 || line[0] != '#' {
			break
		}
		at = prev
	}
	return at
}

func (u *updater) comments(b *block) string {
	start, header, _ := u.extent(b)
	return string(u.f.text[start:header])
}

// text returns the file with all changes.
func (u *updater) text() []byte {
	var out bytes.Buffer
	at := 0
	for _, b := range u.f.outputs {
		start, _, end := u.extent(b)
		out.Write(u.f.text[at:start])
		out.WriteString(u.before[b])
		at = end
		text, changed := u.replaced[b]
		if !changed {
			text = string(u.f.text[start:end])
		}
		out.WriteString(text)
		if extra := u.after[b]; extra != "" {
			ensureBlank(&out)
			out.WriteString(extra)
		}
	}
	out.Write(u.f.text[at:])
	if u.end != "" {
		ensureBlank(&out)
		out.WriteString(u.end)
	}
	text := append(bytes.TrimRight(out.Bytes(), "\n"), '\n')
	return text
}

// ensureBlank ends what is there with a blank line.
func ensureBlank(b *bytes.Buffer) {
	text := bytes.TrimRight(b.Bytes(), "\n")
	b.Truncate(len(text))
	if len(text) > 0 {
		b.WriteString("\n\n")
	}
}

// blockText writes an [[output]] with the keys that old compares.
func blockText(old *block, r *record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[output]]\nsink = %s\n", tomlText(old.endpoint))
	for _, part := range []struct {
		name string
		b    []byte
	}{{"key", r.key}, {"value", r.value}} {
		switch {
		case part.b == nil:
		case utf8.Valid(part.b):
			fmt.Fprintf(&b, "%s = %s\n", part.name, tomlValue(part.b, part.name == "value"))
		default:
			fmt.Fprintf(&b, "%s_base64 = %q\n", part.name, base64.StdEncoding.EncodeToString(part.b))
		}
	}
	if old.hasPart {
		fmt.Fprintf(&b, "partition = %d\n", r.partition)
	}
	if old.hasTS {
		fmt.Fprintf(&b, "timestamp = %q\n", time.UnixMilli(r.timestamp).UTC().Format(time.RFC3339Nano))
	}
	if old.headersCompared {
		var list []string
		for _, h := range old.record.headers {
			if i := slices.IndexFunc(r.headers, func(g header) bool { return g.name == h.name }); i >= 0 {
				list = append(list, tomlKey(h.name)+" = "+tomlText(string(r.headers[i].value)))
			}
		}
		if list != nil {
			fmt.Fprintf(&b, "headers = { %s }\n", strings.Join(list, ", "))
		}
	}
	b.WriteString("\n")
	return b.String()
}

// tomlValue writes text; a JSON object or list becomes a TOML value where TOML
// can say the same.
func tomlValue(b []byte, structured bool) string {
	if v, ok := parseJSON(b); structured && ok && isContainer(v) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if text, ok := inline(d); ok {
			return text
		}
	}
	return tomlText(string(b))
}

// inline writes the next JSON value as TOML; ok is false where TOML has no
// such value.
func inline(d *json.Decoder) (text string, ok bool) {
	t, err := d.Token()
	if err != nil {
		return "", false
	}
	switch t := t.(type) {
	case json.Delim:
		object := t == '{'
		var parts []string
		for d.More() {
			part := ""
			if object {
				name, err := d.Token()
				if err != nil {
					return "", false
				}
				part = tomlKey(name.(string)) + " = "
			}
			v, ok := inline(d)
			if !ok {
				return "", false
			}
			parts = append(parts, part+v)
		}
		if _, err := d.Token(); err != nil {
			return "", false
		}
		switch {
		case !object:
			return "[" + strings.Join(parts, ", ") + "]", true
		case len(parts) == 0:
			return "{}", true
		}
		return "{ " + strings.Join(parts, ", ") + " }", true
	case string:
		return tomlText(t), true
	case bool:
		return strconv.FormatBool(t), true
	case json.Number:
		if !strings.ContainsAny(t.String(), ".eE") {
			_, err := strconv.ParseInt(t.String(), 10, 64)
			return t.String(), err == nil
		}
		f, err := strconv.ParseFloat(t.String(), 64)
		return string(appendFloat(nil, f)), err == nil
	}
	return "", false // null
}

// tomlText writes a string of TOML, a literal one where that is easier to
// read.
func tomlText(s string) string {
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
	if plain && strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func tomlKey(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
		return s
	}
	return tomlText(s)
}
