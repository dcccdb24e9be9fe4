//go:build !linux

package admin

import "fmt"

// socketAddress is the address of a directory's socket.
func socketAddress(dir string) (address string, release func(), err error) {
	path := SocketPath(dir)
	if len(path) > maxSocketPath {
		return "", nil, fmt.Errorf("state directory %s: the path of the socket in it has %d bytes, this system takes %d; choose a shorter one with state_dir or --state-dir", dir, len(path), maxSocketPath)
	}
	return path, func() {}, nil
}
