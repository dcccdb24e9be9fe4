package admin

import (
	"fmt"
	"os"
)

// socketAddress is the address of a directory's socket. A path that an
// address does not hold is reached by way of an open directory; release closes
// that once the address has been used.
func socketAddress(dir string) (address string, release func(), err error) {
	path := SocketPath(dir)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open state directory %s: %w", dir, errno(err))
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName), func() { d.Close() }, nil
}
