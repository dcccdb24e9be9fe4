package boot

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/host/module/wasm"
)

// Inspection is what a wasm file is and what its handlers declare.
type Inspection struct {
	File     string `json:"file"`
	SHA256   string `json:"sha256"`
	Size     int    `json:"size"`
	Language string `json:"language"`
	SDK      string `json:"sdk"`
	// ABI is major.minor.
	ABI      string             `json:"abi"`
	Memory   InspectedMemory    `json:"memory"`
	Handlers []InspectedHandler `json:"handlers"`
	// Imports and Exports are functions as "module.name(types) -> type".
	Imports []string `json:"imports"`
	Exports []string `json:"exports"`
}

// InspectedMemory is the linear memory a module asks for, in bytes.
type InspectedMemory struct {
	Min uint64 `json:"min"`
	// Max is nil where the module sets none and the manifest's limit counts.
	Max *uint64 `json:"max"`
}

// String is for people.
func (m InspectedMemory) String() string {
	if m.Max == nil {
		return fmt.Sprintf("%d bytes at least", m.Min)
	}
	return fmt.Sprintf("%d to %d bytes", m.Min, *m.Max)
}

// InspectedHandler is one handler of a module.
type InspectedHandler struct {
	Name        string           `json:"name"`
	Params      []InspectedParam `json:"params"`
	Sinks       []string         `json:"sinks"`
	Caches      []string         `json:"caches"`
	Checkpoints []string         `json:"checkpoints"`
}

// InspectedParam is one parameter of a handler.
type InspectedParam struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	// Default is a string, int64, float64 or bool, nil when required.
	Default any    `json:"default"`
	Help    string `json:"help,omitempty"`
}

// DefaultText is the default as a manifest would have it.
func (p InspectedParam) DefaultText() string {
	if s, ok := p.Default.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(p.Default)
}

// Inspect loads a wasm file as `run` would, with no memory limit but the
// format's, and describes it. What is wrong with the file is a
// *module.LoadError.
func Inspect(ctx context.Context, path string, o Options) (*Inspection, error) {
	rt, err := module.Open(ctx, module.Config{Logger: o.logger()})
	if err != nil {
		return nil, err
	}
	m, err := rt.Load(ctx, module.Source{
		Name: filepath.Base(path), Path: path, Limits: module.Limits{Memory: 1 << 32},
		// Looking at a module grants it nothing: no record reaches it.
		Nondeterministic: true,
	})
	if err != nil {
		_ = rt.Close(ctx)
		return nil, err
	}
	d := m.Describe()
	i := &Inspection{
		File: path, SHA256: m.SHA256(), Size: m.Size(),
		Language: d.Language, SDK: d.SDK, ABI: fmt.Sprintf("%d.%d", d.Major, d.Minor),
		Imports: []string{}, Exports: []string{}, Handlers: []InspectedHandler{},
	}
	outline := m.Outline()
	for _, mem := range outline.Memories {
		i.Memory.Min = mem.Min * wasm.PageSize
		if mem.HasMax {
			most := mem.Max * wasm.PageSize
			i.Memory.Max = &most
		}
	}
	for _, im := range outline.Imports {
		i.Imports = append(i.Imports, im.Module+"."+signature(im.Name, im.Kind, im.Type))
	}
	for _, ex := range outline.Exports {
		i.Exports = append(i.Exports, signature(ex.Name, ex.Kind, ex.Type))
	}
	for n := range d.Handlers {
		i.Handlers = append(i.Handlers, inspectHandler(&d.Handlers[n]))
	}
	return i, rt.Close(ctx)
}

func signature(name string, kind wasm.Kind, t wasm.FuncType) string {
	if kind == wasm.KindFunc {
		return name + t.String()
	}
	return name + " " + kind.String()
}

func inspectHandler(d *abi.HandlerDesc) InspectedHandler {
	h := InspectedHandler{
		Name: d.Name, Params: []InspectedParam{},
		Sinks: orEmpty(d.Sinks), Caches: orEmpty(d.Caches), Checkpoints: orEmpty(d.Checkpoints),
	}
	for _, p := range d.Params {
		q := InspectedParam{Name: p.Name, Type: typeName(p.Type), Required: p.Default == nil, Help: p.Help}
		if p.Default != nil {
			q.Default = defaultOf(p)
		}
		h.Params = append(h.Params, q)
	}
	return h
}

// defaultOf reads the raw default, whose type ReadDescribe has checked.
func defaultOf(p abi.ParamDesc) any {
	r := abi.NewReader(p.Default)
	switch p.Type {
	case abi.ParamInt:
		return r.Int()
	case abi.ParamFloat:
		return r.Float()
	case abi.ParamBool:
		return r.Bool()
	}
	return string(r.Str())
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
