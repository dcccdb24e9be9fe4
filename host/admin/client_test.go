package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatusOverTheSocket(t *testing.T) {
	s := start(t, nil)
	c := Dial(s.config.StateDir)
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.App != "flights" || st.State != "running" || !st.Ready || st.PID != os.Getpid() || st.HTTP != s.Address() ||
		st.Manifest != "/flights/manifest.toml" || st.Generation != 1 || st.Lag != nil || st.UptimeSeconds < 0 || st.StartedAt.IsZero() ||
		len(st.Handlers) != 1 || st.Handlers[0].DeadLetters != 2 || len(st.Workers) != 1 || st.Workers[0].Partitions[0].Stopped == "" {
		t.Errorf("status %+v", st)
	}
	if _, err := c.get(t.Context(), "/v1/nothing"); err == nil || !strings.Contains(err.Error(), "there is nothing at /v1/nothing") {
		t.Errorf("error %v", err)
	}
}

func TestNoHost(t *testing.T) {
	empty := t.TempDir()
	stale := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketPath(stale)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(empty, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"no directory":      filepath.Join(empty, "absent"),
		"no deep directory": filepath.Join(empty, strings.Repeat("d", 150)),
		"no socket":         empty,
		"not a directory":   file,
		"a stale socket":    stale,
	} {
		_, err := Dial(dir).Status(t.Context())
		if !errors.Is(err, ErrNoHost) || !strings.HasPrefix(err.Error(), "no host runs on state directory "+dir+"; ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// serveRaw answers every connection to a state directory's socket with f.
func serveRaw(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return dir
}

// readRequest waits until the whole question is there.
func readRequest(c net.Conn) {
	buf := make([]byte, 4096)
	for n := 0; n < len(buf) && !strings.Contains(string(buf[:n]), "\r\n\r\n"); {
		m, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, tc := range []struct{ name, raw, want string }{
		{"the host dies", "", "ended while it was asked"},
		{"the host dies in the middle", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "ended while it was asked"},
		{"no JSON", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "is it of another version?"},
		{"a problem", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 26\r\n\r\n{\"detail\":\"out of coffee\"}\n", "does not answer /v1/status: out of coffee"},
		{"a bare status", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "does not answer /v1/status: 500 Internal Server Error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := serveRaw(t, func(c net.Conn) {
				readRequest(c)
				_, _ = io.WriteString(c, tc.raw)
			})
			_, err := Dial(dir).Status(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestHostThatDoesNotAnswer(t *testing.T) {
	dir := serveRaw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	c := Dial(dir)
	c.http.Timeout = 20 * time.Millisecond
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is its process stopped?") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(dir).Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Root may connect to any socket, so permission is not tried but explained.
func TestSocketOfAnotherUser(t *testing.T) {
	err := Dial("/state").explain(t.Context(), fmt.Errorf("dial: %w", os.NewSyscallError("connect", syscall.EACCES)))
	if !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("error %v", err)
	}
}
