package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host"
)

// fakeUpdates has a list of updates and then none, or an error.
type fakeUpdates struct {
	list   []host.CacheUpdate
	fails  error
	at     int
	asked  host.FollowQuery
	closed atomic.Bool
}

func (h *fakeHost) Follow(_ context.Context, q *host.FollowQuery) (Updates, error) {
	switch {
	case h.feed == nil || q.Cache != "seen":
		return nil, &host.InquiryError{Unknown: true, Reason: fmt.Sprintf("there is no cache %q", q.Cache)}
	case q.After == "old":
		return nil, &host.InquiryError{Gone: true, Reason: "begin anew"}
	}
	h.feed.asked = *q
	return h.feed, nil
}

func (f *fakeUpdates) Next(wait time.Duration, take func(*host.CacheUpdate) error) error {
	if f.at == len(f.list) {
		if f.fails != nil {
			return f.fails
		}
		time.Sleep(min(wait, time.Millisecond))
		return nil
	}
	f.at++
	return take(&f.list[f.at-1])
}
func (f *fakeUpdates) Text(key []byte) string { return string(key) }
func (f *fakeUpdates) Position() string       { return fmt.Sprint("p", f.at) }
func (f *fakeUpdates) Partitions() int        { return 1 }
func (f *fakeUpdates) Close() error           { f.closed.Store(true); return nil }

func TestUpdatesAreEvents(t *testing.T) {
	feed := &fakeUpdates{fails: errors.New("the broker is gone"), list: []host.CacheUpdate{
		{Partition: 1, Offset: 7, Key: []byte("a"), Value: []byte("one\n"), Timestamp: 1000},
		{Partition: 0, Offset: 3, Key: []byte("a"), Timestamp: 1001},
		{Partition: 0, Offset: 4, Key: []byte("b"), Value: []byte{0xff}, Timestamp: 1002},
		{Partition: 0, Offset: 5, Key: []byte("c"), Value: []byte{}, Timestamp: 1003},
	}}
	s := start(t, func(c *Config) { c.Host = &fakeHost{state: "running", feed: feed} })
	socket := sides(t, s)[0]
	a := socket.do(t, "GET", "/v1/caches/seen/updates?prefix=x&partition=2&from=start", func(r *http.Request) { r.Header.Set("Last-Event-ID", "p9") })
	want := ": still here\nid: p0\n\n" +
		"id: p1\nevent: update\ndata: {\"partition\":1,\"offset\":7,\"key\":\"a\",\"value\":\"one\\n\",\"deleted\":false,\"timestamp\":1000}\n\n" +
		"id: p2\nevent: update\ndata: {\"partition\":0,\"offset\":3,\"key\":\"a\",\"value\":null,\"deleted\":true,\"timestamp\":1001}\n\n" +
		"id: p3\nevent: update\ndata: {\"partition\":0,\"offset\":4,\"key\":\"b\",\"value\":{\"$base64\":\"/w==\"},\"deleted\":false,\"timestamp\":1002}\n\n" +
		"id: p4\nevent: update\ndata: {\"partition\":0,\"offset\":5,\"key\":\"c\",\"value\":\"\",\"deleted\":false,\"timestamp\":1003}\n\n" +
		"event: end\ndata: {\"reason\":\"the broker is gone\"}\n\n"
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if d := cmp.Diff(want, a.body); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(host.FollowQuery{Cache: "seen", Partition: 2, Prefix: "x", After: "p9", Start: true}, feed.asked); d != "" || !feed.closed.Load() {
		t.Error(d)
	}
	// The client hands the same on, bytes as they are.
	feed.at = 0
	var got []string
	err := Dial(s.config.StateDir).Follow(t.Context(), &host.FollowQuery{Cache: "seen", Partition: -1}, func(u *host.CacheUpdate, at string) error {
		got = append(got, fmt.Sprintf("%s %d %d %s %q %v %d", at, u.Partition, u.Offset, u.Key, u.Value, u.Value == nil, u.Timestamp))
		return nil
	})
	if end := (*EndError)(nil); !errors.As(err, &end) || end.Reason != "the broker is gone" {
		t.Errorf("ended with %v", err)
	}
	if d := cmp.Diff([]string{`p1 1 7 a "one\n" false 1000`, `p2 0 3 a "" true 1001`, `p3 0 4 b "\xff" false 1002`, `p4 0 5 c "" false 1003`}, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsWrongWithAStream(t *testing.T) {
	s := start(t, func(c *Config) { c.Host = &fakeHost{state: "running", feed: &fakeUpdates{fails: errors.New("x")}} })
	socket := sides(t, s)[0]
	for path, want := range map[string]int{
		"/v1/caches/nobody/updates":                     404,
		"/v1/caches/seen/updates?partition=-1":          400,
		"/v1/caches/seen/updates?from=middle":           400,
		"/v1/caches/seen/updates?encoding=hex":          400,
		"/v1/caches/seen/updates?key=a&prefix=b":        400,
		"/v1/caches/seen/updates?last-event-id=old":     410,
		"/v1/caches/seen/updates?partition=99999999999": 400,
	} {
		if a := socket.do(t, "GET", path, nil); a.status != want || a.header.Get("Content-Type") != problemType {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := socket.do(t, "POST", "/v1/caches/seen/updates", nil); a.status != 405 {
		t.Errorf("POST: %d", a.status)
	}
	for range maxStreams {
		s.streams <- struct{}{}
	}
	if a := socket.do(t, "GET", "/v1/caches/seen/updates", nil); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", a.status, a.body)
	}
	for range maxStreams {
		<-s.streams
	}
}

// A stream outlives the limits of a usual answer, and ends with the server.
func TestAStreamEndsWithTheServer(t *testing.T) {
	feed := &fakeUpdates{}
	s, err := Start(t.Context(), Config{Host: &fakeHost{state: "running", feed: feed}, Metrics: http.NotFoundHandler(), StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- Dial(s.config.StateDir).Follow(context.Background(), &host.FollowQuery{Cache: "seen", Partition: -1}, nil)
	}()
	for len(s.streams) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if end := (*EndError)(nil); !errors.As(<-ended, &end) || !strings.Contains(end.Reason, "the host stops") || !feed.closed.Load() {
		t.Errorf("%+v", end)
	}
}

// stuck is a client that reads nothing: writes to it run into the deadline.
type stuck struct {
	header   http.Header
	deadline time.Time
	writes   int
}

func (s *stuck) Header() http.Header { return s.header }
func (s *stuck) WriteHeader(int)     {}
func (s *stuck) Write(b []byte) (int, error) {
	if s.writes++; s.writes > 1 {
		return 0, timeout{}
	}
	return len(b), nil
}
func (s *stuck) Flush()                              {}
func (s *stuck) SetReadDeadline(time.Time) error     { return nil }
func (s *stuck) SetWriteDeadline(at time.Time) error { s.deadline = at; return nil }

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestASlowReaderIsCutOff(t *testing.T) {
	feed := &fakeUpdates{list: make([]host.CacheUpdate, 5)}
	w := &stuck{header: http.Header{}}
	st := stream{rc: http.NewResponseController(w), w: w, updates: feed}
	if err := st.run(t.Context(), context.Background()); !errors.Is(err, errSlow) {
		t.Errorf("ended with %v", err)
	}
	if left := time.Until(w.deadline); left > slowAfter || left < slowAfter/2 || w.writes != 2 {
		t.Errorf("%v left, %d writes", left, w.writes)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(": x\nid: p1\nevent: update\ndata: {\"key\":\"YQ==\",\"value\":null,\"deleted\":true}\n\nevent: end\ndata: {\"reason\":\"x\"}\n\n"))
	f.Add([]byte("data: {\n\ndata:\n\nevent: update\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := Dial("dir")
		err := c.events(t.Context(), io.Reader(bytes.NewReader(body)), func(u *host.CacheUpdate, _ string) error {
			if u.Key == nil && u.Value == nil && u.Partition < 0 && u.Offset < 0 {
				return io.EOF
			}
			return nil
		})
		if err == nil {
			t.Error("a stream never ends without an error")
		}
	})
}
