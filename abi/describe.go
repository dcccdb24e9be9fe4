package abi

// Describe is what a module offers:
// [abi_major, abi_minor, sdk, language, [handler...], features].
// Strings alias the message when read.
type Describe struct {
	Major, Minor  uint64
	SDK, Language string
	Handlers      []HandlerDesc
	Features      Feature
}

// HandlerDesc is one handler of a module:
// [name, flags, [param...], [cache...], [sink...], [checkpoint...], state_version].
type HandlerDesc struct {
	Name                       string
	Flags                      HandlerFlag
	Params                     []ParamDesc
	Caches, Sinks, Checkpoints []string
	StateVersion               uint64
}

// ParamDesc is one parameter: [name, type, default|nil, help].
type ParamDesc struct {
	Name string
	Type ParamType
	// Default is a raw msgpack value of the type, nil when the manifest must
	// give one.
	Default []byte
	Help    string
}

// AppendDescribe appends d in canonical form.
func AppendDescribe(b []byte, d *Describe) []byte {
	b = AppendArrayHeader(b, 6)
	b = AppendUint(b, d.Major)
	b = AppendUint(b, d.Minor)
	b = AppendStr(b, d.SDK)
	b = AppendStr(b, d.Language)
	b = AppendArrayHeader(b, len(d.Handlers))
	for i := range d.Handlers {
		b = appendHandlerDesc(b, &d.Handlers[i])
	}
	return AppendUint(b, uint64(d.Features))
}

func appendHandlerDesc(b []byte, h *HandlerDesc) []byte {
	b = AppendArrayHeader(b, 7)
	b = AppendStr(b, h.Name)
	b = AppendUint(b, uint64(h.Flags))
	b = AppendArrayHeader(b, len(h.Params))
	for i := range h.Params {
		p := &h.Params[i]
		b = AppendArrayHeader(b, 4)
		b = AppendStr(b, p.Name)
		b = AppendUint(b, uint64(p.Type))
		if p.Default == nil {
			b = AppendNil(b)
		} else {
			b = append(b, p.Default...)
		}
		b = AppendStr(b, p.Help)
	}
	b = appendStrings(b, h.Caches)
	b = appendStrings(b, h.Sinks)
	b = appendStrings(b, h.Checkpoints)
	return AppendUint(b, h.StateVersion)
}

// ReadDescribe reads a whole Describe message. The version comes first so
// that a message of another major version is recognised before its layout is
// read: with a foreign major only Major and Minor are set, without error.
func ReadDescribe(b []byte) (Describe, error) {
	r := NewReader(b)
	r.tooLong()
	var d Describe
	more := r.ArrayMin(2, "a description of at least 2 fields")
	d.Major, d.Minor = r.Uint(), r.Uint()
	if r.err == nil && d.Major != Major {
		return d, nil
	}
	if r.err == nil && more < 4 {
		r.failAt(0, "a description of 6 fields")
	}
	d.SDK = string(r.Str())
	d.Language = string(r.Str())
	at := r.off
	n := r.List(MaxHandlers, "at most 1024 handlers")
	names := newNameSet(&r, at)
	for ; n > 0 && r.err == nil; n-- {
		h := r.handlerDesc()
		names.add(h.Name)
		d.Handlers = append(d.Handlers, h)
	}
	d.Features = Feature(r.Uint())
	r.SkipN(more - 4)
	r.End()
	if r.err != nil {
		return Describe{}, r.err
	}
	return d, nil
}

func (r *Reader) handlerDesc() (h HandlerDesc) {
	more := r.ArrayMin(7, "a handler of 7 fields")
	h.Name = r.Name()
	h.Flags = HandlerFlag(r.Uint())
	at := r.off
	n := r.List(MaxBindings, "at most 1024 parameters")
	names := newNameSet(r, at)
	for ; n > 0 && r.err == nil; n-- {
		p := r.paramDesc()
		names.add(p.Name)
		h.Params = append(h.Params, p)
	}
	h.Caches = r.distinctNames()
	h.Sinks = r.distinctNames()
	h.Checkpoints = r.distinctNames()
	h.StateVersion = r.Uint()
	r.SkipN(more)
	return h
}

func (r *Reader) paramDesc() (p ParamDesc) {
	more := r.ArrayMin(4, "a parameter of 4 fields")
	p.Name = r.Name()
	p.Type = ParamType(r.UintMax(255, "a type below 256"))
	if !r.Nil() {
		p.Default = r.paramValue(p.Type)
	}
	p.Help = string(r.Str())
	r.SkipN(more)
	return p
}

// paramValue reads a value of type t and returns a copy of its bytes. A type
// of a newer minor version may have any value.
func (r *Reader) paramValue(t ParamType) []byte {
	start := r.off
	switch t {
	case ParamString:
		r.Str()
	case ParamInt:
		r.Int()
	case ParamFloat:
		r.Float()
	case ParamBool:
		r.Bool()
	default:
		r.Skip()
	}
	if r.err != nil {
		return nil
	}
	return append([]byte(nil), r.buf[start:r.off]...)
}

func appendStrings(b []byte, s []string) []byte {
	b = AppendArrayHeader(b, len(s))
	for _, v := range s {
		b = AppendStr(b, v)
	}
	return b
}

func (r *Reader) names() []string {
	n := r.List(MaxBindings, "at most 1024 names")
	var s []string
	for ; n > 0 && r.err == nil; n-- {
		s = append(s, r.Name())
	}
	return s
}

// names that differ are what a description promises, so that a position in
// Init is one thing.
func (r *Reader) distinctNames() []string {
	at := r.off
	s := r.names()
	seen := newNameSet(r, at)
	for _, name := range s {
		seen.add(name)
	}
	return s
}

// nameSet refuses a name that comes twice.
type nameSet struct {
	r    *Reader
	at   int
	seen map[string]struct{}
}

func newNameSet(r *Reader, at int) nameSet {
	return nameSet{r: r, at: at, seen: map[string]struct{}{}}
}

func (s nameSet) add(name string) {
	if s.r.err != nil {
		return
	}
	if _, twice := s.seen[name]; twice {
		s.r.failAt(s.at, "names that differ")
	}
	s.seen[name] = struct{}{}
}

// tooLong refuses a message of the guest above MaxDescribe.
func (r *Reader) tooLong() {
	if len(r.buf) > MaxDescribe {
		r.fail("a message of at most 1048576 bytes")
	}
}
