package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// socketName is the socket's name in a state directory.
const socketName = "sliphost.sock"

// SocketPath is where the host of a state directory answers.
func SocketPath(stateDir string) string { return filepath.Join(stateDir, socketName) }

// maxSocketPath is the longest path that a socket's address holds, here and on
// every other system.
const maxSocketPath = 103

// listenSocket makes the socket of a state directory, for the user of this
// process alone. The caller removes it with removeSocket when it is closed.
func listenSocket(ctx context.Context, dir string) (net.Listener, error) {
	path := SocketPath(dir)
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	address, release, err := socketAddress(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	// Linux gives the file the mode that the socket has before it is bound, so
	// that there is no moment in which others can connect; where that does not
	// work, the mode is set afterwards.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}}
	l, err := lc.Listen(ctx, "unix", address)
	if err != nil {
		return nil, fmt.Errorf("listen on socket %s: %w; set state_dir or --state-dir to a directory on a local disk", path, errno(err))
	}
	// The address may be a way to the path that is gone by then.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("restrict socket %s to this user: %w", path, errno(err)), l.Close(), removeSocket(path))
	}
	return l, nil
}

// removeSocket removes a socket that nobody listens on, if there is one.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for socket %s: %w", path, errno(err))
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is in the way: the host's socket has that place, and this is no socket; move it elsewhere", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old socket %s: %w", path, errno(err))
	}
	return nil
}

// dialSocket connects to the host of a state directory.
func dialSocket(ctx context.Context, dir string) (net.Conn, error) {
	address, release, err := socketAddress(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	return d.DialContext(ctx, "unix", address)
}

// errno is the system's reason, without the operation and the path that the
// sentence around it names.
func errno(err error) error {
	if no := syscall.Errno(0); errors.As(err, &no) {
		return no
	}
	return err
}
