package gen

import (
	"go/ast"
	"strconv"
	"strings"
)

// field is one field of a struct as it is written.
type field struct {
	goName, name string
	optional     bool
	t            ast.Expr
}

// maxRequired is how many fields of a struct may be required: one bit each.
const maxRequired = 64

// methodsOf writes both methods of a struct.
func (p *pkg) methodsOf(name string) error {
	spec := p.types[name]
	s, ok := spec.Type.(*ast.StructType)
	if !ok || spec.TypeParams != nil || spec.Assign.IsValid() {
		return p.fail(spec, name+" is not a plain struct")
	}
	fields, err := p.fields(s)
	if err != nil {
		return err
	}
	if err := p.unmarshal(name, fields); err != nil {
		return err
	}
	return p.marshal(name, fields)
}

func (p *pkg) fields(s *ast.StructType) (fields []field, err error) {
	seen := map[string]bool{}
	required := 0
	for _, f := range s.Fields.List {
		text, has := tag(f)
		if len(f.Names) == 0 {
			return nil, p.fail(f, "an embedded field has no name: give it one")
		}
		if has && len(f.Names) > 1 {
			return nil, p.fail(f, "one tag for several fields: write them on lines of their own")
		}
		name, options, _ := strings.Cut(text, ",")
		if name == "-" && options == "" {
			continue
		}
		if options != "" && options != "optional" {
			return nil, p.fail(f, "tag option \""+options+"\": want optional")
		}
		for _, id := range f.Names {
			if !has && !id.IsExported() {
				continue
			}
			one := field{goName: id.Name, name: name, optional: options == "optional", t: f.Type}
			if one.name == "" {
				one.name = id.Name
			}
			if seen[one.name] {
				return nil, p.fail(f, "two fields are named \""+one.name+"\"")
			}
			seen[one.name] = true
			if !one.optional {
				required++
			}
			fields = append(fields, one)
		}
	}
	if required > maxRequired {
		return nil, p.fail(s, "more than "+strconv.Itoa(maxRequired)+" fields that are not optional")
	}
	return fields, nil
}

func (p *pkg) unmarshal(name string, fields []field) error {
	p.line("\n// UnmarshalMsgpack implements slip.Unmarshaler.")
	p.line("func (v *", name, ") UnmarshalMsgpack(r *slip.Reader) error {")
	p.line("*v = ", name, "{}")
	var required []string
	p.line("var got uint64")
	p.line("for name := range r.Fields() {\nswitch name {")
	for _, f := range fields {
		p.line("case ", strconv.Quote(f.name), ":")
		if f.optional {
			p.line("if r.Nil() {\nbreak\n}")
		} else {
			p.line("got |= 1 << ", strconv.Itoa(len(required)))
			required = append(required, strconv.Quote(f.name))
		}
		if err := p.read(f.t, "v."+f.goName, 0); err != nil {
			return err
		}
	}
	p.line("default:\nr.Skip()\n}\n}")
	p.line("return r.Require(", strings.Join(append([]string{"got"}, required...), ", "), ")\n}")
	return nil
}

func (p *pkg) marshal(name string, fields []field) error {
	p.line("\n// MarshalMsgpack implements slip.Marshaler.")
	p.line("func (v *", name, ") MarshalMsgpack(w *slip.Writer) error {")
	fixed := 0
	for _, f := range fields {
		if !f.optional {
			fixed++
		}
	}
	p.line("n := ", strconv.Itoa(fixed))
	for _, f := range fields {
		if !f.optional {
			continue
		}
		there, err := p.there(f.t, "v."+f.goName)
		if err != nil {
			return err
		}
		p.line("if ", there, " {\nn++\n}")
	}
	p.line("w.Map(n)")
	for _, f := range fields {
		if f.optional {
			there, err := p.there(f.t, "v."+f.goName)
			if err != nil {
				return err
			}
			p.line("if ", there, " {")
		}
		p.line("w.Str(", strconv.Quote(f.name), ")")
		if err := p.write(f.t, "v."+f.goName, 0); err != nil {
			return err
		}
		if f.optional {
			p.line("}")
		}
	}
	p.line("return nil\n}")
	return nil
}
