package admin

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost is a host in a state that the test sets.
type fakeHost struct {
	mu    sync.Mutex
	state string
	lags  []metrics.Lag
	feed  *fakeUpdates
}

func (h *fakeHost) set(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = state
}

func (h *fakeHost) Ready() bool { return h.Status().State == "running" }

func (h *fakeHost) Lags() []metrics.Lag { return h.lags }

func (h *fakeHost) Status() host.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return host.Status{
		App: "flights", State: h.state, Records: 7, Commits: 3, Rewinds: 1,
		Handlers: []host.HandlerStatus{{ID: "late", Module: "flights", SHA256: "ab12", Records: 7, DeadLetters: 2}},
		Workers: []host.WorkerStatus{{
			Cluster:    "main",
			Partitions: []host.PartitionStatus{{Source: "flights", Topic: "flights", Partition: 1, Next: 9, Committed: 8, Stopped: "the handler fails"}},
		}},
	}
}

// start makes a server that ends with the test.
func start(t *testing.T, change func(*Config)) *Server {
	t.Helper()
	c := Config{
		Host: &fakeHost{state: "running"}, Metrics: http.NotFoundHandler(),
		StateDir: t.TempDir(), HTTP: "127.0.0.1:0", Version: "v0.1.0", Manifest: "/flights/manifest.toml", Generation: 1,
	}
	if change != nil {
		change(&c)
	}
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// side is one of the two ways to a server.
type side struct {
	name   string
	base   string
	client *http.Client
	dial   func(context.Context) (net.Conn, error)
}

// sides are the ways to s; their connections end with the test.
func sides(t *testing.T, s *Server) []side {
	t.Helper()
	over := func(name, base string, dial func(context.Context) (net.Conn, error)) side {
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
		t.Cleanup(tr.CloseIdleConnections)
		return side{name, base, &http.Client{Transport: tr, Timeout: 10 * time.Second}, dial}
	}
	return []side{
		over("socket", "http://localhost", func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, s.config.StateDir) }),
		over("http", "http://"+s.Address(), func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", s.Address())
		}),
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (c *side) do(t *testing.T, method, path string, change func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (h *fakeHost) Checkpoints() []host.CheckpointInfo {
	return []host.CheckpointInfo{{ID: "first", Dependent: "activity", Partitions: []host.CheckpointPartition{}}}
}

func (h *fakeHost) Caches() []host.CacheInfo {
	return []host.CacheInfo{{ID: "counts", Kind: "kv", Key: "string", Partitions: 4, Owned: []host.CachePart{{Partition: 1, Phase: "running"}}}}
}

// Inquire has the keys 0x00 to 0x09 in partition 1 of counts, and answers as
// many as are asked for.
func (h *fakeHost) Inquire(_ context.Context, q *host.Inquiry) (*host.Page, bool, error) {
	switch {
	case q.Cache != "counts":
		return nil, false, &host.InquiryError{Unknown: true, Reason: "there is no such cache"}
	case q.Partition == 2:
		return nil, false, &host.InquiryError{Reason: "it is being restored"}
	case q.Partition != 1:
		return nil, false, &host.InquiryError{Elsewhere: true, Reason: "it is not here"}
	}
	page := &host.Page{}
	for n := range byte(10) {
		key := []byte{n}
		if bytes.Compare(key, q.From) >= 0 && (q.To == nil || bytes.Compare(key, q.To) < 0) && page.Len() < q.Limit {
			page.Add(key, []byte{0xff, n})
		}
	}
	return page, page.Len() == q.Limit, nil
}
