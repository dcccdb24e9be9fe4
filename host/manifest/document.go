package manifest

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// kind is the sort of a node.
type kind uint8

const (
	kindTable kind = iota
	kindArray
	kindString
	kindInt
	kindFloat
	kindBool
	kindTime
)

// String returns the kind as a sentence about TOML names it.
func (k kind) String() string {
	switch k {
	case kindTable:
		return "a table"
	case kindArray:
		return "a list"
	case kindString:
		return "a string"
	case kindInt:
		return "an integer"
	case kindFloat:
		return "a float"
	case kindBool:
		return "true or false"
	default:
		return "a date or time"
	}
}

// node is a value of the document and, unless it is an element of a list, the
// key it stands at. Children keep the order of the document.
type node struct {
	kind kind
	name string
	key  span
	// val is the span of a scalar or list; a table's is that of its header.
	val      span
	text     string
	children []*node
	// closed tables cannot be extended: inline ones, and those whose header or
	// dotted keys have been seen.
	closed, header, dotted bool
	// fresh marks what a --set argument brought.
	fresh bool
	// byName finds a child in a large table; it covers the first named children.
	byName map[string]*node
	named  int
}

// add appends a child.
func (n *node) add(c *node) { n.children = append(n.children, c) }

// child returns the child of a name, or nil.
func (n *node) child(name string) *node {
	const large = 32
	if len(n.children) > large {
		if n.byName == nil {
			n.byName = make(map[string]*node, len(n.children))
		}
		for ; n.named < len(n.children); n.named++ {
			n.byName[n.children[n.named].name] = n.children[n.named]
		}
		return n.byName[name]
	}
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// document is the parsed text of a manifest with where each value came from.
type document struct {
	main    *source
	root    *node
	places  map[string]place
	origins map[string]Origin
}

// place is where a key and its value stand.
type place struct{ key, val span }

// limits of a manifest's text; a real one is far below.
const (
	maxManifest = 1 << 20
	maxDepth    = 32
)

// pathKey joins a path into a map key; NUL cannot occur in TOML.
func pathKey(path []string) string { return strings.Join(path, "\x00") }

// builder turns the expressions of one text into nodes.
type builder struct {
	src    *source
	data   []byte
	parser unstable.Parser
	report func(code Code, at span, key []string, msg, hint string)
}

// build adds the text of src to root and reports what is not TOML. It stops
// at the first error of syntax, since what follows cannot be read with any
// certainty, and then returns false.
func (b *builder) build(root *node) bool {
	if i := invalidUTF8(b.src.text); i >= 0 {
		b.src.hidden = true
		b.report(CodeSyntax, span{b.src, i, i + 1}, nil, "the file is not UTF-8 text", "")
		return false
	}
	if strings.HasPrefix(b.src.text, "\ufeff") {
		b.src.hidden = true
		b.report(CodeSyntax, span{b.src, 0, len("\ufeff")}, nil, "the file begins with a byte order mark", "save it as UTF-8 without BOM")
		return false
	}
	// Whatever the parser highlights must be a part of this slice.
	b.data = []byte(b.src.text)
	b.parser.KeepComments = true
	b.parser.Reset(b.data)
	table, path := root, []string(nil)
	for b.parser.NextExpression() {
		n := b.parser.Expression()
		b.comment(n)
		if after := n.Next(); after.Valid() {
			b.comment(after)
		}
		if n.Kind == unstable.KeyValue {
			b.src.readTo = int(n.Raw.Offset)
		}
		switch n.Kind {
		case unstable.Table:
			table, path = b.header(root, n)
		case unstable.ArrayTable:
			keys := b.keys(n)
			last := keys[len(keys)-1]
			b.report(CodeArrayOfTables, last.key, names(keys),
				"[["+last.name+"]] is a list of tables, and a manifest has none",
				"write ["+dotted(names(keys))+"]; tables are named by their id, as in [topic.orders]")
			table, path = &node{}, nil
		case unstable.KeyValue:
			if !b.keyValue(table, path, n, 0) {
				return false
			}
		}
	}
	if err := b.parser.Error(); err != nil {
		b.src.hidden = true
		at := span{src: b.src, start: len(b.data), end: len(b.data)}
		var perr *unstable.ParserError
		if errors.As(err, &perr) {
			at = b.spanOf(perr.Highlight)
		}
		b.report(CodeSyntax, at, nil, "this is not TOML: "+strings.TrimPrefix(err.Error(), "toml: "), "")
		return false
	}
	return true
}

func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

// comment hides a comment that sounds like a secret, such as a line that was
// taken out: excerpts show what stands behind a value too.
func (b *builder) comment(n *unstable.Node) {
	if n.Kind != unstable.Comment {
		return
	}
	if secretName(string(n.Data)) {
		b.src.secrets = append(b.src.secrets, b.spanOf(n.Data))
	}
	for it := n.Children(); it.Next(); {
		b.comment(it.Node())
	}
}

// spanOf returns where a part of the data stands: the two share their end, so
// the capacities give the offset.
func (b *builder) spanOf(part []byte) span {
	start := cap(b.data) - cap(part)
	if start < 0 || start > len(b.data) {
		return span{b.src, len(b.data), len(b.data)}
	}
	return span{b.src, start, min(start+len(part), len(b.data))}
}

// keys returns the parts of a dotted key as nodes without value.
func (b *builder) keys(n *unstable.Node) []*node {
	var out []*node
	for it := n.Key(); it.Next(); {
		k := it.Node()
		at := span{b.src, int(k.Raw.Offset), int(k.Raw.Offset + k.Raw.Length)}
		out = append(out, &node{name: string(k.Data), key: at, val: at})
	}
	return out
}

func names(keys []*node) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}

// header opens the table of a [header] and returns it with its path.
func (b *builder) header(root *node, n *unstable.Node) (*node, []string) {
	table := root
	keys := b.keys(n)
	for i, k := range keys {
		old := table.child(k.name)
		last := i == len(keys)-1
		switch {
		case old == nil:
			table.add(k)
			k.header = last
			table = k
			continue
		case old.kind != kindTable || old.closed || last && (old.header || old.dotted):
			b.duplicate(names(keys[:i+1]), k, old)
			return &node{}, nil
		}
		if last {
			old.header = true
			old.key, old.val = k.key, k.val
		}
		table = old
	}
	return table, names(keys)
}

func (b *builder) duplicate(path []string, again, first *node) {
	what := "key"
	if first.kind == kindTable {
		what = "table"
	}
	b.report(CodeDuplicateKey, again.key, path,
		what+" "+quoteName(dotted(path))+" is defined twice",
		"the first definition is at "+lineOf(first.key))
}

// keyValue adds one key with its value to a table. It returns false when the
// values are nested too deep to go on.
func (b *builder) keyValue(table *node, path []string, n *unstable.Node, depth int) bool {
	keys := b.keys(n)
	for i, k := range keys[:len(keys)-1] {
		old := table.child(k.name)
		switch {
		case old == nil:
			k.dotted = true
			table.add(k)
			table = k
		case old.kind != kindTable || old.closed || old.header:
			b.duplicate(join(path, names(keys[:i+1])...), k, old)
			return true
		default:
			table = old
		}
	}
	last := keys[len(keys)-1]
	path = join(path, names(keys)...)
	if old := table.child(last.name); old != nil {
		b.duplicate(path, last, old)
		return true
	}
	table.add(last)
	return b.value(last, path, n.Value(), depth)
}

// value fills a node from a value's expression.
func (b *builder) value(dst *node, path []string, n *unstable.Node, depth int) bool {
	if depth > maxDepth {
		b.report(CodeNestedTooDeep, dst.key, nil, "lists and tables are nested too deep", "")
		return false
	}
	if n.Raw.Length > 0 {
		dst.val = span{b.src, int(n.Raw.Offset), int(n.Raw.Offset + n.Raw.Length)}
	}
	switch n.Kind {
	case unstable.InlineTable:
		dst.kind, dst.closed = kindTable, true
		for it := n.Children(); it.Next(); {
			b.comment(it.Node())
			if it.Node().Kind == unstable.KeyValue && !b.keyValue(dst, path, it.Node(), depth+1) {
				return false
			}
		}
	case unstable.Array:
		dst.kind = kindArray
		for it := n.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				b.comment(it.Node())
				continue
			}
			el := &node{key: dst.key, val: dst.val}
			dst.children = append(dst.children, el)
			if !b.value(el, path, it.Node(), depth+1) {
				return false
			}
			el.key = el.val
		}
	default:
		dst.kind, dst.text = scalarKind(n.Kind), string(n.Data)
		if n.Raw.Length == 0 && len(n.Data) > 0 {
			dst.val = b.spanOf(n.Data)
		}
	}
	return true
}

func scalarKind(k unstable.Kind) kind {
	switch k {
	case unstable.String:
		return kindString
	case unstable.Integer:
		return kindInt
	case unstable.Float:
		return kindFloat
	case unstable.Bool:
		return kindBool
	default:
		return kindTime
	}
}

func join(path []string, more ...string) []string {
	return append(path[:len(path):len(path)], more...)
}
