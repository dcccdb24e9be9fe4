package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedPages(t *testing.T) {
	golden(t, "testdata/schema.json", string(Schema()))
	golden(t, "testdata/manifest.md", Reference())
	golden(t, "testdata/errors.md", ErrorsReference())
	e, _ := Explain(CodeUnknownKey)
	golden(t, "testdata/explain.txt", e.String())
}

func TestGoodManifests(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			opts := testOptions(map[string]string{"PASSWORD": "canary"}, map[string]string{"secrets/key": "canary\n"})
			m, err := Parse("manifest.toml", src, opts)
			if err != nil {
				t.Fatalf("findings:\n%s", AsErrors(err).Render())
			}
			base := strings.TrimSuffix(file, ".toml")
			conf := Config(m)
			golden(t, base+".config", conf.Text())
			golden(t, base+".config.json", string(conf.JSON()))
			for _, out := range []string{conf.Text(), string(conf.JSON()), m.Warnings.Render(), fmt.Sprintf("%+v %#v %s", *m, m.Handlers, m.Clusters)} {
				if strings.Contains(out, "canary") {
					t.Errorf("a secret is shown:\n%s", out)
				}
			}

			// What is printed reads back as the same application.
			again, err := Parse("manifest.toml", []byte(conf.Text()), opts)
			if err != nil {
				t.Fatalf("the printed configuration does not parse:\n%s\n%s", AsErrors(err).Render(), conf.Text())
			}
			if diff := cmp.Diff(values(conf), values(Config(again))); diff != "" {
				t.Errorf("the printed configuration means something else (-printed +read):\n%s", diff)
			}
		})
	}
}

// values are the settings without their origins.
func values(e *Effective) map[string]string {
	out := map[string]string{}
	for _, s := range e.Settings {
		out[s.Key] = s.toml
	}
	for _, topic := range e.Topics {
		for k, v := range topic.Client {
			out[topic.Topic+" "+k] = v
		}
	}
	return out
}

func TestConfMergesAsTheSeedDoes(t *testing.T) {
	src, err := os.ReadFile("testdata/good/conf.toml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("manifest.toml", src, testOptions(nil, nil))
	if err != nil {
		t.Fatal(AsErrors(err).Render())
	}
	client := func(topic string) map[string]string {
		out := map[string]string{}
		for _, p := range m.Clusters[m.Topics[m.TopicIndex(topic)].Cluster].Properties() {
			out[p.Name] = p.Value.Reveal()
		}
		return out
	}
	want := map[string]string{"bootstrap.servers": "localhost:29092", "group.id": "default-demo"}
	if diff := cmp.Diff(want, client("emoji")); diff != "" {
		t.Errorf("topic1 (-want +got):\n%s", diff)
	}
	want = map[string]string{
		"bootstrap.servers": "localhost:29091", "group.id": "demo",
		"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
		"sasl.username": "myuser", "sasl.password": "mypass",
	}
	if diff := cmp.Diff(want, client("conf")); diff != "" {
		t.Errorf("topic2 (-want +got):\n%s", diff)
	}
	shown := Config(m).Topics[m.TopicIndex("conf")].Client["sasl.password"]
	if shown != redacted {
		t.Errorf("the password is printed as %q", shown)
	}
}

func TestSchemaIsJSONWithTheSpecificationsKeys(t *testing.T) {
	var root struct {
		Properties map[string]struct {
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	for _, f := range spec().fields {
		if _, ok := root.Properties[f.name]; ok != f.usable() {
			t.Errorf("%s: in the schema %t, usable %t", f.name, ok, f.usable())
		}
	}
	if root.Properties["kafka"].Properties["bootstrap_servers"] == nil {
		t.Error("kafka has no bootstrap_servers")
	}
}

func TestFindingsAsJSON(t *testing.T) {
	found := findings(small+"[topic.t]\npartition = 1\n", testOptions(nil, nil))
	got, err := json.Marshal(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"file":"manifest.toml","line":8,"col":1,"level":"error","code":"SLP104","key":"topic.t.partition","message":"unknown key \"partition\" in [topic.t]","hint":"did you mean \"partitions\"?"}`
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
