package golden

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guests is where `make guests` leaves the test modules.
func guests(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SLIPHOST_GUESTS")
	if dir == "" {
		dir = filepath.Join("..", "..", "build", "guests")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go-all.wasm")); err != nil {
		t.Fatalf("the test modules are missing, run `make guests`: %v", err)
	}
	return dir
}

// cache keeps compiled modules for the whole test run.
var cache = filepath.Join(os.TempDir(), "sliphost-test-cache")

// project writes a manifest and a test file and returns the latter's path.
func project(t testing.TB, manifest, test string) string {
	t.Helper()
	dir := t.TempDir()
	manifest = "version = 1\nname = \"t\"\n" + manifest + "\n[module.all]\npath = \"" + filepath.Join(guests(t), "go-all.wasm") + "\"\n"
	write(t, filepath.Join(dir, "manifest.toml"), manifest)
	path := filepath.Join(dir, "x.test.toml")
	write(t, path, test)
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func runTest(t testing.TB, path string, update bool) *Result {
	t.Helper()
	r, err := Run(context.Background(), path, Options{Update: update, CacheDir: cache})
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return r
}

const flights = `
[topic.flights]
codec = "json"
key_codec = "string"
partitions = 2
[topic.late]
codec = "json"
key_codec = "string"
[topic.dead]
[handler.flights-late]
source = ["flights"]
sink = ["late"]
params = { minutes = 15 }
on_error = { policy = "dlq", topic = "dead" }
`

const flightsTest = `
[[input]]
source = "flights"
key = "LHR"
value = { delay = 95, origin = "LHR" }

[[input]]
source = "flights"
key = "BAD"
value = "{bad"

[[input]]
source = "flights"
key = "JFK"
value = { delay = 1, origin = "JFK" }
`

func TestPassesWhenAllSinksAreAsExpected(t *testing.T) {
	path := project(t, flights, flightsTest+`
[[output]]
sink = "dead"
key = "BAD"
value = "{bad"
headers = { "slip.code" = "undecodable", "slip.topic" = "flights" }

[[output]]
sink = "late"
key = "LHR"
value = { late = true, origin = "LHR", delay = 95 }
`)
	for range 3 {
		if r := runTest(t, path, false); !r.Passed || r.Diff != "" || r.Error != "" {
			t.Fatalf("result %+v", r)
		}
	}
}

func TestFailsOnEveryDifference(t *testing.T) {
	late := "[[output]]\nsink = \"late\"\nkey = \"LHR\"\nvalue = { late = true, origin = \"LHR\", delay = 95 }\n"
	dead := "[[output]]\nsink = \"dead\"\nkey = \"BAD\"\nvalue = \"{bad\"\n"
	cases := map[string]struct{ expect, diff string }{
		"nothing expected":   {dead, `sink "late": want 0, got 1`},
		"other value":        {dead + strings.Replace(late, "95", "96", 1), `- key="LHR" value={"late":true,"origin":"LHR","delay":96}`},
		"other key":          {dead + strings.Replace(late, "LHR", "LHX", 1), `- key="LHX"`},
		"no key":             {dead + strings.Replace(late, "key = \"LHR\"\n", "", 1), `- key=null`},
		"one too many":       {dead + late + late, `sink "late": want 2, got 1`},
		"unexpected letter":  {late, `sink "dead": want 0, got 1`},
		"partition":          {dead + late + "partition = 3\n", `partition=3`},
		"timestamp":          {dead + late + "timestamp = 5\n", `timestamp=1970-01-01T00:00:00.005Z`},
		"header not there":   {late + dead + "headers = { x = \"1\" }\n", `x="1"`},
		"header of a letter": {late + dead + "headers = { \"slip.code\" = \"other\" }\n", `slip.code="other"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := runTest(t, project(t, flights, flightsTest+c.expect), false)
			if r.Passed || !strings.Contains(r.Diff, c.diff) {
				t.Errorf("passed %v, error %q, diff without %q:\n%s", r.Passed, r.Error, c.diff, r.Diff)
			}
		})
	}
}

func TestUpdateKeepsComments(t *testing.T) {
	path := project(t, flights, "# top\n"+flightsTest+`
# why this one is late
[[output]]
sink = "late"
key = "LHR"
value = { wrong = 1 }
partition = 0

# this one never comes
[[output]]
sink = "late"
key = "ZZZ"
`)
	if r := runTest(t, path, true); !r.Passed || !r.Updated {
		t.Fatalf("result %+v", r)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "# top\n" + flightsTest + `
# why this one is late
[[output]]
sink = "late"
key = "LHR"
value = { delay = 95, origin = "LHR", late = true }
partition = 0

[[output]]
sink = "dead"
key = "BAD"
value = "{bad"
`
	if string(got) != want {
		t.Errorf("updated file:\n%s\nwant:\n%s", got, want)
	}
	if r := runTest(t, path, false); !r.Passed {
		t.Errorf("fails after the update: %+v", r)
	}
	before := got
	if r := runTest(t, path, true); r.Updated {
		t.Error("a test that passes is updated")
	}
	if got, _ := os.ReadFile(path); string(got) != string(before) {
		t.Error("a second update changes the file")
	}
}
