package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sliphost/sliphost/host"
)

// The updates of a cache are server-sent events (WHATWG HTML, 9.2), so curl
// and every browser's library read them. Each is an event "update" whose data
// is an Update and whose id is the position behind it. Comments and ids come in
// between where nothing else does. An event "end" says why no more follow.

// Update is one update of a cache. In text form the key is as people write
// keys and the value is a string, or {"$base64": "..."} if it is not UTF-8; with
// encoding=base64 both are base64 of their bytes, the key in stored form.
type Update struct {
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Key       string `json:"key"`
	// Value is null for a key that was removed.
	Value   any  `json:"value"`
	Deleted bool `json:"deleted"`
	// Timestamp is when it was committed, in milliseconds since 1970.
	Timestamp int64 `json:"timestamp"`
}

// Bounds of streams. Each has a client of the broker, with some megabytes.
const (
	maxStreams = 16
	// heartbeat is the pause after which something is sent all the same.
	heartbeat = 10 * time.Second
	// slowAfter is how long a reader may leave what is sent to it unread.
	slowAfter = 10 * time.Second
	// followWait is how long a stream sleeps without looking at its orders.
	followWait = 200 * time.Millisecond
	// manyPartitions is where a position is too long to come with each update:
	// it comes with the last one that was read at once.
	manyPartitions = 32
)

func (s *Server) streamUpdates(w http.ResponseWriter, r *http.Request) {
	q, b64, err := readFollow(r)
	if err != nil {
		writeProblem(w, &Problem{Status: http.StatusBadRequest, Detail: err.Error()})
		return
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		writeProblem(w, &Problem{Status: http.StatusServiceUnavailable, Detail: fmt.Sprintf("%d streams of updates are open, and no more may be; end one, or put a program in between that shares it", maxStreams)})
		return
	}
	updates, err := s.config.Host.Follow(r.Context(), q)
	if err != nil {
		writeProblem(w, &Problem{Status: inquiryStatus(err), Detail: err.Error()})
		return
	}
	defer updates.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	st := stream{rc: http.NewResponseController(w), w: w, updates: updates, b64: b64}
	// Nothing more is read from the client; what would end its reading would
	// end the stream.
	if err := st.rc.SetReadDeadline(time.Time{}); err != nil {
		writeProblem(w, &Problem{Status: http.StatusInternalServerError, Detail: err.Error()})
		return
	}
	reason := st.run(r.Context(), s.closing)
	switch {
	case reason == nil || r.Context().Err() != nil && !errors.Is(reason, errSlow):
	case errors.Is(reason, errSlow):
		s.config.Logger.Warn("a reader of cache updates does not keep up and was cut off; it can go on behind the last id it has", "cache", q.Cache, "position", updates.Position())
	default:
		s.config.Logger.Error("a stream of cache updates ended", "cache", q.Cache, "error", reason)
	}
}

// stream is one connection that gets updates.
type stream struct {
	rc      *http.ResponseController
	w       io.Writer
	updates Updates
	b64     bool
	buf     []byte
}

// errSlow is how the stream of a reader ends that does not read.
var errSlow = errors.New("the reader does not keep up")

// run sends updates until the client leaves or the server closes.
func (s *stream) run(ctx, closing context.Context) error {
	each := s.updates.Partitions() <= manyPartitions
	s.position()
	if err := s.send(); err != nil {
		return err
	}
	for sent := time.Now(); ; {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case closing.Err() != nil:
			return s.end("the host stops; ask again when it runs, with the last id")
		}
		err := s.updates.Next(followWait, func(u *host.CacheUpdate) error {
			if err := s.update(u, each); err != nil {
				return err
			}
			if len(s.buf) < 32<<10 {
				return nil
			}
			sent = time.Now()
			return s.send()
		})
		switch {
		case errors.Is(err, errSlow) || ctx.Err() != nil:
			return err
		case err != nil:
			return errors.Join(err, s.end(err.Error()))
		}
		if len(s.buf) > 0 && !each || len(s.buf) == 0 && time.Since(sent) >= heartbeat {
			s.position()
		}
		if len(s.buf) > 0 {
			if err := s.send(); err != nil {
				return err
			}
			sent = time.Now()
		}
	}
}

// update adds one event.
func (s *stream) update(u *host.CacheUpdate, id bool) error {
	doc := Update{Partition: u.Partition, Offset: u.Offset, Deleted: u.Value == nil, Timestamp: u.Timestamp}
	if s.b64 {
		doc.Key = base64.StdEncoding.EncodeToString(u.Key)
		if u.Value != nil {
			doc.Value = base64.StdEncoding.EncodeToString(u.Value)
		}
	} else {
		doc.Key = s.updates.Text(u.Key)
		switch {
		case u.Value == nil:
		case utf8.Valid(u.Value):
			doc.Value = string(u.Value)
		default:
			doc.Value = map[string]string{"$base64": base64.StdEncoding.EncodeToString(u.Value)}
		}
	}
	data, err := json.Marshal(&doc)
	if err != nil {
		return err
	}
	if id {
		s.buf = append(append(s.buf, "id: "...), s.updates.Position()...)
		s.buf = append(s.buf, '\n')
	}
	s.buf = append(append(s.buf, "event: update\ndata: "...), data...)
	s.buf = append(s.buf, "\n\n"...)
	return nil
}

// position adds an id without an event, in a block that clients do not show.
func (s *stream) position() {
	s.buf = append(append(append(s.buf, ": still here\nid: "...), s.updates.Position()...), "\n\n"...)
}

// end tells the client why nothing follows.
func (s *stream) end(reason string) error {
	data, err := json.Marshal(map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	s.buf = append(append(append(s.buf, "event: end\ndata: "...), data...), "\n\n"...)
	return s.send()
}

// send hands over what was added. A client that reads nothing for a while is
// given up.
func (s *stream) send() error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(slowAfter)); err != nil {
		return err
	}
	_, err := s.w.Write(s.buf)
	if err == nil {
		err = s.rc.Flush()
	}
	s.buf = s.buf[:0]
	if isTimeout(err) {
		return errSlow
	}
	return err
}

// readFollow reads a request for updates: partition, key, prefix (as people
// write keys), from (start or end), encoding (text or base64), and the position
// to go on behind in the header Last-Event-ID or as last-event-id.
func readFollow(r *http.Request) (q *host.FollowQuery, b64 bool, err error) {
	v := r.URL.Query()
	q = &host.FollowQuery{Cache: r.PathValue("cache"), Partition: -1, Key: v.Get("key"), Prefix: v.Get("prefix"), After: v.Get("last-event-id")}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		q.After = id
	}
	if text := v.Get("partition"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return nil, false, fmt.Errorf("partition=%q is no partition's number", text)
		}
		q.Partition = int32(n)
	}
	switch from := v.Get("from"); from {
	case "", "end":
	case "start":
		q.Start = true
	default:
		return nil, false, fmt.Errorf("from=%q is neither start nor end", from)
	}
	switch encoding := v.Get("encoding"); encoding {
	case "", "text":
	case "base64":
		b64 = true
	default:
		return nil, false, fmt.Errorf("encoding=%q is neither text nor base64", encoding)
	}
	if q.Key != "" && q.Prefix != "" {
		return nil, false, errors.New("key and prefix exclude each other")
	}
	return q, b64, nil
}

// EndError says why a stream of updates ended.
type EndError struct {
	// Dir is the host's state directory, Reason what it said, "" if nothing.
	Dir, Reason string
}

func (e *EndError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the host on state directory %s ended the stream of updates", e.Dir)
	}
	return fmt.Sprintf("the host on state directory %s ended the stream of updates: %s", e.Dir, e.Reason)
}

// Follow asks for updates and hands each to take, with the position behind it,
// until ctx ends, take has an error or the host ends the stream, an *EndError.
// Values and keys of an Update are base64, as of encoding=base64; take gets
// them decoded.
func (c *Client) Follow(ctx context.Context, q *host.FollowQuery, take func(u *host.CacheUpdate, position string) error) error {
	v := url.Values{"encoding": {"base64"}}
	for name, text := range map[string]string{"key": q.Key, "prefix": q.Prefix} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.Partition >= 0 {
		v.Set("partition", strconv.Itoa(int(q.Partition)))
	}
	if q.Start {
		v.Set("from", "start")
	}
	path := "/v1/caches/" + url.PathEscape(q.Cache) + "/updates"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path+"?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	if q.After != "" {
		req.Header.Set("Last-Event-ID", q.After)
	}
	stream := c.http
	stream.Timeout = 0 // heartbeats tell that the host is there
	resp, err := stream.Do(req)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp, path)
	}
	return c.events(ctx, resp.Body, take)
}

// maxEvent bounds one line of a stream: the largest record of a topic, twice as
// base64.
const maxEvent = 64 << 20

// events reads a stream.
func (c *Client) events(ctx context.Context, body io.Reader, take func(*host.CacheUpdate, string) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	var id, kind string
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0:
			if err := c.event(kind, data, id, take); err != nil {
				return err
			}
			kind, data = "", nil
		case string(field) == "id":
			id = string(value)
		case string(field) == "event":
			kind = string(value)
		case string(field) == "data":
			data = append(data, value...)
		}
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return &EndError{Dir: c.dir}
	default:
		return c.explain(ctx, err)
	}
}

func (c *Client) event(kind string, data []byte, id string, take func(*host.CacheUpdate, string) error) error {
	switch kind {
	case "end":
		var end struct{ Reason string }
		if err := json.Unmarshal(data, &end); err != nil {
			return &EndError{Dir: c.dir}
		}
		return &EndError{Dir: c.dir, Reason: end.Reason}
	case "update":
	default:
		return nil
	}
	var doc struct {
		Update
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("read an update from the host on state directory %s: %w; is it of another version?", c.dir, err)
	}
	u := &host.CacheUpdate{Partition: doc.Partition, Offset: doc.Offset, Key: doc.Key, Value: doc.Value, Timestamp: doc.Timestamp}
	if !doc.Deleted && u.Value == nil {
		u.Value = []byte{}
	}
	return take(u, id)
}

// refused is the error of an answer that is none.
func (c *Client) refused(resp *http.Response, path string) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	var p Problem
	if err != nil || json.Unmarshal(body, &p) != nil || p.Detail == "" {
		p.Detail = resp.Status
	}
	path, _, _ = strings.Cut(path, "?")
	return &RefusedError{Dir: c.dir, Path: path, Status: resp.StatusCode, Detail: p.Detail}
}
