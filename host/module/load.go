package module

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module/wasm/meter"
)

// compileWorkers is how many functions are compiled at a time: a second one
// nearly halves the time for a Go guest.
const compileWorkers = 2

// Load reads, checks and compiles a module, instantiates it once and asks it
// to describe itself. Whatever is wrong with the file is a *LoadError; other
// errors are the context's and ErrClosed.
func (r *Runtime) Load(ctx context.Context, src Source) (*Module, error) {
	m := &Module{runtime: r, name: src.Name, path: src.Path, limits: src.Limits.withDefaults(), unmetered: src.unmetered}
	b := src.Bytes
	if b == nil {
		var bad *LoadError
		if b, bad = readFile(src.Path); bad != nil {
			return nil, m.refuse(bad)
		}
	}
	if len(b) > MaxSize {
		return nil, m.refuse(tooLarge(int64(len(b))))
	}
	sum := sha256.Sum256(b)
	m.sha256 = hex.EncodeToString(sum[:])
	m.seed = sha256.Sum256(append([]byte("sliphost random_get "), sum[:]...))
	m.size = len(b)
	b, bad := m.check(b, src.Nondeterministic)
	if bad != nil {
		return nil, m.refuse(bad)
	}
	if err := m.compile(ctx, b); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, m.refuse(err)
	}
	if err := m.askDescribe(); err != nil {
		_ = m.closeEngine(ctx)
		return nil, m.refuse(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = m.closeEngine(ctx)
		return nil, ErrClosed
	}
	r.modules[m] = struct{}{}
	return m, nil
}

// refuse completes an error with the module's name and file.
func (m *Module) refuse(err *LoadError) error {
	err.Module, err.Path = m.name, m.path
	return err
}

func readFile(path string) ([]byte, *LoadError) {
	f, err := os.Open(path)
	if err != nil {
		var p *os.PathError
		e := &LoadError{Kind: NotFound, Err: err, Detail: err.Error()}
		if errors.As(err, &p) {
			e.Detail = "the file cannot be opened: " + p.Err.Error()
		}
		if errors.Is(err, os.ErrNotExist) {
			e.Detail = "there is no such file"
			e.Hint = "build the module first, or correct its path"
		}
		return nil, e
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil {
		if st.IsDir() {
			return nil, &LoadError{Kind: NotFound, Detail: "it is a directory", Hint: "name the wasm file in it"}
		}
		if st.Size() > MaxSize {
			return nil, tooLarge(st.Size())
		}
	}
	// A pipe or a growing file has no size to trust.
	b, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, &LoadError{Kind: NotFound, Err: err, Detail: "the file cannot be read: " + err.Error()}
	}
	return b, nil
}

func tooLarge(n int64) *LoadError {
	return &LoadError{
		Kind:   TooLarge,
		Detail: fmt.Sprintf("the file has %d bytes, a module may have %s", n, sizeString(MaxSize)),
		Hint:   "build without debug information (-ldflags=-s for Go, strip = true for Rust)",
	}
}

// check looks at the file before an engine sees it, and returns what the
// engine is to see.
func (m *Module) check(b []byte, allowNondeterministic bool) ([]byte, *LoadError) {
	o, err := outlineOf(b)
	if err != nil {
		return nil, err
	}
	m.outline = o
	defer func() { o.Bytes = nil }() // the engine has its own copy
	if err := checkImports(o, allowNondeterministic); err != nil {
		return nil, err
	}
	if err := checkExports(o); err != nil {
		return nil, err
	}
	if err := checkMemory(o, m.limits.Memory); err != nil {
		return nil, err
	}
	if m.unmetered {
		return b, nil
	}
	return m.metered(o)
}

// compile fills in engine, cache and compiled.
func (m *Module) compile(ctx context.Context, b []byte) *LoadError {
	ctx = experimental.WithCompilationWorkers(ctx, compileWorkers)
	dir := ""
	if m.runtime.cacheDir != "" {
		dir = m.runtime.cacheDirOf(m.cacheKey())
	}
	err := m.compileWith(ctx, b, dir)
	if err != nil && dir != "" && ctx.Err() == nil {
		// The cache may be damaged or not writable: it must never be the reason
		// why a module does not start.
		cached := err
		if err = m.compileWith(ctx, b, ""); err == nil {
			m.runtime.log.Warn("module: compiled without the cache", "module", m.name, "cache", dir, "error", firstLine(cached.Error()))
			if rm := os.RemoveAll(dir); rm != nil {
				m.runtime.log.Warn("module: remove a damaged cache", "cache", dir, "error", rm.Error())
			}
		}
	}
	if err == nil {
		return nil
	}
	return &LoadError{
		Kind:   CompileFailed,
		Err:    err,
		Detail: "it cannot be compiled: " + cleanString(firstLine(err.Error()), maxMessage),
		Hint:   "it may be damaged, or use a WebAssembly feature that is not part of core 2.0",
	}
}

func (m *Module) compileWith(ctx context.Context, b []byte, dir string) (err error) {
	defer func() {
		// A compiler meets arbitrary files here.
		if r := recover(); r != nil {
			err = fmt.Errorf("the compiler failed: %v", r)
		}
		if err != nil {
			_ = m.closeEngine(ctx)
			m.engine, m.cache, m.compiled = nil, nil, nil
		}
	}()
	// The limit of memory is not set here but enforced by linear.
	cfg := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2)
	if dir != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return fmt.Errorf("open the module cache: %w", err)
		}
		cfg = cfg.WithCompilationCache(m.cache)
	}
	m.engine = wazero.NewRuntimeWithConfig(ctx, cfg)
	for _, h := range []*hostModule{&sliphostV1, &wasi} {
		if err := h.instantiate(ctx, m.engine, m.imported(h.name)); err != nil {
			return fmt.Errorf("offer %s: %w", h.name, err)
		}
	}
	if err := offerTick(ctx, m.engine); err != nil {
		return fmt.Errorf("offer %s: %w", meter.Module, err)
	}
	m.compiled, err = m.engine.CompileModule(ctx, b)
	return err
}

// cacheKey names the compiled code: it is that of the metered module.
func (m *Module) cacheKey() string {
	if m.unmetered {
		return m.sha256
	}
	return fmt.Sprintf("%s-metered%d", m.sha256, meter.Version)
}

// imported says whether the module imports a function of a host module.
func (m *Module) imported(from string) func(name string) bool {
	names := map[string]bool{}
	for _, im := range m.outline.Imports {
		if im.Module == from {
			names[im.Name] = true
		}
	}
	return func(name string) bool { return names[name] }
}

// askDescribe fills in describe, with an instance of its own.
func (m *Module) askDescribe() *LoadError {
	in, export, err := m.newInstance(nil)
	defer in.close()
	if err != nil {
		return startFailed(in.explain(err, export, ""))
	}
	b, err := in.describeSelf()
	in.print.endCall(err != nil)
	if err != nil {
		err = in.explain(err, exportDescribe, "")
		e := &LoadError{Kind: BadDescribe, Err: err, Detail: "it does not describe itself: " + clause(err)}
		return e
	}
	d, err := abi.ReadDescribe(b)
	switch {
	case err != nil:
		return &LoadError{Kind: BadDescribe, Err: err, Detail: "its description cannot be read: " + err.Error(), Hint: "rebuild it with a current SDK"}
	case d.Major != abi.Major:
		return &LoadError{
			Kind:   ABIVersion,
			Detail: fmt.Sprintf("it speaks version %d.%d of the ABI; this sliphost speaks %d.%d", d.Major, d.Minor, abi.Major, abi.Minor),
			Hint:   "build it with an SDK of this sliphost",
		}
	}
	if err := checkDescribe(&d); err != nil {
		return err
	}
	m.describe = d
	return nil
}

func startFailed(err error) *LoadError {
	e := &LoadError{Kind: StartFailed, Err: err, Detail: "it does not start: " + clause(err)}
	var limit *LimitError
	if errors.As(err, &limit) && limit.Limit == LimitMemory {
		e.Kind = OverMemory
	}
	return e
}

// checkDescribe refuses a description that offers nothing. What the manifest
// binds is compared with it elsewhere, handler by handler.
func checkDescribe(d *abi.Describe) *LoadError {
	if len(d.Handlers) == 0 {
		return &LoadError{Kind: BadDescribe, Detail: "it offers no handlers", Hint: "register one with the SDK's handle function"}
	}
	return nil
}
