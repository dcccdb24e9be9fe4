package embedded

import (
	"encoding/binary"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is a client's connection as kfake sees it.
//
// kfake starts the session timer of a new member when it has answered the join,
// and only if the client is still there. One that died while it waited would
// be a member for ever and keep partitions that nobody reads. So a client that
// waits for a join is never seen to go: the end of its connection is told when
// the answer is written.
type conn struct {
	net.Conn
	b    *Broker
	gone sync.Once

	requests requests // of Read's goroutine

	mu       sync.Mutex
	asked    int64 // requests read
	answered int64 // answers written
	join     int64 // number of the last join among the requests
	closed   bool
	changed  sync.Cond
}

func newConn(inner net.Conn, b *Broker) *conn {
	c := &conn{Conn: inner, b: b}
	c.changed.L = &c.mu
	return c
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.requests.take(p[:n], c.request)
	if err != nil {
		c.hangUp()
		c.awaitJoin()
	}
	return n, err
}

// request counts a request that has been read.
func (c *conn) request(key int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if key == kmsg.JoinGroup.Int16() {
		c.join = c.asked
	}
}

// awaitJoin returns when no join waits for its answer any more.
func (c *conn) awaitJoin() {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-c.b.over:
			c.release()
		case <-stop:
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.answered < c.join && !c.closed {
		c.changed.Wait()
	}
}

// Write writes one answer: kfake writes each at once, in the order of the
// requests.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered++
	c.changed.Broadcast()
	return n, err
}

// hangUp ends the connection, for the client and for the count of clients.
func (c *conn) hangUp() {
	c.gone.Do(func() { c.b.closed(c) })
	_ = c.Conn.Close()
}

func (c *conn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
}

// Close is kfake's, which is done with it.
func (c *conn) Close() error {
	c.gone.Do(func() { c.b.closed(c) })
	c.release()
	return c.Conn.Close()
}

// requests finds the requests in what a client sends: a length of four bytes,
// then as many, of which the first two are the key.
type requests struct {
	head  [6]byte
	known int // bytes of head
	left  int // bytes of the request behind head
}

// take calls whole with the key of each request that p completes.
func (r *requests) take(p []byte, whole func(key int16)) {
	for len(p) > 0 {
		if r.known < len(r.head) {
			n := copy(r.head[r.known:], p)
			r.known, p = r.known+n, p[n:]
			if r.known < len(r.head) {
				return
			}
			r.left = max(0, int(int32(binary.BigEndian.Uint32(r.head[:])))-2)
		}
		n := min(r.left, len(p))
		r.left, p = r.left-n, p[n:]
		if r.left == 0 {
			r.known = 0
			whole(int16(binary.BigEndian.Uint16(r.head[4:])))
		}
	}
}
