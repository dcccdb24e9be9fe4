package abi

import "math"

// Init binds a module's handlers to a manifest:
// [abi_major, abi_minor, features, [binding...]]. The handler argument of
// slip_process is a position in Bindings; the ids of sinks, caches,
// checkpoints and sources are positions in their lists.
type Init struct {
	Major, Minor uint64
	Features     Feature
	Bindings     []Binding
}

// Binding is one handler of the manifest:
// [function, name, [[param, value]...], [sink...], [cache...], [checkpoint...], [source...]].
type Binding struct {
	// Function is the handler's name in Describe, Name its id in the manifest.
	Function, Name string
	// Params holds every parameter that Describe lists, defaults filled in.
	Params []Param
	// Sinks are named as the module names them.
	Sinks               []Endpoint
	Caches, Checkpoints []string
	// Sources are named as the manifest names them.
	Sources []Endpoint
}

// Param is a parameter's value as raw msgpack of the declared type.
type Param struct {
	Name  string
	Value []byte
}

// Endpoint is a source or sink: [name, key_repr, value_repr].
type Endpoint struct {
	Name       string
	Key, Value Repr
}

// AppendInit appends m in canonical form.
func AppendInit(b []byte, m *Init) []byte {
	b = AppendArrayHeader(b, 4)
	b = AppendUint(b, m.Major)
	b = AppendUint(b, m.Minor)
	b = AppendUint(b, uint64(m.Features))
	b = AppendArrayHeader(b, len(m.Bindings))
	for i := range m.Bindings {
		h := &m.Bindings[i]
		b = AppendArrayHeader(b, 7)
		b = AppendStr(b, h.Function)
		b = AppendStr(b, h.Name)
		b = AppendArrayHeader(b, len(h.Params))
		for _, p := range h.Params {
			b = AppendArrayHeader(b, 2)
			b = AppendStr(b, p.Name)
			b = append(b, p.Value...)
		}
		b = appendEndpoints(b, h.Sinks)
		b = appendStrings(b, h.Caches)
		b = appendStrings(b, h.Checkpoints)
		b = appendEndpoints(b, h.Sources)
	}
	return b
}

func appendEndpoints(b []byte, e []Endpoint) []byte {
	b = AppendArrayHeader(b, len(e))
	for i := range e {
		b = AppendArrayHeader(b, 3)
		b = AppendStr(b, e[i].Name)
		b = AppendUint(b, uint64(e[i].Key))
		b = AppendUint(b, uint64(e[i].Value))
	}
	return b
}

// ReadInit reads a whole Init message; strings are copied out of it.
func ReadInit(b []byte) (Init, error) {
	r := NewReader(b)
	var m Init
	more := r.ArrayMin(4, "an init message of 4 fields")
	m.Major, m.Minor = r.Uint(), r.Uint()
	m.Features = Feature(r.Uint())
	for n := r.List(MaxHandlers, "at most 1024 handlers"); n > 0 && r.err == nil; n-- {
		m.Bindings = append(m.Bindings, r.binding())
	}
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return Init{}, r.err
	}
	return m, nil
}

func (r *Reader) binding() (h Binding) {
	more := r.ArrayMin(7, "a binding of 7 fields")
	h.Function = r.Name()
	h.Name = r.Name()
	for n := r.List(MaxBindings, "at most 1024 parameters"); n > 0 && r.err == nil; n-- {
		extra := r.ArrayMin(2, "a parameter of 2 fields")
		p := Param{Name: r.Name()}
		p.Value = append([]byte(nil), r.Skip()...)
		r.SkipN(extra)
		h.Params = append(h.Params, p)
	}
	h.Sinks = r.endpoints()
	h.Caches = r.names()
	h.Checkpoints = r.names()
	h.Sources = r.endpoints()
	r.SkipN(more)
	return h
}

func (r *Reader) endpoints() (e []Endpoint) {
	for n := r.List(MaxBindings, "at most 1024 names"); n > 0 && r.err == nil; n-- {
		more := r.ArrayMin(3, "an endpoint of 3 fields")
		p := Endpoint{Name: r.Name()}
		p.Key = Repr(r.UintMax(255, "a representation below 256"))
		p.Value = Repr(r.UintMax(255, "a representation below 256"))
		e = append(e, p)
		r.SkipN(more)
	}
	return e
}

// InitReply answers Init: [0, progress_block_address, input_capacity], or
// [1, code, message] when the module cannot work with what it was given.
type InitReply struct {
	Status Status
	// Progress is the address of the progress block, Capacity the bytes the
	// input arena holds.
	Progress, Capacity uint64
	Code               ErrorCode
	Message            string
}

// AppendInitReply appends m.
func AppendInitReply(b []byte, m *InitReply) []byte {
	b = AppendArrayHeader(b, 3)
	b = AppendUint(b, uint64(m.Status))
	if m.Status == StatusError {
		b = AppendUint(b, uint64(m.Code))
		return AppendStr(b, m.Message)
	}
	b = AppendUint(b, m.Progress)
	return AppendUint(b, m.Capacity)
}

// ReadInitReply reads a whole InitReply message.
func ReadInitReply(b []byte) (InitReply, error) {
	r := NewReader(b)
	r.tooLong()
	var m InitReply
	more := r.ArrayMin(3, "an init reply of 3 fields")
	at := r.off
	switch status := r.Uint(); {
	case r.err != nil:
	case status == uint64(StatusOK):
		at = r.off
		m.Progress = r.UintMax(math.MaxUint32, "an address within 32 bits")
		if m.Progress%4 != 0 {
			r.failAt(at, "a progress block at a multiple of 4")
		}
		m.Capacity = r.UintMax(math.MaxUint32, "a capacity within 32 bits")
	case status == uint64(StatusError):
		m.Status = StatusError
		m.Code = ErrorCode(r.UintMax(math.MaxUint16, "an error code below 65536"))
		m.Message = string(r.Str())
	default:
		r.failAt(at, "an init status of ok or error")
	}
	r.SkipN(more)
	r.End()
	if r.err != nil {
		return InitReply{}, r.err
	}
	return m, nil
}
