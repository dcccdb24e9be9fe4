package meter

import (
	"encoding/binary"

	"github.com/sliphost/sliphost/host/module/wasm"
)

// Ids of sections.
const (
	idCustom   = 0
	idType     = 1
	idImport   = 2
	idFunction = 3
	idGlobal   = 6
	idExport   = 7
	idStart    = 8
	idElement  = 9
	idCode     = 10
)

// cursor reads what was validated before.
type cursor struct {
	r   *rewriter
	b   []byte
	off int
	out []byte
}

// section returns a cursor at the content of a section and its place, or nil.
func (r *rewriter) section(id byte) (*cursor, wasm.Section) {
	for _, s := range r.m.Sections {
		if s.ID == id && id != idCustom {
			return &cursor{r: r, b: r.m.Bytes, off: s.Body}, s
		}
	}
	return nil, wasm.Section{}
}

func (c *cursor) u32() uint32 {
	v, n := binary.Uvarint(c.b[c.off:])
	c.off += n
	return uint32(v)
}

func (c *cursor) byte() byte {
	c.off++
	return c.b[c.off-1]
}

// copyByte and copyU32 take over what they read.
func (c *cursor) copyByte() { c.out = append(c.out, c.byte()) }

func (c *cursor) copyU32() uint32 {
	v := c.u32()
	c.out = appendU32(c.out, v)
	return v
}

// function takes over a function's index, shifted.
func (c *cursor) function() {
	fn := c.u32()
	c.out = appendU32(c.out, c.r.shift(fn))
}

// constant takes over a constant expression.
func (c *cursor) constant() {
	for w := c.r.m.WalkAt(c.off, len(c.b)); ; {
		in := w.Next()
		if in == nil {
			return
		}
		c.off = in.End
		if in.Op == wasm.OpRefFunc {
			c.out = appendOp(c.out, wasm.OpRefFunc, c.r.shift(in.A))
			continue
		}
		c.out = append(c.out, c.b[in.Start:in.End]...)
		if in.Op == wasm.OpEnd {
			return
		}
	}
}

// elements rewrites the element section.
func (r *rewriter) elements() {
	c, _ := r.section(idElement)
	if c == nil {
		return
	}
	for n := c.copyU32(); n > 0; n-- {
		flags := c.copyU32()
		if flags&1 == 0 {
			if flags&2 != 0 {
				c.copyU32()
			}
			c.constant()
		}
		if flags&3 != 0 {
			c.copyByte()
		}
		for k := c.copyU32(); k > 0; k-- {
			if flags&4 != 0 {
				c.constant()
			} else {
				c.function()
			}
		}
	}
	r.sections[idElement] = c.out
}

// globals rewrites the global section and adds fuel, stack and mark.
func (r *rewriter) globals() {
	var own []byte
	n := uint32(0)
	if c, s := r.section(idGlobal); c != nil {
		for n = c.u32(); c.off < s.End; {
			c.copyByte()
			c.copyByte()
			c.constant()
		}
		own = c.out
	}
	out := append(appendU32(nil, n+3), own...)
	for _, first := range []int64{0, r.o.Stack, NoMark} {
		out = append(out, byte(wasm.I64), 1)
		out = append(appendI64(out, first), byte(wasm.OpEnd))
	}
	r.sections[idGlobal] = out
}

// lengthened returns a section's content with entries added.
func (r *rewriter) lengthened(id byte, added int, entries []byte) []byte {
	var own []byte
	n := uint32(0)
	if c, s := r.section(id); c != nil {
		n = c.u32()
		own = c.b[c.off:s.End]
	}
	out := appendU32(make([]byte, 0, len(own)+len(entries)+5), n+uint32(added))
	return append(append(out, own...), entries...)
}

func (r *rewriter) exports() []byte {
	var out []byte
	for _, e := range r.m.Exports {
		index := e.Index
		if e.Kind == wasm.KindFunc {
			index = r.shift(index)
		}
		out = appendU32(append(appendName(out, e.Name), byte(e.Kind)), index)
	}
	for i, name := range []string{Fuel, Stack, Mark} {
		out = appendU32(append(appendName(out, name), byte(wasm.KindGlobal)), r.fuel+uint32(i))
	}
	return append(appendU32(nil, uint32(len(r.m.Exports)+3)), out...)
}

// assemble puts the module together.
func (r *rewriter) assemble() []byte {
	tick := appendName(appendName(nil, Module), Tick)
	tick = appendU32(append(tick, byte(wasm.KindFunc)), r.typeIndex(wasm.FuncType{}))
	r.sections[idImport] = r.lengthened(idImport, 1, tick)
	if len(r.added) > 0 {
		var types []byte
		for _, h := range r.added {
			types = appendU32(types, h.typ)
		}
		r.sections[idFunction] = r.lengthened(idFunction, len(r.added), types)
	}
	r.sections[idExport] = r.exports()
	if r.m.Start >= 0 {
		r.sections[idStart] = appendU32(nil, r.shift(uint32(r.m.Start)))
	}
	if len(r.types) > 0 {
		var types []byte
		for _, t := range r.types {
			types = appendTypes(appendTypes(append(types, 0x60), t.Params), t.Results)
		}
		r.sections[idType] = r.lengthened(idType, len(r.types), types)
	}

	out := make([]byte, 0, len(r.sections[idCode])+len(r.m.Bytes)/2+1024)
	out = append(out, r.m.Bytes[:8]...)
	// The place of the data count section is before that of code.
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11} {
		if int(id) < len(r.sections) && r.sections[id] != nil {
			out = appendBytes(append(out, id), r.sections[id])
		} else if _, s := r.section(id); s.ID == id {
			out = append(out, r.m.Bytes[s.Start:s.End]...)
		}
	}
	if r.nameBody != nil {
		out = appendBytes(append(out, idCustom), append(appendName(nil, "name"), r.nameBody...))
	}
	return out
}

func appendTypes(out []byte, types []wasm.ValType) []byte {
	out = appendU32(out, uint32(len(types)))
	for _, t := range types {
		out = append(out, byte(t))
	}
	return out
}

// Parts of the name section.
const (
	namesModule    = 0
	namesFunctions = 1
)

// names rewrites the section with names: stack traces show those of functions.
// The others are left out.
func (r *rewriter) names() {
	for _, s := range r.m.Sections {
		if s.ID != idCustom || s.Name != "name" {
			continue
		}
		c := &cursor{r: r, b: r.m.Bytes, off: s.Body}
		c.off += int(c.u32())
		for c.off < s.End {
			id, size := c.byte(), int(c.u32())
			start, end := c.off, c.off+size
			switch id {
			case namesModule:
				r.nameBody = appendBytes(append(r.nameBody, id), c.b[start:end])
			case namesFunctions:
				r.nameBody = appendBytes(append(r.nameBody, id), r.functionNames(c))
			}
			c.off = end
		}
	}
}

// functionNames shifts the indexes and adds tick and the helpers.
func (r *rewriter) functionNames(c *cursor) []byte {
	n := c.u32()
	var out []byte
	ticked := false
	tick := func() {
		if !ticked {
			ticked = true
			out = appendName(appendU32(out, r.tick), Module+"."+Tick)
		}
	}
	for range n {
		fn := c.u32()
		if fn >= r.tick {
			tick()
		}
		size := int(c.u32())
		out = appendU32(out, r.shift(fn))
		out = appendBytes(out, c.b[c.off:c.off+size])
		c.off += size
	}
	tick()
	for i, h := range r.added {
		out = appendName(appendU32(out, uint32(len(r.m.Funcs)+1+i)), h.name)
	}
	return append(appendU32(nil, n+1+uint32(len(r.added))), out...)
}
