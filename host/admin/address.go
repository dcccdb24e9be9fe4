package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// loopback says that a listener can be reached from this machine alone.
func loopback(l net.Listener) bool {
	tcp, ok := l.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// listenTCP listens on a host:port: of this machine alone, unless who asks must
// show a token.
func listenTCP(ctx context.Context, address string, token bool) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, listenError(address, err)
	}
	// Without a token the manifest takes names and addresses of loopback only,
	// but what a name means is up to the machine.
	if !token && !loopback(l) {
		return nil, errors.Join(fmt.Errorf("[admin] http = %q: this machine takes it for %s, which others can reach; write 127.0.0.1 or [::1], or a token beside it", address, l.Addr()), l.Close())
	}
	return l, nil
}

func listenError(address string, err error) error {
	const other = "--set admin.http=127.0.0.1:0 takes any free port"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("[admin] http = %q: another program listens on that address, perhaps another host with this manifest; choose another port (%s)", address, other)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("[admin] http = %q: this user may not listen on that port; choose one above 1023 (%s)", address, other)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("[admin] http = %q: this machine does not have that address; write 127.0.0.1", address)
	}
	return fmt.Errorf("[admin] http = %q: %w", address, err)
}

// allowedHosts are the names that a request may use for a server at address.
// A web page whose own name was made to mean 127.0.0.1 sends that name, and
// would otherwise read all of this from the browser of whoever opens it.
func allowedHosts(address string) map[string]bool {
	return map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, hostName(address): true}
}

// hostName is the host of a Host header, without port, brackets and the dot
// that may end a name. The port says nothing: it may be forwarded.
func hostName(header string) string {
	name, _, err := net.SplitHostPort(header)
	if err != nil {
		name = header
		if inner, ok := strings.CutPrefix(header, "["); ok {
			if inner, ok = strings.CutSuffix(inner, "]"); ok {
				name = inner
			}
		}
	}
	return strings.TrimSuffix(strings.ToLower(name), ".")
}
