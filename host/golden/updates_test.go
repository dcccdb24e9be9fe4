package golden

import (
	"strings"
	"testing"
)

// following reads what poison writes to a cache: counts by key.
const following = `
[topic.in]
[topic.out]
[topic.dead]
[cache.seen]
key = "string"
[handler.poison]
module = "state"
source = ["in"]
cache = ["seen"]
on_error = { policy = "dlq", topic = "dead" }
[handler.follow]
module = "all"
function = "identity"
source = ["cache:seen"]
sink = ["out"]
`

func TestUpdatesOfACache(t *testing.T) {
	for _, language := range []string{"go", "rust"} {
		for _, delivery := range []string{"exactly_once", "at_least_once"} {
			path := stateProject(t, language, "delivery = \""+delivery+"\"\n"+following, strings.ReplaceAll(poisonInputs, "restart = true", "")+`
[[output]]
sink = "dead"
key = "a"
value = "error"

[[output]]
sink = "dead"
key = "a"
value = "panic"

[[output]]
sink = "out"
key = "a"
value_base64 = "AQAAAAAAAAA="

[[output]]
sink = "out"
key = "b"
value_base64 = "AQAAAAAAAAA="

[cache.seen.after]
a = 1
b = 1
`)
			if r := runTest(t, path, false); !r.Passed {
				t.Fatalf("%s, %s: error %q\n%s", language, delivery, r.Error, r.Diff)
			}
		}
	}
	r := runTest(t, stateProject(t, "rust", following, "[[input]]\nsource = \"cache:seen\"\nkey = \"a\"\nvalue = \"b\"\n"), false)
	if want := "what handlers write to the cache"; !strings.Contains(r.Error, want) {
		t.Errorf("error %q lacks %q", r.Error, want)
	}
}

// piped: each function may make several records of one or none.
const piped = `
[topic.in]
codec = "string"
[topic.other]
codec = "string"
[topic.out]
[topic.dead]
[handler.upper]
module = "all"
source = ["in", "other"]
pipe = ["drop-on", "fail-on", "explode"]
sink = ["out"]
on_error = { policy = "dlq", topic = "dead" }
`

func TestPipes(t *testing.T) {
	path := project(t, piped, `
[[input]]
source = "in"
value = "one"

[[input]]
source = "other"
value = "two"

[[input]]
source = "in"
value = "drop"

[[input]]
source = "other"
value = "bad"

[[input]]
source = "in"
value = "three"

[[output]]
sink = "dead"
value = "bad"
headers = { "slip.handler" = "upper|fail-on", "slip.source" = "upper|drop-on" }
`+strings.Repeat("[[output]]\nsink = \"out\"\nvalue = \"0\"\n[[output]]\nsink = \"out\"\nvalue = \"1\"\n[[output]]\nsink = \"out\"\nvalue = \"2\"\n", 3))
	if r := runTest(t, path, false); !r.Passed {
		t.Errorf("error %q\n%s", r.Error, r.Diff)
	}
}

// Values keep their form on the way through a pipe: rename and flights-late
// read and write typed values, upper text.
func TestPipesOfTypedValues(t *testing.T) {
	path := project(t, `
[topic.in]
codec = "json"
[topic.out]
codec = "json"
[proxy.late]
[handler.flights-late]
source = ["in"]
pipe = ["all:rename", "rename"]
sink = ["late"]
[handler.print]
function = "rename"
source = ["late"]
pipe = ["flights-late"]
sink = ["out"]
`, `
[[input]]
source = "in"
value = '{"date":"d","delay":20,"distance":1,"origin":"A","destination":"B","more":1}'

[[input]]
source = "in"
value = '{"date":"d","delay":2,"distance":1,"origin":"A","destination":"B"}'

[[output]]
sink = "out"
value = '{"date":"d","delay":20,"distance":1,"origin":"A","destination":"B"}'
`)
	if r := runTest(t, path, false); !r.Passed {
		t.Errorf("error %q\n%s", r.Error, r.Diff)
	}
}
