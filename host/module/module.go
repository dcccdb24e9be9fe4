// Package module runs guests: it loads wasm files, checks that they keep the
// contract of abi/SPEC.md, and hands batches of records to their handlers. It
// is the only importer of wazero.
//
// A Module is compiled once and immutable. A Slot is one worker's place for
// it: an active instance and a spare that takes over when the active one
// traps. Nothing a guest does may crash or confuse the host: everything it
// says is range-checked, and an instance that saw an error is dropped.
//
// Guests are rewritten so that they count their instructions (package meter)
// and give the host control about every millisecond.
package module

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasm"
)

// MaxSize is the largest wasm file that is loaded.
const MaxSize = 16 << 20

// Config configures a Runtime.
type Config struct {
	// CacheDir holds compiled code, so that a module compiles once per machine.
	// It is created with mode 0700 and must belong to the user and not be
	// writable by others: what lies there is executed. Empty keeps nothing.
	CacheDir string
	// Logger takes what happens outside a call; nil discards it.
	Logger *slog.Logger
}

// Limits bound one instance. The zero value of each field means its default.
type Limits struct {
	// Memory in bytes, rounded down to 64 KiB pages; default 64 MiB, at most
	// 4 GiB. The key in the manifest is memory.
	Memory int64
	// Output bounds the bytes one call may hand over, pieces included; default
	// 128 MiB. The key is output.
	Output int64
	// LogLines bounds the lines (log calls, stdout, stderr) passed on per second
	// and slot; the others are counted and the count is reported. Default 1,000.
	LogLines int
	// Fuel bounds what one record may cost, in instructions as package meter
	// prices them; default 5,000,000,000. A record of a module that does not call
	// fuel_mark may also use what the records before it in its batch left. The
	// key is fuel.
	Fuel int64
	// Deadline bounds the time one record may take, BatchDeadline that of one
	// call and of each step of starting an instance; defaults 5 s and 30 s. The
	// keys are deadline and batch_deadline.
	Deadline, BatchDeadline time.Duration
	// Metrics bounds metric calls in the same way; default 100,000.
	Metrics int
}

// Defaults for Limits.
const (
	DefaultMemory   = 64 << 20
	DefaultOutput   = 128 << 20
	DefaultLogLines = 1000
	DefaultMetrics  = 100_000

	DefaultFuel          = 5_000_000_000
	DefaultDeadline      = 5 * time.Second
	DefaultBatchDeadline = 30 * time.Second
)

func (l Limits) withDefaults() Limits {
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	l.Memory = min(max(l.Memory, wasm.PageSize), 1<<32) &^ (wasm.PageSize - 1)
	if l.Output <= 0 {
		l.Output = DefaultOutput
	}
	if l.LogLines <= 0 {
		l.LogLines = DefaultLogLines
	}
	if l.Fuel <= 0 {
		l.Fuel = DefaultFuel
	}
	if l.Deadline <= 0 {
		l.Deadline = DefaultDeadline
	}
	if l.BatchDeadline <= 0 {
		l.BatchDeadline = DefaultBatchDeadline
	}
	if l.Metrics <= 0 {
		l.Metrics = DefaultMetrics
	}
	return l
}

// Source is a module to load.
type Source struct {
	// Name is its name in the manifest; errors carry it.
	Name string
	// Path is its file. It is read once; what is hashed, checked and compiled
	// are the same bytes. With Bytes set the file is not read and Path is only
	// named in errors.
	Path  string
	Bytes []byte
	// Limits hold for each of its instances.
	Limits Limits
	// Nondeterministic is the capability to see the real time and real
	// randomness (the imports wall_clock and entropy).
	Nondeterministic bool

	// unmetered is for comparing with.
	unmetered bool
}

// Runtime loads modules. Its methods may be called from any goroutine.
type Runtime struct {
	cacheDir string
	log      *slog.Logger

	mu      sync.Mutex
	closed  bool
	modules map[*Module]struct{}
}

// Open returns a Runtime. It fails when the cache directory cannot be trusted.
func Open(_ context.Context, cfg Config) (*Runtime, error) {
	r := &Runtime{cacheDir: cfg.CacheDir, log: cfg.Logger, modules: map[*Module]struct{}{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.cacheDir != "" {
		if err := prepareCacheDir(r.cacheDir); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Close closes every module that is still open. All slots must be closed.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	var open []*Module
	for m := range r.modules {
		open = append(open, m)
	}
	r.mu.Unlock()
	var errs []error
	for _, m := range open {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}

// Module is a compiled module. It is immutable and safe for concurrent use.
type Module struct {
	runtime  *Runtime
	name     string
	path     string
	sha256   string
	seed     [32]byte
	size     int
	limits   Limits
	outline  *wasm.Module
	describe abi.Describe
	// unmetered modules run as they are; marks says that the module marks the
	// borders between its records.
	unmetered, marks bool

	engine   wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule

	slots     atomic.Int32
	closeOnce sync.Once
	closeErr  error
}

// Name is the name in the manifest.
func (m *Module) Name() string { return m.name }

// SHA256 is the hash of the file in lower-case hex.
func (m *Module) SHA256() string { return m.sha256 }

// Size is the size of the file in bytes.
func (m *Module) Size() int { return m.size }

// Describe is what the module offers. The caller must not change it.
func (m *Module) Describe() abi.Describe { return m.describe }

// Limits are the limits in force, defaults filled in.
func (m *Module) Limits() Limits { return m.limits }

// Outline is what the module imports and exports. The caller must not change
// it.
func (m *Module) Outline() *wasm.Module { return m.outline }

// Close frees the compiled code. It refuses while slots are open.
func (m *Module) Close(ctx context.Context) error {
	if n := m.slots.Load(); n > 0 {
		return fmt.Errorf("close module %q: %d of its slots are open", m.name, n)
	}
	m.closeOnce.Do(func() {
		m.runtime.mu.Lock()
		delete(m.runtime.modules, m)
		m.runtime.mu.Unlock()
		m.closeErr = m.closeEngine(ctx)
	})
	return m.closeErr
}

func (m *Module) closeEngine(ctx context.Context) error {
	var err error
	if m.engine != nil {
		err = m.engine.Close(ctx)
	}
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("close module %q: %w", m.name, err)
	}
	return nil
}
