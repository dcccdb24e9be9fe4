package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counting counts what arrives under another key than it was sent with.
const counting = `
[topic.in]
partitions = 3
[topic.out]
partitions = 2
[topic.dead]
[repartition.by-key]
[cache.seen]
[handler.identity]
module = "all"
source = ["in"]
sink = ["by-key"]
[handler.poison]
module = "state"
source = ["by-key"]
cache = ["seen"]
sink = ["out"]
on_error = { policy = "dlq", topic = "dead" }
`

// stateProject is project with the module of guests that keep state, in
// language.
func stateProject(t testing.TB, language, manifest, test string) string {
	t.Helper()
	module := filepath.Join(guests(t), language+"-state.wasm")
	return project(t, manifest+"\n[module.state]\npath = \""+module+"\"\n", test)
}

const poisonInputs = `
[[input]]
source = "in"
key = "a"
value = "good"

[[input]]
source = "in"
key = "a"
value = "error"

[[input]]
source = "in"
key = "b"
value = "fine"

[[input]]
source = "in"
key = "a"
value = "panic"
restart = true
`

const poisonOutputs = `
[[output]]
sink = "out"
key = "a"
value = "good"

[[output]]
sink = "out"
key = "b"
value = "fine"

[[output]]
sink = "dead"
key = "a"
value = "error"
headers = { "slip.handler" = "poison" }

[[output]]
sink = "dead"
key = "a"
value = "panic"
`

func TestCachesThroughARepartitionAndARestart(t *testing.T) {
	for _, language := range []string{"go", "rust"} {
		for _, delivery := range []string{"exactly_once", "at_least_once"} {
			path := stateProject(t, language, "delivery = \""+delivery+"\"\n"+counting, poisonInputs+poisonOutputs+`
[cache.seen.before]
a = 10
z = 7

[cache.seen.after]
a = 11
b = 1
z = 7
`)
			for range 5 {
				if r := runTest(t, path, false); !r.Passed {
					t.Fatalf("%s, %s: error %q\n%s", language, delivery, r.Error, r.Diff)
				}
			}
		}
	}
}

func TestCachesThatDiffer(t *testing.T) {
	cases := map[string]struct {
		after string
		diff  []string // lines; none: it passes
	}{
		"as it is":        {"[cache.seen.after]\na = 1\nb = 1\n", nil},
		"not looked at":   {"", nil},
		"part of it":      {"[cache.seen]\nexact = false\nafter = { a = 1 }\n", nil},
		"other value":     {"[cache.seen.after]\na = 2\nb = 1\n", []string{`cache "seen": want 2 entries, got 2`, `  - "a" = 2   (line `, `  + "a" = 1`}},
		"missing":         {"[cache.seen.after]\na = 1\nb = 1\nc = 1\n", []string{`want 3 entries, got 2`, `  - "c" = 1   (line `}},
		"too much":        {"[cache.seen]\nexact = true\n", []string{`want 0 entries, got 2`, `  + "a" = 1`, `  + "b" = 1`}},
		"not even part":   {"[cache.seen]\nexact = false\nafter = { c = 1 }\n", []string{`want 1 entries or more, got 2`, `  - "c" = 1`}},
		"other partition": {"[[cache.seen.after]]\nkey = \"a\"\npartition = 0\nvalue = 1\n[[cache.seen.after]]\nkey = \"b\"\npartition = 0\nvalue = 1\n", []string{`  - "`, ` partition=0   (line`}},
		"bytes":           {"[[cache.seen.after]]\nkey_base64 = \"YQ==\"\nvalue_base64 = \"AQAAAAAAAAA=\"\n[[cache.seen.after]]\nkey = \"0x62\"\nvalue = 1\n", nil},
	}
	for name, c := range cases {
		r := runTest(t, stateProject(t, "rust", counting, poisonInputs+poisonOutputs+"\n"+c.after), false)
		if c.diff == nil {
			if !r.Passed {
				t.Errorf("%s: error %q\n%s", name, r.Error, r.Diff)
			}
			continue
		}
		for _, line := range c.diff {
			if r.Passed || !strings.Contains(r.Diff, line) {
				t.Errorf("%s: error %q, difference\n%s\nlacks %q", name, r.Error, r.Diff, line)
			}
		}
	}
}

func TestMistakesAboutCaches(t *testing.T) {
	manifest := counting + `
[topic.table]
[cache.lookup]
kind = "global"
topic = "table"
[cache.own]
kind = "local"
[cache.numbers]
key = "int"
[cache.idle]
[cache.more]
kind = "local"
[cache.third]
kind = "local"
[handler.side]
module = "state"
function = "lookup"
source = ["in"]
sink = ["out"]
cache = { side = "lookup" }
[handler.mine]
module = "state"
function = "count"
source = ["in"]
sink = ["out"]
cache = { counts = "own" }
[handler.numbers]
module = "state"
function = "typed"
source = ["in"]
sink = ["out"]
cache = { ints = "numbers", floats = "more", bools = "third" }
`
	cases := map[string]string{
		"[cache.none.after]\n":                                           `1:8: `,
		"[cache.own.after]\n":                                            `1:8: cache "own" is local`,
		"[cache.lookup.before]\na = 1\n":                                 `1:8: cache "lookup" is global: what it holds are the records of topic "table"`,
		"[cache.idle.after]\n":                                           `1:8: no handler uses cache "idle"`,
		"[cache.seen]\n":                                                 `1:8: say what the cache holds`,
		"[cache.seen]\nafter = 1\n":                                      `2:1: "after" is neither`,
		"[cache.seen]\nexact = 1\n":                                      `2:1: exact is true or false`,
		"[cache.seen]\nbefor = { }\n":                                    `did you mean "before"?`,
		"[[cache.seen.after]]\nkey = \"a\"\n":                            `the entry has no value`,
		"[[cache.seen.after]]\nvalue = \"a\"\n":                          `the entry has no key`,
		"[[cache.seen.after]]\nkey = [1]\nvalue = 1\n":                   `2:1: a key is text`,
		"[[cache.seen.after]]\nkey = 1\nvalue = 1\nx = 1\n":              `4:1: unknown key "x"`,
		"[[cache.seen.after]]\nkey = \"a\"\nvalue = 1\npartition = 3\n":  `cache "seen" has partitions 0 to 2, not 3`,
		"[[cache.seen.after]]\nkey = \"a\"\nvalue = 1\npartition = -1\n": `4:1: partition is not`,
		"[cache.numbers.after]\na = 1\n":                                 `2:1: key "a": the cache's keys are whole numbers`,
		"[cache.numbers.before]\n1 = 1\n":                                `2:1: say in which partition this entry is`,
		"[cache]\nseen = 1\n":                                            `2:1: "seen" is not a table`,
	}
	for text, want := range cases {
		r := runTest(t, stateProject(t, "rust", manifest, text+poisonInputs), false)
		if r.Passed || !strings.Contains(r.Error, want) {
			t.Errorf("%s: error\n%s\nwithout %q", text, r.Error, want)
		}
	}
}

func TestGlobalCachesAreFedInTheOrderOfTheFile(t *testing.T) {
	path := stateProject(t, "rust", `
[topic.table]
partitions = 2
[topic.in]
[topic.out]
[cache.side]
kind = "global"
topic = "table"
[handler.lookup]
module = "state"
source = ["in"]
sink = ["out"]
cache = ["side"]
`, `
[[input]]
source = "table"
key = "a"
value = "first"
[[input]]
source = "in"
key = "a"
value = "one"
[[input]]
source = "table"
key = "a"
value = "second"
[[input]]
source = "table"
key = "b"
value = "third"
[[input]]
source = "in"
key = "a"
value = "two"
[[input]]
source = "table"
key = "a"
restart = true
[[input]]
source = "in"
key = "a"
value = "three"
[[output]]
sink = "out"
key = "a"
value = "one=first"
[[output]]
sink = "out"
key = "a"
value = "two=second"
[[output]]
sink = "out"
key = "a"
value = "three=none"
[cache.side.after]
b = "third"
`)
	for range 20 {
		if r := runTest(t, path, false); !r.Passed {
			t.Fatalf("error %q\n%s", r.Error, r.Diff)
		}
	}
}

const windows = `
[topic.in]
partitions = 2
[topic.counts]
[topic.late]
[cache.windows]
[handler.window]
module = "state"
source = ["in"]
sink = ["counts", "late"]
cache = ["windows"]
params = { size = 60000 }
`

const windowInputs = `ignore = ["counts"]
[[input]]
source = "in"
key = "a"
timestamp = "2026-01-01T00:00:10Z"
value = "x"
[[input]]
source = "in"
key = "a"
timestamp = "2026-01-01T00:00:59.999Z"
value = "x"
[[input]]
source = "in"
key = "a"
timestamp = "2026-01-01T00:05:00Z"
value = "x"
[[input]]
source = "in"
key = "a"
timestamp = "2026-01-01T00:05:00Z"
value = "x"
restart = true
[[input]]
source = "in"
key = "a"
timestamp = "2026-01-01T00:01:00Z"
value = "late"
[[output]]
sink = "late"
key = "a"
value = "late"
`

func TestKeysOfWindows(t *testing.T) {
	path := stateProject(t, "rust", windows, windowInputs+`
[[cache.windows.before]]
window = "2026-01-01T00:05:00Z"
key = "a"
value = 40
[[cache.windows.after]]
window = "2026-01-01T00:05:00Z"
key = "a"
value = 42
`)
	if r := runTest(t, path, false); !r.Passed {
		t.Errorf("error %q\n%s", r.Error, r.Diff)
	}
}

func TestUpdateWritesCaches(t *testing.T) {
	counted := poisonInputs + poisonOutputs
	cases := map[string]struct{ manifest, test, before, after string }{
		"nothing yet":    {counting, counted, "\n[cache.seen]\nexact = true\n", "\n[cache.seen]\nexact = true\n\n[cache.seen.after]\na = 1\nb = 1\n"},
		"right already":  {counting, counted, "\n[cache.seen.after]\na = 1 # one\nb=1\n", "\n[cache.seen.after]\na = 1 # one\nb=1\n"},
		"one of them":    {counting, counted, "\n# all\n[cache.seen.after]\n# of b\nb  = 1\n# of a\na = 5\n", "\n# all\n[cache.seen.after]\n# of b\nb  = 1\na = 1\n"},
		"too many":       {counting, counted, "\n[cache.seen.after]\nx = 3\na = 1\n", "\n[cache.seen.after]\na = 1\nb = 1\n"},
		"part":           {counting, counted, "\n[cache.seen]\nexact = false\n\n[cache.seen.after]\na = 7\n", "\n[cache.seen]\nexact = false\n\n[cache.seen.after]\na = 1\n"},
		"blocks":         {counting, counted, "\n# first\n[[cache.seen.after]]\nkey = \"b\"\nvalue = 1\n\n[[cache.seen.after]]\nkey = \"a\"\nvalue = 3\n", "\n# first\n[[cache.seen.after]]\nkey = \"b\"\nvalue = 1\n\n[[cache.seen.after]]\nkey = \"a\"\nvalue = 1\n"},
		"outputs behind": {counting, poisonInputs, "\n[cache.seen.after]\na = 2\n\n[env]\nX = \"1\"\n" + poisonOutputs, "\n[cache.seen.after]\na = 1\nb = 1\n\n[env]\nX = \"1\"\n" + poisonOutputs},
		"windows":        {windows, windowInputs, "\n[cache.windows.after]\n", "\n[[cache.windows.after]]\nwindow = \"2026-01-01T00:05:00Z\"\nkey = \"a\"\nvalue = 2\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := stateProject(t, "rust", c.manifest, c.test+c.before)
			if r := runTest(t, path, true); !r.Passed {
				t.Fatalf("%+v", r)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.test+c.after, string(text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if r := runTest(t, path, false); !r.Passed {
				t.Errorf("fails after its update: %+v", r)
			}
		})
	}
	path := stateProject(t, "rust", counting, counted+"\n[cache.seen]\nafter = { a = 3 }\n")
	if r := runTest(t, path, true); r.Passed || !strings.Contains(r.Error, "write its entries below [cache.seen.after]") {
		t.Errorf("an inline table is updated: %+v", r)
	}
}
