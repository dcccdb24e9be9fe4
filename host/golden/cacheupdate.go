package golden

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// cacheUpdater writes what caches hold into a test file.
type cacheUpdater struct {
	f *file
}

// updateCaches returns the text of a file with what came out in place of the
// expected entries. Entries that are right keep their text.
func updateCaches(path string, text []byte, all []cacheComparison) ([]byte, error) {
	for i := range all {
		if !all[i].different() {
			continue
		}
		f, err := parseFile(path, text)
		if err != nil {
			return nil, fmt.Errorf("%s: the expectations cannot be written as TOML: %w", path, err)
		}
		u := cacheUpdater{f}
		if text, err = u.cache(&all[i]); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// cache replaces the sections of one cache.
func (u *cacheUpdater) cache(c *cacheComparison) ([]byte, error) {
	text, name := u.f.text, c.test.name
	i := slices.IndexFunc(u.f.caches, func(t *cacheTest) bool { return t.name == name })
	t := u.f.caches[i]
	var sections []int // positions in heads
	last := -1
	for i, h := range u.f.heads {
		if len(h.path) < 2 || h.path[0] != "cache" || h.path[1] != name {
			continue
		}
		last = i
		if len(h.path) == 3 && h.path[2] == "after" {
			sections = append(sections, i)
		}
	}
	if len(sections) == 0 && len(t.after) > 0 {
		return nil, fmt.Errorf("%s: cache %q cannot be updated where it is; write its entries below [cache.%s.after]", u.f.path, name, tomlKey(name))
	}
	blocks := len(sections) > 1 || len(sections) == 1 && u.isBlock(sections[0])
	next := u.entries(c, t, blocks, sections)
	var out bytes.Buffer
	at := 0
	for n, s := range sections {
		start, end := u.extent(s)
		out.Write(text[at:start])
		if n == 0 {
			out.WriteString(next)
		}
		at = end
	}
	if len(sections) == 0 {
		at = len(text)
		if last >= 0 {
			_, at = u.extent(last)
		}
		out.Write(text[:at])
		ensureBlank(&out)
		out.WriteString(next)
	}
	out.Write(text[at:])
	return append(bytes.TrimRight(out.Bytes(), "\n"), '\n'), nil
}

// entries writes the sections of a cache anew.
func (u *cacheUpdater) entries(c *cacheComparison, t *cacheTest, blocks bool, sections []int) string {
	// The file may have changed since it was compared, but for these entries.
	type line struct {
		e    *entry
		kept int // position in t.after, -1 for a new one
	}
	var lines []line
	for i := range c.test.after {
		switch at := c.of[i]; {
		case c.right[i]:
			lines = append(lines, line{t.after[i], i})
		case at >= 0:
			e := *c.got[at]
			lines = append(lines, line{&e, -1})
		}
	}
	if !c.test.partly {
		for _, i := range c.extra {
			lines = append(lines, line{c.got[i], -1})
		}
	}
	for _, l := range lines {
		blocks = blocks || !l.e.plain(c.split)
	}
	head := "cache." + tomlKey(c.test.name) + ".after"
	var b strings.Builder
	if len(sections) > 0 {
		start, _ := u.extent(sections[0])
		header := u.lineOf(u.f.heads[sections[0]].at)
		if !blocks || len(lines) == 0 || lines[0].kept != 0 {
			b.Write(u.f.text[start:header])
		}
	}
	if !blocks || len(lines) == 0 {
		fmt.Fprintf(&b, "[%s]\n", head)
	}
	wasBlocks := len(sections) > 0 && u.isBlock(sections[0])
	for n, l := range lines {
		switch {
		case l.kept >= 0 && blocks == wasBlocks:
			b.WriteString(u.kept(t, l.kept, sections))
		case blocks:
			fmt.Fprintf(&b, "[[%s]]\n%s", head, l.e.block(c.typ, c.split))
		default:
			b.WriteString(l.e.line() + "\n")
		}
		if blocks && n < len(lines)-1 {
			b.WriteString("\n")
		}
	}
	b.WriteString("\n")
	return b.String()
}

// kept is the text of an entry that stays.
func (u *cacheUpdater) kept(t *cacheTest, i int, sections []int) string {
	text := u.f.text
	start := commentsAbove(text, u.lineOf(t.after[i].at))
	end := len(text)
	if u.isBlock(sections[0]) {
		for _, s := range sections {
			if u.f.heads[s].at == t.after[i].at || u.lineOf(u.f.heads[s].at) == u.lineOf(t.after[i].at) {
				start, end = u.extent(s)
			}
		}
	} else {
		_, end = u.extent(sections[0])
		if i == 0 {
			start = u.lineOf(t.after[i].at)
			if above := commentsAbove(text, start); above > u.f.heads[sections[0]].at {
				start = above
			}
		}
		if i+1 < len(t.after) {
			end = commentsAbove(text, u.lineOf(t.after[i+1].at))
		}
	}
	return string(bytes.TrimRight(text[start:end], "\n")) + "\n"
}

// extent is where the text of a table begins, with the comments above its
// header, and where that of the next one does.
func (u *cacheUpdater) extent(i int) (start, end int) {
	start = commentsAbove(u.f.text, u.lineOf(u.f.heads[i].at))
	if i+1 == len(u.f.heads) {
		return start, len(u.f.text)
	}
	return start, commentsAbove(u.f.text, u.lineOf(u.f.heads[i+1].at))
}

// isBlock says whether a table's header has two brackets.
func (u *cacheUpdater) isBlock(i int) bool {
	return bytes.HasPrefix(bytes.TrimLeft(u.f.text[u.lineOf(u.f.heads[i].at):], " \t"), []byte("[["))
}

func (u *cacheUpdater) lineOf(at int) int { return bytes.LastIndexByte(u.f.text[:at], '\n') + 1 }
