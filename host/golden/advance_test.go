package golden

import (
	"path/filepath"
	"testing"
)

const advancing = `
[topic.in]
key_codec = "string"
codec = "string"
[topic.out]
key_codec = "string"
codec = "string"
[handler.advance]
module = "checkpoint"
source = ["in"]
sink = ["out"]
[module.checkpoint]
path = `

// Stream time that a handler's own records tell needs no advance; the last one
// comes once, at the end of the last run.
func TestTheLastAdvanceOfAScene(t *testing.T) {
	for _, language := range []string{"go", "rust"} {
		for _, delivery := range []string{"exactly_once", "at_least_once"} {
			path := project(t, "delivery = \""+delivery+"\"\n"+advancing+"\""+filepath.Join(guests(t), language+"-checkpoint.wasm")+"\"\n", `
[[input]]
source = "in"
key = "a"
value = "one"
timestamp = 1000

[[input]]
source = "in"
key = "b"
value = "two"
timestamp = 3000

[[input]]
source = "in"
key = "c"
value = "three"
timestamp = 2000

[[output]]
sink = "out"
key = "a"
value = "one"
timestamp = 1000

[[output]]
sink = "out"
key = "b"
value = "two"
timestamp = 3000

[[output]]
sink = "out"
key = "c"
value = "three"
timestamp = 2000

[[output]]
sink = "out"
key = "final"
value = "3000 3000"
timestamp = 3000
`)
			for range 3 {
				if r := runTest(t, path, false); !r.Passed {
					t.Fatalf("%s, %s: error %q\n%s", language, delivery, r.Error, r.Diff)
				}
			}
		}
	}
}
