package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"github.com/sliphost/sliphost/abi"
)

// avroKind is the sort of an Avro type.
type avroKind uint8

const (
	avroNull avroKind = iota
	avroBoolean
	avroInt
	avroLong
	avroFloat
	avroDouble
	avroBytes
	avroString
	avroFixed
	avroEnum
	avroArray
	avroMap
	avroRecord
	avroUnion
)

var avroKinds = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "array", "map", "record", "union"}

func (k avroKind) String() string { return avroKinds[k] }

// avroLogical is a logical type that changes what a handler sees. The others
// (dates, times, timestamps) are the integers they are stored as.
type avroLogical uint8

const (
	logicalNone avroLogical = iota
	logicalDecimal
	logicalUUID
	logicalDuration
)

// avroType is a type of a schema. Named types are shared, so the graph may
// have cycles, all of which go through a union, an array or a map.
type avroType struct {
	kind    avroKind
	logical avroLogical
	// name is the full name of a record, enum or fixed; aliases likewise.
	name    string
	aliases []string
	fields  []avroField
	// byName finds a field.
	byName map[string]int
	// item is that of an array or map.
	item     *avroType
	branches []*avroType
	symbols  []string
	// bySymbol finds a symbol; fallback is the enum's default, -1 if none.
	bySymbol map[string]int
	fallback int
	size     int
	scale    int
	// least is the fewest bytes a value takes.
	least int
	// tagged unions have two branches that look the same to a handler, and
	// values of theirs are maps {"branch": value}.
	tagged bool
	// byClass finds the branch of an untagged union, -1 for none.
	byClass [classes]int8
	// nullBranch is that of a union, -1 for none.
	nullBranch int
}

// avroField is a field of a record.
type avroField struct {
	name    string
	aliases []string
	typ     *avroType
	// key is the name as msgpack.
	key []byte
	// written and shown are the default in Avro and in msgpack; written is nil
	// if there is none. A field that can be null is null where a handler leaves
	// it out, default or not.
	written, shown []byte
	def            any
}

// AvroSchema is a parsed schema. It is immutable.
type AvroSchema struct {
	// Text is the schema as it was given.
	Text string
	// Name is the full name of the top type, or the type's word.
	Name string

	root   *avroType
	parsed *avro.Schema
}

// SchemaError says what is wrong with the text of a schema.
type SchemaError struct {
	// Line and Column are where, counted from 1; 0 if only the sentence tells.
	Line, Column int
	Reason       string
}

// Error implements error.
func (e *SchemaError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// ParseAvro reads a schema (.avsc). deps are the texts of schemas that define
// names it uses, each after those it uses itself. The error is a *SchemaError.
func ParseAvro(text string, deps ...string) (*AvroSchema, error) {
	var raw json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line, column := lineColumn(text, int(syntax.Offset)-1)
			return nil, &SchemaError{line, column, "not JSON: " + syntax.Error()}
		}
		return nil, &SchemaError{Reason: "not JSON: " + err.Error()}
	}
	var cache avro.SchemaCache
	b := &avroBuilder{named: map[string]*avroType{}}
	for _, dep := range deps {
		s, err := cache.Parse(dep)
		if err != nil {
			return nil, &SchemaError{Reason: "in a schema it refers to: " + avroReason(err)}
		}
		if _, err := b.build(s.Root(), ""); err != nil {
			return nil, err
		}
	}
	s, err := cache.Parse(text)
	if err != nil {
		return nil, &SchemaError{Reason: avroReason(err)}
	}
	t, err := b.build(s.Root(), "")
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		return nil, err
	}
	name := t.name
	if name == "" {
		name = t.kind.String()
	}
	return &AvroSchema{Text: text, Name: name, root: t, parsed: s}, nil
}

func avroReason(err error) string { return strings.TrimPrefix(err.Error(), "avro: ") }

// lineColumn returns where byte i of text is, in lines and bytes from 1.
func lineColumn(text string, i int) (line, column int) {
	i = max(0, min(i, len(text)))
	return 1 + strings.Count(text[:i], "\n"), i - strings.LastIndexByte(text[:i], '\n')
}

// avroBuilder makes the graph of a schema.
type avroBuilder struct {
	named map[string]*avroType
	all   []*avroType
	depth int
}

// maxSchemaDepth bounds the nesting of a schema's text.
const maxSchemaDepth = 128

func (b *avroBuilder) build(n *avro.SchemaNode, space string) (*avroType, error) {
	if b.depth++; b.depth > maxSchemaDepth {
		return nil, &SchemaError{Reason: fmt.Sprintf("types are nested more than %d deep", maxSchemaDepth)}
	}
	defer func() { b.depth-- }()
	t := &avroType{fallback: -1, nullBranch: -1, least: -1}
	k := slices.Index(avroKinds[:], n.Type)
	switch {
	case n.Type == "error":
		k = int(avroRecord)
	case len(n.Branches) > 0 || n.Type == "union":
		k = int(avroUnion)
	case k < 0:
		name := n.Type
		if !strings.Contains(name, ".") && space != "" {
			if found := b.named[space+"."+name]; found != nil {
				return found, nil
			}
		}
		if found := b.named[name]; found != nil {
			return found, nil
		}
		return nil, &SchemaError{Reason: "type " + quoted(name) + " is not defined"}
	}
	t.kind = avroKind(k)
	b.all = append(b.all, t)
	if err := b.name(t, n, &space); err != nil {
		return nil, err
	}
	t.setLogical(n)
	var err error
	switch t.kind {
	case avroArray:
		t.item, err = b.build(n.Items, space)
	case avroMap:
		t.item, err = b.build(n.Values, space)
	case avroUnion:
		for i := range n.Branches {
			branch, berr := b.build(&n.Branches[i], space)
			if berr != nil {
				return nil, berr
			}
			t.branches = append(t.branches, branch)
		}
	case avroEnum:
		t.symbols, t.bySymbol = n.Symbols, map[string]int{}
		for i, s := range n.Symbols {
			t.bySymbol[s] = i
		}
		if n.HasEnumDefault {
			t.fallback = t.bySymbol[n.EnumDefault]
		}
	case avroFixed:
		t.size = n.Size
	case avroRecord:
		err = b.fields(t, n, space)
	}
	return t, err
}

// name gives a named type its full name and makes space that of its children.
func (b *avroBuilder) name(t *avroType, n *avro.SchemaNode, space *string) error {
	if t.kind != avroRecord && t.kind != avroEnum && t.kind != avroFixed {
		return nil
	}
	t.name = n.Name
	if i := strings.LastIndexByte(n.Name, '.'); i >= 0 {
		*space = n.Name[:i]
	} else {
		*space = n.Namespace
		if n.Namespace != "" {
			t.name = n.Namespace + "." + n.Name
		}
	}
	for _, a := range n.Aliases {
		if !strings.Contains(a, ".") && *space != "" {
			a = *space + "." + a
		}
		t.aliases = append(t.aliases, a)
	}
	b.named[t.name] = t
	return nil
}

func (t *avroType) setLogical(n *avro.SchemaNode) {
	switch {
	case n.LogicalType == "decimal" && n.Precision > 0 && (t.kind == avroBytes || t.kind == avroFixed):
		t.logical, t.scale = logicalDecimal, n.Scale
	case n.LogicalType == "uuid" && (t.kind == avroString || t.kind == avroFixed && n.Size == 16):
		t.logical = logicalUUID
	case n.LogicalType == "duration" && t.kind == avroFixed && n.Size == 12:
		t.logical = logicalDuration
	}
}

func (b *avroBuilder) fields(t *avroType, n *avro.SchemaNode, space string) error {
	t.byName = map[string]int{}
	for i := range n.Fields {
		f := &n.Fields[i]
		typ, err := b.build(&f.Type, space)
		if err != nil {
			return err
		}
		t.byName[f.Name] = i
		own := avroField{name: f.Name, aliases: f.Aliases, typ: typ, key: abi.AppendStr(nil, f.Name), def: noDefault}
		if f.HasDefault {
			own.def = f.Default
		}
		t.fields = append(t.fields, own)
	}
	return nil
}

// noDefault stands for a field without default: null is one.
var noDefault = new(struct{ _ byte })

// finish computes what needs the whole graph.
func (b *avroBuilder) finish() error {
	for _, t := range b.all {
		if t.kind == avroUnion {
			t.sort()
		}
		t.measure()
	}
	for _, t := range b.all {
		for i := range t.fields {
			f := &t.fields[i]
			if f.def == noDefault {
				continue
			}
			shown, err := appendDefault(nil, f.typ, f.def, 0)
			if err == nil {
				e := avroEncoder{in: input{src: shown}, dst: []byte{}}
				e.value(f.typ, 0)
				if e.in.err != nil {
					err = errors.New(e.in.err.Reason)
				}
				f.shown, f.written = shown, e.dst
			}
			if err != nil {
				return &SchemaError{Reason: fmt.Sprintf("the default of field %s of record %s does not fit its type: %v", quoted(f.name), t.name, err)}
			}
		}
	}
	return nil
}

// look is the class of msgpack that values of t have.
func (t *avroType) look() class {
	switch {
	case t.logical == logicalDecimal || t.logical == logicalUUID:
		return classStr
	case t.logical == logicalDuration:
		return classArray
	}
	return [...]class{
		avroNull: classNil, avroBoolean: classBool, avroInt: classInt, avroLong: classInt, avroFloat: classFloat, avroDouble: classFloat,
		avroBytes: classBin, avroString: classStr, avroFixed: classBin, avroEnum: classStr, avroArray: classArray, avroMap: classMap, avroRecord: classMap,
	}[t.kind]
}

// sort finds out how a union's branches are told apart. Two sorts of integers
// or of floats are no difference to a handler, and the wider one serves.
func (t *avroType) sort() {
	for i := range t.byClass {
		t.byClass[i] = -1
	}
	number := func(k avroKind) bool { return k >= avroInt && k <= avroDouble }
	for i, branch := range t.branches {
		c := branch.look()
		if branch.kind == avroNull {
			t.nullBranch = i
		}
		old := t.byClass[c]
		switch {
		case old < 0:
			t.byClass[c] = int8(min(i, 127))
		case number(branch.kind):
			if branch.kind > t.branches[old].kind {
				t.byClass[c] = int8(min(i, 127))
			}
		default:
			t.tagged = true
		}
		if i > 127 {
			t.tagged = true
		}
	}
	if !t.tagged && t.byClass[classInt] < 0 {
		t.byClass[classInt] = t.byClass[classFloat]
	}
	if !t.tagged && t.byClass[classStr] < 0 && t.byClass[classBin] >= 0 && t.branches[t.byClass[classBin]].kind == avroBytes {
		t.byClass[classStr] = t.byClass[classBin]
	}
}

// tag is the name by which a branch of a tagged union goes.
func (t *avroType) tag() string {
	if t.name != "" {
		return t.name
	}
	return t.kind.String()
}

// measure sets and returns least. A record that contains itself with nothing
// in between, of which there can be no value, counts 0 where it does.
func (t *avroType) measure() int {
	if t.least >= 0 {
		return t.least
	}
	t.least = 0
	n := 0
	switch t.kind {
	case avroNull:
	case avroFloat:
		n = 4
	case avroDouble:
		n = 8
	case avroFixed:
		n = t.size
	case avroRecord:
		for i := range t.fields {
			n = min(n+t.fields[i].typ.measure(), 1<<30)
		}
	default:
		n = 1
	}
	t.least = n
	return n
}

func quoted(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always has a JSON form
	return strings.TrimSuffix(b.String(), "\n")
}
