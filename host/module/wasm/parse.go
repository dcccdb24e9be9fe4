package wasm

import "fmt"

// sectionNames are indexed by section id.
var sectionNames = [...]string{
	"custom", "type", "import", "function", "table", "memory", "global",
	"export", "start", "element", "code", "data", "data count",
}

// sectionOrder is the place of a section in the file by its id: the data count
// section comes before code.
var sectionOrder = [...]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 10}

// Parse parses and validates a core module, within caps. It never panics and
// allocates in proportion to the file. An error is an *Error. The module
// refers to b, which must not change while it is in use.
func Parse(b []byte, caps Caps) (*Module, error) {
	if err := head(b); err != nil {
		return nil, err
	}
	p := parser{
		reader: reader{b: b, off: 8, end: len(b), fn: -1},
		caps:   &caps, m: Module{Bytes: b, Start: -1},
	}
	p.over(0, "bytes of the file", int64(len(b)), caps.Module)
	for p.err == nil && p.off < len(b) {
		p.section()
	}
	p.finish()
	if p.err != nil {
		return nil, p.err
	}
	return &p.m, nil
}

// head checks the first eight bytes.
func head(b []byte) error {
	if len(b) < 4 || string(b[:4]) != "\x00asm" {
		return &Error{Problem: NotWasm, Func: -1, Detail: "the file does not begin with the bytes 00 61 73 6d"}
	}
	if len(b) < 8 {
		return &Error{Problem: Truncated, Offset: len(b), Func: -1, Detail: "the file ends inside its 8-byte head"}
	}
	if b[6] == 1 && b[7] == 0 {
		return &Error{Problem: Component, Offset: 4, Func: -1, Detail: "the file is a component, not a core module"}
	}
	if v := uint32(b[4]) | uint32(b[5])<<8 | uint32(b[6])<<16 | uint32(b[7])<<24; v != 1 {
		return &Error{Problem: Version, Offset: 4, Func: -1, Detail: fmt.Sprintf("the file is of WebAssembly version %d, not 1", v)}
	}
	return nil
}

type parser struct {
	reader
	caps *Caps
	m    Module
	// last is the order of the last section that was not a custom one.
	last int
	// dataCount is what the data count section announces.
	dataCount int
	hasNames  bool
	hasCode   bool
	elements  int64
	// refs are the functions that code may take a reference to, because
	// something outside of code mentions them.
	refs map[uint32]bool
	body bodyState
}

func (p *parser) section() {
	s := Section{Start: p.off}
	s.ID = p.byte()
	size := int64(p.u32())
	if p.err != nil {
		return
	}
	switch {
	case s.ID == 13:
		p.failAt(s.Start, Unsupported, "it has a tag section: exceptions are not supported")
		return
	case int(s.ID) >= len(sectionNames):
		p.failAt(s.Start, Malformed, fmt.Sprintf("there is no section with id %d", s.ID))
		return
	}
	p.what = sectionNames[s.ID]
	if size > int64(len(p.b)-p.off) {
		p.failAt(s.Start, Truncated, "the file ends inside the "+p.what+" section")
		return
	}
	if s.ID != 0 {
		if sectionOrder[s.ID] <= p.last {
			p.failAt(s.Start, Malformed, "the "+p.what+" section is not in its place, or comes twice")
			return
		}
		p.last = sectionOrder[s.ID]
	}
	s.Body, s.End = p.off, p.off+int(size)
	p.end = s.End
	p.content(&s)
	if p.err == nil && p.off != p.end {
		p.fail(Malformed, "the "+p.what+" section is longer than its content")
	}
	p.end = len(p.b)
	p.m.Sections = append(p.m.Sections, s)
}

func (p *parser) content(s *Section) {
	switch s.ID {
	case 0:
		s.Name = p.name(p.caps.Names)
		if p.off == len(p.b) && p.err == nil {
			// The engine's reader takes it for a file that is cut off.
			p.failAt(s.Start, Malformed, "the file ends with a custom section without content")
		}
		if s.Name == "name" && p.err == nil {
			p.nameSection()
		}
		p.skip(p.end - p.off)
	case 1:
		p.typeSection()
	case 2:
		p.importSection()
	case 3:
		p.functionSection()
	case 4:
		p.each(func() { p.m.Tables = append(p.m.Tables, p.table()) })
	case 5:
		p.each(func() { p.m.Memories = append(p.m.Memories, p.memory()) })
	case 6:
		p.globalSection()
	case 7:
		p.exportSection()
	case 8:
		p.startSection()
	case 9:
		p.elementSection()
	case 10:
		p.codeSection()
	case 11:
		p.dataSection()
	case 12:
		p.m.HasDataCount = true
		p.dataCount = int(p.u32())
	}
}

// each reads a list.
func (p *parser) each(one func()) {
	for n := p.count(); n > 0 && p.err == nil; n-- {
		one()
	}
}

// list reads the head of a list that a cap bounds.
func (p *parser) list(what string, limit int64) int {
	at, n := p.off, p.count()
	if p.over(at, what, int64(n), limit) {
		return 0
	}
	return n
}

func (p *parser) typeSection() {
	for n := p.list("types", p.caps.Types); n > 0 && p.err == nil; n-- {
		if at, c := p.off, p.byte(); p.err == nil && c != 0x60 {
			problem := Malformed
			if c == 0x5f || c == 0x5e || c == 0x50 || c == 0x4f || c == 0x4e {
				problem = Unsupported
			}
			p.failAt(at, problem, "the type section holds something other than function types")
			return
		}
		p.m.Types = append(p.m.Types, FuncType{Params: p.valTypes(), Results: p.valTypes()})
	}
}

func (p *parser) valTypes() []ValType {
	n := p.list("parameters or results of a type", p.caps.Params)
	if n == 0 || p.err != nil {
		return nil
	}
	t := make([]ValType, 0, n)
	for ; n > 0 && p.err == nil; n-- {
		t = append(t, p.valType())
	}
	return t
}

func (p *parser) typeIndex() (uint32, FuncType) {
	at, index := p.off, p.u32()
	if p.err == nil && int64(index) >= int64(len(p.m.Types)) {
		p.failAt(at, Invalid, fmt.Sprintf("there is no type %d", index))
	}
	if p.err != nil {
		return 0, FuncType{}
	}
	return index, p.m.Types[index]
}

func (p *parser) importSection() {
	for n := p.list("imports", p.caps.Imports); n > 0 && p.err == nil; n-- {
		im := Import{Module: p.name(p.caps.Names), Name: p.name(p.caps.Names)}
		at := p.off
		im.Kind = Kind(p.byte())
		switch im.Kind {
		case KindFunc:
			im.TypeIndex, im.Type = p.typeIndex()
			p.m.Funcs = append(p.m.Funcs, im.TypeIndex)
			p.m.ImportedFuncs++
		case KindTable:
			p.m.Tables = append(p.m.Tables, p.table())
		case KindMemory:
			p.m.Memories = append(p.m.Memories, p.memory())
		case KindGlobal:
			p.m.Globals = append(p.m.Globals, p.globalType())
			p.m.ImportedGlobals++
		case KindTag:
			p.failAt(at, Unsupported, "it imports a tag: exceptions are not supported")
		default:
			p.failAt(at, Malformed, "the import section names an unknown kind")
		}
		p.m.Imports = append(p.m.Imports, im)
	}
}

func (p *parser) functionSection() {
	for n := p.list("functions", p.caps.Functions); n > 0 && p.err == nil; n-- {
		index, _ := p.typeIndex()
		p.m.Funcs = append(p.m.Funcs, index)
	}
}

func (p *parser) exportSection() {
	n := p.list("exports", p.caps.Exports)
	seen := make(map[string]bool, n)
	for ; n > 0 && p.err == nil; n-- {
		at := p.off
		e := Export{Name: p.name(p.caps.Names)}
		kindAt := p.off
		e.Kind = Kind(p.byte())
		e.Index = p.u32()
		if p.err != nil {
			return
		}
		have := 0
		switch e.Kind {
		case KindFunc:
			have = len(p.m.Funcs)
		case KindTable:
			have = len(p.m.Tables)
		case KindMemory:
			have = len(p.m.Memories)
		case KindGlobal:
			have = len(p.m.Globals)
		default:
			p.failAt(kindAt, Malformed, "the export section names an unknown kind")
			return
		}
		if int64(e.Index) >= int64(have) {
			p.failAt(at, Invalid, fmt.Sprintf("export %q refers to %s %d, which does not exist", e.Name, e.Kind, e.Index))
			return
		}
		if seen[e.Name] {
			p.failAt(at, Invalid, fmt.Sprintf("two exports are named %q", e.Name))
			return
		}
		seen[e.Name] = true
		if e.Kind == KindFunc {
			e.Type = p.m.FuncType(e.Index)
			p.mention(e.Index)
		}
		p.m.Exports = append(p.m.Exports, e)
	}
}

// mention notes that a function is named outside of code.
func (p *parser) mention(fn uint32) {
	if p.refs == nil {
		p.refs = map[uint32]bool{}
	}
	p.refs[fn] = true
}

func (p *parser) funcIndex() uint32 {
	at, index := p.off, p.u32()
	if p.err == nil && int64(index) >= int64(len(p.m.Funcs)) {
		p.failAt(at, Invalid, fmt.Sprintf("there is no function %d", index))
	}
	if p.err != nil {
		return 0
	}
	return index
}

func (p *parser) startSection() {
	at, index := p.off, p.funcIndex()
	if p.err != nil {
		return
	}
	if t := p.m.FuncType(index); len(t.Params)+len(t.Results) > 0 {
		p.failAt(at, Invalid, fmt.Sprintf("the start function is %s, it has to be ()", t))
	}
	p.m.Start = int(index)
}

func (p *parser) codeSection() {
	p.hasCode = true
	at := p.off
	defined := p.m.Funcs[p.m.ImportedFuncs:]
	if n := p.count(); p.err == nil && n != len(defined) {
		p.failAt(at, Malformed, fmt.Sprintf("the module declares %d functions and holds the code of %d", len(defined), n))
		return
	}
	p.m.Bodies = make([]Body, 0, len(defined))
	end := p.end
	for i := range defined {
		size := int64(p.u32())
		if p.err != nil {
			return
		}
		p.fn = p.m.ImportedFuncs + i
		if size > int64(end-p.off) {
			p.fail(Malformed, "the code is longer than the section")
			return
		}
		if p.over(p.off, "bytes of a function's code", size, p.caps.Body) {
			return
		}
		p.end = p.off + int(size)
		p.function()
		if p.err != nil {
			return
		}
		p.end, p.fn = end, -1
	}
}

// finish checks what concerns several sections.
func (p *parser) finish() {
	if p.err != nil {
		return
	}
	if defined := len(p.m.Funcs) - p.m.ImportedFuncs; defined != len(p.m.Bodies) {
		problem := Malformed
		if !p.hasCode {
			// Cut at a section's border: the likeliest cause of missing code.
			problem = Truncated
		}
		p.failAt(len(p.b), problem, fmt.Sprintf("the module declares %d functions and holds the code of %d", defined, len(p.m.Bodies)))
		return
	}
	if p.m.HasDataCount && p.dataCount != p.m.Data {
		p.failAt(len(p.b), Malformed, fmt.Sprintf("the data count section announces %d data segments and there are %d", p.dataCount, p.m.Data))
		return
	}
	if n := len(p.m.Memories); n > 1 {
		p.failAt(len(p.b), Invalid, fmt.Sprintf("it has %d memories: several are not supported", n))
		return
	}
	p.over(len(p.b), "tables", int64(len(p.m.Tables)), p.caps.Tables)
}
