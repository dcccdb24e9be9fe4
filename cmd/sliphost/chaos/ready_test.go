package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// readiness is what `sliphost check` says to exactly_once.
var readiness = struct {
	sync.Once
	yes bool
	why string
}{}

// exactlyOnce says whether this host takes delivery = "exactly_once" with
// caches. While it does not, the scenarios run at least once without caches,
// which proves the machinery and little else. As soon as it does, everything
// is required.
func exactlyOnce(t *testing.T) bool {
	t.Helper()
	r := &readiness
	r.Do(func() {
		dir := t.TempDir()
		path := filepath.Join(dir, "manifest.toml")
		text := fmt.Sprintf(`version = 1
name = "probe"
delivery = "exactly_once"
[kafka]
bootstrap_servers = "127.0.0.1:1"
[topic.in]
[topic.out]
[cache.counts]
key = "string"
[module.m]
path = %q
[handler.count]
source = ["in"]
cache = ["counts"]
sink = ["out"]
`, module(t, "rust"))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(binary(t, "crashpoints"), "check", path).CombinedOutput()
		r.yes, r.why = err == nil, strings.TrimSpace(string(out))
	})
	if !r.yes {
		t.Logf("this host does not take exactly_once yet, at least once is tested instead:\n%s", r.why)
	}
	return r.yes
}
