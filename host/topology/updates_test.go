package topology

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host/manifest"
)

const updateEnds = moduleHead + "[topic.a]\n[topic.b]\n[repartition.r]\n[proxy.p]\n[cache.c]\n[cache.d]\n"

// without takes the tables out that no handler names.
func without(handlers string) string {
	text := updateEnds
	for table, used := range map[string]string{"[repartition.r]\n": `"r"`, "[proxy.p]\n": `"p"`, "[cache.c]\n": `c"`, "[cache.d]\n": `d"`, "[topic.b]\n": `"b"`} {
		if !strings.Contains(handlers, used) {
			text = strings.Replace(text, table, "", 1)
		}
	}
	return text + handlers
}

func TestACacheClosesACircle(t *testing.T) {
	for _, test := range []struct{ name, handlers, want string }{
		{"one handler", "[handler.x]\nsource = [\"a\", \"cache:c\"]\ncache = [\"c\"]\n", "handler x -> cache c -> handler x"},
		{"a reader writes through another", "[handler.x]\nsource = [\"cache:c\"]\nsink = [\"p\"]\n[handler.y]\nsource = [\"a\", \"p\"]\ncache = [\"c\"]\n", "handler x -> proxy p -> handler y -> cache c -> handler x"},
		{"two caches", "[handler.x]\nsource = [\"a\", \"cache:c\"]\ncache = [\"d\"]\n[handler.y]\nsource = [\"cache:d\"]\ncache = [\"c\"]\n", "handler x -> cache d -> handler y -> cache c -> handler x"},
		{"in a pipe", "[handler.x]\nsource = [\"a\", \"cache:c\"]\npipe = [\"f\"]\ncache = [\"c\"]\n", "handler x|f -> proxy x|f -> handler x -> cache c -> handler x|f"},
	} {
		top, found := Build(parse(t, "manifest.toml", without(test.handlers)))
		if top != nil || len(found) != 1 || found[0].Code != manifest.CodeCycle || !strings.Contains(found[0].Msg, test.want) || !strings.Contains(found.Render(), "^") {
			t.Errorf("%s: %s", test.name, found.Render())
		}
	}
	// Through a repartition or topic it is none, but a loop.
	top, found := Build(parse(t, "manifest.toml", without("[handler.x]\nsource = [\"cache:c\"]\nsink = [\"r\"]\n[handler.y]\nsource = [\"a\", \"r\"]\ncache = [\"c\"]\n")))
	if top == nil || len(top.Loops) != 1 {
		t.Errorf("%s", found.Render())
	}
}

func TestUpdatesJoinHandlers(t *testing.T) {
	top := build(t, parse(t, "manifest.toml", without("[handler.z]\nsource = [\"cache:d\"]\nsink = [\"b\"]\n[handler.y]\nsource = [\"cache:c\"]\ncache = [\"d\"]\n[handler.x]\nsource = [\"a\"]\ncache = [\"c\"]\n")))
	if len(top.Subs) != 1 || top.Sources[0].Lockstep {
		t.Errorf("%+v", top.Subs)
	}
	var order []string
	for _, p := range top.Proxies {
		order = append(order, fmt.Sprint(p.ID, p.Writers, p.Readers))
	}
	if d := cmp.Diff([]string{"cache:c[2] [{1 0}]", "cache:d[1] [{0 0}]"}, order); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{0, 1}, top.Sources[0].Caches); d != "" {
		t.Error(d)
	}
	// Who writes to a cache that others read and write sees what they do.
	top = build(t, parse(t, "manifest.toml", without("[handler.x]\nsource = [\"a\"]\ncache = [\"c\", \"d\"]\n[handler.y]\nsource = [\"cache:c\"]\ncache = [\"d\"]\n")))
	if d := cmp.Diff([]Shared{{Cache: 1, Handlers: []int{0, 1}}}, top.Sources[0].Shared); d != "" {
		t.Error(d)
	}
}
