package connector

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// HTTPConfig says where records are posted to.
type HTTPConfig struct {
	// Listen is a host:port, port 0 for any that is free.
	Listen string
	// Token is what requests have to bring as a bearer, "" for none: then only
	// this machine may reach Listen, and names of it are the only ones that a
	// request may use, so that no web page reaches it by a name of its own.
	Token string
	// Origins are the web pages that may post.
	Origins []string
	// MaxBody is the most bytes of one body, Queue of all that wait at one path:
	// a path whose records do not get on refuses more, and the others go on.
	MaxBody, Queue int64
	// Timeout is for the arrival of a body and for the wait for its commit.
	Timeout time.Duration
	Clock   Clock
	// Logger hears of the address and of connections that fail; nil discards it.
	Logger *slog.Logger
}

// HTTP is the server of the sources that are posted to.
//
// A request is answered when its record's effects are committed:
//
//	200 with {"offset":...,"records":...}
//	422 if a handler could not process it and its policy was to go on
//	400, 401, 403, 404, 405, 408, 413, 415 if it is no record
//	429 with Retry-After if too much waits, 503 if the host stops
//	504 if the commit took too long: the record is kept and counts, unless the
//	    process ends before its commit
//
// All but 200 and 422 have a body as RFC 9457 says. A body that does not arrive
// whole is no record. Whoever hangs up before the answer has posted all the
// same. A request with an Idempotency-Key that was there in the last ten minutes
// gets the answer of the first one and is no other record; this is remembered in
// memory, so a restart of the host forgets it.
type HTTP struct {
	cfg      HTTPConfig
	server   *http.Server
	listener net.Listener
	serving  sync.WaitGroup
	stopping chan struct{} // closed when nothing is taken any more
	once     sync.Once

	mu      sync.Mutex
	sources map[string]*HTTPSource
	keys    map[string]*posted
	order   []string // of keys, by age
}

// HTTPSource is the source of what is posted to one path. Key is the header
// Slip-Key or the query parameter key; value is the body, or, of
// application/x-ndjson, each line of it a record; headers are the request's,
// without those that are about the connection or grant something.
type HTTPSource struct {
	*queue
	http *HTTP
	path string
	held int64 // bytes of bodies without an answer; guarded by http.mu
}

// posted is a request on its way, or its answer.
type posted struct {
	at     time.Time
	sum    [sha256.Size]byte // of keys and values
	bytes  int64
	done   chan struct{} // closed with the answer
	status int
	body   []byte
}

// Limits of connections.
const (
	httpHeaderTimeout = 5 * time.Second
	httpIdle          = 2 * time.Minute
	httpMaxHeader     = 16 << 10
	// keyLife is how long an Idempotency-Key is remembered, maxKeys how many.
	keyLife = 10 * time.Minute
	maxKeys = 100_000
)

// OpenHTTP listens.
func OpenHTTP(ctx context.Context, cfg HTTPConfig) (*HTTP, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("[http] listen = %q: %w", cfg.Listen, err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); cfg.Token == "" && (!ok || !tcp.IP.IsLoopback()) {
		return nil, errors.Join(fmt.Errorf("[http] listen = %q: this machine takes it for %s, which others can reach; set token, or listen on 127.0.0.1", cfg.Listen, l.Addr()), l.Close())
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &HTTP{cfg: cfg, listener: l, stopping: make(chan struct{}), sources: map[string]*HTTPSource{}, keys: map[string]*posted{}}
	h.server = &http.Server{
		Handler: h, ReadHeaderTimeout: httpHeaderTimeout, IdleTimeout: httpIdle, MaxHeaderBytes: httpMaxHeader,
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	h.serving.Go(func() {
		if err := h.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("records cannot be posted any more", "address", l.Addr().String(), "error", err)
		}
	})
	cfg.Logger.Info("records can be posted", "url", "http://"+h.Address())
	return h, nil
}

// Address is the host:port that is listened on.
func (h *HTTP) Address() string { return h.listener.Addr().String() }

// Source opens the source of a path, which begins with a slash. first is the
// offset of its first record: above those of earlier lives, so that a record is
// never called what another was.
func (h *HTTP) Source(path string, topic int32, first int64) *HTTPSource {
	s := &HTTPSource{queue: newQueue(topic, first), http: h, path: path}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sources[path] = s
	return s
}

// Drain refuses what is posted from here on.
func (s *HTTPSource) Drain() { s.http.stop() }

// Close answers what is not committed: it has to be posted again.
func (s *HTTPSource) Close() error {
	s.http.stop()
	s.mu.Lock()
	left := append(s.taken, s.waiting...)
	s.taken, s.waiting = nil, nil
	s.mu.Unlock()
	for _, d := range left {
		d.first = -1
		d.done(d)
	}
	return nil
}

func (h *HTTP) stop() { h.once.Do(func() { close(h.stopping) }) }

// Close stops listening; what waits is answered.
func (h *HTTP) Close() error {
	h.stop()
	h.mu.Lock()
	sources := h.sources
	h.mu.Unlock()
	for _, s := range sources {
		_ = s.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := h.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.server.Close()
	}
	h.serving.Wait()
	return err
}

// refusal is an answer about a request that is no record.
type refusal struct {
	status int
	title  string
	header [2]string
}

func (r *refusal) Error() string { return r.title }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, title: fmt.Sprintf(format, args...)}
}

// problem is the body of an answer, as RFC 9457 says.
type problem struct {
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Offset   int64           `json:"offset,omitempty"`
	Failures []RecordFailure `json:"failures,omitempty"`
}

func (p *problem) body() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	return append(b, '\n')
}

func writeAnswer(w http.ResponseWriter, status int, body []byte) {
	kind := "application/json"
	if status != http.StatusOK {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// ServeHTTP implements http.Handler.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(h.cfg.Origins, origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Add("Vary", "Origin")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "POST")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Slip-Key")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	p, err := h.post(w, r)
	if err != nil {
		var no *refusal
		if !errors.As(err, &no) {
			no = refuse(http.StatusBadRequest, "the request cannot be read: %v", err)
		}
		if no.header[0] != "" {
			w.Header().Set(no.header[0], no.header[1])
		}
		if no.status != http.StatusUnauthorized && no.status != http.StatusNotFound {
			// What is left of a body need not be read.
			w.Header().Set("Connection", "close")
		}
		writeAnswer(w, no.status, (&problem{Title: no.title, Status: no.status}).body())
		return
	}
	timer, stop := h.cfg.Clock.NewTimer(h.cfg.Timeout)
	defer stop()
	select {
	case <-p.done:
		writeAnswer(w, p.status, p.body)
	case <-r.Context().Done(): // nobody listens; the record waits for its commit all the same
	case <-timer:
		writeAnswer(w, http.StatusGatewayTimeout, (&problem{
			Title: fmt.Sprintf("not committed within %s; the record counts unless the process ends before its commit; post it again with the same Idempotency-Key to hear", h.cfg.Timeout), Status: http.StatusGatewayTimeout,
		}).body())
	}
}

// admit checks who asks for what.
func (h *HTTP) admit(r *http.Request) (*HTTPSource, error) {
	if h.cfg.Token == "" && !loopbackName(r.Host) {
		return nil, refuse(http.StatusMisdirectedRequest, "this host is not called %q", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !slices.Contains(h.cfg.Origins, origin) {
		return nil, refuse(http.StatusForbidden, "pages of %q may not post here", origin)
	}
	if h.cfg.Token != "" {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		want, got := sha256.Sum256([]byte(h.cfg.Token)), sha256.Sum256([]byte(given))
		if !bearer || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			no := refuse(http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN")
			no.header = [2]string{"WWW-Authenticate", "Bearer"}
			return nil, no
		}
	}
	h.mu.Lock()
	s := h.sources[r.URL.Path]
	h.mu.Unlock()
	switch {
	case s == nil:
		return nil, refuse(http.StatusNotFound, "nothing is posted to %q", r.URL.Path)
	case r.Method != http.MethodPost:
		no := refuse(http.StatusMethodNotAllowed, "records are posted: use POST")
		no.header = [2]string{"Allow", "POST"}
		return nil, no
	case r.Header.Get("Content-Encoding") != "":
		return nil, refuse(http.StatusUnsupportedMediaType, "a body comes as it is, without Content-Encoding")
	}
	return s, nil
}

// loopbackName says that a Host header names this machine.
func loopbackName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") || ip != nil && ip.IsLoopback()
}

// post makes records of a request.
func (h *HTTP) post(w http.ResponseWriter, r *http.Request) (*posted, error) {
	s, err := h.admit(r)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > h.cfg.MaxBody {
		return nil, tooLarge(h.cfg.MaxBody)
	}
	size := r.ContentLength
	if size < 0 {
		size = h.cfg.MaxBody
	}
	if err := s.reserve(size); err != nil {
		return nil, err
	}
	body, err := h.read(w, r)
	s.release(size - int64(len(body))) // all of it after an error
	if err != nil {
		return nil, err
	}
	records, err := h.records(r, body)
	if err != nil {
		s.release(int64(len(body)))
		return nil, err
	}
	p := &posted{at: h.cfg.Clock.Now(), sum: sumOf(records), bytes: int64(len(body)), done: make(chan struct{})}
	key := r.Header.Get("Idempotency-Key")
	if key != "" {
		key = s.path + " " + key
		if before := h.remember(key, p); before != nil {
			s.release(p.bytes)
			if before.sum != p.sum {
				return nil, refuse(http.StatusUnprocessableEntity, "another body or record key was posted with this Idempotency-Key")
			}
			w.Header().Set("Idempotency-Replayed", "true")
			return before, nil
		}
	}
	s.put(&delivery{records: records, done: func(d *delivery) { h.answer(s, p, key, d) }})
	select {
	case <-h.stopping: // maybe after the last look at the queue
		s.mu.Lock()
		at := slices.IndexFunc(s.waiting, func(d *delivery) bool { return d.is(records) })
		if at >= 0 {
			d := s.waiting[at]
			s.waiting = slices.Delete(s.waiting, at, at+1)
			s.mu.Unlock()
			d.first = -1
			d.done(d)
			return p, nil
		}
		s.mu.Unlock()
	default:
	}
	return p, nil
}

// is says that a delivery has these records.
func (d *delivery) is(records []packedRecord) bool { return &d.records[0] == &records[0] }

func tooLarge(limit int64) *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "a body has at most %d bytes ([http] max_body)", limit)
}

// sumOf tells apart what one Idempotency-Key may not stand for twice. Headers
// are left out, because tracers change them when a request is sent again.
func sumOf(records []packedRecord) (sum [sha256.Size]byte) {
	hash := sha256.New()
	var head []byte
	for i := range records {
		r := &records[i]
		head = abi.AppendArrayHeader(head[:0], 2)
		if r.key == nil {
			head = abi.AppendNil(head)
		} else {
			head = abi.AppendBin(head, r.key)
		}
		hash.Write(abi.AppendBinHeader(head, len(r.value)))
		hash.Write(r.value)
	}
	hash.Sum(sum[:0])
	return sum
}

// reserve makes room for a body that is about to be read.
func (s *HTTPSource) reserve(size int64) error {
	h := s.http
	select {
	case <-h.stopping:
		no := refuse(http.StatusServiceUnavailable, "the host stops")
		no.header = [2]string{"Retry-After", "5"}
		return no
	default:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.held > 0 && s.held+size > h.cfg.Queue {
		no := refuse(http.StatusTooManyRequests, "%d bytes wait for their commit at %s; there is no room for more ([http] queue)", s.held, s.path)
		no.header = [2]string{"Retry-After", "1"}
		return no
	}
	s.held += size
	return nil
}

func (s *HTTPSource) release(size int64) {
	s.http.mu.Lock()
	defer s.http.mu.Unlock()
	s.held -= size
}

// read returns the whole body, or none of it.
func (h *HTTP) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	_ = http.NewResponseController(w).SetReadDeadline(h.cfg.Clock.Now().Add(h.cfg.Timeout)) // tests have no connection
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &large):
		return nil, tooLarge(h.cfg.MaxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, "the body did not arrive within %s", h.cfg.Timeout)
	}
	return nil, refuse(http.StatusBadRequest, "the body did not arrive whole: %v", err)
}

// unwanted headers are about the connection, or give away what grants access.
func unwanted(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Content-Length", "Expect", "Origin", "Referer", "User-Agent", "Slip-Key", "Idempotency-Key":
		return true
	}
	return strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "Accept") || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "Slip.")
}

// records makes records of a body.
func (h *HTTP) records(r *http.Request, body []byte) ([]packedRecord, error) {
	var key []byte
	if k := r.Header.Values("Slip-Key"); len(k) > 0 {
		key = []byte(k[0])
	} else if q := r.URL.Query(); q.Has("key") {
		key = []byte(q.Get("key"))
	}
	names := make([]string, 0, len(r.Header))
	n := 0
	for name, values := range r.Header {
		if !unwanted(name) {
			names = append(names, name)
			n += len(values)
		}
	}
	slices.Sort(names)
	var headers []byte
	if n > 0 {
		headers = abi.AppendArrayHeader(nil, n)
		for _, name := range names {
			for _, v := range r.Header[name] {
				headers = abi.AppendHeader(headers, strings.ToLower(name), []byte(v))
			}
		}
	}
	now := h.cfg.Clock.Now().UnixMilli()
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-ndjson" && kind != "application/jsonl" {
		if body == nil {
			body = []byte{}
		}
		return []packedRecord{{key, body, headers, now}}, nil
	}
	var all []packedRecord
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if line = withoutReturn(line); len(line) > 0 {
			all = append(all, packedRecord{key, line, headers, now})
		}
	}
	if all == nil {
		return nil, refuse(http.StatusBadRequest, "the body has no line")
	}
	return all, nil
}

// remember keeps p under an Idempotency-Key, or returns what is there.
func (h *HTTP) remember(key string, p *posted) *posted {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.order) > 0 {
		old := h.keys[h.order[0]]
		if old != nil && p.at.Sub(old.at) < keyLife && len(h.order) < maxKeys {
			break
		}
		if old != nil && old.status == 0 && len(h.order) < 2*maxKeys {
			break // it has no answer yet
		}
		delete(h.keys, h.order[0])
		h.order = h.order[1:]
	}
	if before := h.keys[key]; before != nil {
		return before
	}
	h.keys[key] = p
	h.order = append(h.order, key)
	return nil
}

// answer is called when a delivery is final, or given up (first is -1).
func (h *HTTP) answer(s *HTTPSource, p *posted, key string, d *delivery) {
	status, body := http.StatusOK, []byte(nil)
	switch failed := s.failures(d); {
	case d.first < 0:
		status = http.StatusServiceUnavailable
		body = (&problem{Title: "the host stopped before the record was processed; post it again", Status: status}).body()
	case len(failed) > 0:
		status = http.StatusUnprocessableEntity
		body = (&problem{Title: "a handler could not process it", Status: status, Offset: d.first, Failures: failed}).body()
	default:
		body = fmt.Appendf(nil, `{"offset":%s,"records":%d}`+"\n", strconv.FormatInt(d.first, 10), len(d.records))
	}
	h.mu.Lock()
	s.held -= p.bytes
	if d.first < 0 {
		delete(h.keys, key)
	}
	p.status, p.body = status, body
	h.mu.Unlock()
	close(p.done)
}
