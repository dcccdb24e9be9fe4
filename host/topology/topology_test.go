package topology

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host/manifest"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), run go test -update if that is right:\n%s", path, diff)
	}
}

// read parses a manifest from testdata.
func read(t *testing.T, file string) *manifest.Manifest {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, filepath.Base(file), string(src))
}

func parse(t *testing.T, file, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse(file, []byte(text), manifest.Options{
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatalf("%s\nof\n%s", manifest.AsErrors(err).Render(), text)
	}
	return m
}

func build(t *testing.T, m *manifest.Manifest) *Topology {
	t.Helper()
	top, found := Build(m)
	if top == nil {
		t.Fatal(found.Render())
	}
	return top
}

func TestGraphOutputs(t *testing.T) {
	for _, name := range []string{"flights", "loop", "state", "updates", "checkpoint"} {
		t.Run(name, func(t *testing.T) {
			g := build(t, read(t, "testdata/"+name+".toml")).Graph()
			golden(t, "testdata/"+name+".mmd", g.Mermaid())
			golden(t, "testdata/"+name+".dot", g.DOT())
			golden(t, "testdata/"+name+".json", string(g.JSON()))
			golden(t, "testdata/"+name+".svg", g.SVG())
			var back Graph
			if err := json.Unmarshal(g.JSON(), &back); err != nil || cmp.Diff(*g, back) != "" {
				t.Errorf("the JSON form is another graph: %v", err)
			}
			for d := xml.NewDecoder(strings.NewReader(g.SVG())); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("the drawing is no XML: %v", err)
				}
			}
		})
	}
}

// topologyCodes are those that Build reports.
var topologyCodes = []manifest.Code{
	manifest.CodeTopicLoop, manifest.CodeCycle, manifest.CodeNoPartition, manifest.CodeStateClusters,
	manifest.CodeTransactionClusters, manifest.CodeUnequalPartitions, manifest.CodeTooManyCaches, manifest.CodePartitioner,
}

func TestBadTopologiesGiveTheirFindings(t *testing.T) {
	for _, code := range topologyCodes {
		file := "testdata/bad/" + string(code) + ".toml"
		top, found := Build(read(t, file))
		if !slices.ContainsFunc(found, func(f manifest.Error) bool { return f.Code == code }) || (top == nil) != (found.Fatal() != nil) {
			t.Errorf("%s: %s", file, found.Render())
		}
		golden(t, strings.TrimSuffix(file, ".toml")+".err", found.Render())
	}
}

func TestExamplesOfCodesShowThem(t *testing.T) {
	const head, tail = "version = 1\nname = \"demo\"\n", "\n[module.m]\npath = \"m.wasm\"\n"
	for _, code := range topologyCodes {
		if code == manifest.CodeTooManyCaches {
			continue // Its example is too long to be written out.
		}
		e, _ := manifest.Explain(code)
		for text, want := range map[string]bool{e.Bad: true, e.Good: false} {
			_, found := Build(parse(t, "manifest.toml", head+text+tail))
			got := slices.ContainsFunc(found, func(f manifest.Error) bool { return f.Code == code })
			if got != want {
				t.Errorf("%s is found: %t, in\n%s", code, got, text)
			}
		}
	}
}

// dump writes everything that a topology knows.
func dump(top *Topology) string {
	var got strings.Builder
	for i, s := range top.Sources {
		fmt.Fprintf(&got, "source %d %s sub %d readers %v", i, s.Text, s.Sub, s.Readers)
		if s.Caches != nil {
			fmt.Fprintf(&got, " caches %v lock-step %t %v", s.Caches, s.Lockstep, s.Shared)
		}
		got.WriteByte('\n')
	}
	for i, p := range top.Proxies {
		fmt.Fprintf(&got, "proxy %d %s (%d) sub %d writers %v readers %v\n", i, p.ID, p.Index, p.Sub, p.Writers, p.Readers)
	}
	for i, h := range top.Handlers {
		fmt.Fprintf(&got, "handler %d %s sub %d inputs %v sinks %v dead letters %d mixed %t caches %v\n", i, h.ID, h.Sub, h.Inputs, h.Sinks, h.DeadLetters, h.Mixed, h.Caches)
	}
	for i, o := range top.Outputs {
		fmt.Fprintf(&got, "output %d %s writers %v dead letters %v\n", i, o.Text, o.Writers, o.DeadLetters)
	}
	for i, s := range top.Subs {
		fmt.Fprintf(&got, "sub %d handlers %v sources %v proxies %v outputs %v clusters %v\n", i, s.Handlers, s.Sources, s.Proxies, s.Outputs, s.Clusters)
		fmt.Fprintf(&got, "  inputs %v caches %v globals %v cluster %d joins %t\n", s.Inputs, s.Caches, s.Globals, s.Cluster, s.Joins)
	}
	fmt.Fprintf(&got, "home %d\n", top.Home)
	return got.String()
}

func TestTopologyOfFlights(t *testing.T) {
	m := read(t, "testdata/flights.toml")
	top := build(t, m)
	golden(t, "testdata/flights.topology", dump(top))
	golden(t, "testdata/state.topology", dump(build(t, read(t, "testdata/state.toml"))))
	if top.Loops != nil {
		t.Errorf("loops %v", top.Loops)
	}
	// A handler's sinks and inputs have the manifest's order and indexes.
	for i, h := range top.Handlers {
		if h.ID != m.Handlers[i].ID || len(h.Sinks) != len(m.Handlers[i].Sinks) || len(h.Inputs) != len(m.Handlers[i].Sources) {
			t.Errorf("handler %d: %+v", i, h)
		}
	}
}

func TestLoopsThroughDeadLettersAreNamed(t *testing.T) {
	top := build(t, read(t, "testdata/loop.toml"))
	want := []Loop{{Path: []string{"topic a", "handler one", "proxy p", "handler two", "topic b", "handler three"}}}
	if diff := cmp.Diff(want, top.Loops); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// random writes a manifest of handlers and proxies wired at random, without
// handlers or proxies that nothing leads to.
func random(rng *rand.Rand) (text string, edges [][2]int, proxies int) {
	handlers := 1 + rng.IntN(6)
	proxies = rng.IntN(5)
	sources := make([][]string, handlers)
	sinks := make([][]string, handlers)
	for h := range handlers {
		sources[h] = append(sources[h], fmt.Sprintf("t%d", rng.IntN(3)))
	}
	for p := range proxies {
		for _, end := range []*[][]string{&sources, &sinks} {
			for _, h := range rng.Perm(handlers)[:1+rng.IntN(min(handlers, 2))] {
				(*end)[h] = append((*end)[h], fmt.Sprintf("p%d", p))
				if end == &sources {
					edges = append(edges, [2]int{handlers + p, h})
				} else {
					edges = append(edges, [2]int{h, handlers + p})
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("version = 1\nname = \"r\"\n[module.m]\npath = \"m.wasm\"\n[topic.t0]\n[topic.t1]\n[topic.t2]\n")
	for p := range proxies {
		fmt.Fprintf(&b, "[proxy.p%d]\n", p)
	}
	for h := range handlers {
		fmt.Fprintf(&b, "[handler.h%d]\nsource = [%s]\nsink = [%s]\n", h, quoted(sources[h]), quoted(sinks[h]))
	}
	return b.String(), edges, proxies
}

func quoted(list []string) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, `"`+s+`"`)
	}
	return strings.Join(parts, ", ")
}

// cyclic removes nodes without incoming edges until none is left or only
// cycles are.
func cyclic(edges [][2]int) bool {
	for {
		kept := slices.DeleteFunc(slices.Clone(edges), func(e [2]int) bool {
			return !slices.ContainsFunc(edges, func(f [2]int) bool { return f[1] == e[0] })
		})
		if len(kept) == len(edges) {
			return len(edges) > 0
		}
		edges = kept
	}
}

func TestRandomTopologies(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 2000 {
		text, edges, proxies := random(rng)
		m := parse(t, "manifest.toml", text)
		top, found := Build(m)
		if want := cyclic(edges); (top == nil) != want {
			t.Fatalf("seed %d: refused %t, cyclic %t:\n%s\n%s", seed, top == nil, want, found.Render(), text)
		}
		if top == nil {
			refused++
			continue
		}
		// Whatever is emitted into a proxy reaches only later ones.
		seen := map[string]bool{}
		for i, p := range top.Proxies {
			seen[p.ID] = true
			for _, r := range p.Readers {
				if in := top.Handlers[r.Handler].Inputs[r.Position]; !in.Proxy || in.Index != i {
					t.Fatalf("seed %d: reader %v of proxy %d reads %v", seed, r, i, in)
				}
				for _, s := range top.Handlers[r.Handler].Sinks {
					if s.Proxy && s.Index <= i {
						t.Fatalf("seed %d: proxy %d leads back to %d:\n%s", seed, i, s.Index, text)
					}
				}
			}
			if m.Proxies[p.Index].ID != p.ID {
				t.Fatalf("seed %d: proxy %s has index %d", seed, p.ID, p.Index)
			}
		}
		if len(seen) != proxies {
			t.Fatalf("seed %d: %d of %d proxies", seed, len(seen), proxies)
		}
		checkSubs(t, seed, top)
		again, _ := Build(m)
		if cmp.Diff(top.Graph(), again.Graph()) != "" {
			t.Fatalf("seed %d: two builds differ", seed)
		}
	}
	if refused == 0 || refused == 2000 {
		t.Errorf("seed %d: %d of 2000 refused; the generator is broken", seed, refused)
	}
}

// checkSubs fails unless the sub-topologies are a division of everything that
// no edge crosses.
func checkSubs(t *testing.T, seed uint64, top *Topology) {
	t.Helper()
	handlers := 0
	for i, s := range top.Subs {
		handlers += len(s.Handlers)
		for _, h := range s.Handlers {
			if top.Handlers[h].Sub != i {
				t.Fatalf("seed %d: handler %d is in two sub-topologies", seed, h)
			}
		}
	}
	if handlers != len(top.Handlers) {
		t.Fatalf("seed %d: %d of %d handlers are in a sub-topology", seed, handlers, len(top.Handlers))
	}
	for _, src := range top.Sources {
		if !slices.IsSortedFunc(src.Readers, func(a, b Reader) int { return a.Handler - b.Handler }) {
			t.Fatalf("seed %d: readers %v are not in the manifest's order", seed, src.Readers)
		}
		for _, r := range src.Readers {
			if top.Handlers[r.Handler].Sub != src.Sub {
				t.Fatalf("seed %d: source %s crosses sub-topologies", seed, src.Text)
			}
		}
	}
	for _, p := range top.Proxies {
		for _, w := range p.Writers {
			if top.Handlers[w].Sub != p.Sub {
				t.Fatalf("seed %d: proxy %s crosses sub-topologies", seed, p.ID)
			}
		}
	}
}
