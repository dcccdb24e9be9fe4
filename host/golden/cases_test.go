package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInputsOfAllKindsInTheOrderOfTheFile(t *testing.T) {
	path := project(t, `
[topic.in]
codec = "string"
[topic.out]
codec = "string"
[handler.tick]
function = "identity"
source = ["timer:1m"]
sink = ["file:ticks.txt"]
[handler.upper]
source = ["in", "stdin:string", "file:in.txt"]
sink = ["out", "stdout:string"]
`, `
[[input]]
source = "in"
value = "one"
[[input]]
source = "stdin:string"
value = "two"
[[input]]
source = "file:in.txt"
value = "three"
[[input]]
source = "timer:1m"
timestamp = 60000
[[input]]
source = "in"
value = "four"
[[input]]
source = "timer:1m"
timestamp = "1970-01-01T00:02:00Z"

[[output]]
sink = "stdout"
value = "ONE"
[[output]]
sink = "stdout"
value = "TWO"
[[output]]
sink = "stdout"
value = "THREE"
[[output]]
sink = "stdout"
value = "FOUR"
[[output]]
sink = "out"
value = "ONE"
timestamp = "2026-01-01T00:00:00Z"
[[output]]
sink = "out"
value = "TWO"
[[output]]
sink = "out"
value = "THREE"
[[output]]
sink = "out"
value = "FOUR"
[[output]]
sink = "file:ticks.txt"
[[output]]
sink = "file:ticks.txt"
`)
	for range 20 {
		if r := runTest(t, path, false); !r.Passed {
			t.Fatalf("error %q\n%s", r.Error, r.Diff)
		}
	}
}

func TestTimersAloneEnd(t *testing.T) {
	path := project(t, `
[handler.identity]
source = ["timer:1m"]
sink = ["stdout"]
`, "[[input]]\nsource = \"timer:1m\"\n[[output]]\nsink = \"stdout\"\n")
	for range 20 {
		if r := runTest(t, path, false); !r.Passed {
			t.Fatalf("error %q\n%s", r.Error, r.Diff)
		}
	}
}

func TestRetriesTakeNoTime(t *testing.T) {
	path := project(t, `
[topic.in]
[topic.out]
[topic.dead]
[handler.fail-on]
source = ["in"]
sink = ["out"]
params = { text = "bad" }
on_error = { policy = "dlq", topic = "dead", retry = { attempts = 5, backoff = "30s" } }
`, `
[[input]]
source = "in"
value = "bad"
[[input]]
source = "in"
value = "good"
[[output]]
sink = "dead"
value = "bad"
headers = { "slip.attempts" = "6" }
[[output]]
sink = "out"
value = "good"
`)
	if r := runTest(t, path, false); !r.Passed {
		t.Fatalf("error %q\n%s", r.Error, r.Diff)
	}
}

func TestARunThatIsToFail(t *testing.T) {
	manifest := `
[topic.in]
[topic.out]
[handler.fail-on]
source = ["in"]
sink = ["out"]
params = { text = "bad" }
`
	inputs := "[[input]]\nsource = \"in\"\nvalue = \"bad\"\n"
	if r := runTest(t, project(t, manifest, "error = \"stopped\"\n"+inputs), false); !r.Passed {
		t.Errorf("error %q\n%s", r.Error, r.Diff)
	}
	if r := runTest(t, project(t, manifest, "error = \"something else\"\n"+inputs), false); r.Passed || !strings.Contains(r.Error, `without "something else" in its error`) {
		t.Errorf("another error passes: %+v", r)
	}
	if r := runTest(t, project(t, manifest, inputs), false); r.Passed || !strings.Contains(r.Error, "the run failed: ") {
		t.Errorf("a failed run passes: %+v", r)
	}
	good := "[[input]]\nsource = \"in\"\nvalue = \"good\"\n[[output]]\nsink = \"out\"\nvalue = \"good\"\n"
	if r := runTest(t, project(t, manifest, "error = \"x\"\n"+good), false); r.Passed || !strings.Contains(r.Error, "the run succeeded") {
		t.Errorf("a run that succeeds passes: %+v", r)
	}
}

func TestFilesOfRecords(t *testing.T) {
	path := project(t, strings.Replace(flights, "partitions = 2", "partitions = 1", 1), `
[[input]]
source = "flights"
file = "in.ndjson"
key_at = "/origin"
timestamp_at = "/date:2006/01/02 15:04"
[[output]]
sink = "late"
file = "out.ndjson"
key_at = "/origin"
`)
	dir := filepath.Dir(path)
	write(t, filepath.Join(dir, "in.ndjson"), `{"date":"2001/01/01 00:47","delay":66,"origin":"DTW"}
{"date":"2001/01/01 01:10","delay":5,"origin":"HNL"}
{"date":"2001/01/01 01:24","delay":95,"origin":"LAS"}
`)
	want := `{"date":"2001/01/01 00:47","delay":66,"origin":"DTW","late":true}
{"date":"2001/01/01 01:24","delay":95,"origin":"LAS","late":true}
`
	write(t, filepath.Join(dir, "out.ndjson"), want)
	if r := runTest(t, path, false); !r.Passed {
		t.Fatalf("error %q\n%s", r.Error, r.Diff)
	}
	write(t, filepath.Join(dir, "out.ndjson"), "{\"origin\":\"X\"}\n")
	if r := runTest(t, path, false); r.Passed {
		t.Fatal("other records pass")
	}
	if r := runTest(t, path, true); !r.Updated {
		t.Fatalf("not updated: %+v", r)
	}
	got, err := os.ReadFile(filepath.Join(dir, "out.ndjson"))
	if err != nil || string(got) != want {
		t.Errorf("updated to\n%s%v", got, err)
	}
}

// TestMistakesAreAllFound has the wrong test first, then what is said of it.
func TestMistakesAreAllFound(t *testing.T) {
	cases := map[string][]string{
		"":                                              {"1:1: the test has no [[input]]"},
		"input = 1":                                     {`1:1: "input" is a list of tables; write [[input]]`},
		"[[input]]\n":                                   {"1:3: the block has no source"},
		"a = 1\na = 2\n":                                {"this is not TOML"},
		"a = \n":                                        {"1:5: this is not TOML"},
		"set = 1\n[[input]]\n":                          {`1:1: "set" is not a list of strings`, "2:3: the block has no source"},
		"set = [1]\n[[input]]\n":                        {`1:1: "set" is not a list of strings`},
		"now = \"x\"\n":                                 {`1:1: "now" is not a time`},
		"Manifest = \"x\"\n":                            {`1:1: unknown key "Manifest"; did you mean "manifest"?`},
		"env = 1\n":                                     {`1:1: "env" is not a table`},
		"[env]\nA = 1\n":                                {`2:1: "A" is not a string`},
		input(`key = 1979-05-27`):                       {`3:1: "key": JSON has no times`},
		input(`value = nan`):                            {`3:1: "value": JSON has no number nan`},
		input(`value_base64 = "%"`):                     {`3:1: "value_base64" is not base64`},
		input("value = 1\nvalue_base64 = \"\""):         {`4:1: "value" and "value_base64" exclude each other`},
		input(`partition = -1`):                         {"3:1: partition is not a number of a partition"},
		input(`partition = "1"`):                        {"3:1: partition is not a number of a partition"},
		input(`timestamp = 1.5`):                        {`3:1: "timestamp" is not a time`},
		input(`headers = { a = 1 }`):                    {`3:13: "a" is not a string`},
		input(`key_at = "/a"`):                          {`3:1: "key_at" goes with file`},
		input("file = \"x\"\nvalue = 1"):                {`3:1: "value" and "file" exclude each other`},
		input("file = \"nothing\""):                     {"1:3: file: open "},
		input("file = \"nothing\"\nkey_at = \"a\""):     {"1:3: file: open "},
		"[[input]]\nsource = \"out\"\n":                 {`1:3: no handler of`, `reads from "out"`},
		input("partition = 9"):                          {`1:3: topic "in" has partitions 0 to 0, not 9`},
		input("value = 1") + "[[output]]\nsink = \"x\"": {`4:3: no handler of`, `writes to "x"`},
		"ignore = [\"in\"]\n" + input("value = 1"):      {`ignore names "in"`},
	}
	for text, wants := range cases {
		r := runTest(t, project(t, "[topic.in]\n[topic.out]\n[handler.identity]\nsource = [\"in\"]\nsink = [\"out\"]\n", text), false)
		for _, want := range wants {
			if r.Passed || !strings.Contains(r.Error, want) {
				t.Errorf("%q: error\n%s\nwithout %q", text, r.Error, want)
			}
		}
	}
}

func input(line string) string { return "[[input]]\nsource = \"in\"\n" + line + "\n" }

func TestIgnoredSinksAreNotCompared(t *testing.T) {
	path := project(t, flights, "ignore = [\"late\", \"dead\"]\n"+flightsTest)
	if r := runTest(t, path, false); !r.Passed {
		t.Errorf("%+v", r)
	}
}

func TestFindTakesTheTestsOfItsManifest(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.test.toml": input(""), "b.test.toml": "manifest = \"other.toml\"\n" + input(""),
		"c.test.toml": "broken", "d.toml": "", "manifest.toml": "",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	got, err := Find(filepath.Join(dir, "manifest.toml"))
	want := []string{filepath.Join(dir, "a.test.toml"), filepath.Join(dir, "c.test.toml")}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestReferenceExampleIsATest(t *testing.T) {
	f, err := parseFile("x.test.toml", []byte(referenceExample))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.inputs) != 4 || len(f.outputs) != 2 || f.fails == nil || f.env["REGION"] != "eu" || len(f.ignore) != 1 || len(f.set) != 1 {
		t.Errorf("read as %+v", f)
	}
	if !f.inputs[3].restart || len(f.caches) != 2 || len(f.caches[0].before) != 1 || len(f.caches[0].after) != 1 || len(f.caches[1].after) != 1 {
		t.Errorf("restart and caches are read as %+v, %+v", f.inputs[3], f.caches)
	}
	if in := f.inputs[0]; in.record.partition != 1 || len(in.record.headers) != 1 || string(in.record.value) != `{"flight":"BA1","delay":20}` {
		t.Errorf("first input %+v", in)
	}
	if in := f.inputs[2]; string(in.record.key) != "\x00\xff" || string(in.record.value) != "\xff" {
		t.Errorf("third input %+v", in)
	}
}
