package examples_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// brokerIdle is how long an embedded broker of these tests stays without
// clients.
const brokerIdle = 2 * time.Second

// languages are what SLIP_LANG may be.
var languages = []string{"go", "rust"}

// workshop is a folder with the program and copies of what the examples build
// from, so that a test leaves nothing in the repository. The copies lie as in
// the repository: examples refer to the SDKs by relative paths.
var workshop string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if workshop, err = os.MkdirTemp("", "sliphost-examples-"); err == nil {
		defer os.RemoveAll(workshop)
		err = furnish()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "examples:", err)
		return 1
	}
	return m.Run()
}

func furnish() error {
	build := exec.Command("go", "build", "-o", filepath.Join(workshop, "bin", "sliphost"), "./cmd/sliphost")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/sliphost: %w\n%s", err, out)
	}
	for _, path := range []string{"go.mod", "go.sum", "abi", "sdk/go", "sdk/rust/sliphost", "examples/data"} {
		if err := copyTree(filepath.Join(workshop, path), filepath.Join("..", path)); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file or folder without what was built or run in it.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			if slices.Contains([]string{"build", "target", ".sliphost"}, d.Name()) {
				return filepath.SkipDir
			}
			return os.MkdirAll(target, 0o755)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm())
	})
}

// names lists the examples.
func names(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("[0-9][0-9]-*")
	if err != nil || len(all) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return all
}

// example is a copy of one example for one language.
type example struct {
	dir string
	env []string
	// set is added to every command.
	set []string
}

// copyOf copies an example for a test. Brokers started in the copy have ended
// when the test has.
func copyOf(t *testing.T, name, lang string) *example {
	t.Helper()
	// Beside the copies of data/ and two levels above the SDKs, as the original.
	dir := filepath.Join(workshop, "examples", strings.NewReplacer("/", "-").Replace(t.Name()))
	if err := copyTree(dir, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		awaitBroker(t, filepath.Join(dir, ".sliphost", "broker", "lock"))
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &example{dir: dir, env: environment(t, lang)}
}

func environment(t *testing.T, lang string) []string {
	return []string{
		"PATH=" + filepath.Join(workshop, "bin") + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"SLIP_LANG=" + lang,
		"SLIPHOST_BROKER_IDLE=" + brokerIdle.String(),
		"CARGO_TARGET_DIR=" + filepath.Join(workshop, "cargo"),
		"XDG_CACHE_HOME=" + filepath.Join(workshop, "cache"),
		"GOCACHE=" + goEnv(t, "GOCACHE"),
		"LC_ALL=C", "NO_COLOR=1", "APP=", "KAFKA=",
	}
}

// goEnv asks go for a setting that may follow from variables the tests change.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// awaitBroker waits until the broker that holds the lock has ended by itself.
func awaitBroker(t *testing.T, lock string) {
	f, err := os.OpenFile(lock, os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return // no broker was needed
	}
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for end := time.Now().Add(brokerIdle + 20*time.Second); ; time.Sleep(20 * time.Millisecond) {
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return
		}
		if time.Now().After(end) {
			t.Errorf("a broker outlives its clients: %s", lock)
			return
		}
	}
}
