package golden

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// node is a key of a test file with its value.
type node struct {
	name string
	// at is the offset of the key, or of a list's element.
	at   int
	kind unstable.Kind
	// text is a scalar's value; children are a table's or list's, in order.
	text     string
	children []*node
	// blocks are the tables of a [[name]].
	blocks []*node
	// start is the offset of a [[name]] header.
	start int
}

func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// problem is something wrong at an offset of the file.
type problem struct {
	at  int
	msg string
}

// place formats an offset as line:col.
func place(text []byte, at int) string {
	at = min(max(at, 0), len(text))
	line := bytes.Count(text[:at], []byte("\n")) + 1
	col := len([]rune(string(text[bytes.LastIndexByte(text[:at], '\n')+1:at]))) + 1
	return fmt.Sprintf("%d:%d", line, col)
}

// parseTree reads TOML into nodes. What TOML itself forbids is found by the
// full decoder first, so that the walk meets only well-formed documents.
func parseTree(text []byte) (*node, []head, *problem) {
	var any map[string]any
	if err := toml.Unmarshal(text, &any); err != nil {
		p := &problem{msg: "this is not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
		var de *toml.DecodeError
		if errors.As(err, &de) {
			row, col := de.Position()
			p.at = offsetOf(text, row, col)
		}
		return nil, nil, p
	}
	var heads []head
	root := &node{kind: unstable.Table}
	var parser unstable.Parser
	parser.Reset(text)
	table := root
	for parser.NextExpression() {
		n := parser.Expression()
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = openTable(root, n)
			heads = append(heads, headOf(n))
		case unstable.KeyValue:
			addValue(table, n, text)
		}
	}
	if err := parser.Error(); err != nil {
		return nil, nil, &problem{msg: "this is not TOML: " + err.Error()}
	}
	return root, heads, nil
}

// head is the header of a table.
type head struct {
	at   int
	path []string
}

func headOf(n *unstable.Node) (h head) {
	for it := n.Key(); it.Next(); {
		k := it.Node()
		if h.path == nil {
			h.at = int(k.Raw.Offset)
		}
		h.path = append(h.path, string(k.Data))
	}
	return h
}

func offsetOf(text []byte, row, col int) int {
	at := 0
	for ; row > 1; row-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return at + col - 1
}

// openTable returns the table of a header.
func openTable(root *node, n *unstable.Node) *node {
	table := root
	for it := n.Key(); it.Next(); {
		k := it.Node()
		c := table.child(string(k.Data))
		if c == nil {
			c = &node{name: string(k.Data), at: int(k.Raw.Offset), kind: unstable.Table}
			table.children = append(table.children, c)
		}
		if it.IsLast() && n.Kind == unstable.ArrayTable {
			c.kind = unstable.ArrayTable
			b := &node{name: c.name, at: int(k.Raw.Offset), start: int(k.Raw.Offset), kind: unstable.Table}
			c.blocks = append(c.blocks, b)
			c = b
		} else if len(c.blocks) > 0 {
			c = c.blocks[len(c.blocks)-1]
		}
		table = c
	}
	return table
}

func addValue(table *node, n *unstable.Node, text []byte) {
	for it := n.Key(); it.Next(); {
		k := it.Node()
		c := table.child(string(k.Data))
		if c == nil {
			c = &node{name: string(k.Data), at: int(k.Raw.Offset), kind: unstable.Table}
			table.children = append(table.children, c)
		}
		table = c
	}
	fill(table, n.Value(), text)
}

func fill(dst *node, n *unstable.Node, text []byte) {
	dst.kind = n.Kind
	switch n.Kind {
	case unstable.InlineTable:
		dst.kind = unstable.Table
		for it := n.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				addValue(dst, it.Node(), text)
			}
		}
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			c := &node{at: dst.at}
			fill(c, it.Node(), text)
			dst.children = append(dst.children, c)
		}
	default:
		dst.text = string(n.Data)
	}
}
