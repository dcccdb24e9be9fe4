package manifest

import "time"

// Step is the stage of building this version of sliphost has reached. A field
// or choice whose since is larger is known but refused.
const Step = 3

// fieldKind is what a field's value looks like in a manifest.
type fieldKind uint8

const (
	fieldString fieldKind = iota
	fieldChoice
	fieldInt
	fieldBool
	fieldDuration
	fieldSize
	fieldStart
	fieldStrings
	// fieldBindings is a list of endpoints, or a table of them by name.
	fieldBindings
	// fieldMarker is a word or a table with the place of a marker.
	fieldMarker
	// fieldProperties is a table of scalars that are passed on as text.
	fieldProperties
	// fieldParams is a table of typed scalars.
	fieldParams
	// fieldTable is a table with fields of its own, fieldTables one table for
	// each id.
	fieldTable
	fieldTables
)

// table is the specification of one table of a manifest.
type table struct {
	fields []field
}

// field is the specification of one key. Everything the package does with a
// key follows from it.
type field struct {
	name string
	kind fieldKind
	// help is one or more sentences for the reference page and the schema.
	help string
	// example is a value as TOML.
	example string
	// def is the default as text; defNote describes one that is computed.
	def, defNote string
	required     bool
	// since is the step that makes the field usable; 0 means from the first.
	since   int
	choices []choice
	// min and max bound integers, sizes in bytes and durations in nanoseconds.
	min, max int64
	// check looks at the text of a string.
	check func(text string) *problem
	// slot gives access to the value of a scalar or list.
	slot func(parent any) slot
	// client marks properties that are the Kafka client's; owned lists those
	// that the host sets itself, with the reason.
	client bool
	owned  []ownedProperty

	// table describes fieldTable and fieldTables. sub returns the struct of a
	// fieldTable; add appends one for an id to a fieldTables and each calls fn
	// for every one there is.
	table *table
	sub   func(parent any) any
	add   func(parent any, id string) any
	each  func(parent any, fn func(id string, child any))
	// open, for a fieldChoice, admits ids besides the words.
	open bool
	// reserved lists ids that mean something else; id describes one in a word.
	reserved []string
	id       string
	// rest, for a fieldTable, takes the tables at keys that are no fields: it is
	// a fieldTables with the same parent.
	rest *field
}

// choice is one of the words a fieldChoice allows.
type choice struct {
	name, help string
	since      int
}

// ownedProperty is a property that cannot be set, and why.
type ownedProperty struct {
	name, why string
}

// problem is what is wrong with a text.
type problem struct {
	code      Code
	msg, hint string
}

// slot reads and writes one value. The type inside is that of the kind:
// string, int64, bool, time.Duration, Start, Marker, []string, bindings,
// []Property or []Param.
type slot struct {
	get func() any
	set func(any)
}

// bindings are the entries of a fieldBindings in the order of the document.
type bindings struct {
	entries []binding
	// named is set for the table form.
	named bool
}

// binding is one entry: its name ("" in list form) and the endpoint's text.
type binding struct {
	name string
	text Value
	path []string
	refs []string
}

// later reports whether something needs a later version.
func later(since int) bool { return since > Step }

// usable reports whether the field does something in this version.
func (f *field) usable() bool { return !later(f.since) }

// noun returns what a key of the field is called in a sentence.
func (f *field) noun() string {
	if f.table != nil {
		return "table"
	}
	return "key"
}

// field returns the field of a name, or nil.
func (t *table) field(name string) *field {
	for i := range t.fields {
		if t.fields[i].name == name {
			return &t.fields[i]
		}
	}
	return nil
}

// names returns the keys that can be used in this version.
func (t *table) names() []string {
	var out []string
	for i := range t.fields {
		if t.fields[i].usable() {
			out = append(out, t.fields[i].name)
		}
	}
	return out
}

// names returns the words that can be used in this version.
func (f *field) words() []string {
	var out []string
	for _, c := range f.choices {
		if !later(c.since) {
			out = append(out, c.name)
		}
	}
	return out
}

// textAt makes the slot of a field that has a string type.
func textAt[P any, T ~string](at func(*P) *T) func(any) slot {
	return func(parent any) slot {
		p := at(parent.(*P))
		return slot{
			get: func() any { return string(*p) },
			set: func(v any) { *p = T(v.(string)) },
		}
	}
}

// intAt makes the slot of a field that has an integer type.
func intAt[P any, T ~int | ~int64](at func(*P) *T) func(any) slot {
	return func(parent any) slot {
		p := at(parent.(*P))
		return slot{
			get: func() any { return int64(*p) },
			set: func(v any) { *p = T(v.(int64)) },
		}
	}
}

// at makes the slot of a field whose type is that of its kind.
func at[P any, T bool | time.Duration | Start | Marker | []string | bindings | []Property | []Param](at func(*P) *T) func(any) slot {
	return func(parent any) slot {
		p := at(parent.(*P))
		return slot{
			get: func() any { return *p },
			set: func(v any) { *p = v.(T) },
		}
	}
}

// inside makes the sub function of a fieldTable.
func inside[P, C any](at func(*P) *C) func(any) any {
	return func(parent any) any { return at(parent.(*P)) }
}

// adder and walker make the functions of a fieldTables over a slice; named
// gives access to an element's id.
func adder[P, C any](at func(*P) *[]C, id func(*C) *string) func(any, string) any {
	return func(parent any, name string) any {
		list := at(parent.(*P))
		*list = append(*list, *new(C))
		c := &(*list)[len(*list)-1]
		*id(c) = name
		return c
	}
}

func walker[P, C any](at func(*P) *[]C, id func(*C) *string) func(any, func(string, any)) {
	return func(parent any, fn func(string, any)) {
		list := *at(parent.(*P))
		for i := range list {
			fn(*id(&list[i]), &list[i])
		}
	}
}
