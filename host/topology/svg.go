package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Sizes of the drawing, in pixels.
const (
	nodeHeight   = 44
	layerGap     = 90
	rowGap       = 24
	margin       = 20
	charWidth    = 8
	minNodeWidth = 90
)

// box is a node with its place in the drawing.
type box struct {
	node       *Node
	layer, row int
	x, y, w    int
	// pull is the mean row of what leads to the node.
	pull float64
}

// SVG returns the graph as a drawing of its own: layers from left to right,
// records flowing from each to the next.
func (g *Graph) SVG() string {
	boxes, index := g.layout()
	width, height := margin, margin
	for _, b := range boxes {
		width = max(width, b.x+b.w+margin)
		height = max(height, b.y+nodeHeight+margin)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height, width, height)
	fmt.Fprintf(&s, "<title>%s</title>\n", xmlText(g.Name))
	s.WriteString(`<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>` + "\n")
	for _, e := range g.Edges {
		writeEdge(&s, e, boxes[index[e.From]], boxes[index[e.To]])
	}
	for _, b := range boxes {
		writeBox(&s, b)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// layout gives each node a place: its layer is one after the last that leads
// to it, its row is near those of what leads to it.
func (g *Graph) layout() ([]*box, map[string]int) {
	index := map[string]int{}
	boxes := make([]*box, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		index[n.ID] = i
		chars := max(utf8.RuneCountInString(n.Label), utf8.RuneCountInString(n.Detail))
		boxes[i] = &box{node: n, w: max(minNodeWidth, chars*charWidth+16)}
	}
	// A way round has no longest path; edges that close one, seen from the
	// nodes in their order, do not count.
	for range boxes {
		moved := false
		for _, e := range g.forward(index) {
			from, to := boxes[e[0]], boxes[e[1]]
			if to.layer <= from.layer {
				to.layer = from.layer + 1
				moved = true
			}
		}
		if !moved {
			break
		}
	}
	g.place(boxes, index)
	return boxes, index
}

// forward returns the edges without those that close a cycle in a walk from
// the nodes in their order.
func (g *Graph) forward(index map[string]int) [][2]int {
	next := make([][]int, len(g.Nodes))
	for _, e := range g.Edges {
		next[index[e.From]] = append(next[index[e.From]], index[e.To])
	}
	var out [][2]int
	state := make([]uint8, len(g.Nodes)) // 0 new, 1 on the way, 2 done
	var visit func(int)
	visit = func(n int) {
		state[n] = 1
		for _, to := range next[n] {
			if state[to] == 1 {
				continue
			}
			out = append(out, [2]int{n, to})
			if state[to] == 0 {
				visit(to)
			}
		}
		state[n] = 2
	}
	for n := range g.Nodes {
		if state[n] == 0 {
			visit(n)
		}
	}
	return out
}

// place sets rows and coordinates layer by layer.
func (g *Graph) place(boxes []*box, index map[string]int) {
	last := 0
	for _, b := range boxes {
		last = max(last, b.layer)
	}
	x := margin
	for layer := 0; layer <= last; layer++ {
		var column []*box
		wide := 0
		for _, b := range boxes {
			if b.layer == layer {
				b.pull = g.pull(b, boxes, index)
				column = append(column, b)
				wide = max(wide, b.w)
			}
		}
		slices.SortStableFunc(column, func(a, b *box) int { return cmp.Compare(a.pull, b.pull) })
		row := 0
		for _, b := range column {
			b.row = max(row, int(b.pull))
			row = b.row + 1
			b.x, b.y = x+(wide-b.w)/2, margin+b.row*(nodeHeight+rowGap)
		}
		x += wide + layerGap
	}
}

// pull returns the mean row of the nodes in earlier layers that lead to b.
func (g *Graph) pull(b *box, boxes []*box, index map[string]int) float64 {
	sum, n := 0.0, 0.0
	for _, e := range g.Edges {
		if from := boxes[index[e.From]]; e.To == b.node.ID && from.layer < b.layer {
			sum += float64(from.row)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}

func writeEdge(s *strings.Builder, e Edge, from, to *box) {
	x1, y1 := from.x+from.w, from.y+nodeHeight/2
	x2, y2 := to.x, to.y+nodeHeight/2
	bend := max(40, (x2-x1)/2)
	style := ` marker-end="url(#arrow)"`
	switch {
	case e.DeadLetter:
		style = ` stroke-dasharray="5 4"` + style
	case e.Checkpoint:
		style = ` stroke-dasharray="1 4"` + style
	case e.Lockstep:
		style = ` stroke-width="3"`
	case e.State:
		style = ""
	}
	fmt.Fprintf(s, `<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#555"%s/>`+"\n",
		x1, y1, x1+bend, y1, x2-bend, y2, x2, y2, style)
	if label := e.text(); label != "" {
		fmt.Fprintf(s, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#555">%s</text>`+"\n", (x1+x2)/2, (y1+y2)/2-4, xmlText(label))
	}
}

func writeBox(s *strings.Builder, b *box) {
	fill, round := "#fff", 4
	switch b.node.Kind {
	case NodeHandler:
		fill = "#dbe9ff"
	case NodeTopic:
		fill = "#e7f5df"
	case NodeRepartition:
		fill = "#dcefe9"
	case NodeCache:
		fill, round = "#f0e4f7", 0
	case NodeCheckpoint:
		fill, round = "#fde2dd", 12
	case NodeProxy:
		fill, round = "#fff3cf", nodeHeight/2
	case NodeTimer:
		fill, round = "#eee", nodeHeight/2
	}
	fmt.Fprintf(s, `<rect x="%d" y="%d" width="%d" height="%d" rx="%d" fill="%s" stroke="#555"><title>%s</title></rect>`+"\n",
		b.x, b.y, b.w, nodeHeight, round, fill, xmlText(string(b.node.Kind)+" "+b.node.Label))
	y := b.y + nodeHeight/2 + 5
	if b.node.Detail != "" {
		fmt.Fprintf(s, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#555">%s</text>`+"\n", b.x+b.w/2, y+11, xmlText(b.node.Detail))
		y -= 7
	}
	fmt.Fprintf(s, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", b.x+b.w/2, y, xmlText(b.node.Label))
}

// xmlText escapes text for XML; characters that XML does not have are
// replaced.
func xmlText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xfffe || r == 0xffff {
			return '?'
		}
		return r
	}, s)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
