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

// link keeps librdkafka's compression libraries out of the symbols that
// RocksDB would bind to; see the Makefile.
const link = "-extldflags=-Wl,--exclude-libs,ALL"

var builds struct {
	sync.Mutex
	done map[string]func() (string, error)
}

// binary builds sliphost with build tags, once each.
func binary(t *testing.T, tags ...string) string {
	t.Helper()
	key := strings.Join(tags, ",")
	builds.Lock()
	if builds.done == nil {
		builds.done = map[string]func() (string, error){}
	}
	build := builds.done[key]
	if build == nil {
		build = sync.OnceValues(func() (string, error) { return buildTo(key) })
		builds.done[key] = build
	}
	builds.Unlock()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildTo keeps the binaries below build/, where an unchanged one costs
// nothing the next time.
func buildTo(tags string) (string, error) {
	path, err := filepath.Abs(filepath.Join(root, "build", "chaos", "sliphost-"+strings.ReplaceAll(tags, ",", "-")))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-tags", tags, "-ldflags", link, "-o", path, "./cmd/sliphost")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sliphost with tags %q: %w\n%s", tags, err, out)
	}
	return path, nil
}

// root is the top folder of the repository.
var root = filepath.Join("..", "..", "..")

// module is the guest chaos of a language.
func module(t *testing.T, language string) string {
	t.Helper()
	dir := os.Getenv("SLIPHOST_GUESTS")
	if dir == "" {
		dir = filepath.Join(root, "build", "guests")
	}
	path, err := filepath.Abs(filepath.Join(dir, language+"-chaos.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the test modules are missing, run `make guests`: %v", err)
	}
	return path
}
