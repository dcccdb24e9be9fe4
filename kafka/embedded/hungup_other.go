//go:build !linux

package embedded

import "net"

// hungUp cannot tell here; such a connection ends with the broker.
func hungUp(net.Conn) bool { return false }
