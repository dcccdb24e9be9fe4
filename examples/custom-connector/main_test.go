package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sliphost/sliphost"
)

// server is the other end: it has some lines and takes others.
type server struct {
	net.Listener
	lines []string

	mu    sync.Mutex
	taken []string
	done  string
	begun []string
}

func (s *server) serve() {
	for {
		c, err := s.Accept()
		if err != nil {
			return
		}
		go s.talk(c)
	}
}

func (s *server) talk(c net.Conn) {
	defer c.Close()
	r := bufio.NewScanner(c)
	for r.Scan() {
		word, rest, _ := strings.Cut(r.Text(), " ")
		s.mu.Lock()
		switch word {
		case "from":
			s.begun = append(s.begun, rest)
			var n int
			fmt.Sscan(rest, &n)
			for _, l := range s.lines[n:] {
				fmt.Fprintln(c, l)
			}
			// The end, while "done" still comes.
			_ = c.(*net.TCPConn).CloseWrite()
		case "done":
			s.done = rest
		case "line":
			if rest == "BAD" {
				fmt.Fprintln(c, "no such line")
				break
			}
			s.taken = append(s.taken, rest)
			fmt.Fprintln(c, "ok")
		}
		s.mu.Unlock()
	}
}

// TestLinesComeAndGo runs the program twice: the second run goes on where the
// first one ended, and what the server refuses is a dead letter.
func TestLinesComeAndGo(t *testing.T) {
	module, err := filepath.Abs(filepath.Join("..", "..", "build", "guests", "go-all.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(module); err != nil {
		t.Fatalf("%v (run `make guests`)", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, lines: []string{"a", "bad", "c"}}
	go s.serve()
	defer l.Close()
	t.Setenv("MODULE", module)
	t.Setenv("SERVER", l.Addr().String())
	t.Setenv("SLIPHOST_BROKER_IDLE", "2s")
	state := t.TempDir()
	run := func() {
		t.Helper()
		args := []string{"run", "--until-idle", "--state-dir", filepath.Join(state, "host"), "--set", "state_dir=" + filepath.Join(state, "app"), "manifest.toml"}
		if code := sliphost.Run(args, options()...); code != 0 {
			t.Fatalf("exit code %d", code)
		}
	}
	run()
	s.mu.Lock()
	s.lines = append(s.lines, "d")
	s.mu.Unlock()
	run()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.taken)
	if got := slices.Compact(s.taken); !slices.Equal(got, []string{"A", "C", "D"}) {
		t.Errorf("taken %q", got)
	}
	if !slices.Equal(s.begun, []string{"0", "3"}) || s.done != "4" {
		t.Errorf("begun at %q, done up to %s", s.begun, s.done)
	}
	awaitBroker(t, filepath.Join(state, "app", "broker"))
}

// awaitBroker waits until the broker that the program started has ended: it
// holds a lock in the directory.
func awaitBroker(t *testing.T, dir string) {
	t.Helper()
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for range 600 {
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the broker still runs")
}

// TestMain lets the test's own binary be the program that is started as a
// broker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "broker" {
		os.Exit(sliphost.Run(os.Args[1:], options()...))
	}
	os.Exit(m.Run())
}
