package golden

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// cacheTest is what a test says of one cache.
type cacheTest struct {
	// at is the offset of the cache's name.
	at   int
	name string
	// before is what the cache holds when the test begins, after what it must
	// hold at the end.
	before, after []*entry
	// compared says that the end is looked at, partly that it may hold more than
	// after.
	compared, partly bool
}

// entry is one entry of a cache as a test writes it.
type entry struct {
	at int
	// key is text, or bytes in raw. window is the start of the window that the
	// key is in, where inWindow is set.
	key       string
	raw       []byte
	window    int64
	inWindow  bool
	partition int32 // -1 if not given
	value     []byte
	form      form
}

// form is how a test writes a value.
type form uint8

const (
	// formBytes is text, or bytes.
	formBytes form = iota
	// formNumber is what the SDKs' helpers for numbers write.
	formInt
	formFloat
	// formJSON is a value in msgpack, as JSON.
	formJSON
)

// caches reads the tables of [cache].
func (p *parser) caches(n *node) {
	for _, c := range p.table(n) {
		t := &cacheTest{at: c.at, name: c.name}
		for _, part := range p.table(c) {
			switch part.name {
			case "before":
				t.before = p.entries(part)
			case "after":
				t.after, t.compared = p.entries(part), true
			case "exact":
				t.compared = true
				if part.kind != unstable.Bool {
					p.bad(part, "exact is true or false")
				}
				t.partly = part.text == "false"
			default:
				p.unknown(part, "before", "after", "exact")
			}
		}
		if len(c.children) == 0 {
			p.bad(c, "say what the cache holds: [cache.%s.before] or [cache.%s.after]", c.name, c.name)
		}
		p.f.caches = append(p.f.caches, t)
	}
}

// entries reads a table of keys with values, or a list of blocks.
func (p *parser) entries(n *node) (list []*entry) {
	switch n.kind {
	case unstable.ArrayTable:
		for _, b := range n.blocks {
			list = append(list, p.entry(b))
		}
	case unstable.Table:
		for _, c := range n.children {
			e := &entry{at: c.at, key: c.name, partition: -1}
			e.value, e.form = p.cacheValue(c)
			list = append(list, e)
		}
	default:
		p.bad(n, "%q is neither a table of keys and values nor a list of tables", n.name)
	}
	return list
}

// entry reads a block of [[cache.NAME.before]] or [[cache.NAME.after]].
func (p *parser) entry(n *node) *entry {
	e := &entry{at: n.at, partition: -1}
	for _, c := range n.children {
		switch c.name {
		case "key":
			switch c.kind {
			case unstable.String, unstable.Bool:
				e.key = c.text
			case unstable.Integer, unstable.Float:
				e.key = strings.ReplaceAll(c.text, "_", "")
			default:
				p.bad(c, "a key is text, a number, true or false")
			}
		case "key_base64":
			e.raw = p.base64(c)
		case "window":
			e.window, e.inWindow = p.time(c)
		case "partition":
			v, err := strconv.ParseInt(c.text, 10, 32)
			if c.kind != unstable.Integer || err != nil || v < 0 {
				p.bad(c, "partition is not a number of a partition")
			}
			e.partition = int32(v)
		case "value":
			e.value, e.form = p.cacheValue(c)
		case "value_base64":
			e.value = p.base64(c)
		default:
			p.unknown(c, "key", "key_base64", "window", "partition", "value", "value_base64")
		}
	}
	for _, pair := range [][2]string{{"key", "key_base64"}, {"value", "value_base64"}} {
		one, other := n.child(pair[0]), n.child(pair[1])
		switch {
		case one != nil && other != nil:
			p.bad(other, "%q and %q exclude each other", pair[0], pair[1])
		case one == nil && other == nil:
			p.bad(n, "the entry has no %s", pair[0])
		}
	}
	return e
}

func (p *parser) cacheValue(n *node) ([]byte, form) {
	b := p.bytes(n, nil)
	switch n.kind {
	case unstable.String:
		return b, formBytes
	case unstable.Integer:
		return b, formInt
	case unstable.Float:
		return b, formFloat
	}
	return b, formJSON
}
