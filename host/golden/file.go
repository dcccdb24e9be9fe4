package golden

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Suffix is how the names of test files end.
const Suffix = ".test.toml"

// file is a parsed test file.
type file struct {
	path string
	text []byte

	manifest string // joined with the file's directory
	set      []string
	env      map[string]string
	now      time.Time
	ignore   []string
	fails    *string

	inputs  []*block
	outputs []*block
	caches  []*cacheTest
	// heads are the offsets of the headers of tables.
	heads []head
}

// block is one [[input]] or [[output]].
type block struct {
	// at is the offset of its header's name.
	at int
	// endpoint is what source or sink says.
	endpoint string
	// from is the file of the records, joined with the test's directory; empty
	// for a record in the block itself.
	from            string
	keyAt, stampAt  string
	record          record
	hasPart, hasTS  bool
	headersCompared bool
	// restart says that the host is started anew before the block's records.
	restart bool
}

// record is one record that goes in or comes out. A nil key or value is null.
type record struct {
	key, value []byte
	// json says that value was written as a TOML value, not as text.
	json      bool
	partition int32
	timestamp int64
	headers   []header
}

type header struct {
	name  string
	value []byte
}

// maxFile bounds a test file and each file of records it names.
const maxFile = 64 << 20

// readFile reads and checks a test file. The error names every finding with
// its place.
func readFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return parseFile(path, text)
}

func parseFile(path string, text []byte) (*file, error) {
	p := &parser{f: &file{path: path, text: text, manifest: filepath.Join(filepath.Dir(path), "manifest.toml")}}
	p.f.now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	root, heads, bad := parseTree(text)
	p.f.heads = heads
	if bad != nil {
		p.problems = append(p.problems, *bad)
	} else {
		p.top(root)
	}
	if len(p.problems) == 0 {
		return p.f, nil
	}
	slices.SortStableFunc(p.problems, func(a, b problem) int { return a.at - b.at })
	var errs []error
	for _, b := range p.problems {
		errs = append(errs, fmt.Errorf("%s:%s: %s", path, place(text, b.at), b.msg))
	}
	return nil, errors.Join(errs...)
}

type parser struct {
	f        *file
	problems []problem
}

func (p *parser) bad(n *node, format string, args ...any) {
	p.problems = append(p.problems, problem{n.at, fmt.Sprintf(format, args...)})
}

// unknown refuses a key that has no meaning.
func (p *parser) unknown(n *node, known ...string) {
	hint := "the keys here are " + strings.Join(known, ", ")
	for _, k := range known {
		if strings.EqualFold(k, n.name) || len(k) > 3 && (strings.HasPrefix(n.name, k) || strings.HasPrefix(k, n.name)) {
			hint = fmt.Sprintf("did you mean %q?", k)
			break
		}
	}
	p.bad(n, "unknown key %q; %s", n.name, hint)
}

func (p *parser) top(root *node) {
	dir := filepath.Dir(p.f.path)
	for _, n := range root.children {
		switch n.name {
		case "manifest":
			if s := p.text(n); s != "" {
				p.f.manifest = join(dir, s)
			}
		case "set":
			p.f.set = p.texts(n)
		case "ignore":
			p.f.ignore = p.texts(n)
		case "env":
			p.f.env = map[string]string{}
			for _, c := range p.table(n) {
				p.f.env[c.name] = p.text(c)
			}
		case "now":
			if ms, ok := p.time(n); ok {
				p.f.now = time.UnixMilli(ms).UTC()
			}
		case "error":
			s := p.text(n)
			p.f.fails = &s
		case "input", "output":
			if n.kind != unstable.ArrayTable {
				p.bad(n, "%q is a list of tables; write [[%s]]", n.name, n.name)
				continue
			}
			for _, b := range n.blocks {
				if n.name == "input" {
					p.f.inputs = append(p.f.inputs, p.block(b, "source"))
				} else {
					p.f.outputs = append(p.f.outputs, p.block(b, "sink"))
				}
			}
		case "cache":
			p.caches(n)
		default:
			p.unknown(n, "manifest", "set", "env", "now", "ignore", "error", "input", "output", "cache")
		}
	}
	if root.child("input") == nil {
		p.problems = append(p.problems, problem{len(p.f.text), "the test has no [[input]]"})
	}
}

// block reads one [[input]] or [[output]]; end is "source" or "sink".
func (p *parser) block(n *node, end string) *block {
	b := &block{at: n.at, record: record{partition: -1, timestamp: -1}}
	known := []string{end, "key", "key_base64", "value", "value_base64", "timestamp", "partition", "headers", "file", "key_at", "timestamp_at"}
	if end == "source" {
		known = append(known, "restart")
	}
	for _, c := range n.children {
		switch c.name {
		case end:
			b.endpoint = p.text(c)
		case "key":
			b.record.key = p.bytes(c, nil)
		case "value":
			b.record.value = p.bytes(c, &b.record.json)
		case "key_base64":
			b.record.key = p.base64(c)
		case "value_base64":
			b.record.value = p.base64(c)
		case "timestamp":
			b.record.timestamp, b.hasTS = p.time(c)
		case "partition":
			v, err := strconv.ParseInt(c.text, 10, 32)
			if c.kind != unstable.Integer || err != nil || v < 0 {
				p.bad(c, "partition is not a number of a partition")
			}
			b.record.partition, b.hasPart = int32(v), true
		case "headers":
			b.headersCompared = true
			for _, h := range p.table(c) {
				b.record.headers = append(b.record.headers, header{h.name, []byte(p.text(h))})
			}
		case "file":
			if s := p.text(c); s != "" {
				b.from = join(filepath.Dir(p.f.path), s)
			}
		case "key_at":
			b.keyAt = p.text(c)
		case "restart":
			if c.kind != unstable.Bool || end != "source" {
				p.bad(c, "restart is true or false, at an [[input]]")
			}
			b.restart = c.text == "true"
		case "timestamp_at":
			b.stampAt = p.text(c)
		default:
			p.unknown(c, known...)
		}
	}
	p.together(n, b, end)
	return b
}

// together checks which keys a block has beside each other.
func (p *parser) together(n *node, b *block, end string) {
	if b.endpoint == "" {
		p.bad(n, "the block has no %s; name one as the manifest does", end)
	}
	for _, pair := range [][2]string{{"key", "key_base64"}, {"value", "value_base64"}, {"key", "key_at"}, {"timestamp", "timestamp_at"}, {"value", "file"}, {"value_base64", "file"}} {
		if c := n.child(pair[1]); c != nil && n.child(pair[0]) != nil {
			p.bad(c, "%q and %q exclude each other", pair[0], pair[1])
		}
	}
	for _, name := range []string{"key_at", "timestamp_at"} {
		if c := n.child(name); c != nil && b.from == "" {
			p.bad(c, "%q goes with file", name)
		}
	}
}

func (p *parser) text(n *node) string {
	if n.kind != unstable.String {
		p.bad(n, "%q is not a string", n.name)
		return ""
	}
	return n.text
}

func (p *parser) texts(n *node) []string {
	if n.kind != unstable.Array {
		p.bad(n, "%q is not a list of strings", n.name)
		return nil
	}
	var list []string
	for _, c := range n.children {
		if c.kind != unstable.String {
			p.bad(n, "%q is not a list of strings", n.name)
			return nil
		}
		list = append(list, c.text)
	}
	return list
}

func (p *parser) table(n *node) []*node {
	if n.kind != unstable.Table {
		p.bad(n, "%q is not a table", n.name)
		return nil
	}
	return n.children
}

// bytes reads a key or value: text as it is, anything else as JSON.
func (p *parser) bytes(n *node, isJSON *bool) []byte {
	if n.kind == unstable.String {
		return []byte(n.text)
	}
	out, err := appendJSON(nil, n)
	if err != nil {
		p.bad(n, "%q: %s", n.name, err)
	}
	if isJSON != nil {
		*isJSON = true
	}
	return out
}

func (p *parser) base64(n *node) []byte {
	b, err := base64.StdEncoding.DecodeString(p.text(n))
	if err != nil {
		p.bad(n, "%q is not base64", n.name)
	}
	return append([]byte{}, b...)
}

// time reads milliseconds since 1970 or a time of RFC 3339, quoted or not.
func (p *parser) time(n *node) (ms int64, ok bool) {
	switch n.kind {
	case unstable.Integer:
		if v, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 10, 64); err == nil {
			return v, true
		}
	case unstable.String, unstable.DateTime:
		if t, err := time.Parse(time.RFC3339Nano, strings.Replace(n.text, " ", "T", 1)); err == nil {
			return t.UnixMilli(), true
		}
	}
	p.bad(n, "%q is not a time; write milliseconds since 1970, or \"2026-01-31T12:00:00Z\"", n.name)
	return 0, false
}

func join(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
