package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hook is a server that answers by a script: the n-th request gets what it says.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // method, type, key and body of each request
}

func newHook(t *testing.T, script func(n int, body string, w http.ResponseWriter)) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		n := len(h.seen)
		h.seen = append(h.seen, strings.Join([]string{r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Own"), string(body)}, " "))
		h.mu.Unlock()
		script(n, string(body), w)
	}))
	t.Cleanup(h.Close)
	return h
}

func openHook(t *testing.T, h *hook, cfg WebhookConfig) *Webhook {
	cfg.URL, cfg.Clock = h.URL+"/x?secret=canary", clock{}
	if cfg.ContentType == "" {
		cfg.ContentType = "text/plain"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.GiveUp == 0 {
		cfg.GiveUp = 10 * time.Second
	}
	w := OpenWebhook(cfg)
	t.Cleanup(func() { w.Close() })
	return w
}

func stage(t *testing.T, w *Webhook, values ...string) {
	t.Helper()
	for i, v := range values {
		if err := w.Append(&Output{Value: []byte(v), Source: "file:a b", Partition: 2, Offset: 7, N: i}); err != nil {
			t.Fatal(err)
		}
	}
}

func ok(int, string, http.ResponseWriter) {}

func TestRecordsArePostedInOrder(t *testing.T) {
	h := newHook(t, ok)
	w := openHook(t, h, WebhookConfig{Headers: map[string]string{"X-Own": "1"}})
	stage(t, w, "a", "b")
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{`text/plain "file%3Aa+b-2-7-0" 1 a`, `text/plain "file%3Aa+b-2-7-1" 1 b`}
	if d := cmp.Diff(want, h.seen); d != "" {
		t.Error(d)
	}
	if err := w.Flush(t.Context()); err != nil || len(h.seen) != 2 {
		t.Error("flushed again", err)
	}
}

func TestBatchesAreLines(t *testing.T) {
	h := newHook(t, ok)
	w := openHook(t, h, WebhookConfig{Batch: 2})
	stage(t, w, "a", "b", "c")
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"application/x-ndjson \"file%3Aa+b-2-7-0..file%3Aa+b-2-7-1\"  a\nb\n", `text/plain "file%3Aa+b-2-7-2"  c`}
	if d := cmp.Diff(want, h.seen); d != "" {
		t.Error(d)
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	began := time.Now()
	h := newHook(t, func(n int, _ string, w http.ResponseWriter) {
		switch n {
		case 0:
			w.WriteHeader(503)
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		case 2:
			time.Sleep(300 * time.Millisecond)
		case 3:
			panic(http.ErrAbortHandler) // hangs up
		}
	})
	h.Config.ErrorLog = nil
	w := openHook(t, h, WebhookConfig{Timeout: 200 * time.Millisecond})
	stage(t, w, "a")
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < time.Second {
		t.Errorf("Retry-After was not waited for: %s", d)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) < 5 || h.seen[0] != h.seen[4] {
		t.Errorf("%q", h.seen)
	}
}

func TestItGivesUpInTime(t *testing.T) {
	h := newHook(t, func(_ int, _ string, w http.ResponseWriter) { w.WriteHeader(500) })
	w := openHook(t, h, WebhookConfig{GiveUp: 400 * time.Millisecond})
	stage(t, w, "a")
	began := time.Now()
	err := w.Flush(t.Context())
	var one interface{ RecordIndex() int }
	if err == nil || errors.As(err, &one) || !strings.Contains(err.Error(), "500 Internal Server Error") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("after %s", d)
	}
	// A wait that is longer than what is left is not begun.
	h = newHook(t, func(_ int, _ string, w http.ResponseWriter) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(503)
	})
	w = openHook(t, h, WebhookConfig{})
	stage(t, w, "a")
	began = time.Now()
	if err := w.Flush(t.Context()); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	// So does a worker that is stopped.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Flush(ctx); err == nil {
		t.Error("no error")
	}
	h.Close()
	if err := w.Flush(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestARefusalNamesItsRecord(t *testing.T) {
	for _, batch := range []int{1, 3} {
		h := newHook(t, func(_ int, body string, w http.ResponseWriter) {
			if strings.Contains(body, "bad") {
				w.WriteHeader(422)
				fmt.Fprint(w, "no such thing\n")
			}
		})
		w := openHook(t, h, WebhookConfig{Batch: batch})
		stage(t, w, "a")
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		stage(t, w, "b", "c", "bad", "d")
		err := w.Flush(t.Context())
		var one interface{ RecordIndex() int }
		if !errors.As(err, &one) || one.RecordIndex() != 2 || !strings.Contains(err.Error(), `422 Unprocessable Entity: "no such thing"`) {
			t.Errorf("batch %d: %v", batch, err)
		}
	}
	// Nor is a POST followed elsewhere.
	h := newHook(t, func(_ int, _ string, w http.ResponseWriter) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(302)
	})
	w := openHook(t, h, WebhookConfig{})
	stage(t, w, "a")
	if err := w.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "302") || len(h.seen) != 1 {
		t.Errorf("%v %q", err, h.seen)
	}
}
