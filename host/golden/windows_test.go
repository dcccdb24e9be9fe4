package golden

import (
	"path/filepath"
	"strings"
	"testing"
)

// windowsProject is project with the module of the helpers of time, in
// language.
func windowsProject(t testing.TB, language, manifest, test string) string {
	t.Helper()
	module := filepath.Join(guests(t), language+"-windows.wasm")
	return project(t, manifest+"\n[module.windows]\npath = \""+module+"\"\n", test)
}

// joining joins two topics and closes sessions over one of them.
const joining = `
[topic.left]
[topic.right]
[topic.pairs]
[topic.late]
[topic.sessions]
[cache.buffer]
key = "bytes"
[cache.visits]
key = "bytes"
[handler.join]
module = "windows"
source = ["left", "right"]
cache = { state = "buffer" }
sink = { out = "pairs", late = "late" }
params = { before = 5, after = 5, grace = 2, kind = 2 }
[handler.session]
module = "windows"
source = ["left"]
cache = { state = "visits" }
sink = { out = "sessions", late = "late" }
params = { gap = 10, close = 1 }
`

// TestWindowsAndJoinsThroughTheEngine restarts the host between the sides of a
// pair and between a session's records and its close; what is open at the end is
// closed by the final advance.
func TestWindowsAndJoinsThroughTheEngine(t *testing.T) {
	const test = `
[[input]]
source = "left"
key = "k"
value = "l"
timestamp = 10
[[input]]
source = "right"
key = "k"
value = "r"
timestamp = 15
RESTART
[[input]]
source = "right"
key = "k"
value = "s"
timestamp = 16
[[input]]
source = "left"
key = "k"
value = "m"
timestamp = 20
[[input]]
source = "left"
key = "x"
value = "n"
timestamp = 60
RESTART
[[input]]
source = "left"
key = "k"
value = "o"
timestamp = 1

[[output]]
sink = "pairs"
key = "k"
value = "l@10 r@15"
[[output]]
sink = "pairs"
key = "k"
value = "m@20 r@15"
[[output]]
sink = "pairs"
key = "k"
value = "m@20 s@16"
[[output]]
sink = "pairs"
key = "x"
value = "n@60 -"
[[output]]
sink = "sessions"
key = "k"
value = "10-20:lm"
[[output]]
sink = "sessions"
key = "x"
value = "60-60:n"
[[output]]
sink = "late"
key = "k"
value = "o"
[[output]]
sink = "late"
key = "k"
value = "o"
`
	for _, language := range []string{"go", "rust"} {
		for _, delivery := range []string{"exactly_once", "at_least_once"} {
			for _, restart := range []string{"", "restart = true"} {
				path := windowsProject(t, language, "delivery = \""+delivery+"\"\n"+joining, strings.ReplaceAll(test, "RESTART", restart))
				if r := runTest(t, path, false); !r.Passed {
					t.Fatalf("%s, %s, %q: error %q\n%s", language, delivery, restart, r.Error, r.Diff)
				}
			}
		}
	}
}
