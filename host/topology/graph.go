package topology

import (
	"encoding/json"
	"fmt"
	"slices"
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
	NodeTopic       NodeKind = "topic"
	NodeProxy       NodeKind = "proxy"
	NodeRepartition NodeKind = "repartition"
	NodeCache       NodeKind = "cache"
	NodeTimer       NodeKind = "timer"
	NodeFile        NodeKind = "file"
	NodeStream      NodeKind = "stream"
	NodeHandler     NodeKind = "handler"
	NodeCheckpoint  NodeKind = "checkpoint"
)

// Node is one node of a Graph.
type Node struct {
	// ID is unique: the kind, a colon and the id or text.
	ID   string   `json:"id"`
	Kind NodeKind `json:"kind"`
	// Label is what the manifest calls the node, Detail a second line: a
	// topic's codec, a handler's module and function, a cache's kind.
	Label  string `json:"label"`
	Detail string `json:"detail,omitempty"`
	// Sub is the sub-topology, -1 for a node that none or several have.
	Sub int `json:"sub"`
}

// Edge is a way that records take, or the use of a cache.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Label is the sink's or cache's name in the module where it is not the
	// target's.
	Label string `json:"label,omitempty"`
	// DeadLetter marks the way of failed records.
	DeadLetter bool `json:"dead_letter,omitempty"`
	// State marks the use of a cache: from a handler to a cache that it reads
	// and writes, or from a global cache to a handler that reads it. Lockstep
	// is set when the handler sees what others, or itself on another way, wrote
	// there inside a batch, so that records go through them one by one.
	State    bool `json:"state,omitempty"`
	Lockstep bool `json:"lockstep,omitempty"`
	// Checkpoint marks what no record takes: from a dependency to its checkpoint,
	// and from there to the dependent that it holds.
	Checkpoint bool `json:"checkpoint,omitempty"`
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
		if p.Cache || t.manifest.Proxies[p.Index].Pipe {
			continue // the cache is a node, and the functions of a pipe are joined
		}
		g.add(Node{ID: "proxy:" + p.ID, Kind: NodeProxy, Label: p.ID, Sub: p.Sub})
	}
	for i := range t.Outputs {
		g.endpoint(t.Outputs[i].Endpoint, t.subOf(i), "")
	}
	g.caches()
	for i := range t.Handlers {
		g.edges(i)
		g.uses(i)
	}
	g.checkpoints()
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
	case manifest.EndpointRepartition:
		r := &g.t.manifest.Repartitions[e.Index]
		n.Kind, n.ID, n.Detail = NodeRepartition, "repartition:"+r.ID, "repartition"
		if r.Kafka != manifest.DefaultCluster {
			n.Detail += " on " + r.Kafka
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
			p := &t.Proxies[in.Index]
			switch {
			case p.Cache:
				from = p.ID
			case t.manifest.Proxies[p.Index].Pipe:
				from = "handler:" + t.Handlers[p.Writers[0]].ID
			default:
				from = "proxy:" + p.ID
			}
		} else {
			from = g.endpoint(t.Sources[in.Index].Endpoint, h.Sub, h.ID)
		}
		g.out.Edges = append(g.out.Edges, Edge{From: from, To: self})
	}
	for _, s := range h.Sinks {
		e := Edge{From: self, Label: s.Name}
		if s.Proxy && t.manifest.Proxies[t.Proxies[s.Index].Index].Pipe {
			continue // its end has the edge
		}
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

// caches adds the nodes of caches that handlers use, and the edges from topics
// to global ones.
func (g *grapher) caches() {
	t := g.t
	for i := range t.manifest.Caches {
		c := &t.manifest.Caches[i]
		n := Node{ID: "cache:" + c.ID, Kind: NodeCache, Label: c.ID, Detail: string(c.Kind) + " cache", Sub: -1}
		used := false
		for _, h := range t.Handlers {
			if !slices.Contains(h.Caches, i) {
				continue
			}
			if !used {
				used, n.Sub = true, h.Sub
			}
			if n.Sub != h.Sub {
				n.Sub = -1
			}
		}
		if !used {
			continue
		}
		if c.TopicIndex >= 0 {
			topic := &t.manifest.Topics[c.TopicIndex]
			from := g.endpoint(manifest.Endpoint{Kind: manifest.EndpointTopic, Index: c.TopicIndex, Text: topic.ID}, n.Sub, "")
			g.out.Edges = append(g.out.Edges, Edge{From: from, To: n.ID})
		}
		g.add(n)
	}
}

// uses adds the edges between a handler and its caches.
func (g *grapher) uses(i int) {
	self := "handler:" + g.t.Handlers[i].ID
	for _, b := range g.t.manifest.Handlers[i].Caches {
		e := Edge{From: self, To: "cache:" + b.Cache, State: true, Lockstep: g.t.lockstep(i, b.CacheIndex)}
		if !g.t.manifest.Caches[b.CacheIndex].Kind.Partitioned() {
			e.From, e.To = e.To, e.From
		}
		if b.Name != b.Cache {
			e.Label = b.Name
		}
		g.out.Edges = append(g.out.Edges, e)
	}
}

// checkpoints adds the checkpoints between their sources.
func (g *grapher) checkpoints() {
	for i := range g.t.manifest.Checkpoints {
		c := &g.t.manifest.Checkpoints[i]
		self := "checkpoint:" + c.ID
		dependent := g.sideOf(&c.Dependent)
		g.add(Node{ID: self, Kind: NodeCheckpoint, Label: c.ID, Detail: "checkpoint", Sub: g.out.Nodes[g.seen[dependent]].Sub})
		for d := range c.Dependencies {
			e := Edge{From: g.sideOf(&c.Dependencies[d].CheckpointSide), To: self, Label: c.Dependencies[d].ID, Checkpoint: true}
			if g.out.Nodes[g.seen[e.From]].Label == e.Label {
				e.Label = ""
			}
			g.out.Edges = append(g.out.Edges, e)
		}
		e := Edge{From: self, To: dependent, Label: "holds", Checkpoint: true}
		if !c.Pause {
			e.Label = "watches"
		}
		g.out.Edges = append(g.out.Edges, e)
	}
}

// sideOf returns the node of a source of a checkpoint, which a handler reads.
func (g *grapher) sideOf(s *manifest.CheckpointSide) string {
	sub := -1
	for i := range g.t.Sources {
		if g.t.Sources[i].Key() == s.Source.Key() {
			sub = g.t.Sources[i].Sub
		}
	}
	return g.endpoint(s.Source, sub, "")
}

// lockstep reports whether a handler runs in lock-step because of a cache.
func (t *Topology) lockstep(handler, cache int) bool {
	for i := range t.Sources {
		for _, s := range t.Sources[i].Shared {
			if s.Cache == cache && slices.Contains(s.Handlers, handler) {
				return true
			}
		}
	}
	return false
}

// text is what is written at an edge.
func (e *Edge) text() string {
	if !e.Lockstep {
		return e.Label
	}
	return strings.TrimPrefix(e.Label+", lock-step", ", ")
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
		case NodeTopic, NodeRepartition:
			before, after = `[("`, `")]`
		case NodeCache:
			before, after = `[["`, `"]]`
		case NodeCheckpoint:
			before, after = `{{"`, `"}}`
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
		switch {
		case e.DeadLetter:
			arrow = "-.->"
		case e.Checkpoint:
			arrow = "--o"
		case e.Lockstep:
			arrow = "==="
		case e.State:
			arrow = "---"
		}
		if label := e.text(); label != "" {
			arrow += `|"` + mermaidText(label) + `"|`
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
		case NodeTopic, NodeRepartition:
			shape = "cylinder"
		case NodeCache:
			shape = "box3d"
		case NodeCheckpoint:
			shape = "hexagon"
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
		if label := e.text(); label != "" {
			attrs = append(attrs, "label="+dotText(label))
		}
		if e.DeadLetter {
			attrs = append(attrs, "style=dashed")
		}
		if e.Checkpoint {
			attrs = append(attrs, "style=dotted", "arrowhead=odot")
		}
		if e.State {
			attrs = append(attrs, "dir=none")
		}
		if e.Lockstep {
			attrs = append(attrs, "penwidth=3")
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
