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
	var d Describe
	more := r.ArrayMin(2, "a description of at least 2 fields")
	d.Major, d.Minor = r.Uint(), r.Uint()
	if r.err == nil && d.Major != Major {
		return d, nil
	}
	if r.err == nil && more < 4 {
		r.fail("a description of 6 fields")
	}
	d.SDK = string(r.Str())
	d.Language = string(r.Str())
	for n := r.list(MaxHandlers, "at most 1024 handlers"); n > 0 && r.err == nil; n-- {
		d.Handlers = append(d.Handlers, r.handlerDesc())
	}
	d.Features = Feature(r.Uint())
	r.SkipN(more - 4)
	r.end()
	return d, r.Err()
}

func (r *Reader) handlerDesc() (h HandlerDesc) {
	more := r.ArrayMin(7, "a handler of 7 fields")
	h.Name = string(r.Str())
	h.Flags = HandlerFlag(r.Uint())
	for n := r.list(MaxBindings, "at most 1024 parameters"); n > 0 && r.err == nil; n-- {
		extra := r.ArrayMin(4, "a parameter of 4 fields")
		p := ParamDesc{Name: string(r.Str()), Type: ParamType(r.Uint())}
		if !r.Nil() {
			p.Default = append([]byte(nil), r.Skip()...)
		}
		p.Help = string(r.Str())
		r.SkipN(extra)
		h.Params = append(h.Params, p)
	}
	h.Caches = r.strings()
	h.Sinks = r.strings()
	h.Checkpoints = r.strings()
	h.StateVersion = r.Uint()
	r.SkipN(more)
	return h
}

func appendStrings(b []byte, s []string) []byte {
	b = AppendArrayHeader(b, len(s))
	for _, v := range s {
		b = AppendStr(b, v)
	}
	return b
}

// list reads an array header and refuses more than limit entries.
func (r *Reader) list(limit int, want string) int {
	n := r.Array()
	if n > limit {
		r.fail(want)
		return 0
	}
	return n
}

func (r *Reader) strings() []string {
	n := r.list(MaxBindings, "at most 1024 names")
	var s []string
	for ; n > 0 && r.err == nil; n-- {
		s = append(s, string(r.Str()))
	}
	return s
}

// end refuses bytes behind a whole message.
func (r *Reader) end() {
	if r.err == nil && r.off != len(r.buf) {
		r.fail("the end of the message")
	}
}
