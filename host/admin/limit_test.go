package admin

import (
	"errors"
	"net"
	"testing"
)

func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	var clients []net.Conn
	for range 4 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	first, second := <-accepted, <-accepted
	if len(l.slots) != cap(l.slots) {
		t.Fatalf("%d slots of %d are taken by two connections", len(l.slots), cap(l.slots))
	}
	select {
	case <-accepted:
		t.Error("a third connection got in")
	default:
	}
	// Closing one, even twice, lets exactly one in.
	first.Close()
	first.Close()
	third := <-accepted
	select {
	case <-accepted:
		t.Error("a second close let another connection in")
	default:
	}
	// Accept is waiting for a slot now, and must not wait for ever.
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept ended with %v", err)
	}
	for _, c := range append(clients, second, third) {
		c.Close()
	}
	if len(l.slots) != 0 {
		t.Errorf("%d slots are taken by nobody", len(l.slots))
	}
}
