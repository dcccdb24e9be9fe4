package chaos

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/cmd/sliphost/chaos/checker"
)

var everyHandler = []string{checker.Pass, checker.Fan, checker.Count, checker.Hop, checker.Poison, checker.Rekey}

// names returns the real names of an application's topics, by their ids in the
// manifest. Changelogs and repartition topics are named by the host.
func topicNames(app string, handlers []string) map[string]string {
	names := map[string]string{"in": app + "-in"}
	for _, h := range handlers {
		names["out-"+h] = app + "-out-" + h
		for _, c := range checker.CachesOf(h) {
			names["changelog-"+c] = app + "-" + c + "-changelog"
		}
		switch h {
		case checker.Poison:
			names["dead"] = app + "-dead"
		case checker.Rekey:
			names["regrouped"] = app + "-regrouped-repartition"
		}
	}
	return names
}

// workers is how many each host has.
const workers = 2

// manifest is the application's manifest.
func manifest(a *app, module string) string {
	var b strings.Builder
	delivery := "exactly_once"
	if a.delivery == checker.AtLeastOnce {
		delivery = "at_least_once"
	}
	fmt.Fprintf(&b, "version = 1\nname = %q\ndelivery = %q\ncommit_interval = \"50ms\"\nworkers = %d\n\n", a.name, delivery, workers)
	fmt.Fprintf(&b, "[kafka]\nbootstrap_servers = %q\n\n[module.m]\npath = %q\n", a.broker.Addr, module)
	topic := func(id string) { fmt.Fprintf(&b, "\n[topic.%s]\nname = %q\n", id, a.topics[id]) }
	topic("in")
	for _, h := range a.handlers {
		topic("out-" + h)
		for _, c := range checker.CachesOf(h) {
			fmt.Fprintf(&b, "\n[cache.%s]\nkey = \"string\"\n", c)
		}
		handler := func(id, source, sink string, more ...string) {
			fmt.Fprintf(&b, "\n[handler.%s]\nsource = [%q]\nsink = [%q]\n", id, source, sink)
			for _, line := range more {
				fmt.Fprintln(&b, line)
			}
		}
		switch h {
		case checker.Count:
			handler(h, "in", "out-count", `cache = ["counts"]`)
		case checker.Hop:
			fmt.Fprintf(&b, "\n[proxy.hopped]\n")
			handler("hop", "in", "hopped", `cache = ["seen"]`)
			handler("hop-read", "hopped", "out-hop", `cache = ["seen", "hops"]`)
		case checker.Poison:
			topic("dead")
			handler(h, "in", "out-poison", `cache = ["survivors"]`, `on_error = { topic = "dead", retry = { attempts = 2, backoff = "10ms" } }`)
		case checker.Rekey:
			fmt.Fprintf(&b, "\n[repartition.regrouped]\npartitions = %d\n", a.partitions)
			handler("rekey", "in", "regrouped")
			handler("group", "regrouped", "out-rekey", `cache = ["groups"]`)
		default:
			handler(h, "in", "out-"+h)
		}
	}
	return b.String()
}

func (a *app) manifestPath() string { return filepath.Join(a.dir, "manifest.toml") }

// Both languages have every handler that the manifests name.
func TestManifestsNameWhatThereIs(t *testing.T) {
	for _, language := range []string{"go", "rust"} {
		module(t, language)
	}
}
