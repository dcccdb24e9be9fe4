package admin

import (
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSocketIsForItsUserOnly(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	s := start(t, nil)
	info, err := os.Stat(SocketPath(s.config.StateDir))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestSocketAloneWithoutHTTP(t *testing.T) {
	s := start(t, func(c *Config) { c.HTTP = "" })
	if s.Address() != "" {
		t.Errorf("address %q", s.Address())
	}
	st, err := Dial(s.config.StateDir).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.HTTP != "" || st.App != "flights" {
		t.Errorf("status %+v", st)
	}
}

func TestSocketLeftByAKilledHostIsReplaced(t *testing.T) {
	dir := t.TempDir()
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketPath(dir)})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *Config) { c.StateDir = dir })
	if _, err := Dial(s.config.StateDir).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFileInPlaceOfTheSocketIsKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(SocketPath(dir), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{StateDir: dir})
	if err == nil || !strings.Contains(err.Error(), "is in the way") {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(SocketPath(dir)); err != nil || string(got) != "mine" {
		t.Errorf("the file is %q, %v", got, err)
	}
}

func TestSocketInADeepDirectory(t *testing.T) {
	for _, length := range []int{maxSocketPath - 1, maxSocketPath, maxSocketPath + 1, 107, 108, 300} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			// The system's temporary directory may be deep itself.
			top, err := os.MkdirTemp("/tmp", "s")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(top) })
			dir := top
			for rest := length - len(SocketPath(top)); rest > 0; rest = length - len(SocketPath(dir)) {
				dir = filepath.Join(dir, strings.Repeat("d", max(min(rest-1, 100), 1)))
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			s := start(t, func(c *Config) { c.StateDir = dir })
			st, err := Dial(dir).Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if st.StateDir != s.config.StateDir {
				t.Errorf("another host answers: %+v", st)
			}
			if info, err := os.Stat(SocketPath(dir)); err != nil || info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("socket %v, %v", info, err)
			}
		})
	}
}

func TestCloseRemovesTheSocketAndEndsListening(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(t.Context(), Config{Host: &fakeHost{}, StateDir: dir, HTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(SocketPath(dir)); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	if c, err := net.Dial("tcp", s.Address()); err == nil {
		c.Close()
		t.Error("the address still answers")
	}
}

func TestCloseLetsAnswersEnd(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s, err := Start(t.Context(), Config{
		Host: &fakeHost{}, StateDir: t.TempDir(),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(asked)
			<-release
			fmt.Fprint(w, "whole\n")
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		body, err := Dial(s.config.StateDir).get(t.Context(), "/metrics")
		got <- fmt.Sprintf("%s %v", body, err)
	}()
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	// Closing has begun when nobody can connect any more.
	for {
		c, err := dialSocket(t.Context(), s.config.StateDir)
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if answer := <-got; answer != "whole\n <nil>" {
		t.Errorf("the answer under way became %q", answer)
	}
}

func TestAddressesThatCannotBeHad(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, tc := range []struct{ address, want string }{
		{busy.Addr().String(), "another program listens on that address"},
		{"192.0.2.1:0", "this machine does not have that address"},
		{"0.0.0.0:0", "which others can reach"},
		{"[::]:0", "which others can reach"},
		{"127.0.0.1:99999", "invalid port"},
	} {
		dir := t.TempDir()
		s, err := Start(t.Context(), Config{Host: &fakeHost{}, StateDir: dir, HTTP: tc.address})
		if err == nil {
			s.Close()
			t.Errorf("%s: no error", tc.address)
			continue
		}
		if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), fmt.Sprintf("[admin] http = %q", tc.address)) {
			t.Errorf("%s: %v", tc.address, err)
		}
		if _, err := os.Lstat(SocketPath(dir)); !os.IsNotExist(err) {
			t.Errorf("%s: the socket is left: %v", tc.address, err)
		}
	}
}

func TestReasonsNotToListen(t *testing.T) {
	for no, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE: "another program", syscall.EACCES: "above 1023", syscall.EADDRNOTAVAIL: "does not have that address", syscall.EMFILE: "too many open files",
	} {
		err := listenError("127.0.0.1:80", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", no)})
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", no, err)
		}
	}
}
