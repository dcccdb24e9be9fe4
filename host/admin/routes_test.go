package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sliphost/sliphost/host/metrics"
)

// problemOf reads an answer that must be a problem of the status it came with.
func problemOf(t *testing.T, a answer) Problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != problemType {
		t.Errorf("content type %q, want %s", got, problemType)
	}
	var p Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	if p.Status != a.status || p.Title == "" || p.Detail == "" {
		t.Errorf("problem %+v came with status %d", p, a.status)
	}
	return p
}

func TestPaths(t *testing.T) {
	s := start(t, func(c *Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "up 1\n") })
	})
	for _, c := range sides(t, s) {
		for _, tc := range []struct {
			path        string
			status      int
			contentType string
			body        string
		}{
			{"/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
			{"/readyz", 200, "text/plain; charset=utf-8", "ready\n"},
			{"/metrics", 200, "text/plain; charset=utf-8", "up 1\n"},
			{"/v1/status", 200, "application/json", `"app":"flights"`},
			{"/", 404, problemType, "/v1/status"},
			{"/v1/status/", 404, problemType, "there is nothing at /v1/status/"},
			{"/debug/pprof/", 404, problemType, "there is nothing"},
			{"/v2/status", 404, problemType, "there is nothing"},
		} {
			t.Run(c.name+tc.path, func(t *testing.T) {
				a := c.do(t, "GET", tc.path, nil)
				if a.status != tc.status || a.header.Get("Content-Type") != tc.contentType || !strings.Contains(a.body, tc.body) {
					t.Errorf("answer %d %s %q", a.status, a.header.Get("Content-Type"), a.body)
				}
				if a.status >= 400 {
					problemOf(t, a)
				}
				if a.header.Get("Server") != "" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("headers %v", a.header)
				}
				head := c.do(t, "HEAD", tc.path, nil)
				if head.status != tc.status || head.body != "" {
					t.Errorf("HEAD answers %d %q", head.status, head.body)
				}
			})
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	s := start(t, nil)
	for _, c := range sides(t, s) {
		for _, r := range routes {
			if r.private && c.name == "http" {
				continue // there is nothing to refuse
			}
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
				a := c.do(t, method, r.path, nil)
				if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD" {
					t.Errorf("%s: %s %s: %d, Allow %q", c.name, method, r.path, a.status, a.header.Get("Allow"))
				}
				problemOf(t, a)
			}
		}
	}
}

func TestForeignHostIsRefused(t *testing.T) {
	s := start(t, func(c *Config) { c.HTTP = "127.0.0.2:0" })
	both := sides(t, s)
	for _, tc := range []struct {
		host    string
		allowed bool
	}{
		{s.Address(), true},
		{"127.0.0.2", true},
		{"127.0.0.1", true},
		{"localhost:9797", true},
		{"LocalHost", true},
		{"localhost.:1", true},
		{"[::1]", true},
		{"[::1]:9797", true},
		{"evil.example", false},
		{"evil.example:9797", false},
		{"127.0.0.1.evil.example", false},
		{"localhost.evil.example:80", false},
		{"127.0.0.3", false},
		{"0.0.0.0", false},
		{"[::]:80", false},
	} {
		for _, r := range routes {
			foreign := func(req *http.Request) { req.Host = tc.host }
			if a := both[0].do(t, "GET", r.path, foreign); a.status == http.StatusForbidden {
				t.Errorf("the socket refuses host %q", tc.host)
			}
			a := both[1].do(t, "GET", r.path, foreign)
			if refused := a.status == http.StatusForbidden; refused == tc.allowed {
				t.Errorf("host %q for %s: status %d", tc.host, r.path, a.status)
			} else if refused && !strings.Contains(problemOf(t, a).Detail, fmt.Sprintf("%q", tc.host)) {
				t.Errorf("host %q for %s: %s", tc.host, r.path, a.body)
			}
		}
	}
}

func TestReadyFollowsTheHost(t *testing.T) {
	h := &fakeHost{}
	s := start(t, func(c *Config) { c.Host = h })
	for _, c := range sides(t, s) {
		for _, tc := range []struct {
			state string
			word  string
		}{{"starting", "starting"}, {"running", ""}, {"draining", "draining"}, {"stopped", "stopped"}, {"other", "other"}} {
			h.set(tc.state)
			a := c.do(t, "GET", "/readyz", nil)
			if health := c.do(t, "GET", "/healthz", nil); health.status != 200 {
				t.Errorf("%s: health is %d", tc.state, health.status)
			}
			if tc.word == "" {
				if a.status != 200 {
					t.Errorf("%s: %d %s", tc.state, a.status, a.body)
				}
				continue
			}
			p := problemOf(t, a)
			if a.status != http.StatusServiceUnavailable || len(p.Reasons) != 1 || !strings.Contains(p.Reasons[0], tc.word) {
				t.Errorf("%s: %d %+v", tc.state, a.status, p)
			}
		}
	}
}

func TestStatusDocument(t *testing.T) {
	s := start(t, func(c *Config) {
		c.StateDir = t.TempDir()
		c.Host = &fakeHost{state: "draining", lags: []metrics.Lag{{Cluster: "main", Topic: "flights", Partition: 0, Records: 40}, {Cluster: "main", Topic: "flights", Partition: 1, Records: 2}}}
	})
	var got map[string]any
	for _, c := range sides(t, s) {
		a := c.do(t, "GET", "/v1/status", nil)
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		for _, changing := range []string{"pid", "started_at", "uptime_seconds", "state_dir", "http"} {
			if v, ok := got[changing]; !ok || v == "" || v == 0 {
				t.Errorf("%s is %v", changing, v)
			}
			delete(got, changing)
		}
		want := map[string]any{
			"app": "flights", "state": "draining", "records": 7.0, "commits": 3.0, "rewinds": 1.0,
			"handlers": []any{map[string]any{
				"id": "late", "module": "flights", "sha256": "ab12", "records": 7.0, "outputs": 0.0, "failed": 0.0,
				"traps": 0.0, "codec_errors": 0.0, "dropped": 0.0, "skipped": 0.0, "dead_letters": 2.0, "fuel": 0.0, "fuel_last_batch": 0.0,
			}},
			"workers": []any{map[string]any{"id": 0.0, "cluster": "main", "partitions": []any{map[string]any{
				"source": "flights", "topic": "flights", "partition": 1.0, "next": 9.0, "committed": 8.0, "stopped": "the handler fails",
			}}, "tasks": nil, "restore_remaining": 0.0, "restored": 0.0, "staged_bytes": 0.0, "unwritten_bytes": 0.0, "cache_hits": 0.0, "cache_misses": 0.0}},
			"ready": false, "not_ready": []any{"the host is draining: it finishes the records in hand, commits and ends"},
			"manifest": "/flights/manifest.toml", "generation": 1.0, "version": "v0.1.0",
			"lag": 42.0, "lags": []any{
				map[string]any{"cluster": "main", "topic": "flights", "partition": 0.0, "records": 40.0, "at": "0001-01-01T00:00:00Z"},
				map[string]any{"cluster": "main", "topic": "flights", "partition": 1.0, "records": 2.0, "at": "0001-01-01T00:00:00Z"},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestUnknownLagIsNull(t *testing.T) {
	s := start(t, nil)
	c := sides(t, s)[0]
	if a := c.do(t, "GET", "/v1/status", nil); !strings.Contains(a.body, `"lag":null,"lags":[]`) {
		t.Errorf("status %s", a.body)
	}
}

func TestLargeRequestsAreRefused(t *testing.T) {
	s := start(t, nil)
	for _, c := range sides(t, s) {
		a := c.do(t, "GET", "/healthz", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(make([]byte, maxBody+1))), maxBody+1
		})
		if a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: a large body is answered with %d", c.name, a.status)
		}
		problemOf(t, a)
		conn, err := c.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// As much as the server reads of a header and no more: what it leaves
		// unread could reset the connection before the answer is read.
		head := "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Large: "
		if _, err := io.WriteString(conn, head+strings.Repeat("x", maxHeader+4096-len(head))); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: a large header is answered with %s", c.name, resp.Status)
		}
	}
}

// Everybody asks at once while the host works; run it with -race.
func TestManyAskAtOnce(t *testing.T) {
	h := &fakeHost{state: "running"}
	reg, err := metrics.New(metrics.Config{Host: func() metrics.Host { return metrics.Host{App: h.Status().App, State: h.Status().State} }})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *Config) { c.Host, c.Metrics = h, reg.Handler() })
	var asking sync.WaitGroup
	for _, c := range sides(t, s) {
		for range 4 {
			asking.Go(func() {
				for i := range 20 {
					reg.Guest("late", metrics.GuestCounter, fmt.Appendf(nil, "n%d", i), 1)
					h.set([]string{"running", "draining"}[i%2])
					path := routes[i%len(routes)].path
					req, err := http.NewRequestWithContext(t.Context(), "GET", c.base+path, nil)
					if err != nil {
						t.Error(err)
						return
					}
					resp, err := c.client.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						t.Error(err)
					}
					resp.Body.Close()
					if private := routes[i%len(routes)].private; resp.StatusCode != 200 && path != "/readyz" && !private {
						t.Errorf("%s: %s", path, resp.Status)
					}
				}
			})
		}
	}
	asking.Wait()
	a := sides(t, s)[1].do(t, "GET", "/metrics", nil)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if got := families["sliphost_guest_n0_total"].GetMetric()[0].GetCounter().GetValue(); got != 8 {
		t.Errorf("n0 was reported 8 times and is %v", got)
	}
}
