package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/sliphost/sliphost/host"
)

// ErrNoHost is what a client's error wraps when nobody answers on a state
// directory.
var ErrNoHost = errors.New("no host runs")

// Client asks the host that holds a state directory. It keeps no connection
// and is safe for concurrent use.
type Client struct {
	dir  string
	http http.Client
}

// askTimeout bounds one question: a host answers in milliseconds unless it is
// stopped or its machine is in trouble.
const askTimeout = 10 * time.Second

// maxAnswer bounds what is read of one.
const maxAnswer = 64 << 20

// Dial returns a client of the host on a state directory. It connects when
// something is asked.
func Dial(stateDir string) *Client {
	return &Client{dir: stateDir, http: http.Client{
		Timeout: askTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialSocket(ctx, stateDir)
			},
		},
	}}
}

// Status asks for /v1/status. The error wraps ErrNoHost if no host runs there.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	st := new(Status)
	if err := c.ask(ctx, "/v1/status", st); err != nil {
		return nil, err
	}
	return st, nil
}

// Checkpoints asks for the checkpoints.
func (c *Client) Checkpoints(ctx context.Context) (all []host.CheckpointInfo, err error) {
	return all, c.ask(ctx, "/v1/checkpoints", &all)
}

// Get asks for any path and returns the answer's body. An answer other than
// 200 is an error that says what the host says.
func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp, path)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return body, nil
}

// explain says why a question got no answer.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w on state directory %s; start one with `sliphost run`, or name the directory of one that runs", ErrNoHost, c.dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("socket %s belongs to another user: only the user who runs the host may ask it", SocketPath(c.dir))
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return fmt.Errorf("the host on state directory %s does not answer within %s; is its process stopped?", c.dir, askTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("the host on state directory %s ended while it was asked", c.dir)
	}
	return fmt.Errorf("ask the host on state directory %s: %w", c.dir, err)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// RefusedError is an answer of a host that is none.
type RefusedError struct {
	Dir, Path string
	// Status is that of HTTP, Detail what the host says.
	Status int
	Detail string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the host on state directory %s does not answer %s: %s", e.Dir, e.Path, e.Detail)
}

// Later says that the host may answer later.
func (e *RefusedError) Later() bool { return e.Status == http.StatusServiceUnavailable }
