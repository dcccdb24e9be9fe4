package boot

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/module"
)

// Modules are the loaded modules of a manifest, in its order.
type Modules struct {
	runtime *module.Runtime
	list    []*module.Module
	o       Options
	codecs  *Codecs
}

// LoadModules compiles every module of m that a handler uses. The findings
// name the manifest's lines; the error is one of the machine, such as a cache
// directory that cannot be written.
func LoadModules(ctx context.Context, m *manifest.Manifest, o Options) (*Modules, manifest.Errors, error) {
	log := o.logger()
	rt, err := module.Open(ctx, module.Config{CacheDir: o.cacheDir(o.stateDir(m)), Logger: log})
	if err != nil {
		return nil, nil, err
	}
	mods := &Modules{runtime: rt, list: make([]*module.Module, len(m.Modules)), o: o}
	errs := make([]error, len(m.Modules))
	var wg sync.WaitGroup
	for i := range m.Modules {
		if !used(m, i) {
			continue
		}
		wg.Go(func() {
			spec := &m.Modules[i]
			mods.list[i], errs[i] = rt.Load(ctx, module.Source{
				Name: spec.ID, Path: spec.Path, Limits: moduleLimits(&spec.Limits),
			})
		})
	}
	wg.Wait()
	var found manifest.Errors
	for i, err := range errs {
		spec := &m.Modules[i]
		if err != nil {
			var le *module.LoadError
			if !errors.As(err, &le) {
				return nil, nil, errors.Join(err, mods.Close(ctx))
			}
			hint := le.Hint
			if le.Kind == module.NotFound && spec.Build != "" {
				hint = "build it with `sliphost build " + m.File + "`"
			}
			found = append(found, manifest.NewError(loadCode(le.Kind), m.Pos("module", spec.ID, loadKey(le.Kind)),
				fmt.Sprintf("module %q (%s): %s", spec.ID, spec.Path, le.Detail), hint))
			continue
		}
		if mod := mods.list[i]; mod != nil && spec.SHA256 != "" && spec.SHA256 != mod.SHA256() {
			found = append(found, manifest.NewError(manifest.CodeModulePin, m.ValuePos("module", spec.ID, "sha256"),
				fmt.Sprintf("module %q (%s) has sha256 %s, the manifest pins %s", spec.ID, spec.Path, mod.SHA256(), spec.SHA256),
				"if the new file is the wanted one, put its hash here"))
		}
	}
	return mods, found, nil
}

func moduleLimits(l *manifest.Limits) module.Limits {
	return module.Limits{Memory: l.Memory, Fuel: l.Fuel, Deadline: l.Deadline, BatchDeadline: l.BatchDeadline}
}

// used says whether a handler or a codec runs in module i.
func used(m *manifest.Manifest, i int) bool {
	for c := range m.Codecs {
		if m.Codecs[c].ModuleIndex == i {
			return true
		}
	}
	for h := range m.Handlers {
		if m.Handlers[h].ModuleIndex == i {
			return true
		}
	}
	return false
}

// Close gives the compiled code back, and the codecs of the plan that was
// built with it. All slots must be closed.
func (s *Modules) Close(ctx context.Context) error {
	if s.codecs != nil {
		s.codecs.Close()
	}
	return s.runtime.Close(ctx)
}

// loadCode is the manifest code for a reason to refuse a module.
func loadCode(k module.LoadKind) manifest.Code {
	switch k {
	case module.NotFound:
		return manifest.CodeModuleMissing
	case module.NotWasm, module.ComponentModel, module.Malformed, module.TooLarge:
		return manifest.CodeModuleNotWasm
	case module.MissingExport, module.WrongExportType:
		return manifest.CodeModuleExport
	case module.OlderHost, module.ABIVersion:
		return manifest.CodeModuleABI
	case module.UnknownImport, module.WrongImportType:
		return manifest.CodeModuleImport
	case module.NotAllowed:
		return manifest.CodeCapability
	case module.OverMemory:
		return manifest.CodeModuleMemory
	}
	return manifest.CodeModuleStart
}

// loadKey is the key of a module's table that a refusal is about.
func loadKey(k module.LoadKind) string {
	switch k {
	case module.OverMemory:
		return "limits"
	case module.NotAllowed:
		return "capabilities"
	}
	return "path"
}

// Bind checks each handler of m against what its module offers and returns
// the Init message of every module, whose bindings are in the order of the
// manifest's handlers.
func (s *Modules) Bind(m *manifest.Manifest) ([]*abi.Init, manifest.Errors) {
	inits := make([]*abi.Init, len(m.Modules))
	carried := carriedReprs(m)
	var found manifest.Errors
	for i := range m.Handlers {
		h := &m.Handlers[i]
		mod := s.list[h.ModuleIndex]
		if mod == nil {
			continue // its error is reported already
		}
		b := binder{m: m, h: h, carried: carried, describe: mod.Describe()}
		binding := b.bind()
		found = append(found, b.found...)
		if inits[h.ModuleIndex] == nil {
			inits[h.ModuleIndex] = &abi.Init{Major: abi.Major, Minor: abi.Minor}
		}
		init := inits[h.ModuleIndex]
		init.Bindings = append(init.Bindings, binding)
	}
	found.Sort()
	return inits, found
}
