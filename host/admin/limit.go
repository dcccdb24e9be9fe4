package admin

import (
	"net"
	"sync"
)

// maxConnections of one listener. Any user of the machine may connect to a
// loopback address; the files that the process may open are for its work.
const maxConnections = 64

// limited is a listener that has at most as many connections open as slots has
// room for; others wait until one is closed.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limit(l net.Listener, connections int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, connections), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &counted{Conn: c, slots: l.slots}, nil
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// counted is a connection that takes a slot until it is closed.
type counted struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

// CloseWrite tells the other side that nothing follows. net/http looks for it
// when it hangs up on a request, so that the answer is read before the reset.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.slots })
	return err
}
