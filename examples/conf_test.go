package examples_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/manifest"
)

// TestConfIsWhatTheClientGets reads 06-conf as `run` does and compares what
// the client of each topic is configured with: the values that `config` shows,
// and the password, which nothing shows.
func TestConfIsWhatTheClientGets(t *testing.T) {
	m, err := manifest.Load(filepath.Join("06-conf", "manifest.toml"), manifest.Options{
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Warnings) > 0 {
		t.Errorf("warnings: %v", m.Warnings)
	}
	want := map[string]map[string]string{
		"emoji": {
			"bootstrap.servers": "localhost:29092",
			"group.id":          "default-demo",
		},
		"conf": {
			"bootstrap.servers": "localhost:29091",
			"group.id":          "demo",
			"security.protocol": "SASL_SSL",
			"sasl.mechanism":    "PLAIN",
			"sasl.username":     "myuser",
			"sasl.password":     "mypass",
		},
	}
	got := map[string]map[string]string{}
	for i := range m.Topics {
		topic := &m.Topics[i]
		cluster := &m.Clusters[topic.Cluster]
		props := map[string]string{}
		for _, p := range cluster.Properties() {
			props[p.Name] = p.Value.Reveal()
		}
		got[topic.ID] = props

		// What reaches the library: all of it but the group, which only
		// consumers have.
		client := boot.ClientConfig(m, topic.Cluster, cluster.BootstrapServers).Properties
		for name, value := range want[topic.ID] {
			if name != "group.id" && client[name] != value {
				t.Errorf("topic %s: the client gets %q = %q, want %q", topic.ID, name, client[name], value)
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	shown := manifest.Config(m)
	for form, text := range map[string]string{"text": shown.Text(), "JSON": string(shown.JSON())} {
		if strings.Contains(text, "mypass") {
			t.Errorf("config as %s shows the password", form)
		}
		if !strings.Contains(text, "[redacted]") {
			t.Errorf("config as %s does not say that there is a password", form)
		}
	}
}
