// Package admin lets people, probes and other commands ask about a running
// host: over a unix socket in its state directory, always, and over HTTP if the
// manifest wants it, on a loopback address or to those who show a token.
// Nothing it answers changes anything. Paths are in routes.go, who is answered
// is in guard.go; what is wrong is told as RFC 9457 says.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

// Host is what a server asks about. Its methods are called from any goroutine.
type Host interface {
	Status() host.Status
	// Ready says whether all workers run.
	Ready() bool
	// Lags is what is known of the lag of owned partitions.
	Lags() []metrics.Lag
	// Checkpoints describes the checkpoints; see host.Host.
	Checkpoints() []host.CheckpointInfo
	// Caches describes the caches, Inquire reads one; see host.Host.
	Caches() []host.CacheInfo
	Inquire(ctx context.Context, q *host.Inquiry) (page *host.Page, more bool, err error)
	// Follow reads the updates of one.
	Follow(ctx context.Context, q *host.FollowQuery) (Updates, error)
}

// Updates is what a *host.Follower does.
type Updates interface {
	Next(wait time.Duration, take func(*host.CacheUpdate) error) error
	Text(key []byte) string
	Position() string
	Partitions() int
	Close() error
}

// Config describes a server. The strings are shown in the status.
type Config struct {
	Host Host
	// Metrics answers scrapes.
	Metrics http.Handler
	// StateDir is where the socket comes to be. The caller holds the
	// directory's lock: a socket that is there already is nobody's.
	StateDir string
	// HTTP is a host:port, port 0 for any that is free, or "" for the socket
	// alone. It is of loopback unless there is a Token.
	HTTP string
	// Token is what requests over HTTP must show, "" for nothing.
	Token string
	// Version is the program's, Manifest the file that runs, Generation its
	// number in this process, from 1.
	Version, Manifest string
	Generation        uint64
	// Logger hears of addresses and of connections that fail; nil discards it.
	Logger *slog.Logger
}

// Server answers until Close. It is safe for concurrent use.
type Server struct {
	config  Config
	started time.Time
	address string
	socket  string
	servers []*http.Server
	serving sync.WaitGroup
	// streams has a place for each stream of updates; closing is done when they
	// are to end.
	streams chan struct{}
	closing context.Context
	end     context.CancelFunc
}

// Limits of a connection. Whoever asks is on the same machine and asks little.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	maxBody       = 64 << 10
	// closeTimeout is how long Close waits for answers under way.
	closeTimeout = 2 * time.Second
)

// Start listens and returns; what it starts ends with Close.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: c, started: time.Now(), socket: SocketPath(c.StateDir), streams: make(chan struct{}, maxStreams)}
	s.closing, s.end = context.WithCancel(context.Background())
	socket, err := listenSocket(ctx, c.StateDir)
	if err != nil {
		return nil, err
	}
	if c.HTTP != "" {
		tcp, err := listenTCP(ctx, c.HTTP, c.Token != "")
		if err != nil {
			return nil, errors.Join(err, socket.Close(), removeSocket(s.socket))
		}
		s.address = tcp.Addr().String()
		g := &guard{token: tokenSum(c.Token)}
		if loopback(tcp) {
			g.hosts = allowedHosts(c.HTTP)
		}
		s.serve(tcp, s.handler(g))
		c.Logger.Info("answering on HTTP", "url", "http://"+s.address, "paths", paths(c.Token != ""), "token", c.Token != "")
	}
	s.serve(socket, s.handler(&guard{socket: true}))
	return s, nil
}

// Address is the host:port that HTTP is answered on, or "".
func (s *Server) Address() string { return s.address }

func (s *Server) serve(l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		if err := server.Serve(limit(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			s.config.Logger.Error("the host runs on but no longer answers", "address", l.Addr().String(), "error", err)
		}
	})
}

// Close stops listening, lets answers under way end, for two seconds at most,
// and removes the socket. It may be called once.
func (s *Server) Close() error {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	for _, server := range s.servers {
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		errs = append(errs, err)
	}
	s.serving.Wait()
	errs = append(errs, removeSocket(s.socket))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the admin server: %w", err)
	}
	return nil
}
