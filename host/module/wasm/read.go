package wasm

import "fmt"

// Problem says why bytes are not a module this package can read.
type Problem int

// Problems.
const (
	// NotWasm: the file does not begin as WebAssembly does.
	NotWasm Problem = iota + 1
	// Component: a component of the component model, not a core module.
	Component
	// Version: a core module of a version other than 1.
	Version
	// Truncated: the file ends inside a section.
	Truncated
	// Malformed: a section does not hold what the format asks for.
	Malformed
)

// Error says where and why reading stopped.
type Error struct {
	Problem Problem
	// Offset is the position in the file.
	Offset int
	// Detail is one clause, such as "the import section ends early".
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("wasm byte %d: %s", e.Offset, e.Detail) }

// sections in the order of the format; the data count section comes before
// code, the tag section between memory and global.
var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global",
	"export", "start", "element", "code", "data", "data count", "tag",
}

// maxEntries bounds what a section may list, so that a forged count costs no
// memory: every entry takes at least one byte, so the file's size bounds it as
// well.
const maxEntries = 1 << 20

// Read reads the outline of a core module. It never panics and allocates in
// proportion to the file. Errors are *Error.
func Read(b []byte) (*Outline, error) {
	if len(b) < 4 || string(b[:4]) != "\x00asm" {
		return nil, &Error{Problem: NotWasm, Detail: "the file does not begin with the bytes 00 61 73 6d"}
	}
	if len(b) < 8 {
		return nil, &Error{Problem: Truncated, Offset: len(b), Detail: "the file ends inside its 8-byte head"}
	}
	if b[6] == 1 && b[7] == 0 {
		return nil, &Error{Problem: Component, Offset: 4, Detail: "the file is a component, not a core module"}
	}
	if v := uint32(b[4]) | uint32(b[5])<<8 | uint32(b[6])<<16 | uint32(b[7])<<24; v != 1 {
		return nil, &Error{Problem: Version, Offset: 4, Detail: fmt.Sprintf("the file is of WebAssembly version %d, not 1", v)}
	}
	r := outlineReader{reader: reader{b: b, off: 8, end: len(b)}}
	for r.err == nil && r.off < len(b) {
		r.section()
	}
	if r.err == nil {
		r.finish()
	}
	if r.err != nil {
		return nil, r.err
	}
	return &r.out, nil
}

type outlineReader struct {
	reader
	out   Outline
	types []FuncType
	// funcs holds the type index of every function, imported ones first.
	funcs   []uint32
	exports []rawExport
	codes   int
	hasCode bool
}

type rawExport struct {
	name  string
	kind  Kind
	index uint32
	at    int
}

func (r *outlineReader) section() {
	at := r.off
	id := r.byte()
	size := int(r.u32())
	if r.err != nil {
		return
	}
	if int(id) >= len(sectionNames) {
		r.failAt(at, Malformed, fmt.Sprintf("there is no section with id %d", id))
		return
	}
	r.what = sectionNames[id]
	if size > len(r.b)-r.off {
		r.failAt(at, Truncated, "the file ends inside the "+r.what+" section")
		return
	}
	r.end = r.off + size
	switch id {
	case 1:
		r.typeSection()
	case 2:
		r.importSection()
	case 3:
		for n := r.count(); n > 0 && r.err == nil; n-- {
			r.funcs = append(r.funcs, r.u32())
			r.out.Functions++
		}
	case 5:
		for n := r.count(); n > 0 && r.err == nil; n-- {
			r.out.Memories = append(r.out.Memories, r.memory())
		}
	case 7:
		r.exportSection()
	case 8:
		r.out.HasStart = true
		r.u32()
	case 10:
		r.hasCode = true
		r.codes = r.count()
		r.off = r.end
	default:
		// Not needed for the outline; the engine reads these.
		r.off = r.end
	}
	if r.err == nil && r.off != r.end {
		r.fail(Malformed, "the "+r.what+" section is longer than its content")
	}
	r.end = len(r.b)
}

func (r *outlineReader) typeSection() {
	for n := r.count(); n > 0 && r.err == nil; n-- {
		if c := r.byte(); r.err == nil && c != 0x60 {
			r.fail(Malformed, "the type section holds something other than function types")
			return
		}
		r.types = append(r.types, FuncType{Params: r.valTypes(), Results: r.valTypes()})
	}
}

func (r *outlineReader) valTypes() []ValType {
	n := r.count()
	if n == 0 || r.err != nil {
		return nil
	}
	t := make([]ValType, 0, n)
	for ; n > 0 && r.err == nil; n-- {
		t = append(t, ValType(r.byte()))
	}
	return t
}

func (r *outlineReader) importSection() {
	for n := r.count(); n > 0 && r.err == nil; n-- {
		im := Import{Module: r.name(), Name: r.name(), Kind: Kind(r.byte())}
		switch im.Kind {
		case KindFunc:
			at := r.off
			index := r.u32()
			r.funcs = append(r.funcs, index)
			im.Type = r.typeAt(index, at)
		case KindTable:
			r.byte()
			r.limits()
		case KindMemory:
			r.memory()
		case KindGlobal:
			r.byte()
			r.byte()
		case KindTag:
			r.byte()
			r.u32()
		default:
			r.fail(Malformed, "the import section names an unknown kind")
		}
		r.out.Imports = append(r.out.Imports, im)
	}
}

func (r *outlineReader) exportSection() {
	for n := r.count(); n > 0 && r.err == nil; n-- {
		at := r.off
		r.exports = append(r.exports, rawExport{name: r.name(), kind: Kind(r.byte()), index: r.u32(), at: at})
	}
}

func (r *outlineReader) memory() Memory {
	flags, lo, hi := r.limits()
	return Memory{Min: lo, Max: hi, HasMax: flags&1 != 0, Shared: flags&2 != 0}
}

func (r *outlineReader) limits() (flags byte, lo, hi uint64) {
	flags = r.byte()
	if r.err == nil && flags > 7 {
		r.fail(Malformed, "the "+r.what+" section holds limits of an unknown form")
		return 0, 0, 0
	}
	lo = r.u64()
	if flags&1 != 0 {
		hi = r.u64()
	}
	return flags, lo, hi
}

func (r *outlineReader) typeAt(index uint32, at int) FuncType {
	if r.err != nil {
		return FuncType{}
	}
	if int64(index) >= int64(len(r.types)) {
		r.failAt(at, Malformed, fmt.Sprintf("there is no type %d", index))
		return FuncType{}
	}
	return r.types[index]
}

// finish resolves exports, which may refer to functions of a later section.
func (r *outlineReader) finish() {
	if r.codes != r.out.Functions {
		problem := Malformed
		if !r.hasCode {
			// Cut at a section's border: the likeliest cause of missing code.
			problem = Truncated
		}
		r.failAt(len(r.b), problem, fmt.Sprintf("the module declares %d functions and holds the code of %d", r.out.Functions, r.codes))
		return
	}
	seen := make(map[string]bool, len(r.exports))
	for _, e := range r.exports {
		x := Export{Name: e.name, Kind: e.kind}
		if seen[e.name] {
			r.failAt(e.at, Malformed, fmt.Sprintf("two exports are named %q", e.name))
			return
		}
		seen[e.name] = true
		if e.kind == KindFunc {
			if int64(e.index) >= int64(len(r.funcs)) {
				r.failAt(e.at, Malformed, fmt.Sprintf("export %q refers to function %d, which does not exist", e.name, e.index))
				return
			}
			x.Type = r.typeAt(r.funcs[e.index], e.at)
		}
		r.out.Exports = append(r.out.Exports, x)
	}
}

// reader reads primitives up to end; the first error sticks.
type reader struct {
	b        []byte
	off, end int
	what     string
	err      error
}

func (r *reader) fail(p Problem, detail string) { r.failAt(r.off, p, detail) }

func (r *reader) failAt(at int, p Problem, detail string) {
	if r.err == nil {
		r.err = &Error{Problem: p, Offset: at, Detail: detail}
	}
}

func (r *reader) byte() byte {
	if r.err != nil {
		return 0
	}
	if r.off >= r.end {
		if r.what == "" || r.end == len(r.b) {
			r.fail(Truncated, "the file ends early")
		} else {
			r.fail(Malformed, "the "+r.what+" section ends early")
		}
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

// leb reads an unsigned LEB128 number of at most bits bits.
func (r *reader) leb(bits uint) uint64 {
	var v uint64
	for shift := uint(0); ; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift+7 > bits && c>>(bits-shift) != 0 {
			r.fail(Malformed, "a number is longer than the format allows")
			return 0
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
}

func (r *reader) u32() uint32 { return uint32(r.leb(32)) }
func (r *reader) u64() uint64 { return r.leb(64) }

// count reads the number of entries of a list.
func (r *reader) count() int {
	n := r.u32()
	if r.err == nil && (n > maxEntries || int(n) > r.end-r.off) {
		r.fail(Malformed, "the "+r.what+" section lists more entries than it has bytes")
		return 0
	}
	return int(n)
}

func (r *reader) name() string {
	n := r.u32()
	if r.err != nil {
		return ""
	}
	if int64(n) > int64(r.end-r.off) {
		r.fail(Malformed, "a name is longer than the "+r.what+" section")
		return ""
	}
	s := string(r.b[r.off : r.off+int(n)])
	r.off += int(n)
	return s
}
