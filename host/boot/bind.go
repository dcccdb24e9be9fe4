package boot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/manifest"
)

// binder checks one handler of the manifest against its module.
type binder struct {
	m        *manifest.Manifest
	carried  []carried
	h        *manifest.Handler
	describe abi.Describe
	found    manifest.Errors
}

func (b *binder) report(code manifest.Code, path []string, msg, hint string) {
	b.found = append(b.found, manifest.NewError(code, b.m.Pos(b.h.Path(path...)...), msg, hint))
}

// bind returns the handler's binding; it is only good if nothing was found.
func (b *binder) bind() abi.Binding {
	out := abi.Binding{Function: b.h.Function, Name: b.h.ID}
	desc := b.function()
	if desc == nil {
		return out
	}
	b.sinks(desc, &out)
	b.caches(desc, &out)
	b.checkpoints(desc, &out)
	b.params(desc, &out)
	for _, src := range b.h.Sources {
		key, value := b.repr(src)
		out.Sources = append(out.Sources, abi.Endpoint{Name: src.Text, Key: key, Value: value})
	}
	return out
}

// function finds the handler in the module's description.
func (b *binder) function() *abi.HandlerDesc {
	var names []string
	for i := range b.describe.Handlers {
		if b.describe.Handlers[i].Name == b.h.Function {
			if b.describe.Handlers[i].Flags&abi.FlagCodec != 0 {
				b.report(manifest.CodeCodecFunction, []string{"function"},
					fmt.Sprintf("handler %q runs function %q of module %q, which is a codec", b.h.ID, b.h.Function, b.h.Module), "a codec is named by a [codec.ID] with kind = \"module\"")
				return nil
			}
			return &b.describe.Handlers[i]
		}
		names = append(names, b.describe.Handlers[i].Name)
	}
	hint := "the module has " + list(names)
	if len(names) == 0 {
		hint = "the module declares no handler"
	}
	b.report(manifest.CodeNoFunction, []string{"function"},
		fmt.Sprintf("handler %q runs function %q, which module %q does not have", b.h.ID, b.h.Function, b.h.Module), hint)
	return nil
}

// sinks binds the manifest's sinks to the names the module declares. Sinks
// that are in the manifest alone are reached by an emit to every sink; a
// table entry, which renames, must name something the module declares.
func (b *binder) sinks(desc *abi.HandlerDesc, out *abi.Binding) {
	var bytes, values string
	for _, s := range b.h.Sinks {
		if listed, _, _ := strings.Cut(s.Text, ":"); s.Name != listed && !slices.Contains(desc.Sinks, s.Name) {
			b.report(manifest.CodeSinkNotDeclared, []string{"sink", s.Name},
				fmt.Sprintf("handler %q binds sink %q to %q, but function %q of module %q declares no sink of that name", b.h.ID, s.Name, s.Text, b.h.Function, b.h.Module),
				declared("sink", desc.Sinks))
		}
		key, value := b.repr(s.Endpoint)
		if carries(s.Kind) && b.h.Of == "" {
			key, value = otherSinks(b.m, b.h)
		}
		ep := abi.Endpoint{Name: s.Name, Key: key, Value: value}
		if b.h.Of != "" && len(desc.Sinks) == 1 {
			ep.Name = desc.Sinks[0] // what a function of a pipe emits goes one way
		}
		switch s.Codec.Repr() {
		case manifest.ReprBytes:
			bytes = s.Text
		case manifest.ReprValue:
			values = s.Text
		}
		out.Sinks = append(out.Sinks, ep)
	}
	if bytes != "" && values != "" && len(desc.Sinks) == 0 {
		b.report(manifest.CodeMixedSinks, []string{"sink"},
			fmt.Sprintf("handler %q emits to all its sinks at once, but %q takes bytes and %q takes typed values", b.h.ID, bytes, values),
			"give both the same sort of codec, or declare the sinks in the module and emit to each by name")
	}
	for _, name := range desc.Sinks {
		if b.h.Of != "" {
			if len(desc.Sinks) > 1 {
				b.report(manifest.CodeSinkNotBound, nil,
					fmt.Sprintf("function %q of module %q declares %d sinks, and a function of a pipe has one: what comes next in the pipe", b.h.Function, b.h.Module, len(desc.Sinks)),
					"make it a handler of its own, joined by a [proxy.ID]")
			}
			return
		}
		if !slices.ContainsFunc(b.h.Sinks, func(s manifest.Sink) bool { return s.Name == name }) {
			b.report(manifest.CodeSinkNotBound, []string{"sink"},
				fmt.Sprintf("function %q of module %q declares sink %q, which handler %q does not bind", b.h.Function, b.h.Module, name, b.h.ID),
				fmt.Sprintf("add %q to sink, or sink = { %s = \"...\" } to bind another name", name, name))
		}
	}
}

// caches binds the manifest's caches to those that the module declares, in the
// module's order.
func (b *binder) caches(desc *abi.HandlerDesc, out *abi.Binding) {
	for _, c := range b.h.Caches {
		if !slices.Contains(desc.Caches, c.Name) {
			b.report(manifest.CodeCacheNotDeclared, []string{"cache", c.Name},
				fmt.Sprintf("handler %q binds cache %q, but function %q of module %q declares no cache of that name", b.h.ID, c.Name, b.h.Function, b.h.Module),
				declared("cache", desc.Caches))
		}
	}
	for _, name := range desc.Caches {
		if !slices.ContainsFunc(b.h.Caches, func(c manifest.CacheBinding) bool { return c.Name == name }) {
			hint := fmt.Sprintf("add %q to cache, or cache = { %s = \"...\" } to bind another name", name, name)
			if b.h.Of != "" {
				hint = "functions of a pipe have no caches: make it a handler of its own, joined by a [proxy.ID]"
			}
			b.report(manifest.CodeCacheNotBound, []string{"cache"},
				fmt.Sprintf("function %q of module %q declares cache %q, which handler %q does not bind", b.h.Function, b.h.Module, name, b.h.ID), hint)
			continue
		}
		out.Caches = append(out.Caches, name)
	}
}

// checkpoints binds the manifest's checkpoints to those that the module
// declares, in the module's order, and then those that it does not know by
// name: a handler need not call any to get records again.
func (b *binder) checkpoints(desc *abi.HandlerDesc, out *abi.Binding) {
	for _, name := range desc.Checkpoints {
		if !slices.ContainsFunc(b.h.Checkpoints, func(c manifest.CheckpointBinding) bool { return c.Name == name }) {
			b.report(manifest.CodeCheckpointNotOffered, []string{"checkpoint"},
				fmt.Sprintf("function %q of module %q declares checkpoint %q, which handler %q does not bind", b.h.Function, b.h.Module, name, b.h.ID),
				fmt.Sprintf("add %q to checkpoint, or checkpoint = { %s = \"...\" } to bind another name", name, name))
			continue
		}
		out.Checkpoints = append(out.Checkpoints, name)
	}
	for _, c := range b.h.Checkpoints {
		switch {
		case slices.Contains(desc.Checkpoints, c.Name):
		case len(desc.Checkpoints) > 0:
			b.report(manifest.CodeCheckpointNotDeclared, []string{"checkpoint", c.Name},
				fmt.Sprintf("handler %q binds checkpoint %q, but function %q of module %q declares no checkpoint of that name", b.h.ID, c.Name, b.h.Function, b.h.Module),
				declared("checkpoint", desc.Checkpoints))
		default:
			out.Checkpoints = append(out.Checkpoints, c.Name)
		}
	}
}

// params fills in every parameter the module declares.
func (b *binder) params(desc *abi.HandlerDesc, out *abi.Binding) {
	for _, p := range b.h.Params {
		if !slices.ContainsFunc(desc.Params, func(d abi.ParamDesc) bool { return d.Name == p.Name }) {
			var names []string
			for _, d := range desc.Params {
				names = append(names, d.Name)
			}
			b.report(manifest.CodeUnknownParam, []string{"params", p.Name},
				fmt.Sprintf("handler %q sets parameter %q, which function %q of module %q does not have", b.h.ID, p.Name, b.h.Function, b.h.Module),
				declared("parameter", names))
		}
	}
	for _, d := range desc.Params {
		i := slices.IndexFunc(b.h.Params, func(p manifest.Param) bool { return p.Name == d.Name })
		if i < 0 {
			if d.Default == nil {
				hint := d.Help
				if b.h.Of != "" {
					hint = "functions of a pipe have the default values of their parameters: make it a handler of its own, joined by a [proxy.ID]"
				}
				b.report(manifest.CodeMissingParam, []string{"params"},
					fmt.Sprintf("function %q of module %q needs parameter %q (%s), which handler %q does not set", b.h.Function, b.h.Module, d.Name, typeName(d.Type), b.h.ID), hint)
			}
			out.Params = append(out.Params, abi.Param{Name: d.Name, Value: d.Default})
			continue
		}
		p, ok := b.h.Params[i].As(paramType(d.Type))
		if !ok {
			b.report(manifest.CodeParamType, []string{"params", d.Name},
				fmt.Sprintf("parameter %q of handler %q is a %s; function %q takes a %s", d.Name, b.h.ID, b.h.Params[i].Type, b.h.Function, typeName(d.Type)),
				d.Help)
			continue
		}
		out.Params = append(out.Params, abi.Param{Name: d.Name, Value: paramValue(p)})
	}
}

func paramValue(p manifest.Param) []byte {
	switch p.Type {
	case manifest.ParamInt:
		return abi.AppendInt(nil, p.Int())
	case manifest.ParamFloat:
		return abi.AppendFloat(nil, p.Float())
	case manifest.ParamBool:
		return abi.AppendBool(nil, p.Bool())
	}
	return abi.AppendStr(nil, p.Text().Reveal())
}

func paramType(t abi.ParamType) manifest.ParamType {
	switch t {
	case abi.ParamInt:
		return manifest.ParamInt
	case abi.ParamFloat:
		return manifest.ParamFloat
	case abi.ParamBool:
		return manifest.ParamBool
	}
	return manifest.ParamString
}

func typeName(t abi.ParamType) string { return paramType(t).String() }

// repr is how an endpoint's keys and values look to the guest. Endpoints that
// are no topics have keys only if a handler gave them, as bytes.
func (b *binder) repr(e manifest.Endpoint) (key, value abi.Repr) {
	switch e.Kind {
	case manifest.EndpointTopic:
		return codecRepr(b.m.Topics[e.Index].KeyCodec), codecRepr(e.Codec)
	case manifest.EndpointProxy:
		return b.carried[e.Index].key, b.carried[e.Index].value
	case manifest.EndpointRepartition:
		c := b.carried[len(b.m.Proxies)+e.Index]
		return c.key, c.value
	case manifest.EndpointCache:
		if b.m.Caches[e.Index].Key == manifest.KeyString {
			return abi.ReprText, abi.ReprBytes
		}
		return abi.ReprBytes, abi.ReprBytes // numbers and truth values as the ABI has keys
	}
	return abi.ReprBytes, codecRepr(e.Codec)
}

// carries says that what is emitted to an endpoint comes out as it is: there
// is no codec in between.
func carries(k manifest.EndpointKind) bool {
	return k == manifest.EndpointProxy || k == manifest.EndpointRepartition
}

// carried is what the readers of a proxy or repartition topic are told about
// its records.
type carried struct {
	key, value abi.Repr
	known      bool
}

// carriedReprs infers the representation of each proxy, and behind them of each
// repartition topic: what is emitted to every sink of a writer is what the
// writer's other sinks take. Where writers differ or nothing is known, values
// are taken to be msgpack, so that typed values can be passed on; bytes can be
// in any case.
func carriedReprs(m *manifest.Manifest) []carried {
	all := make([]carried, len(m.Proxies)+len(m.Repartitions))
	for i := range m.Handlers {
		key, value := otherSinks(m, &m.Handlers[i])
		for _, s := range m.Handlers[i].Sinks {
			if !carries(s.Kind) {
				continue
			}
			at := s.Index
			if s.Kind == manifest.EndpointRepartition {
				at += len(m.Proxies)
			}
			p := &all[at]
			if p.known && (p.key != key || p.value != value) {
				*p = carried{key: abi.ReprBytes, value: abi.ReprMsgpack, known: true}
				continue
			}
			*p = carried{key: key, value: value, known: true}
		}
	}
	pipeReprs(m, all)
	return all
}

// pipeReprs finds what the functions of pipes hand on: their sinks have no
// codec, so it is taken to be in the form of what comes in.
func pipeReprs(m *manifest.Manifest, all []carried) {
	for i := range m.Handlers {
		h := &m.Handlers[i]
		if h.Of == "" {
			continue
		}
		b := binder{m: m, carried: all}
		out := &all[h.Sinks[0].Index]
		for j, src := range h.Sources {
			key, value := b.repr(src)
			if j > 0 && (key != out.key || value != out.value) {
				*out = carried{key: abi.ReprBytes, value: abi.ReprMsgpack, known: true}
				break
			}
			*out = carried{key: key, value: value, known: true}
		}
	}
}

// otherSinks is the representation that those sinks of h share that have a
// codec.
func otherSinks(m *manifest.Manifest, h *manifest.Handler) (key, value abi.Repr) {
	known := false
	for _, s := range h.Sinks {
		if carries(s.Kind) {
			continue
		}
		k, v := (&binder{m: m}).repr(s.Endpoint)
		if known && (k != key || v != value) {
			return abi.ReprBytes, abi.ReprMsgpack
		}
		key, value, known = k, v, true
	}
	if !known {
		return abi.ReprBytes, abi.ReprMsgpack
	}
	return key, value
}

func codecRepr(c manifest.Codec) abi.Repr {
	switch {
	case c == manifest.CodecString:
		return abi.ReprText
	case c.Repr() == manifest.ReprValue:
		return abi.ReprMsgpack
	}
	return abi.ReprBytes
}

func declared(what string, names []string) string {
	if len(names) == 0 {
		return "the function declares no " + what
	}
	return "the function declares " + list(names)
}

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(quoted, ", ")
}
