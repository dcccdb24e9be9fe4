//go:build crashpoints

// Package crashpoint names the places where the crash tests kill the process.
package crashpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Environment of the tests: SLIPHOST_CRASH_AT is name or name:n, where n is
// the hit that kills, 1 by default; SLIPHOST_CRASH_LOG is a file that gets a
// line with the name at each hit.
var (
	mu      sync.Mutex
	hits    = map[string]int{}
	name, n = target(os.Getenv("SLIPHOST_CRASH_AT"))
	log     = os.Getenv("SLIPHOST_CRASH_LOG")
)

func target(s string) (string, int) {
	name, count, found := strings.Cut(s, ":")
	if n, err := strconv.Atoi(count); found && err == nil {
		return name, n
	}
	return name, 1
}

// At marks a place: the process kills itself at the chosen hit of the chosen
// one.
func At(at string) {
	mu.Lock()
	defer mu.Unlock()
	hits[at]++
	if log != "" {
		if f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
			fmt.Fprintln(f, at)
			f.Close()
		}
	}
	if at == name && hits[at] == n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}
