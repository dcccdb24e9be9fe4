// Package boot turns a manifest into a running host: it loads modules, binds
// handlers, finds brokers, creates what is missing and fills the engine's
// ports. It is the one place in host/ that knows the Kafka client.
package boot

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/kafka"
)

// Options are the settings that come from the command line, not from the
// manifest.
type Options struct {
	// Logger takes everything that is not a result; nil discards it.
	Logger *slog.Logger
	// UntilIdle ends a run when every input is drained.
	UntilIdle bool
	// Set overrides values of the manifest, as "kafka.bootstrap_servers=...".
	Set []string
	// StateDir replaces the manifest's state_dir for this process; the embedded
	// broker stays where the manifest has it, so that several processes share
	// it.
	StateDir string
	// CacheDir holds compiled modules; empty chooses the user's cache folder.
	CacheDir string
	// StartBroker starts the embedded broker's process on a data directory and
	// returns without waiting for it; nil refuses to start one.
	StartBroker func(dir string) error
	// LocalRegistry replaces schema registries by one in memory, for tests of
	// handlers.
	LocalRegistry bool
	// Stdin and Stdout serve the endpoints of these names.
	Stdin, Stdout *os.File
	// Kinds are the sources and sinks that this program brings itself.
	Kinds connector.Kinds
	// Version is this program's, for logs and metrics.
	Version string
}

func (o *Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// cacheDir is where compiled modules are kept.
func (o *Options) cacheDir(stateDir string) string {
	if o.CacheDir != "" {
		return o.CacheDir
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "sliphost", "modules")
	}
	return filepath.Join(stateDir, "modules")
}

// stateDir is where this process keeps its lock, its id and its socket.
func (o *Options) stateDir(m *manifest.Manifest) string {
	if o.StateDir != "" {
		return o.StateDir
	}
	return m.StateDir
}

// Load reads and validates a manifest, client properties included. The error
// is a manifest.Errors with all findings.
func Load(path string, o Options) (*manifest.Manifest, error) {
	return manifest.Load(path, manifest.Options{Set: o.Set, CheckProperty: kafka.CheckProperty})
}
