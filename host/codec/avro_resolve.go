package codec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sliphost/sliphost/abi"
)

// avroOp is what decoding does with one value of the writer.
type avroOp uint8

const (
	opNull avroOp = iota
	opBoolean
	opInt  // an int
	opLong // a long
	opIntToFloat
	opIntToDouble
	opLongToFloat
	opLongToDouble
	opFloat
	opFloatToDouble
	opDouble
	opBytes
	opString
	opBytesToString
	opStringToBytes
	opFixed
	opDecimal
	opUUID
	opDuration
	opEnum
	opArray
	opMap
	opRecord
	opUnion
	// opTagged wraps a value as {"branch": value}.
	opTagged
	// opRefused is a value that the reader's schema has no place for.
	opRefused
)

// avroPlan turns values of one writer's type into what a handler sees of one
// reader's. Plans of named types are shared and may form cycles.
type avroPlan struct {
	op avroOp
	// size is that of a fixed (0: the length is in front), scale that of a
	// decimal, least the fewest bytes of the item of an array or map.
	size, scale, least int
	item               *avroPlan
	// branches are those of a union; symbols what an enum's become, nil for one
	// the reader does not know.
	branches []*avroPlan
	symbols  [][]byte
	steps    []avroStep
	// fields counts the record's members, of which tail are the last: fields that
	// the writer does not have, as msgpack.
	fields int
	tail   []byte
	// tag is opTagged's name as msgpack.
	tag []byte
	// reason is opRefused's.
	reason string
}

// avroStep is one field of the writer's record: key is nil if the reader has
// no such field.
type avroStep struct {
	key  []byte
	plan *avroPlan
}

type typePair struct{ w, r *avroType }

// avroResolver makes plans by the rules of schema resolution.
type avroResolver struct {
	plans map[typePair]*avroPlan
	// taken remembers what was tried for the sake of a union.
	taken map[typePair]bool
	// problems are what a reader cannot take whatever the data, by path.
	problems []string
	path     []string
}

// planAvro makes the plan for reading what writer wrote as reader. The error
// says why no such value can be read, or which of them cannot for lack of a
// default.
func planAvro(writer, reader *AvroSchema) (*avroPlan, error) {
	r := &avroResolver{plans: map[typePair]*avroPlan{}, taken: map[typePair]bool{}}
	plan := r.plan(writer.root, reader.root)
	if len(r.problems) > 0 {
		return nil, fmt.Errorf("what was written as %s cannot be read as %s: %s", writer.Name, reader.Name, strings.Join(r.problems, "; "))
	}
	return plan, nil
}

// CompatibleAvro says why data written by writer cannot be read as reader; nil
// if it can. Unions are judged branch by branch when their data is read.
func CompatibleAvro(writer, reader *AvroSchema) error {
	_, err := planAvro(writer, reader)
	return err
}

func (r *avroResolver) refuse(reason string) *avroPlan {
	return &avroPlan{op: opRefused, reason: reason}
}

// plan resolves one pair; what cannot be is noted as a problem.
func (r *avroResolver) plan(w, rd *avroType) *avroPlan {
	p := r.try(w, rd)
	if p.op == opRefused {
		at := strings.Join(r.path, ".")
		if at == "" {
			at = "the value"
		}
		r.problems = append(r.problems, at+": "+p.reason)
	}
	return p
}

// try is plan without the note.
func (r *avroResolver) try(w, rd *avroType) *avroPlan {
	key := typePair{w, rd}
	if p := r.plans[key]; p != nil {
		return p
	}
	if w.kind == avroUnion {
		p := &avroPlan{op: opUnion}
		r.plans[key] = p
		refused := 0
		for _, b := range w.branches {
			branch := r.refuse("the writer's " + b.tag() + " is not what the reader's schema has here")
			if r.takes(b, rd) {
				branch = r.try(b, rd)
			}
			if branch.op == opRefused {
				refused++
			}
			p.branches = append(p.branches, branch)
		}
		if refused == len(w.branches) {
			return r.refuse("no branch of the writer's union fits")
		}
		return p
	}
	if rd.kind == avroUnion {
		i := r.branch(w, rd)
		if i < 0 {
			return r.refuse("a " + w.tag() + " fits no branch of the reader's union")
		}
		p := r.try(w, rd.branches[i])
		if rd.tagged && rd.branches[i].kind != avroNull && p.op != opRefused {
			p = &avroPlan{op: opTagged, tag: abi.AppendStr(nil, rd.branches[i].tag()), item: p}
		}
		return p
	}
	if w.name != "" && rd.name != "" && !sameName(w, rd) {
		return r.refuse(fmt.Sprintf("the writer's %s %s is not the reader's %s %s", w.kind, w.name, rd.kind, rd.name))
	}
	p := &avroPlan{size: w.size, scale: w.scale}
	if rd.kind != w.kind {
		return r.promote(p, w, rd)
	}
	switch w.kind {
	case avroNull:
		p.op = opNull
	case avroBoolean:
		p.op = opBoolean
	case avroInt:
		p.op = opInt
	case avroLong:
		p.op = opLong
	case avroFloat:
		p.op = opFloat
	case avroDouble:
		p.op = opDouble
	case avroString:
		p.op = opString
	case avroBytes, avroFixed:
		if w.size != rd.size {
			return r.refuse(fmt.Sprintf("the writer's %s has %d bytes, the reader's %d", w.name, w.size, rd.size))
		}
		if (w.logical == logicalDecimal) != (rd.logical == logicalDecimal) || w.logical == logicalDecimal && w.scale != rd.scale {
			return r.refuse("the two are not decimals of the same scale")
		}
		p.op = opBytes
		if w.kind == avroFixed {
			p.op = opFixed
		}
		switch rd.logical {
		case logicalDecimal:
			p.op = opDecimal
			if w.kind == avroBytes {
				p.size = -1
			}
		case logicalUUID:
			p.op = opUUID
		case logicalDuration:
			p.op = opDuration
		}
	case avroEnum:
		r.enum(p, w, rd)
	case avroArray, avroMap:
		p.op, p.least = opArray, w.item.least
		if w.kind == avroMap {
			p.op, p.least = opMap, 1+w.item.least
		}
		r.plans[key] = p
		p.item = r.inside("[]", w.item, rd.item)
		if p.item.op == opRefused && len(r.problems) == 0 {
			return p.item
		}
	case avroRecord:
		r.plans[key] = p
		r.record(p, w, rd)
	}
	return p
}

// inside plans a part of the current value.
func (r *avroResolver) inside(name string, w, rd *avroType) *avroPlan {
	r.path = append(r.path, name)
	defer func() { r.path = r.path[:len(r.path)-1] }()
	return r.plan(w, rd)
}

// promote resolves types of different kinds.
func (r *avroResolver) promote(p *avroPlan, w, rd *avroType) *avroPlan {
	switch {
	case w.kind == avroInt && rd.kind == avroLong:
		p.op = opInt
	case w.kind == avroInt && rd.kind == avroFloat:
		p.op = opIntToFloat
	case w.kind == avroInt && rd.kind == avroDouble:
		p.op = opIntToDouble
	case w.kind == avroLong && rd.kind == avroFloat:
		p.op = opLongToFloat
	case w.kind == avroLong && rd.kind == avroDouble:
		p.op = opLongToDouble
	case w.kind == avroFloat && rd.kind == avroDouble:
		p.op = opFloatToDouble
	case w.kind == avroBytes && rd.kind == avroString && w.logical == logicalNone:
		p.op = opBytesToString
	case w.kind == avroString && rd.kind == avroBytes && rd.logical == logicalNone:
		p.op = opStringToBytes
	default:
		return r.refuse("a " + w.tag() + " is not a " + rd.tag())
	}
	return p
}

func (r *avroResolver) enum(p *avroPlan, w, rd *avroType) {
	p.op = opEnum
	for _, s := range w.symbols {
		var text []byte
		if _, ok := rd.bySymbol[s]; ok {
			text = abi.AppendStr(nil, s)
		} else if rd.fallback >= 0 {
			text = abi.AppendStr(nil, rd.symbols[rd.fallback])
		}
		p.symbols = append(p.symbols, text)
	}
}

func (r *avroResolver) record(p *avroPlan, w, rd *avroType) {
	p.op = opRecord
	taken := make([]bool, len(rd.fields))
	for i := range w.fields {
		f := &w.fields[i]
		at := rd.field(f.name)
		if at < 0 || taken[at] {
			p.steps = append(p.steps, avroStep{plan: r.identity(f.typ)})
			continue
		}
		taken[at] = true
		p.fields++
		p.steps = append(p.steps, avroStep{key: rd.fields[at].key, plan: r.inside(rd.fields[at].name, f.typ, rd.fields[at].typ)})
	}
	for i := range rd.fields {
		f := &rd.fields[i]
		switch {
		case taken[i]:
		case f.written == nil:
			r.problems = append(r.problems, strings.Join(append(slices.Clone(r.path), f.name), ".")+": the writer's record has no such field, and the reader's has no default")
		default:
			p.tail = append(append(p.tail, f.key...), f.shown...)
			p.fields++
		}
	}
}

// identity plans a value that is read over.
func (r *avroResolver) identity(t *avroType) *avroPlan {
	return r.try(t, t)
}

// field finds a field by a writer's name: the reader's own or an alias.
func (t *avroType) field(name string) int {
	if i, ok := t.byName[name]; ok {
		return i
	}
	for i := range t.fields {
		if slices.Contains(t.fields[i].aliases, name) {
			return i
		}
	}
	return -1
}

// sameName compares the names of a writer's and a reader's type: by their
// last part, or by the reader's aliases.
func sameName(w, rd *avroType) bool {
	return lastName(w.name) == lastName(rd.name) || slices.Contains(rd.aliases, w.name)
}

func lastName(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }

// branch finds the branch of a reader's union for a writer's value: one of the
// same kind and full name, else of the same kind, else the first that takes
// it.
func (r *avroResolver) branch(w, rd *avroType) int {
	for _, strict := range []bool{true, false} {
		for i, b := range rd.branches {
			if b.kind == w.kind && (b.name == w.name || !strict && sameName(w, b)) && r.takes(w, b) {
				return i
			}
		}
	}
	for i, b := range rd.branches {
		if r.takes(w, b) {
			return i
		}
	}
	return -1
}

// takes tries a pair without leaving traces. A pair that is being tried
// already, further out, is taken for granted.
func (r *avroResolver) takes(w, rd *avroType) bool {
	if w == rd || r.plans[typePair{w, rd}] != nil {
		return true
	}
	if yes, known := r.taken[typePair{w, rd}]; known {
		return yes
	}
	if rd.kind == avroUnion && w.kind != avroUnion {
		return slices.ContainsFunc(rd.branches, func(b *avroType) bool { return r.takes(w, b) })
	}
	trial := avroResolver{plans: maps.Clone(r.plans), taken: r.taken}
	yes := trial.try(w, rd).op != opRefused && len(trial.problems) == 0
	r.taken[typePair{w, rd}] = yes
	return yes
}
