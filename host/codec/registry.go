package codec

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// Unavailable says that a codec could not do its work for want of something
// outside: a registry that is down, slow or refuses, a schema that is not
// registered yet. No record is to blame; it is to be tried again later.
type Unavailable struct {
	// Codec is the codec's name.
	Codec string
	// Reason is a sentence with what happened and what helps.
	Reason string
}

// Error implements error.
func (e *Unavailable) Error() string { return e.Codec + ": " + e.Reason }

// RegistryConfig says how a schema registry is reached.
type RegistryConfig struct {
	// URL is that of the registry, without credentials.
	URL string
	// Username and Password are for basic authentication, Token for bearer.
	Username, Password, Token string
	// TLS is nil for the system's defaults.
	TLS *tls.Config
	// Timeout bounds one question, its repetitions included; 0 is 2 seconds.
	Timeout time.Duration
}

// Registry asks a schema registry and remembers what it said: schemas never
// change under their ids. A question that failed is not repeated for a moment,
// so that a registry in trouble does not slow every record down. It is safe
// for concurrent use.
type Registry struct {
	client  *sr.Client
	host    string
	timeout time.Duration

	// local answers in the registry's stead, in tests of handlers.
	local *localRegistry

	mu      sync.Mutex
	answers map[string]*answer
}

// answer is what became of one question. Those who ask the same at the same
// time wait for one of them.
type answer struct {
	done   chan struct{}
	schema sr.SubjectSchema
	err    error
	until  time.Time // failures are asked again after this
}

// How long a failure is believed. An id that does not exist may turn up where
// a registry's replica lags, but a flood of records with it must not flood the
// registry.
const (
	downFor    = time.Second
	missingFor = 15 * time.Second
)

// maxAnswer bounds a registry's answer.
const maxAnswer = 16 << 20

// NewRegistry makes a client. It does not ask anything yet. The error is about
// the URL.
func NewRegistry(c RegistryConfig) (*Registry, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("not the URL of a schema registry, such as https://registry:8081 (credentials go into keys of their own)")
	}
	if c.Timeout <= 0 {
		c.Timeout = 2 * time.Second
	}
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		DialContext:     (&net.Dialer{Timeout: c.Timeout}).DialContext,
		TLSClientConfig: c.TLS, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: 10 * time.Second,
	}
	opts := []sr.ClientOpt{
		sr.URLs(strings.TrimSuffix(c.URL, "/")), sr.UserAgent("sliphost"),
		sr.HTTPClient(&http.Client{
			Transport: limitBody{transport}, Timeout: c.Timeout,
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				if req.URL.Host != via[0].URL.Host || len(via) > 3 {
					return fmt.Errorf("it redirects to %s, which is not followed: write the final address as registry", req.URL.Host)
				}
				return nil
			},
		}),
	}
	switch {
	case c.Token != "":
		opts = append(opts, sr.BearerToken(c.Token))
	case c.Username != "":
		opts = append(opts, sr.BasicAuth(c.Username, c.Password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	return &Registry{client: client, host: u.Host, timeout: c.Timeout, answers: map[string]*answer{}}, nil
}

// limitBody cuts answers that are too long.
type limitBody struct{ next http.RoundTripper }

func (l limitBody) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = &limitedBody{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// Close gives idle connections back.
func (r *Registry) Close() {
	if r.local != nil {
		return
	}
	if c, ok := r.client.OptValue(sr.HTTPClient).(*http.Client); ok {
		if t, ok := c.Transport.(limitBody); ok {
			t.next.(*http.Transport).CloseIdleConnections()
		}
	}
}

var errNonsense = errors.New("an answer that is none")

// errUnknown is wrapped where the registry answers that it does not have what
// was asked for.
var errUnknown = errors.New("not registered")

// byID returns the schema of an id.
func (r *Registry) byID(id int) (sr.Schema, error) {
	if r.local != nil {
		s, err := r.local.get(id)
		return s.Schema, err
	}
	s, err := r.ask(fmt.Sprintf("id %d", id), func(ctx context.Context) (sr.SubjectSchema, error) {
		s, err := r.client.SchemaByID(ctx, id)
		return sr.SubjectSchema{ID: id, Schema: s}, err
	})
	return s.Schema, err
}

// byVersion returns a subject's schema; version -1 is the latest.
func (r *Registry) byVersion(subject string, version int) (sr.SubjectSchema, error) {
	if r.local != nil {
		return r.local.latest(subject)
	}
	return r.ask(fmt.Sprintf("version %d of %s", version, subject), func(ctx context.Context) (sr.SubjectSchema, error) {
		return r.client.SchemaByVersion(ctx, subject, version)
	})
}

// register returns the id of a schema under a subject, creating it there if
// need be; lookup only finds it.
func (r *Registry) register(subject string, s sr.Schema) (sr.SubjectSchema, error) {
	if r.local != nil {
		return r.local.put(subject, s)
	}
	return r.ask("register "+subject+"\x00"+s.Schema, func(ctx context.Context) (sr.SubjectSchema, error) {
		id, err := r.client.RegisterSchema(ctx, subject, s, -1, -1)
		return sr.SubjectSchema{ID: id, Schema: s}, err
	})
}

func (r *Registry) lookup(subject string, s sr.Schema) (sr.SubjectSchema, error) {
	if r.local != nil {
		return r.local.put(subject, s)
	}
	return r.ask("lookup "+subject+"\x00"+s.Schema, func(ctx context.Context) (sr.SubjectSchema, error) {
		found, err := r.client.LookupSchema(ctx, subject, s)
		found.Schema = s // older registries leave out what was sent
		return found, err
	})
}

// Compatible asks whether a subject would take a schema; nil also when the
// subject does not exist. The error is a sentence.
func (r *Registry) Compatible(ctx context.Context, subject string, s sr.Schema) error {
	res, err := r.client.CheckCompatibility(ctx, subject, -1, s)
	switch {
	case err != nil:
		if err = r.explain(err); errors.Is(err, errUnknown) {
			return nil
		}
		return err
	case !res.Is:
		return fmt.Errorf("the registry at %s says that the schema is not compatible with the latest version of subject %q: %s", r.host, subject, strings.Join(res.Messages, "; "))
	}
	return nil
}

// ask answers a question from memory or by fn.
func (r *Registry) ask(question string, fn func(context.Context) (sr.SubjectSchema, error)) (sr.SubjectSchema, error) {
	r.mu.Lock()
	a := r.answers[question]
	if a != nil {
		select {
		case <-a.done:
			if a.err != nil && time.Now().After(a.until) {
				a = nil
			}
		default:
		}
	}
	if a != nil {
		r.mu.Unlock()
		<-a.done // bounded by the timeout of the one who asks
		return a.schema, a.err
	}
	a = &answer{done: make(chan struct{})}
	if len(r.answers) >= maxAnswers {
		r.forget()
	}
	r.answers[question] = a
	r.mu.Unlock()
	a.schema, a.err = r.try(fn)
	if a.err != nil {
		a.until = time.Now().Add(downFor)
		if errors.Is(a.err, errUnknown) {
			a.until = time.Now().Add(missingFor)
		}
	}
	close(a.done)
	return a.schema, a.err
}

// maxAnswers bounds what is remembered: records may name any number of ids that
// do not exist.
const maxAnswers = 10_000

// forget drops the failures.
func (r *Registry) forget() {
	for question, a := range r.answers {
		select {
		case <-a.done:
			if a.err != nil {
				delete(r.answers, question)
			}
		default:
		}
	}
}

// try asks up to three times, as long as the time allows.
func (r *Registry) try(fn func(context.Context) (sr.SubjectSchema, error)) (sr.SubjectSchema, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	wait := 50 * time.Millisecond
	for n := 1; ; n++ {
		s, err := fn(ctx)
		if err == nil && (s.ID <= 0 || s.Schema.Schema == "") {
			err = errNonsense // JSON, and yet no answer of a registry
		}
		if err == nil {
			return s, nil
		}
		var re *sr.ResponseError
		final := errors.As(err, &re) && re.StatusCode < 500 && re.StatusCode != http.StatusTooManyRequests
		if n == 3 || final || ctx.Err() != nil {
			return s, r.explain(err)
		}
		select {
		case <-ctx.Done():
			return s, r.explain(err)
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// explain turns an error of the client into a sentence without bodies, which
// may be anything.
func (r *Registry) explain(err error) error {
	var re *sr.ResponseError
	if !errors.As(err, &re) {
		var ue *url.Error
		if errors.As(err, &ue) {
			if ue.Timeout() {
				return fmt.Errorf("the registry at %s did not answer within %s", r.host, r.timeout)
			}
			return fmt.Errorf("the registry at %s cannot be reached: %w", r.host, ue.Err)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("the registry at %s did not answer within %s", r.host, r.timeout)
		}
		return fmt.Errorf("the registry at %s gave an answer that is none; is this its address?", r.host)
	}
	switch {
	case re.ErrorCode >= 40400 && re.ErrorCode < 40500:
		return fmt.Errorf("the registry at %s says: %s: %w", r.host, oneLine(re.Message), errUnknown)
	case re.StatusCode == http.StatusUnauthorized || re.StatusCode == http.StatusForbidden:
		return fmt.Errorf("the registry at %s refuses the credentials (status %d)", r.host, re.StatusCode)
	case re.StatusCode == http.StatusConflict || re.ErrorCode == 42201 || re.ErrorCode == 409:
		return fmt.Errorf("the registry at %s refuses the schema: %s", r.host, oneLine(re.Message))
	case re.ErrorCode != 0:
		return fmt.Errorf("the registry at %s says: %s (code %d)", r.host, oneLine(re.Message), re.ErrorCode)
	}
	if re.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("the registry at %s failed with status %d; its own log says why", r.host, re.StatusCode)
	}
	return fmt.Errorf("the registry at %s answered with status %d; is this its address?", r.host, re.StatusCode)
}

// oneLine makes a foreign message fit for a log.
func oneLine(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// LocalRegistry is a registry in this process's memory, for tests of handlers:
// whatever is to be written is registered there, and nothing is ever asked of
// a network. It does not have schemas of others.
func LocalRegistry() *Registry {
	return &Registry{host: "tests", answers: map[string]*answer{}, local: &localRegistry{bySubject: map[string]int{}}}
}

type localRegistry struct {
	mu        sync.Mutex
	schemas   []sr.Schema // by id-1
	bySubject map[string]int
}

func (l *localRegistry) put(subject string, s sr.Schema) (sr.SubjectSchema, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := 1 + slices.IndexFunc(l.schemas, func(o sr.Schema) bool { return o.Schema == s.Schema && o.Type == s.Type })
	if id == 0 {
		l.schemas = append(l.schemas, s)
		id = len(l.schemas)
	}
	l.bySubject[subject] = id
	return sr.SubjectSchema{ID: id, Schema: s}, nil
}

func (l *localRegistry) get(id int) (sr.SubjectSchema, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id < 1 || id > len(l.schemas) {
		return sr.SubjectSchema{}, fmt.Errorf("tests have the schemas of the manifest alone: %w", errUnknown)
	}
	return sr.SubjectSchema{ID: id, Schema: l.schemas[id-1]}, nil
}

func (l *localRegistry) latest(subject string) (sr.SubjectSchema, error) {
	l.mu.Lock()
	id := l.bySubject[subject]
	l.mu.Unlock()
	return l.get(id)
}
