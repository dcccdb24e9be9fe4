package topology

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sliphost/sliphost/host/manifest"
)

// Graph is a topology as nodes and edges, for drawing.
type Graph struct {
	// Name is the application's.
	Name  string `json:"name"`
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// NodeKind is the sort of a node.
type NodeKind string

// Kinds of nodes.
const (
	NodeTopic   NodeKind = "topic"
	NodeProxy   NodeKind = "proxy"
	NodeTimer   NodeKind = "timer"
	NodeFile    NodeKind = "file"
	NodeStream  NodeKind = "stream"
	NodeHandler NodeKind = "handler"
)

// Node is one node of a Graph.
type Node struct {
	// ID is unique: the kind, a colon and the id or text.
	ID   string   `json:"id"`
	Kind NodeKind `json:"kind"`
	// Label is what the manifest calls the node, Detail a second line: a
	// topic's codec, a handler's module and function.
	Label  string `json:"label"`
	Detail string `json:"detail,omitempty"`
	// Sub is the sub-topology, -1 for a node that none or several have.
	Sub int `json:"sub"`
}

// Edge is a way that records take.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Label is the sink's name where it is not the target's.
	Label string `json:"label,omitempty"`
	// DeadLetter marks the way of failed records.
	DeadLetter bool `json:"dead_letter,omitempty"`
}

// Graph returns the topology for drawing. Nodes and edges are in a fixed
// order.
func (t *Topology) Graph() *Graph {
	g := &grapher{t: t, out: &Graph{Name: t.manifest.Name, Nodes: []Node{}, Edges: []Edge{}}, seen: map[string]int{}}
	for i := range t.Sources {
		s := &t.Sources[i]
		g.endpoint(s.Endpoint, s.Sub, t.Handlers[s.Readers[0].Handler].ID)
	}
	for i, h := range t.Handlers {
		mh := &t.manifest.Handlers[i]
		g.add(Node{ID: "handler:" + h.ID, Kind: NodeHandler, Label: h.ID, Detail: mh.Module + "." + mh.Function, Sub: h.Sub})
	}
	for _, p := range t.Proxies {
		g.add(Node{ID: "proxy:" + p.ID, Kind: NodeProxy, Label: p.ID, Sub: p.Sub})
	}
	for i := range t.Outputs {
		g.endpoint(t.Outputs[i].Endpoint, t.subOf(i), "")
	}
	for i := range t.Handlers {
		g.edges(i)
	}
	return g.out
}

// subOf returns the one sub-topology that writes an output, or -1.
func (t *Topology) subOf(output int) int {
	sub := -1
	o := &t.Outputs[output]
	for _, list := range [][]int{o.Writers, o.DeadLetters} {
		for _, w := range list {
			if s := t.Handlers[w].Sub; sub < 0 || sub == s {
				sub = s
			} else {
				return -1
			}
		}
	}
	return sub
}

type grapher struct {
	t    *Topology
	out  *Graph
	seen map[string]int
}

func (g *grapher) add(n Node) {
	if at, ok := g.seen[n.ID]; ok {
		if g.out.Nodes[at].Sub != n.Sub {
			g.out.Nodes[at].Sub = -1
		}
		return
	}
	g.seen[n.ID] = len(g.out.Nodes)
	g.out.Nodes = append(g.out.Nodes, n)
}

// endpoint adds the node of an endpoint and returns its id. owner makes a
// timer's id unique.
func (g *grapher) endpoint(e manifest.Endpoint, sub int, owner string) string {
	n := Node{Label: e.Text, Sub: sub}
	switch e.Kind {
	case manifest.EndpointTopic:
		t := &g.t.manifest.Topics[e.Index]
		n.Kind, n.ID, n.Label = NodeTopic, "topic:"+t.ID, t.ID
		n.Detail = string(t.Codec)
		if t.Kafka != manifest.DefaultCluster {
			n.Detail += " on " + t.Kafka
		}
	case manifest.EndpointTimer:
		n.Kind, n.ID = NodeTimer, e.Text+"@"+owner
	case manifest.EndpointFile:
		n.Kind, n.ID, n.Detail = NodeFile, e.Text, string(e.Codec)
	default:
		n.Kind, n.ID = NodeStream, e.Text
	}
	g.add(n)
	return n.ID
}

// edges adds a handler's edges.
func (g *grapher) edges(i int) {
	t := g.t
	h := &t.Handlers[i]
	self := "handler:" + h.ID
	for _, in := range h.Inputs {
		from := ""
		if in.Proxy {
			from = "proxy:" + t.Proxies[in.Index].ID
		} else {
			from = g.endpoint(t.Sources[in.Index].Endpoint, h.Sub, h.ID)
		}
		g.out.Edges = append(g.out.Edges, Edge{From: from, To: self})
	}
	for _, s := range h.Sinks {
		e := Edge{From: self, Label: s.Name}
		if s.Proxy {
			e.To = "proxy:" + t.Proxies[s.Index].ID
		} else {
			e.To = g.endpoint(t.Outputs[s.Index].Endpoint, t.subOf(s.Index), "")
		}
		if _, name, _ := strings.Cut(e.To, ":"); name == s.Name || e.To == s.Name {
			e.Label = ""
		}
		g.out.Edges = append(g.out.Edges, e)
	}
	if h.DeadLetters >= 0 {
		g.out.Edges = append(g.out.Edges, Edge{
			From: self, To: g.endpoint(t.Outputs[h.DeadLetters].Endpoint, t.subOf(h.DeadLetters), ""),
			Label: "on error", DeadLetter: true,
		})
	}
}

// JSON returns the graph as indented JSON, ended by a newline.
func (g *Graph) JSON() []byte {
	out, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		// Strings and integers always have a JSON form.
		return nil
	}
	return append(out, '\n')
}

// Mermaid returns the graph as a Mermaid flowchart.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	index := map[string]int{}
	for i, n := range g.Nodes {
		index[n.ID] = i
		before, after := `["`, `"]`
		switch n.Kind {
		case NodeTopic:
			before, after = `[("`, `")]`
		case NodeProxy:
			before, after = `(["`, `"])`
		case NodeTimer:
			before, after = `(("`, `"))`
		case NodeFile, NodeStream:
			before, after = `[/"`, `"/]`
		}
		text := mermaidText(n.Label)
		if n.Detail != "" {
			text += "<br/>" + mermaidText(n.Detail)
		}
		fmt.Fprintf(&b, "  n%d%s%s%s\n", i, before, text, after)
	}
	for _, e := range g.Edges {
		arrow := "-->"
		if e.DeadLetter {
			arrow = "-.->"
		}
		if e.Label != "" {
			arrow += `|"` + mermaidText(e.Label) + `"|`
		}
		fmt.Fprintf(&b, "  n%d %s n%d\n", index[e.From], arrow, index[e.To])
	}
	return b.String()
}

// mermaidText replaces what Mermaid would take for syntax.
func mermaidText(s string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "`", "#96;", "\n", " ").Replace(s)
}

// DOT returns the graph in Graphviz's language.
func (g *Graph) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n", dotText(g.Name))
	for _, n := range g.Nodes {
		shape := "box"
		switch n.Kind {
		case NodeTopic:
			shape = "cylinder"
		case NodeProxy:
			shape = "ellipse"
		case NodeTimer:
			shape = "circle"
		case NodeFile, NodeStream:
			shape = "note"
		}
		label := n.Label
		if n.Detail != "" {
			label += "\n" + n.Detail
		}
		fmt.Fprintf(&b, "  %s [label=%s, shape=%s];\n", dotText(n.ID), dotText(label), shape)
	}
	for _, e := range g.Edges {
		var attrs []string
		if e.Label != "" {
			attrs = append(attrs, "label="+dotText(e.Label))
		}
		if e.DeadLetter {
			attrs = append(attrs, "style=dashed")
		}
		fmt.Fprintf(&b, "  %s -> %s", dotText(e.From), dotText(e.To))
		if attrs != nil {
			fmt.Fprintf(&b, " [%s]", strings.Join(attrs, ", "))
		}
		b.WriteString(";\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText writes a quoted string of DOT.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
