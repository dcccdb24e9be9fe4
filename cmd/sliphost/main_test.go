package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/sliphost/sliphost/host/boot"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"sliphost": main})
}

// leakChecked fails a run of tests that leaves goroutines behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// scriptTime bounds one script.
const scriptTime = 2 * time.Minute

func TestScripts(t *testing.T) {
	modules := guests(t)
	cache := t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir:      filepath.Join("testdata", "script"),
		Deadline: time.Now().Add(scriptTime),
		Setup: func(env *testscript.Env) error {
			env.Setenv("GUESTS", modules)
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv(boot.BrokerIdleEnv, "2s")
			env.Setenv("NO_COLOR", "1")
			toolchains(env)
			env.Defer(func() { awaitBrokers(t, env.WorkDir) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit":       exitCmd,
			"eventually": eventuallyCmd,
		},
		RequireUniqueNames: true,
	})
}

// toolchains lets scripts build projects although their home is empty.
func toolchains(env *testscript.Env) {
	home, _ := os.UserHomeDir()
	for name, dir := range map[string]string{"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"} {
		v := os.Getenv(name)
		if v == "" {
			v = filepath.Join(home, dir)
		}
		if _, err := os.Stat(v); err == nil {
			env.Setenv(name, v)
		}
	}
}

// guests is where `make guests` leaves the test modules.
func guests(t *testing.T) string {
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

// exitCmd is "exit CODE PROGRAM ARG...": the program must end with the code.
func exitCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM ARG...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// eventuallyCmd is "eventually PROGRAM ARG...": it is tried until it succeeds,
// for half a minute.
func eventuallyCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: eventually PROGRAM ARG...")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v never succeeded: %v", args, err)
		}
	}
}

// awaitBrokers waits until every broker started below dir has ended by itself,
// as it does shortly after its last client.
func awaitBrokers(t *testing.T, dir string) {
	var locks []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, filepath.Join("broker", "lock")) {
			locks = append(locks, path)
		}
		return nil
	})
	for _, path := range locks {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Errorf("a broker outlives its clients: %s", path)
				break
			}
		}
		f.Close()
	}
}
