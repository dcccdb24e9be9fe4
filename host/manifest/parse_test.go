package manifest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEndpointsOfAHandler(t *testing.T) {
	m := parse(t, head+`[module.m]
path = "m.wasm"
[topic.j]
codec = "json"
[topic.r]
[proxy.p]
[handler.a]
source = ["timer:1m", "file:x/in.jsonl", "stdin:string", "j"]
sink = { z = "stdout", a = "j", m = "p", f = "file:out.txt" }
[handler.b]
source = ["p"]
sink = ["stdout", "r"]
`, nil)
	type short struct {
		name  string
		kind  EndpointKind
		index int
		codec Codec
		repr  Repr
		path  string
		every time.Duration
		line  int
	}
	var got []short
	add := func(name string, e Endpoint) {
		got = append(got, short{name, e.Kind, e.Index, e.Codec, e.Codec.Repr(), e.Path, e.Interval, e.Pos.Line})
	}
	for _, h := range m.Handlers {
		for _, e := range h.Sources {
			add("", e)
		}
		for _, s := range h.Sinks {
			add(s.Name, s.Endpoint)
		}
	}
	want := []short{
		{"", EndpointTimer, -1, CodecNone, ReprAny, "", time.Minute, 10},
		{"", EndpointFile, -1, CodecJSON, ReprValue, "x/in.jsonl", 0, 10},
		{"", EndpointStdin, -1, CodecString, ReprBytes, "", 0, 10},
		{"", EndpointTopic, 0, CodecJSON, ReprValue, "", 0, 10},
		// Beside a sink of typed values a bare stdout prints JSON.
		{"z", EndpointStdout, -1, CodecJSON, ReprValue, "", 0, 11},
		{"a", EndpointTopic, 0, CodecJSON, ReprValue, "", 0, 11},
		{"m", EndpointProxy, 0, CodecNone, ReprAny, "", 0, 11},
		{"f", EndpointFile, -1, CodecRaw, ReprBytes, "out.txt", 0, 11},
		{"", EndpointProxy, 0, CodecNone, ReprAny, "", 0, 13},
		{"stdout", EndpointStdout, -1, CodecRaw, ReprBytes, "", 0, 14},
		{"r", EndpointTopic, 1, CodecRaw, ReprBytes, "", 0, 14},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(short{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSinksKeepTheOrderOfTheDocument(t *testing.T) {
	for _, text := range []string{
		small + `sink = { zulu = "stdout", alpha = "file:a", mike = "file:b" }`,
		small + "[handler.h.sink]\nzulu = \"stdout\"\nalpha = \"file:a\"\nmike = \"file:b\"\n",
		small + "sink.zulu = \"stdout\"\nsink.alpha = \"file:a\"\nsink.mike = \"file:b\"\n",
	} {
		var got []string
		for _, s := range parse(t, text, nil).Handlers[0].Sinks {
			got = append(got, s.Name)
		}
		if strings.Join(got, " ") != "zulu alpha mike" {
			t.Errorf("%v of\n%s", got, text)
		}
	}
}

func TestReferencesStandForAnyScalar(t *testing.T) {
	m := parse(t, head+`workers = "${N}"
commit_interval = "${T:-250ms}"
memory = "${M}MiB"
[topic.t]
create = "${C}"
codec = "${CODEC:-json}"
start = "${AT}"
[module.m]
path = "$${x}/m.wasm"
[handler.h]
source = ["${SRC:-t}"]
`, map[string]string{"N": "3", "M": "64", "C": "true", "AT": "2026-01-31T13:00:00+01:00", "SRC": ""})
	start := Start{Kind: StartTime, Time: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	if m.Workers != 3 || m.CommitInterval != 250*time.Millisecond || m.Memory != 64<<20 || !m.Topics[0].Create ||
		m.Topics[0].Codec != CodecJSON || m.Topics[0].Start != start || m.Modules[0].Path != "${x}/m.wasm" || m.Handlers[0].Sources[0].Index != 0 {
		t.Errorf("%+v", m)
	}
	if o := m.Origin("workers"); o.Kind != OriginEnv || o.String() != "manifest.toml:3, from ${N}" {
		t.Errorf("origin %q", o)
	}
	if o := m.Origin("commit_interval"); o.Kind != OriginFile || o.String() != "manifest.toml:4, default of ${T}" {
		t.Errorf("origin %q", o)
	}
}

func TestValuesCannotChangeTheStructure(t *testing.T) {
	m := parse(t, small+"function = \"${F}\"\n", map[string]string{"F": "a\"\n[topic.x]\n${N}"})
	if len(m.Topics) != 0 || m.Handlers[0].Function != "a\"\n[topic.x]\n${N}" {
		t.Errorf("%+v", m)
	}
}

func TestSetReplacesAndAddsValues(t *testing.T) {
	opts := testOptions(map[string]string{"N": "7"}, nil)
	opts.Set = []string{
		"workers=${N}", "name=other", `handler.h.params."a.b"=x=y`, "handler.h.params.n=12",
		"handler.h.sink=[\"stdout\"]", "commit_interval = 1s", "handler.h.params.text=two\nlines",
	}
	m, err := Parse("manifest.toml", []byte("workers = 2\n"+small+"params = { n = 1, m = 2 }\n"), opts)
	if err != nil {
		t.Fatal(AsErrors(err).Render())
	}
	var params []string
	for _, p := range m.Handlers[0].Params {
		params = append(params, p.Name+"="+p.String())
	}
	want := `n=12 m=2 a.b="x=y" text="two\nlines"`
	if got := strings.Join(params, " "); got != want || m.Workers != 7 || m.Name != "other" || m.CommitInterval != time.Second || len(m.Handlers[0].Sinks) != 1 {
		t.Errorf("got %s, want %s; %+v", got, want, m)
	}
	if o := m.Origin("workers"); o.Kind != OriginSet || o.String() != "--set, from ${N}" {
		t.Errorf("origin %q", o)
	}
}

func TestPositionsOfEntities(t *testing.T) {
	m := parse(t, small+"params = { a = 1, 'b c' = \"x\" }\nsink = [\n  \"stdout\",\n  \"file:x\"]\n", nil)
	for _, c := range []struct {
		path      []string
		line, col int
	}{
		{[]string{"handler", "h"}, 5, 10},
		{[]string{"handler", "h", "params", "b c"}, 7, 19},
		{[]string{"handler", "h", "sink", "1"}, 10, 3},
		{[]string{"handler", "h", "function"}, 5, 10}, // Not there: the nearest part.
		{[]string{"topic", "x"}, 1, 1},
	} {
		if p := m.Pos(c.path...); p.Line != c.line || p.Col != c.col || p.File != "manifest.toml" {
			t.Errorf("%v: %d:%d, want %d:%d", c.path, p.Line, p.Col, c.line, c.col)
		}
	}
	e := NewError(CodeUnknownParam, m.Pos("handler", "h", "params", "a"), `the handler "h" has no parameter "a"`, `it has: b`)
	want := "manifest.toml:7:12: error SLP411: the handler \"h\" has no parameter \"a\"\n" +
		"    7 | params = { a = 1, 'b c' = \"x\" }\n" +
		"      |            ^ it has: b\n"
	if diff := cmp.Diff(want, e.Render()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRelativePathsStartAtTheManifest(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "m.toml")
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("s3\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := small + "params = { p = \"${file:secret}\" }\nsink = [\"file:out/x\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Load(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Modules[0].Path != filepath.Join(dir, "m.wasm") || m.StateDir != filepath.Join(dir, ".sliphost") ||
		m.Handlers[0].Sinks[0].Path != filepath.Join(dir, "out/x") || m.Dir != dir {
		t.Errorf("%+v", m)
	}
	if p := m.Handlers[0].Params[0]; p.Text().Reveal() != "s3" || !p.Secret() {
		t.Errorf("the secret is %q", p.Text().Reveal())
	}
}

func TestFilesAreLimited(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.toml")
	if err := os.WriteFile(file, []byte(strings.Repeat("#\n", maxManifest)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file, Options{})
	if es := AsErrors(err); len(es) != 1 || es[0].Code != CodeUnreadable || !strings.Contains(es[0].Msg, "larger than 1MiB") {
		t.Errorf("%v", err)
	}
	if _, err := Parse("m.toml", make([]byte, maxManifest+1), Options{}); AsErrors(err)[0].Code != CodeUnreadable {
		t.Errorf("%v", err)
	}
}

func TestFindingsOfPropertiesDoNotShowSecrets(t *testing.T) {
	opts := testOptions(nil, map[string]string{"pw": "canary"})
	opts.CheckProperty = func(name, value string) error { return &os.PathError{Op: name, Path: value, Err: os.ErrInvalid} }
	found := findings(small+"[kafka.config]\n\"sasl.password\" = \"${file:pw}\"\n", opts)
	if len(found) != 1 || found[0].Code != CodeProperty || strings.Contains(found.Render(), "canary") || !strings.Contains(found[0].Msg, redacted) {
		t.Errorf("%s", found.Render())
	}
}

func TestLargeManifestsAreReadInTime(t *testing.T) {
	var b strings.Builder
	b.WriteString(small + "[handler.h.params]\n")
	for i := 0; b.Len() < maxManifest-100; i++ {
		b.WriteString("p" + strconv.Itoa(i) + " = 1\n")
	}
	start := time.Now()
	m := parse(t, b.String(), nil)
	// Without an index of the keys this takes minutes.
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("%d parameters took %v", len(m.Handlers[0].Params), d)
	}
}

// A bare stdout beside no other sink prints in the form the sources give.
func TestBareStdoutFollowsTheSources(t *testing.T) {
	for source, want := range map[string]Codec{
		"stdin": CodecRaw, "stdin:json": CodecJSON, "file:x.ndjson": CodecJSON, "timer:1m": CodecRaw,
	} {
		m, err := Parse("m.toml", []byte("version = 1\nname = \"a\"\n[module.m]\npath = \"m.wasm\"\n[handler.h]\nsource = [\""+source+"\"]\nsink = [\"stdout\"]\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Handlers[0].Sinks[0].Codec; got != want {
			t.Errorf("source %q: stdout has codec %q, want %q", source, got, want)
		}
	}
}
