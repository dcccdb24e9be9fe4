package connector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// WebhookConfig says where records are posted to, and how.
type WebhookConfig struct {
	URL string
	// Headers are set on each request.
	Headers map[string]string
	// ContentType is that of one record.
	ContentType string
	// Batch is the most records of one request; above 1 a body has a line for
	// each.
	Batch int
	// Timeout is for one request, GiveUp for all of one Flush.
	Timeout, GiveUp time.Duration
	Clock           Clock
}

// Webhook posts records, one request after the other in their order. They wait
// in memory until Flush.
//
// 408, 425, 429, 5xx and silence are tried again, as late as Retry-After says,
// until GiveUp is over. Any other answer but 2xx is about the record and will not
// change: the error then has its RecordIndex. A batch that is refused so is
// posted again record by record, which finds the one it is about.
//
// Each request has an Idempotency-Key, made of where the record came from. It is
// the same whenever the record is posted again: after a lost answer, a crash, a
// commit that was taken back.
//
// It belongs to one goroutine.
type Webhook struct {
	cfg    WebhookConfig
	client *http.Client
	buf    []byte
	staged []hooked
	// done counts the records before the staged ones that were posted since the
	// last Flush that worked.
	done int
}

// hooked is a record that waits.
type hooked struct {
	start, end int // in buf
	null       bool
	id         string
}

// maxStaged is how many bytes wait before they are posted.
const maxStaged = 8 << 20

// OpenWebhook makes a sink. It does not connect.
func OpenWebhook(cfg WebhookConfig) *Webhook {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 2
	return &Webhook{cfg: cfg, client: &http.Client{
		Transport: t,
		// A redirect would turn a POST into a GET, or send it elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Append stages one record. A null value has no body.
func (h *Webhook) Append(r *Output) error {
	at := len(h.buf)
	h.buf = append(h.buf, r.Value...)
	h.staged = append(h.staged, hooked{
		at, len(h.buf), r.Value == nil,
		fmt.Sprintf("%s-%d-%d-%d", url.QueryEscape(r.Source), r.Partition, r.Offset, r.N),
	})
	if len(h.buf) < maxStaged {
		return nil
	}
	return h.post(context.Background(), h.cfg.Clock.Now().Add(h.cfg.GiveUp))
}

// Flush posts what is staged.
func (h *Webhook) Flush(ctx context.Context) error {
	if err := h.post(ctx, h.cfg.Clock.Now().Add(h.cfg.GiveUp)); err != nil {
		return err
	}
	h.done = 0
	return nil
}

func (h *Webhook) post(ctx context.Context, until time.Time) error {
	for n := 0; n < len(h.staged); {
		end := min(n+max(h.cfg.Batch, 1), len(h.staged))
		if err := h.send(ctx, h.staged[n:end], h.done+n, until); err != nil {
			return err
		}
		n = end
	}
	h.done += len(h.staged)
	h.staged, h.buf = h.staged[:0], h.buf[:0]
	if cap(h.buf) > 2*maxStaged {
		h.buf = nil
	}
	return nil
}

// send posts some records, the first of which has the given index.
func (h *Webhook) send(ctx context.Context, records []hooked, index int, until time.Time) error {
	body, kind, id := h.buf[records[0].start:records[0].end], h.cfg.ContentType, records[0].id
	if len(records) > 1 {
		var lines []byte
		for i := range records {
			lines = append(append(lines, h.buf[records[i].start:records[i].end]...), '\n')
		}
		body, kind, id = lines, "application/x-ndjson", id+".."+records[len(records)-1].id
	}
	for try := 1; ; try++ {
		wait, err := h.request(ctx, body, kind, id, until)
		if err == nil {
			return nil
		}
		var no *HookRefusedError
		if errors.As(err, &no) {
			if len(records) == 1 {
				no.index = index
				return no
			}
			for i := range records {
				if err := h.send(ctx, records[i:i+1], index+i, until); err != nil {
					return err
				}
			}
			return nil
		}
		if wait < 0 {
			wait = min(100*time.Millisecond<<min(try-1, 6), 5*time.Second)
		}
		if left := until.Sub(h.cfg.Clock.Now()); ctx.Err() != nil || wait >= left {
			return fmt.Errorf("post to %s: %w; %d tries within %s", h.host(), err, try, h.cfg.GiveUp)
		}
		timer, stop := h.cfg.Clock.NewTimer(wait)
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return ctx.Err()
		}
	}
}

// host is the address without what a query may hold.
func (h *Webhook) host() string {
	u, err := url.Parse(h.cfg.URL)
	if err != nil {
		return "the webhook"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// HookRefusedError says that a server will not take a record.
type HookRefusedError struct {
	Status string
	// Text is the beginning of the answer.
	Text  string
	index int
}

func (e *HookRefusedError) Error() string {
	if e.Text == "" {
		return "the server refuses the record: " + e.Status
	}
	return fmt.Sprintf("the server refuses the record: %s: %q", e.Status, e.Text)
}

// RecordIndex is the record's position among those appended since the last Flush
// that worked.
func (e *HookRefusedError) RecordIndex() int { return e.index }

// request posts once. wait, if not below 0, is what the server asks for.
func (h *Webhook) request(ctx context.Context, body []byte, kind, id string, until time.Time) (wait time.Duration, err error) {
	limit := min(h.cfg.Timeout, until.Sub(h.cfg.Clock.Now()))
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	req.Header.Set("Content-Type", kind)
	for name, value := range h.cfg.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Idempotency-Key", `"`+id+`"`)
	resp, err := h.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, whose query may be secret
		}
		return -1, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection is used again
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return 0, nil
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		return h.retryAfter(resp.Header.Get("Retry-After")), errors.New(resp.Status)
	}
	return -1, &HookRefusedError{Status: resp.Status, Text: string(bytes.ToValidUTF8(bytes.TrimSpace(text), nil))}
}

// retryAfter reads the header, -1 if it says nothing.
func (h *Webhook) retryAfter(text string) time.Duration {
	if s, err := strconv.Atoi(text); err == nil && s >= 0 {
		return time.Duration(min(s, 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(h.cfg.Clock.Now()), 0)
	}
	return -1
}

// Close lets connections go. What is staged is not posted.
func (h *Webhook) Close() error {
	h.client.CloseIdleConnections()
	return nil
}
