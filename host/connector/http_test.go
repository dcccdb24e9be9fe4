package connector

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
)

func openHTTP(t *testing.T, cfg HTTPConfig) (*HTTP, *HTTPSource) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1000
	}
	if cfg.Queue == 0 {
		cfg.Queue = 10_000
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	cfg.Clock = clock{}
	h, err := OpenHTTP(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, h.Source("/in", 3, 100)
}

// commits polls and commits all that comes, until the test ends; told sees each
// batch before it is committed.
func commits(t *testing.T, s *HTTPSource, told func(*abi.Packed)) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var b abi.Packed
		for {
			select {
			case <-s.Ready():
			case <-stop:
				return
			}
			for {
				if _, err := s.Poll(&b, 10, 1000); err != nil {
					t.Error(err)
				}
				if len(b.Runs) == 0 {
					break
				}
				if told != nil {
					told(&b)
				}
				if err := s.Commit(b.Runs[0].LastOffset + 1); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// ask sends a request and returns status and body.
func ask(t *testing.T, h *HTTP, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Address()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestAPostIsARecordAndAnsweredAfterItsCommit(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{})
	type answer struct {
		status int
		body   string
	}
	answers := make(chan answer, 1)
	go func() {
		resp, body := ask(t, h, "POST", "/in?key=a%20b", `{"n":1}`, "Content-Type", "application/json",
			"X-Thing", "one", "X-Thing", "two", "Cookie", "secret=1", "Authorization", "Basic x", "traceparent", "00-1")
		answers <- answer{resp.StatusCode, body}
	}()
	<-s.Ready()
	var b abi.Packed
	if eof, err := s.Poll(&b, 10, 1000); eof || err != nil {
		t.Fatal(eof, err)
	}
	select {
	case a := <-answers:
		t.Fatalf("answered before the commit: %+v", a)
	case <-time.After(20 * time.Millisecond):
	}
	r := abi.NewReader(b.Buf)
	var rec abi.Record
	abi.ReadRecord(&r, &rec)
	var headers []string
	it := abi.ReadHeaders(rec.Headers)
	for {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		headers = append(headers, string(name)+"="+string(value))
	}
	if string(rec.Key) != "a b" || string(rec.Value) != `{"n":1}` || b.Runs[0].BaseOffset != 100 || b.Runs[0].Topic != 3 {
		t.Errorf("%q %q %+v", rec.Key, rec.Value, b.Runs)
	}
	want := []string{"content-type=application/json", "traceparent=00-1", "x-thing=one", "x-thing=two"}
	if d := cmp.Diff(want, headers); d != "" {
		t.Error(d)
	}
	if err := s.Commit(101); err != nil {
		t.Fatal(err)
	}
	if a := <-answers; a.status != 200 || a.body != `{"offset":100,"records":1}`+"\n" {
		t.Errorf("%+v", a)
	}
}

func TestLinesAreRecordsAndFailuresAreTold(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{})
	commits(t, s, func(b *abi.Packed) {
		run := b.Runs[0]
		r := abi.NewReader(b.Buf)
		for range run.Count {
			var rec abi.Record
			abi.ReadRecord(&r, &rec)
			if bytes.Equal(rec.Value, []byte("bad")) {
				s.Failed(run.BaseOffset+rec.OffsetDelta, "undecodable", "no json", false)
				s.Failed(run.BaseOffset+rec.OffsetDelta, "undecodable", "no json", true) // again, after a rewind
			}
		}
	})
	if resp, body := ask(t, h, "POST", "/in", "a\r\n\nb\nc", "Content-Type", "application/x-ndjson; charset=utf-8"); resp.StatusCode != 200 || body != `{"offset":100,"records":3}`+"\n" {
		t.Errorf("%s %s", resp.Status, body)
	}
	resp, body := ask(t, h, "POST", "/in", "a\nbad\n", "Content-Type", "application/x-ndjson")
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != 422 || p.Offset != 103 ||
		!cmp.Equal(p.Failures, []RecordFailure{{Record: 1, Code: "undecodable", Reason: "no json", DeadLetter: true}}) {
		t.Errorf("%s %s: %v", resp.Status, body, err)
	}
	if resp, body := ask(t, h, "POST", "/in", "\n\n", "Content-Type", "application/x-ndjson"); resp.StatusCode != 400 {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := ask(t, h, "POST", "/in", ""); resp.StatusCode != 200 {
		t.Errorf("an empty body: %s %s", resp.Status, body)
	}
}

func TestRequestsThatAreNoRecords(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{Origins: []string{"https://shop.example"}})
	commits(t, s, nil)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		header, value            string
	}{
		{"fine", "POST", "/in", "x", nil, 200, "Content-Type", "application/json"},
		{"path", "POST", "/other", "x", nil, 404, "Content-Type", "application/problem+json"},
		{"method", "GET", "/in", "", nil, 405, "Allow", "POST"},
		{"too large", "POST", "/in", strings.Repeat("x", 1001), nil, 413, "", ""},
		{"just fits", "POST", "/in", strings.Repeat("x", 1000), nil, 200, "", ""},
		{"compressed", "POST", "/in", "x", []string{"Content-Encoding", "gzip"}, 415, "", ""},
		{"foreign page", "POST", "/in", "x", []string{"Origin", "https://evil.example"}, 403, "Access-Control-Allow-Origin", ""},
		{"sandboxed page", "POST", "/in", "x", []string{"Origin", "null"}, 403, "", ""},
		{"page that may", "POST", "/in", "x", []string{"Origin", "https://shop.example"}, 200, "Access-Control-Allow-Origin", "https://shop.example"},
		{"preflight", "OPTIONS", "/in", "", []string{"Origin", "https://shop.example"}, 204, "Access-Control-Allow-Methods", "POST"},
		{"foreign preflight", "OPTIONS", "/in", "", []string{"Origin", "https://evil.example"}, 403, "", ""},
		{"another name", "POST", "/in", "x", []string{"Host", "evil.example:80"}, 421, "", ""},
		{"its name", "POST", "/in", "x", []string{"Host", "localhost"}, 200, "", ""},
	} {
		resp, body := ask(t, h, c.method, c.path, c.body, c.headers...)
		if resp.StatusCode != c.status || c.header != "" && resp.Header.Get(c.header) != c.value {
			t.Errorf("%s: %s %s %v", c.name, resp.Status, body, resp.Header)
		}
	}
}

func TestTokens(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{Listen: "0.0.0.0:0", Token: "canary"})
	commits(t, s, nil)
	for given, want := range map[string]int{"Bearer canary": 200, "Bearer canar": 401, "canary": 401, "Basic canary": 401, "": 401} {
		if resp, body := ask(t, h, "POST", "/in", "x", "Authorization", given, "Host", "any.example"); resp.StatusCode != want || want == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %s %s", given, resp.Status, body)
		}
	}
	if _, err := OpenHTTP(t.Context(), HTTPConfig{Listen: "0.0.0.0:0"}); err == nil || !strings.Contains(err.Error(), "which others can reach") {
		t.Errorf("without a token: %v", err)
	}
}

// raw sends bytes and returns the first line of the answer, "" for none.
func raw(t *testing.T, h *HTTP, text string, halfClose bool) string {
	t.Helper()
	c, err := net.Dial("tcp", h.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if halfClose {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// What does not arrive whole is no record.
func TestBodiesThatAreCutOff(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{Timeout: 300 * time.Millisecond})
	taken := make(chan string, 10)
	commits(t, s, func(b *abi.Packed) { taken <- fmt.Sprintf("%q", b.Buf) })
	const head = "POST /in HTTP/1.1\r\nHost: localhost\r\n"
	for _, c := range []struct {
		text, want string
		close      bool
	}{
		{head + "Content-Length: 10\r\n\r\nhalf", "HTTP/1.1 400 Bad Request", true},
		{head + "Content-Length: 10\r\n\r\nhalf", "HTTP/1.1 408 Request Timeout", false},
		{head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "HTTP/1.1 400 Bad Request", true},
		{head + "Transfer-Encoding: chunked\r\n\r\nfff\r\n" + strings.Repeat("x", 1500), "HTTP/1.1 413 Request Entity Too Large", false},
		{head + "Content-Length: 5000\r\n\r\n", "HTTP/1.1 413 Request Entity Too Large", false},
		{head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "HTTP/1.1 400 Bad Request", false},
	} {
		if got := raw(t, h, c.text, c.close); got != c.want {
			t.Errorf("%q: %q, want %q", c.text[len(head):min(len(c.text), 80)], got, c.want)
		}
	}
	h.mu.Lock()
	if s.held != 0 {
		t.Errorf("%d bytes are thought to wait", s.held)
	}
	h.mu.Unlock()
	select {
	case got := <-taken:
		t.Errorf("a record of half a body: %s", got)
	default:
	}
}

func TestBackPressureAndTimeouts(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{Queue: 15, Timeout: 200 * time.Millisecond})
	type result struct {
		resp *http.Response
		body string
	}
	first := make(chan result, 1)
	go func() {
		resp, body := ask(t, h, "POST", "/in", "0123456789")
		first <- result{resp, body}
	}()
	<-s.Ready()
	if resp, _ := ask(t, h, "POST", "/in", "0123456789"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("no room: %s", resp.Status)
	}
	// Nobody commits: the record stays, and keeps its bytes.
	if r := <-first; r.resp.StatusCode != 504 || !strings.Contains(r.body, "counts unless the process ends before its commit") {
		t.Errorf("%s %s", r.resp.Status, r.body)
	}
	if resp, _ := ask(t, h, "POST", "/in", "0123456789"); resp.StatusCode != 429 {
		t.Errorf("after the 504 there is no room yet: %s", resp.Status)
	}
	other := h.Source("/other", 4, 0)
	commits(t, other, nil)
	if resp, body := ask(t, h, "POST", "/other", "0123456789"); resp.StatusCode != 200 {
		t.Errorf("another path is full, too: %s %s", resp.Status, body)
	}
	var b abi.Packed
	if _, err := s.Poll(&b, 10, 1000); err != nil || len(b.Runs) != 1 {
		t.Fatal(b.Runs, err)
	}
	if err := s.Commit(101); err != nil {
		t.Fatal(err)
	}
	commits(t, s, nil)
	if resp, _ := ask(t, h, "POST", "/in", "0123456789"); resp.StatusCode != 200 {
		t.Errorf("there is room again: %s", resp.Status)
	}
}

func TestTheHostStops(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{})
	statuses := make(chan string, 2)
	post := func() {
		resp, body := ask(t, h, "POST", "/in", "x", "Idempotency-Key", "k")
		statuses <- fmt.Sprint(resp.StatusCode, " ", body)
	}
	go post()
	<-s.Ready()
	var b abi.Packed
	if _, err := s.Poll(&b, 10, 1000); err != nil {
		t.Fatal(err)
	}
	s.Drain()
	if resp, _ := ask(t, h, "POST", "/in", "y"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("while it stops: %s", resp.Status)
	}
	if err := s.Close(); err != nil { // without a commit
		t.Fatal(err)
	}
	if got := <-statuses; !strings.HasPrefix(got, "503 ") || !strings.Contains(got, "post it again") {
		t.Error(got)
	}
}

func TestAnIdempotencyKeyIsOneRecord(t *testing.T) {
	h, s := openHTTP(t, HTTPConfig{})
	n := 0
	commits(t, s, func(b *abi.Packed) { n += int(b.Runs[0].Count) })
	_, one := ask(t, h, "POST", "/in", "x", "Idempotency-Key", "k1")
	resp, two := ask(t, h, "POST", "/in", "x", "Idempotency-Key", "k1")
	if one != two || resp.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s, then %s %v", one, two, resp.Header)
	}
	if resp, _ := ask(t, h, "POST", "/in", "y", "Idempotency-Key", "k1"); resp.StatusCode != 422 {
		t.Errorf("another body: %s", resp.Status)
	}
	if resp, three := ask(t, h, "POST", "/in", "x", "Idempotency-Key", "k2"); resp.StatusCode != 200 || three == one {
		t.Errorf("another key: %s %s", resp.Status, three)
	}
	if n != 2 {
		t.Errorf("%d records", n)
	}

	// The same body under another record key is another record.
	keyed := func(record ...string) (string, string) {
		resp, body := ask(t, h, "POST", "/in", "x", append(record, "Idempotency-Key", "k3")...)
		return resp.Status, body
	}
	const refused = "422 Unprocessable Entity"
	if status, body := keyed("Slip-Key", "a"); status != "200 OK" {
		t.Fatal(status, body)
	}
	if status, body := keyed("Slip-Key", "a"); status != "200 OK" {
		t.Errorf("the same again: %s %s", status, body)
	}
	for _, other := range [][]string{{"Slip-Key", "b"}, {"Slip-Key", ""}, nil} {
		if status, body := keyed(other...); status != refused || !strings.Contains(body, "record key") {
			t.Errorf("%q: %s %s", other, status, body)
		}
	}
	if resp, body := ask(t, h, "POST", "/in?key=a", "x", "Idempotency-Key", "k3"); resp.StatusCode != 200 {
		t.Errorf("the same record key as a parameter: %s %s", resp.Status, body)
	}
	if n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}
