// Package embedded is the Kafka broker inside the sliphost binary, for first
// runs, development and tests. It is a process of its own (`sliphost broker`):
// started on demand, reached like any broker, gone by itself a while after its
// last client.
//
// A broker lives in a directory:
//
//	lock        held (flock) while a broker runs here
//	start.lock  held while a process starts one
//	address     host:port of the running broker; removed when it ends
//	port        the port of the last one, used again if it is free
//	broker.log  what the process writes, if its starter sends it there
//	data/       topics, groups and transactions
//
// The data survives a clean end. It is not replicated, and a killed broker may
// lose what the operating system had not been asked to keep, or tear a
// transaction: use Apache Kafka for anything that matters.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Options configures a broker.
type Options struct {
	// Dir is the broker's directory; it is made if it does not exist.
	Dir string
	// Addr is the address to listen on, host:port with the host on loopback.
	// Empty means 127.0.0.1 and the port used last, or any.
	Addr string
	// IdleExit ends the broker that long after its last connection closed; 0
	// means never.
	IdleExit time.Duration
	// Logger receives the broker's logs; nil means slog.Default.
	Logger *slog.Logger
	// Partitions is what a topic gets that is created without a count; 0 means
	// 1.
	Partitions int
	// Users, if any, must log in by SASL/PLAIN: passwords by name.
	Users map[string]string
}

// ErrRunning says that the directory already has a broker.
var ErrRunning = errors.New("a broker is already running here")

// Broker is a running broker.
type Broker struct {
	opts    Options
	log     *slog.Logger
	lock    *os.File
	cluster *kfake.Cluster
	addr    string

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	closing bool
	idle    *time.Timer
	reaper  *time.Timer
	idled   chan struct{}
	over    chan struct{} // closed by Close
	once    sync.Once
}

// Serve runs a broker until ctx ends or it has been idle for opts.IdleExit,
// and then ends it cleanly. If the directory already has one, the error is an
// ErrRunning that says where.
func Serve(ctx context.Context, opts Options) error {
	b, err := Start(opts)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-b.Idle():
		b.log.Info("no client is connected any more, the broker ends", "idle", opts.IdleExit)
	}
	return b.Close()
}

// Start starts a broker in this process. It answers when Start returns.
func Start(opts Options) (*Broker, error) {
	log := opts.Logger
	if log == nil {
		log = slog.Default()
	}
	if err := loopback(opts.Addr); err != nil {
		return nil, err
	}
	if err := makeDir(opts.Dir); err != nil {
		return nil, err
	}
	lock, held, err := tryLock(filepath.Join(opts.Dir, lockFile))
	if err != nil {
		return nil, err
	}
	if held {
		where := readAddress(opts.Dir)
		if where == "" {
			where = "an address not known yet"
		}
		return nil, fmt.Errorf("start the embedded broker in %s: %w, at %s", opts.Dir, ErrRunning, where)
	}
	b := &Broker{opts: opts, log: log, lock: lock, conns: map[net.Conn]struct{}{}, idled: make(chan struct{}), over: make(chan struct{})}
	if err := b.start(); err != nil {
		_ = os.Remove(filepath.Join(opts.Dir, addressFile))
		_ = lock.Close()
		return nil, err
	}
	return b, nil
}

func (b *Broker) start() error {
	// A broker that was killed left its address behind.
	if err := os.Remove(filepath.Join(b.opts.Dir, addressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	var ln *listener
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("sliphost-embedded"),
		kfake.DataDir(filepath.Join(b.opts.Dir, "data")),
		kfake.DefaultNumPartitions(max(1, b.opts.Partitions)),
		kfake.WithLogger(logger{b.log}),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			inner, err := listen(network, b.opts)
			if err != nil {
				return nil, err
			}
			ln = &listener{Listener: inner, b: b}
			return ln, nil
		}),
	}
	if len(b.opts.Users) > 0 {
		options = append(options, kfake.EnableSASL())
		for name, password := range b.opts.Users {
			options = append(options, kfake.Superuser("PLAIN", name, password))
		}
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		if ln != nil {
			_ = ln.Close()
		}
		return fmt.Errorf("start the embedded broker in %s: %w; if its data is damaged, remove the directory to begin anew", b.opts.Dir, err)
	}
	b.cluster = cluster
	b.addr = ln.Addr().String()
	_, port, _ := net.SplitHostPort(b.addr)
	err = writeFile(b.opts.Dir, portFile, port+"\n")
	if err == nil {
		err = writeFile(b.opts.Dir, addressFile, b.addr+"\n")
	}
	if err != nil {
		cluster.Close()
		return fmt.Errorf("start the embedded broker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opts.IdleExit > 0 {
		b.idle = time.AfterFunc(b.opts.IdleExit, b.checkIdle)
		b.reaper = time.AfterFunc(reapEvery, b.reap)
	}
	b.log.Info("the embedded broker is ready", "address", b.addr, "dir", b.opts.Dir)
	return nil
}

// Addr returns host:port.
func (b *Broker) Addr() string { return b.addr }

// Idle is closed when no client has been connected for IdleExit. The broker
// then takes no connection any more and has to be closed.
func (b *Broker) Idle() <-chan struct{} { return b.idled }

// Close ends the broker: connections are cut, the data is written, the
// directory is free for another one.
func (b *Broker) Close() error {
	b.once.Do(func() {
		b.mu.Lock()
		b.closing = true
		if b.idle != nil {
			b.idle.Stop()
			b.reaper.Stop()
		}
		b.mu.Unlock()
		close(b.over)
		_ = os.Remove(filepath.Join(b.opts.Dir, addressFile))
		b.cluster.Close()
		b.mu.Lock()
		for c := range b.conns {
			_ = c.(*conn).Conn.Close()
		}
		b.mu.Unlock()
		_ = b.lock.Close()
	})
	return nil
}

// reapEvery is how often connections are looked at whose client is gone.
const reapEvery = time.Second

// reap closes connections that only the broker still holds. kfake reads a
// connection no further while an answer on it is due, such as a join that
// waits for other members; it would never notice that the client is gone, and
// the broker would never be idle.
func (b *Broker) reap() {
	b.mu.Lock()
	var gone []*conn
	for c := range b.conns {
		if c := c.(*conn); hungUp(c.Conn) {
			gone = append(gone, c)
		}
	}
	if !b.closing {
		b.reaper.Reset(reapEvery)
	}
	b.mu.Unlock()
	for _, c := range gone {
		c.hangUp()
	}
}

func (b *Broker) checkIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.conns) == 0 && !b.closing {
		b.closing = true
		close(b.idled)
	}
}

func (b *Broker) opened(c *conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return false
	}
	b.conns[c] = struct{}{}
	if b.idle != nil {
		b.idle.Stop()
	}
	return true
}

func (b *Broker) closed(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
	if len(b.conns) == 0 && b.idle != nil && !b.closing {
		b.idle.Reset(b.opts.IdleExit)
	}
}

// listener counts the connections it hands out.
type listener struct {
	net.Listener
	b *Broker
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := newConn(inner, l.b)
		if l.b.opened(c) {
			return c, nil
		}
		_ = inner.Close()
	}
}

// listen opens the address asked for, or the port used last, or any.
func listen(network string, opts Options) (net.Listener, error) {
	if opts.Addr != "" {
		return net.Listen(network, opts.Addr)
	}
	if port, err := os.ReadFile(filepath.Join(opts.Dir, portFile)); err == nil {
		if ln, err := net.Listen(network, net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port)))); err == nil {
			return ln, nil
		}
	}
	return net.Listen(network, "127.0.0.1:0")
}

// loopback refuses an address others could reach: the broker knows no users.
func loopback(addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("start the embedded broker: the address %q is not host:port", addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("start the embedded broker: %s is not on loopback, and this broker lets everybody in; use 127.0.0.1 or localhost", addr)
	}
	return nil
}

// logger passes the broker's logs on. What it calls information is a line per
// request.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case kfake.LogLevelNone:
		return
	case kfake.LogLevelError:
		to = slog.LevelError
	case kfake.LogLevelWarn:
		to = slog.LevelWarn
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, fmt.Sprintf(format, args...), "component", "embedded-broker")
	}
}
