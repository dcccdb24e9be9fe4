// Package sliptest runs handlers natively, in a Go test, without WebAssembly
// and without a broker: records are encoded as the host encodes them, the SDK
// handles the batch as it does inside a module, and the reply is decoded.
//
//	func TestLate(t *testing.T) {
//		h := sliptest.New(t, "late", sliptest.Codec("json"), sliptest.Param("minutes", 15))
//		got := h.Send(sliptest.KV("SEA", `{"delay":66}`))
//		if len(got.Outputs) != 1 { ... }
//	}
//
// Limits of memory, fuel and time do not apply here: `sliphost test` runs the
// compiled module under them. A panic of the handler is a panic of the test.
package sliptest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/sdk/go/internal/link"
	"github.com/sliphost/sliphost/sdk/go/internal/memory"
)

// Harness is one handler bound to an in-memory host. It keeps caches, metrics
// and offsets from one Send to the next. It is not safe for concurrent use;
// several harnesses are independent of each other.
type Harness struct {
	t       testing.TB
	guest   link.Guest
	host    *host
	binding abi.Binding
	codecs  codecs
	offset  int64
	flags   abi.HandlerFlag
	// told is how many events of each checkpoint the handler was told.
	told []int
}

// codecs names the codecs of the source's key and value and of the sinks'.
type codecs struct {
	key, value string
	sinks      []string
}

// Option is a setting of a harness.
type Option func(*setup)

type setup struct {
	params    map[string]any
	key, val  string
	overrides map[string]string
	extra     []string
	source    string
	keys      map[string]string
	global    map[string]bool
	staged    int

	checkpoints map[string]*memory.Checkpoint
}

// Param gives a parameter a value: a string, int, int64, float64 or bool.
func Param(name string, value any) Option {
	return func(s *setup) { s.params[name] = value }
}

// Codec sets the value codec of the source and of every sink: "raw" (the
// default), "string", "json" or "msgpack". With "json", values of records and
// outputs are JSON text.
func Codec(name string) Option { return func(s *setup) { s.val = name } }

// KeyCodec sets the key codec of the source and of every sink, as [Codec]
// does for values.
func KeyCodec(name string) Option { return func(s *setup) { s.key = name } }

// Source names the source, "in" by default.
func Source(name string) Option { return func(s *setup) { s.source = name } }

// Sink binds a sink beside those that the handler declares, as a list in the
// manifest does, or sets the value codec of a declared one. A handler without
// any gets a sink named "out".
func Sink(name, codec string) Option {
	return func(s *setup) { s.extra, s.overrides[name] = append(s.extra, name), codec }
}

// New returns a harness for the handler that slip.Handle registered as name in
// this program. It ends the test if there is none, or if what the handler
// declares and the options do not fit.
func New(t testing.TB, name string, options ...Option) *Harness {
	t.Helper()
	h, err := Start(name, options...)
	if err != nil {
		t.Fatal(err)
	}
	h.t = t
	return h
}

// Start is [New] for where there is no test, such as an example: errors are
// returned, and Send panics on what would end a test.
func Start(name string, options ...Option) (*Harness, error) {
	host := newHost()
	guest := link.New(host)
	d, err := abi.ReadDescribe(guest.Describe())
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	var names []string
	var desc *abi.HandlerDesc
	for i := range d.Handlers {
		names = append(names, d.Handlers[i].Name)
		if d.Handlers[i].Name == name {
			desc = &d.Handlers[i]
		}
	}
	if desc == nil {
		return nil, fmt.Errorf("no handler is named %q; this program has: %s", name, strings.Join(names, ", "))
	}
	s := setup{
		params: map[string]any{}, overrides: map[string]string{}, source: "in", key: "raw", val: "raw",
		keys: map[string]string{}, global: map[string]bool{},
		checkpoints: map[string]*memory.Checkpoint{},
	}
	for _, o := range options {
		o(&s)
	}
	b, used, err := s.bind(desc)
	if err != nil {
		return nil, fmt.Errorf("handler %q: %w", name, err)
	}
	if host.Store, err = s.bindCaches(desc.Caches); err != nil {
		return nil, fmt.Errorf("handler %q: %w", name, err)
	}
	if host.Checkpoints, err = s.bindCheckpoints(desc.Checkpoints); err != nil {
		return nil, fmt.Errorf("handler %q: %w", name, err)
	}
	h := &Harness{guest: guest, host: host, binding: b, codecs: used, flags: desc.Flags, told: make([]int, len(desc.Checkpoints))}
	if err := h.init(); err != nil {
		return nil, err
	}
	return h, nil
}

// init binds a new instance.
func (h *Harness) init() error {
	reply, err := abi.ReadInitReply(h.guest.Init(abi.AppendInit(nil, &abi.Init{
		Major: abi.Major, Minor: abi.Minor, Bindings: []abi.Binding{h.binding},
	})))
	if err != nil {
		return fmt.Errorf("init reply: %w", err)
	}
	if reply.Status != abi.StatusOK {
		return fmt.Errorf("the module refuses the binding: %s", reply.Message)
	}
	h.host.progress = h.guest.Progress()
	return nil
}

// bind makes of a description and the options what the host makes of a
// description and the manifest.
func (s *setup) bind(d *abi.HandlerDesc) (b abi.Binding, used codecs, err error) {
	b = abi.Binding{Function: d.Name, Name: d.Name, Caches: d.Caches, Checkpoints: d.Checkpoints}
	if b.Params, err = s.bindParams(d.Params); err != nil {
		return b, used, err
	}
	used = codecs{key: s.key, value: s.val}
	source, err := endpoint(s.source, s.key, s.val)
	if err != nil {
		return b, used, err
	}
	b.Sources = []abi.Endpoint{source}
	names := slices.Clone(d.Sinks)
	for _, name := range s.extra {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"out"}
	}
	for _, name := range names {
		codec := s.val
		if c, ok := s.overrides[name]; ok {
			codec = c
		}
		sink, err := endpoint(name, s.key, codec)
		if err != nil {
			return b, used, err
		}
		b.Sinks = append(b.Sinks, sink)
		used.sinks = append(used.sinks, codec)
	}
	return b, used, nil
}

func (s *setup) bindParams(descs []abi.ParamDesc) (params []abi.Param, err error) {
	for name := range s.params {
		if !slices.ContainsFunc(descs, func(p abi.ParamDesc) bool { return p.Name == name }) {
			return nil, fmt.Errorf("it has no parameter %q", name)
		}
	}
	for _, p := range descs {
		value := p.Default
		if v, ok := s.params[p.Name]; ok {
			if value, err = encodeParam(p.Type, v); err != nil {
				return nil, fmt.Errorf("parameter %q: %w", p.Name, err)
			}
		}
		if value == nil {
			return nil, fmt.Errorf("parameter %q has no default: give sliptest.Param(%q, ...)", p.Name, p.Name)
		}
		params = append(params, abi.Param{Name: p.Name, Value: value})
	}
	return params, nil
}

// encodeParam encodes a parameter's value as the manifest's reader does.
func encodeParam(t abi.ParamType, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		if t == abi.ParamString {
			return abi.AppendStr(nil, v), nil
		}
	case int:
		return encodeParam(t, int64(v))
	case int64:
		switch t {
		case abi.ParamInt:
			return abi.AppendInt(nil, v), nil
		case abi.ParamFloat:
			return abi.AppendFloat(nil, float64(v)), nil
		}
	case float64:
		if t == abi.ParamFloat {
			return abi.AppendFloat(nil, v), nil
		}
	case bool:
		if t == abi.ParamBool {
			return abi.AppendBool(nil, v), nil
		}
	}
	return nil, fmt.Errorf("it takes a %s, not %v of type %T", [...]string{"string", "int", "float", "bool"}[t], v, v)
}

func endpoint(name, key, value string) (e abi.Endpoint, err error) {
	e.Name = name
	if e.Key, err = repr(key); err != nil {
		return e, err
	}
	e.Value, err = repr(value)
	return e, err
}

func repr(codec string) (abi.Repr, error) {
	switch codec {
	case "raw":
		return abi.ReprBytes, nil
	case "string":
		return abi.ReprText, nil
	case "json", "msgpack":
		return abi.ReprMsgpack, nil
	}
	return 0, fmt.Errorf("codec %q: want raw, string, json or msgpack", codec)
}
