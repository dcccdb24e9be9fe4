package slip

import "github.com/sliphost/sliphost/abi"

// SinkRef is a sink that handlers emit to by name. It is declared once, as a
// package variable, and bound to handlers by [Handle].
type SinkRef struct{ ref }

// ref is a name that a module declares; index is its number among those of its
// sort. It is no Binding: what a handler lists is linked into every module.
type ref struct {
	name  string
	index int
}

// sinkRefs counts the declared sinks: a SinkRef's index is its number.
var sinkRefs int

// Sink declares a sink. name is the module's own name for it; the manifest
// says which topic, proxy or file stands behind it.
func Sink(name string) *SinkRef {
	mustName("slip.Sink", name)
	sinkRefs++
	return &SinkRef{ref{name: name, index: sinkRefs - 1}}
}

// Name returns the name given to [Sink].
func (s *SinkRef) Name() string { return s.name }

func (s *SinkRef) bind(h *handler) {
	h.clash("sinks", s.name, h.desc.Sinks)
	h.desc.Sinks = append(h.desc.Sinks, s.name)
	h.sinks = append(h.sinks, s.ref)
}

// Emit emits one record to this sink alone; see [Call.Emit].
func (s *SinkRef) Emit(c *Call, key, value []byte) {
	s.emit(c, key, value, nil, where{})
}

// EmitRecord emits one record with headers, timestamp or partition to this
// sink alone; see [Call.EmitRecord].
func (s *SinkRef) EmitRecord(c *Call, out Out) {
	// Inlined, as Call.EmitRecord is.
	s.emit(c, out.Key, out.Value, out.Headers.raw, out.at)
}

func (s *SinkRef) emit(c *Call, key, value, headers []byte, at where) {
	if id := s.id(c); id >= 0 {
		c.emit(id, key, value, headers, at)
	}
}

// EmitValue encodes v in the sink's representation and emits it to this sink
// alone; see [Call.EmitValue].
func (s *SinkRef) EmitValue(c *Call, key []byte, v any) {
	id := s.id(c)
	if id < 0 {
		return
	}
	if b, ok := c.encode(&c.b.sinks[id], v); ok {
		c.emit(id, key, b, nil, where{})
	}
}

// id returns the sink's position in the handler's list, or -1 after failing
// the record.
func (s *SinkRef) id(c *Call) int32 {
	c.check()
	if s.index < len(c.b.sinkIDs) {
		if id := c.b.sinkIDs[s.index]; id >= 0 {
			return id
		}
	}
	c.fail(abi.CodeUnbound, "sink \""+s.name+"\" is not bound: add it to slip.Handle of handler \""+c.b.h.desc.Name+"\"")
	return -1
}
