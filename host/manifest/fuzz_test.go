package manifest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// canary is planted where secrets stand; no output may have it.
const canary = "cAnArY"

// seeds returns the text of every manifest in testdata.
func seeds(tb testing.TB) []string {
	var out []string
	for _, pattern := range []string{"testdata/good/*.toml", "testdata/bad/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range files {
			if src, err := os.ReadFile(f); err == nil {
				out = append(out, string(src))
			}
		}
	}
	if len(out) < 50 {
		tb.Fatalf("only %d manifests in testdata", len(out))
	}
	return out
}

// fuzzOptions give the canary for every file and refuse properties with their
// value in the message.
func fuzzOptions() Options {
	opts := testOptions(map[string]string{"KAFKA": "k:9092", "N": "4", "EMPTY": ""}, nil)
	opts.ReadFile = func(string) ([]byte, error) { return []byte(canary), nil }
	return opts
}

// checkParse parses a text and fails unless every promise about findings
// holds. It returns everything that can be shown of the manifest.
func checkParse(t *testing.T, text string, opts Options) string {
	t.Helper()
	m, err := Parse("manifest.toml", []byte(text), opts)
	var shown strings.Builder
	found := AsErrors(err)
	if err == nil {
		found = m.Warnings
		conf := Config(m)
		shown.WriteString(conf.Text())
		shown.Write(conf.JSON())
	} else if found.Fatal() == nil {
		t.Fatalf("an error without findings: %v", err)
	}
	lines := strings.Split(text, "\n")
	for _, e := range found {
		if _, ok := Explain(e.Code); !ok {
			t.Fatalf("%q is no code: %s", e.Code, e.Error())
		}
		if e.File == "manifest.toml" && (e.Line < 1 || e.Line > len(lines) || e.Col < 1 || e.Col > len(lines[e.Line-1])+1) {
			t.Fatalf("no such place in the manifest: %s", e.Error())
		}
		if e.Msg == "" || e.Level == "" {
			t.Fatalf("an empty finding: %+v", e)
		}
		shown.WriteString(e.Error() + e.Render() + e.Hint)
	}
	return shown.String()
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, canary) {
			return // The text may have it where nothing says that it is secret.
		}
		if shown := checkParse(t, text, fuzzOptions()); strings.Contains(shown, canary) {
			t.Fatalf("what came out of a file is shown:\n%s", shown)
		}
	})
}

// TestBrokenManifestsNeverShowSecrets plants a secret and then damages the
// text around it in many ways.
func TestBrokenManifestsNeverShowSecrets(t *testing.T) {
	const planted = head + `[kafka.config]
"sasl.username" = "me"
"sasl.password" = "` + canary + `"
"ssl.key.pem" = """
-----BEGIN-----
` + canary + `AAAA==
` + canary + `
"""
sasl_password = '` + canary + `'
[kafka.other]
config = { "sasl.password" = "${PASSWORD:-` + canary + `}", "a" = 1 }
[handler.h]
source = ["stdin"]
params = { api_key = "` + canary + `", x = 1 }
`
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	// Damage stays out of the names that say what is secret: without them no
	// one could know.
	allowed := func(at int) bool {
		for _, word := range []string{"password", "pem", "api_key", canary} {
			from := max(0, at-len(word))
			if strings.Contains(planted[from:min(len(planted), at+len(word))], word) {
				return false
			}
		}
		return true
	}
	parts := []string{"", "\"", "'", "=", "[", "]", "}", "\n", "\x00", "\xff", "${", "x", "#", ",", "\"\"\""}
	for range 3000 {
		text := planted
		at := rng.IntN(len(planted))
		if !allowed(at) {
			continue
		}
		part := parts[rng.IntN(len(parts))]
		text = planted[:at] + part + planted[at+rng.IntN(2):]
		if shown := checkParse(t, text, fuzzOptions()); strings.Contains(shown, canary) {
			t.Fatalf("seed %d: a secret is shown after %q at %d:\n%s\nof\n%s", seed, part, at, shown, text)
		}
	}
}

// TestDuplicatesAreThoseOfTOML compares what the reader of this package takes
// for TOML with the library's decoder.
func TestDuplicatesAreThoseOfTOML(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 2))
	lines := []string{
		"[a]", "[a.b]", "[a.b.c]", "[b]", "a = 1", "b = 2", "a.b = 1", "a.b.c = 1", "b.c = { d = 1 }",
		"a = { b = 1 }", "b.c.d = 1", "a = []", "c = { d.e = 1, d.f = 2 }", "c.d.g = 3", "[c.d]", "[c]", "b = { c = 1, c = 2 }",
	}
	for range 20000 {
		var text strings.Builder
		for range 1 + rng.IntN(5) {
			text.WriteString(lines[rng.IntN(len(lines))] + "\n")
		}
		var into map[string]any
		want := toml.Unmarshal([]byte(text.String()), &into)
		var got []string
		b := builder{src: newSource("x", text.String()), report: func(_ Code, _ span, _ []string, msg, _ string) { got = append(got, msg) }}
		b.build(&node{})
		if (want == nil) != (got == nil) {
			t.Fatalf("seed %d:\n%s\nthe library says %v, this package %q", seed, text.String(), want, got)
		}
	}
}

func FuzzSet(f *testing.F) {
	for _, s := range []string{"workers=2", "name=a b", `handler.h.params."x=y"=1`, "=", "a", "a=", "[x]=1", "a={b=1}", "a=\n[b]", "x.y.z='", "kafka.config.\"sasl.password\"=s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if strings.Contains(arg, canary) {
			return
		}
		opts := fuzzOptions()
		opts.Set = []string{arg, `kafka.config."sasl.password"=` + canary, "kafka.config.sasl_password " + canary}
		if shown := checkParse(t, small, opts); strings.Contains(shown, canary) {
			t.Fatalf("a secret is shown:\n%s", shown)
		}
	})
}
