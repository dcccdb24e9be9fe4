package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sliphost/sliphost/host"
)

// What handlers keep is shown on the socket, and over HTTP to those who show a
// token: any user of the machine may connect to a loopback address.

// CachePage is a stretch of a cache's partition.
type CachePage struct {
	Cache     string       `json:"cache"`
	Partition int32        `json:"partition"`
	Entries   []CacheEntry `json:"entries"`
	// More says that entries are left behind the last one.
	More bool `json:"more"`
}

// CacheEntry is one entry. The key is in the cache's stored form; in JSON both
// are base64.
type CacheEntry struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// Bounds of one page.
const (
	pageLimit = 10000
	pageBytes = 4 << 20
)

func (s *Server) showCaches(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", s.config.Host.Caches())
}

func (s *Server) showEntries(w http.ResponseWriter, r *http.Request) {
	q, err := readInquiry(r.URL.Query())
	if err != nil {
		writeProblem(w, &Problem{Status: http.StatusBadRequest, Detail: err.Error()})
		return
	}
	page, more, err := s.config.Host.Inquire(r.Context(), q)
	if err != nil {
		writeProblem(w, &Problem{Status: inquiryStatus(err), Detail: err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, "application/json", newCachePage(q, page, more))
}

func newCachePage(q *host.Inquiry, page *host.Page, more bool) *CachePage {
	out := &CachePage{Cache: q.Cache, Partition: q.Partition, Entries: make([]CacheEntry, page.Len()), More: more}
	for i := range out.Entries {
		key, value := page.Entry(i)
		out.Entries[i] = CacheEntry{Key: key, Value: value}
	}
	return out
}

func inquiryStatus(err error) int {
	var ie *host.InquiryError
	switch {
	case !errors.As(err, &ie):
		return http.StatusInternalServerError
	case ie.Invalid:
		return http.StatusBadRequest
	case ie.Gone:
		return http.StatusGone
	case ie.Unknown:
		return http.StatusNotFound
	case ie.Elsewhere:
		return http.StatusMisdirectedRequest
	}
	return http.StatusServiceUnavailable
}

// readInquiry reads the query of a request for entries: cache, partition, from
// and to (stored keys as unpadded base64 of the URL alphabet), reverse, limit.
func readInquiry(v url.Values) (*host.Inquiry, error) {
	q := &host.Inquiry{Cache: v.Get("cache"), Limit: pageLimit, MaxBytes: pageBytes}
	if q.Cache == "" {
		return nil, errors.New("name a cache: ?cache=ID")
	}
	if text := v.Get("partition"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("partition=%q is no partition's number", text)
		}
		q.Partition = int32(n)
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pageLimit {
			return nil, fmt.Errorf("limit=%q is not between 1 and %d", text, pageLimit)
		}
		q.Limit = n
	}
	for name, to := range map[string]*[]byte{"from": &q.From, "to": &q.To} {
		if !v.Has(name) {
			continue
		}
		key, err := base64.RawURLEncoding.DecodeString(v.Get(name))
		if err != nil {
			return nil, fmt.Errorf("%s is not base64: %w", name, err)
		}
		*to = key
	}
	switch text := v.Get("reverse"); text {
	case "", "false":
	case "true":
		q.Reverse = true
	default:
		return nil, fmt.Errorf("reverse=%q is neither true nor false", text)
	}
	return q, nil
}

// Caches asks for /v1/caches. The error wraps ErrNoHost if no host runs there.
func (c *Client) Caches(ctx context.Context) ([]host.CacheInfo, error) {
	var caches []host.CacheInfo
	return caches, c.ask(ctx, "/v1/caches", &caches)
}

// Inquire asks for entries. Less may come than was asked for; More says so.
func (c *Client) Inquire(ctx context.Context, q *host.Inquiry) (*CachePage, error) {
	v := url.Values{"cache": {q.Cache}, "partition": {strconv.Itoa(int(q.Partition))}}
	if q.From != nil {
		v.Set("from", base64.RawURLEncoding.EncodeToString(q.From))
	}
	if q.To != nil {
		v.Set("to", base64.RawURLEncoding.EncodeToString(q.To))
	}
	if q.Reverse {
		v.Set("reverse", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(min(q.Limit, pageLimit)))
	}
	page := new(CachePage)
	return page, c.ask(ctx, "/v1/caches/entries?"+v.Encode(), page)
}

// ask reads the JSON document at path.
func (c *Client) ask(ctx context.Context, path string, to any) error {
	body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("read the answer of the host on state directory %s: %w; is it of another version?", c.dir, err)
	}
	return nil
}
