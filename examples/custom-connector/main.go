// Command custom-connector is a host with a source and a sink of its own: lines
// over TCP. The source connects to a server, tells it where to go on, and
// acknowledges lines once all their effects are final; the sink sends a line and
// waits until it is acknowledged.
//
// The protocol, each message a line:
//
//	source -> server: "from N"      server -> source: the lines from N on
//	source -> server: "done N"      all lines before N are final
//	sink -> server: "line TEXT"     server -> sink: "ok", or "no REASON"
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/sliphost/sliphost"
	"github.com/sliphost/sliphost/host/connector"
)

func main() { sliphost.Main(options()...) }

func options() []sliphost.Option {
	return []sliphost.Option{
		sliphost.WithSource("tcp-lines", openSource),
		sliphost.WithSink("tcp-lines", openSink),
	}
}

func dial(ctx context.Context, s connector.Settings) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", s.Arg)
	if err != nil {
		return nil, fmt.Errorf("connect to the server of lines: %w", err)
	}
	return c, nil
}

// source is a connector.Reader.
type source struct {
	conn net.Conn
	mu   sync.Mutex // guards what is written
}

func openSource(ctx context.Context, s connector.Settings) (connector.Reader, error) {
	c, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	return &source{conn: c}, nil
}

func (s *source) say(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := fmt.Fprintf(s.conn, format+"\n", args...)
	return err
}

// Read implements connector.Reader. A position is the number of the next line.
func (s *source) Read(ctx context.Context, position []byte, deliver func(*connector.Record) error) error {
	n, err := number(position)
	if err != nil {
		return err
	}
	if err := s.say("from %d", n); err != nil {
		return err
	}
	// Reading ends with ctx.
	defer context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })()
	r := bufio.NewReader(s.conn)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // the server has no more
		}
		if err != nil {
			return err
		}
		n++
		rec := connector.Record{Value: bytes.TrimSuffix(line, []byte("\n")), Position: strconv.AppendInt(nil, n, 10)}
		if err := deliver(&rec); err != nil {
			return err
		}
	}
}

func number(position []byte) (int64, error) {
	if position == nil {
		return 0, nil
	}
	return strconv.ParseInt(string(position), 10, 64)
}

// Committed implements connector.Reader.
func (s *source) Committed(position []byte) error {
	if err := s.say("done %s", position); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Close implements connector.Reader.
func (s *source) Close() error { return s.conn.Close() }

// sink is a connector.Writer.
type sink struct {
	conn   net.Conn
	r      *bufio.Reader
	staged [][]byte
	done   int // of those since the last Flush that worked
}

func openSink(ctx context.Context, s connector.Settings) (connector.Writer, error) {
	c, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	return &sink{conn: c, r: bufio.NewReader(c)}, nil
}

// Append implements connector.Writer.
func (s *sink) Append(o *connector.Output) error {
	s.staged = append(s.staged, bytes.Clone(o.Value))
	return nil
}

// refused is an error about one record: it will never be taken, and the handler
// that emitted it has failed.
type refused struct {
	index  int
	reason string
}

func (e *refused) Error() string    { return "the server refuses the line: " + e.reason }
func (e *refused) RecordIndex() int { return e.index }

// Flush implements connector.Writer.
func (s *sink) Flush(ctx context.Context) error {
	if err := s.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	for i, line := range s.staged {
		if _, err := fmt.Fprintf(s.conn, "line %s\n", line); err != nil {
			return err
		}
		answer, err := s.r.ReadString('\n')
		if err != nil {
			return err
		}
		if answer != "ok\n" {
			return &refused{s.done + i, answer[:len(answer)-1]}
		}
	}
	s.staged, s.done = nil, 0
	return nil
}

// Close implements connector.Writer.
func (s *sink) Close() error { return s.conn.Close() }
