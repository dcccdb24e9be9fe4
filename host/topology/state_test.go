package topology

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host/manifest"
)

const moduleHead = "version = 1\nname = \"demo\"\n[module.m]\npath = \"m.wasm\"\n"

// source returns the source of a text.
func source(t *testing.T, top *Topology, text string) *Source {
	t.Helper()
	i := slices.IndexFunc(top.Sources, func(s Source) bool { return s.Text == text })
	if i < 0 {
		t.Fatalf("there is no source %s", text)
	}
	return &top.Sources[i]
}

func TestWhoSharesACacheRunsInLockstep(t *testing.T) {
	const ends = moduleHead + "[topic.a]\n[topic.b]\n[proxy.p]\n[cache.c]\n[cache.g]\nkind = \"global\"\ntopic = \"b\"\n[cache.l]\nkind = \"local\"\n"
	for _, test := range []struct {
		name, handlers string
		want           []Shared
	}{
		{"one handler", "[handler.x]\nsource = [\"a\"]\nsink = [\"p\"]\ncache = [\"c\"]\n[handler.y]\nsource = [\"p\"]\n", nil},
		{"two of one source", "[handler.x]\nsource = [\"a\"]\ncache = [\"c\"]\n[handler.y]\nsource = [\"a\"]\ncache = { d = \"c\" }\n", []Shared{{0, []int{0, 1}}}},
		{"one behind a proxy", "[handler.x]\nsource = [\"p\"]\ncache = [\"l\"]\n[handler.y]\nsource = [\"a\"]\nsink = [\"p\"]\ncache = [\"l\"]\n", []Shared{{2, []int{0, 1}}}},
		{"two ways to one", "[handler.x]\nsource = [\"a\"]\nsink = [\"p\"]\n[handler.y]\nsource = [\"a\", \"p\"]\ncache = [\"c\"]\n", []Shared{{0, []int{1}}}},
		{"two writers of one proxy", "[handler.w]\nsource = [\"a\"]\nsink = [\"p\"]\n[handler.x]\nsource = [\"a\"]\nsink = [\"p\"]\n[handler.y]\nsource = [\"p\"]\ncache = [\"c\"]\n", nil},
		{"two sources", "[handler.x]\nsource = [\"a\"]\ncache = [\"c\"]\n[handler.y]\nsource = [\"b\"]\ncache = [\"c\"]\n", nil},
		{"global", "[handler.x]\nsource = [\"a\"]\ncache = [\"g\"]\n[handler.y]\nsource = [\"a\"]\ncache = [\"g\"]\n", nil},
		{"two caches", "[handler.x]\nsource = [\"a\"]\ncache = [\"l\", \"c\"]\n[handler.y]\nsource = [\"a\"]\ncache = [\"l\"]\n[handler.z]\nsource = [\"a\"]\ncache = [\"c\", \"l\"]\n", []Shared{{0, []int{0, 2}}, {2, []int{0, 1, 2}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := ends + test.handlers
			if !strings.Contains(test.handlers, `"p"`) {
				text = strings.Replace(text, "[proxy.p]\n", "", 1)
			}
			s := source(t, build(t, parse(t, "manifest.toml", text)), "a")
			if diff := cmp.Diff(test.want, s.Shared); diff != "" || s.Lockstep != (test.want != nil) {
				t.Errorf("lock-step %t (-want +got):\n%s", s.Lockstep, diff)
			}
		})
	}
}

func TestCachesMakeSubTopologies(t *testing.T) {
	const ends = moduleHead + "[topic.a]\n[topic.b]\n[cache.c]\nkind = \"KIND\"\n[handler.x]\nsource = [\"a\"]\ncache = [\"c\"]\n[handler.y]\nsource = [\"b\"]\ncache = [\"c\"]\n"
	for kind, subs := range map[string]int{"kv": 1, "local": 1, "global\"\ntopic = \"b": 2} {
		top := build(t, parse(t, "manifest.toml", strings.Replace(ends, "KIND", kind, 1)))
		if len(top.Subs) != subs || top.Subs[0].Joins != (subs == 1) {
			t.Errorf("%q: %+v", kind, top.Subs)
		}
	}
	// A repartition ends one and starts another.
	top := build(t, parse(t, "manifest.toml", moduleHead+"[topic.a]\n[repartition.r]\n[cache.c]\n[handler.x]\nsource = [\"a\"]\nsink = [\"r\"]\n[handler.y]\nsource = [\"r\"]\ncache = [\"c\"]\n"))
	if len(top.Subs) != 2 || top.Handlers[0].Sub == top.Handlers[1].Sub || top.Subs[1].Joins || top.Loops != nil {
		t.Errorf("%+v", top.Subs)
	}
	// What comes back through one is a loop as one through topics is.
	top, found := Build(parse(t, "manifest.toml", moduleHead+"[topic.a]\n[repartition.r]\n[handler.x]\nsource = [\"a\", \"r\"]\nsink = [\"r\"]\n"))
	if top == nil || len(found) != 1 || found[0].Code != manifest.CodeTopicLoop {
		t.Fatal(found.Render())
	}
	if diff := cmp.Diff([]Loop{{Path: []string{"repartition r", "handler x"}}}, top.Loops); diff != "" {
		t.Error(diff)
	}
}

func TestWhereTransactionsAre(t *testing.T) {
	const eu = "[kafka.eu]\nbootstrap_servers = \"eu:9092\"\n[topic.here]\n[topic.there]\nkafka = \"eu\"\n"
	for _, test := range []struct {
		name, handlers string
		home           int
		ok             bool
	}{
		{"each on its own", "[handler.x]\nsource = [\"here\"]\nsink = [\"stdout\"]\n[handler.y]\nsource = [\"there\"]\n", 0, true},
		{"a file to the only one", "[handler.x]\nsource = [\"file:a\"]\nsink = [\"there\"]\n", 1, true},
		{"a file to what is not read", "[handler.x]\nsource = [\"file:a\"]\nsink = [\"here\"]\n[handler.y]\nsource = [\"there\"]\n", 1, false},
		{"stdin with what is read", "[handler.x]\nsource = [\"stdin\"]\nsink = [\"there\"]\n[handler.y]\nsource = [\"there\"]\n", 1, true},
		{"a global cache is only read", "[cache.c]\nkind = \"global\"\ntopic = \"there\"\n[handler.x]\nsource = [\"here\"]\ncache = [\"c\"]\n", 0, true},
		{"over the border", "[handler.x]\nsource = [\"here\"]\nsink = [\"there\"]\n", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, delivery := range []string{"exactly_once", "at_least_once"} {
				top, found := Build(parse(t, "manifest.toml", "delivery = \""+delivery+"\"\n"+moduleHead+eu+test.handlers))
				if ok := test.ok || delivery == "at_least_once"; ok != (top != nil) {
					t.Errorf("%s:\n%s", delivery, found.Render())
				}
				if top != nil && top.Home != test.home {
					t.Errorf("home is %d", top.Home)
				}
				for _, f := range found.Fatal() {
					if f.Code != manifest.CodeTransactionClusters {
						t.Error(f.Render())
					}
				}
			}
		})
	}
}

func TestPartitionCounts(t *testing.T) {
	const text = moduleHead + `[topic.a]
[topic.b]
[topic.c]
[repartition.said]
partitions = 5
[repartition.plain]
[repartition.second]
[repartition.joined]
[repartition.round]
[repartition.lines]
[cache.k]
[handler.first]
source = ["a", "b"]
sink = ["plain", "said"]
[handler.chain]
source = ["plain"]
sink = ["second", "joined"]
[handler.end]
source = ["second"]
[handler.five]
source = ["said"]
[handler.join]
source = ["joined", "c"]
cache = ["k"]
[handler.circle]
source = ["round"]
sink = ["round"]
[handler.read]
source = ["stdin"]
sink = ["lines"]
[handler.lined]
source = ["lines"]
`
	m := parse(t, "manifest.toml", text)
	top, _ := Build(m)
	topics := map[string]int{"a": 3, "b": 6, "c": 4}
	counts := func() ([]int, manifest.Errors) {
		return top.Counts(func(i int) int { return topics[m.Topics[i].ID] })
	}
	got, found := counts()
	if diff := cmp.Diff([]int{5, 6, 6, 4, 1, 1}, got); diff != "" || found != nil {
		t.Errorf("(-want +got):\n%s%s", diff, found.Render())
	}

	m = parse(t, "manifest.toml", strings.Replace(text, "[repartition.joined]", "[repartition.joined]\npartitions = 3", 1))
	top, _ = Build(m)
	if _, found = counts(); len(found) != 1 || found[0].Code != manifest.CodeUnequalPartitions {
		t.Errorf("unequal counts at the broker give\n%s", found.Render())
	}
}

// TestRandomState compares what Build says about shared caches with a walk of
// single records, depth first, through the manifest itself.
func TestRandomState(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 3))
	steps := 0
	for range 1000 {
		text, edges, _ := random(rng)
		if cyclic(edges) {
			continue
		}
		text = strings.Replace(text, "[topic.t0]", "[cache.c0]\n[cache.c1]\n[topic.t0]", 1)
		for h := range strings.Count(text, "[handler.") {
			if caches := []string{"", `"c0"`, `"c1"`, `"c0", "c1"`}[rng.IntN(4)]; caches != "" {
				header := fmt.Sprintf("[handler.h%d]\n", h)
				text = strings.Replace(text, header, header+"cache = ["+caches+"]\n", 1)
			}
		}
		m := parse(t, "manifest.toml", text)
		top := build(t, m)
		for i := range top.Sources {
			s := &top.Sources[i]
			calls := map[int]map[[2]int]bool{} // Of a cache: handler and source.
			var deliver func(kind manifest.EndpointKind, index int)
			deliver = func(kind manifest.EndpointKind, index int) {
				for h := range m.Handlers {
					for pos, e := range m.Handlers[h].Sources {
						if e.Kind != kind || e.Index != index {
							continue
						}
						for _, c := range m.Handlers[h].Caches {
							if calls[c.CacheIndex] == nil {
								calls[c.CacheIndex] = map[[2]int]bool{}
							}
							calls[c.CacheIndex][[2]int{h, pos}] = true
						}
						for _, sink := range m.Handlers[h].Sinks {
							if sink.Kind == manifest.EndpointProxy {
								deliver(manifest.EndpointProxy, sink.Index)
							}
						}
					}
				}
			}
			deliver(s.Kind, s.Index)
			want := false
			for c := range m.Caches {
				if slices.Contains(s.Caches, c) != (len(calls[c]) > 0) {
					t.Fatalf("seed %d: source %s, caches %v, want calls %v:\n%s", seed, s.Text, s.Caches, calls, text)
				}
				want = want || len(calls[c]) > 1
			}
			if s.Lockstep != want {
				t.Fatalf("seed %d: source %s: lock-step %t, want %t:\n%s", seed, s.Text, s.Lockstep, want, text)
			}
			if want {
				steps++
			}
			sub := &top.Subs[s.Sub]
			if sub.Joins != (len(sub.Caches) > 0 && len(sub.Sources) > 1) {
				t.Fatalf("seed %d: %+v:\n%s", seed, *sub, text)
			}
		}
	}
	if steps == 0 {
		t.Errorf("seed %d: nothing was in lock-step; the generator is broken", seed)
	}
}
