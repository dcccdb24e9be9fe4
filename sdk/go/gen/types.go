package gen

import (
	"go/ast"
	"strconv"
)

// kind is how a type is read and written.
type kind uint8

const (
	unsupported kind = iota
	text
	truth
	signed
	unsigned
	float
	octets
	methods // has MarshalMsgpack and UnmarshalMsgpack
	pointer
	list
	dictionary
)

var basic = map[string]kind{
	"string": text, "bool": truth,
	"int": signed, "int8": signed, "int16": signed, "int32": signed, "int64": signed, "rune": signed,
	"uint": unsigned, "uint8": unsigned, "uint16": unsigned, "uint32": unsigned, "uint64": unsigned, "byte": unsigned,
	"float32": float, "float64": float,
}

// classify returns a type's kind and, for pointers, lists and dictionaries,
// the type of what they hold.
func (p *pkg) classify(t ast.Expr) (kind, ast.Expr) {
	switch t := t.(type) {
	case *ast.Ident:
		if spec, ok := p.types[t.Name]; ok {
			if _, ok := spec.Type.(*ast.StructType); ok || p.byHand(t.Name) {
				return methods, nil
			}
			return p.classify(spec.Type)
		}
		return basic[t.Name], nil
	case *ast.SelectorExpr:
		return methods, nil
	case *ast.StarExpr:
		return pointer, t.X
	case *ast.ArrayType:
		if t.Len != nil {
			return unsupported, nil
		}
		if id, ok := t.Elt.(*ast.Ident); ok && (id.Name == "byte" || id.Name == "uint8") && p.types[id.Name] == nil {
			return octets, nil
		}
		return list, t.Elt
	case *ast.MapType:
		if id, ok := t.Key.(*ast.Ident); ok && id.Name == "string" && p.types["string"] == nil {
			return dictionary, t.Value
		}
	}
	return unsupported, nil
}

func (p *pkg) refuse(t ast.Expr) error {
	return p.fail(t, "type "+source(t)+" cannot be read and written: want a string, bool, number, []byte, struct, "+
		"pointer, slice, map with string keys, or a type with MarshalMsgpack and UnmarshalMsgpack")
}

// source returns a type as it is written.
func source(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.SelectorExpr:
		return source(t.X) + "." + t.Sel.Name
	case *ast.StarExpr:
		return "*" + source(t.X)
	case *ast.ArrayType:
		if t.Len != nil {
			return "[...]" + source(t.Elt)
		}
		return "[]" + source(t.Elt)
	case *ast.MapType:
		return "map[" + source(t.Key) + "]" + source(t.Value)
	case *ast.InterfaceType:
		return "interface{...}"
	case *ast.StructType:
		return "struct{...}"
	case *ast.FuncType:
		return "func(...)"
	case *ast.ChanType:
		return "chan"
	}
	return "of this form"
}

// follow queues the struct that t names, if it does.
func (p *pkg) follow(t ast.Expr) error {
	switch t := t.(type) {
	case *ast.Ident:
		p.want(t.Name)
		return nil
	case *ast.SelectorExpr:
		return p.fail(t, "type "+source(t)+" is of another package: give the field a type of this package")
	}
	return nil
}

// cast returns an expression of the type have converted to t.
func cast(t ast.Expr, have, expr string) string {
	if source(t) == have {
		return expr
	}
	return source(t) + "(" + expr + ")"
}

// natural returns an expression of type t converted to the type want.
func natural(t ast.Expr, want, expr string) string {
	if source(t) == want {
		return expr
	}
	return want + "(" + expr + ")"
}

// read writes code that reads the next value into to, which is assignable.
func (p *pkg) read(t ast.Expr, to string, depth int) error {
	k, elem := p.classify(t)
	suffix := strconv.Itoa(depth)
	switch k {
	case text:
		p.line(to, " = ", cast(t, "string", "r.String()"))
	case truth:
		p.line(to, " = ", cast(t, "bool", "r.Bool()"))
	case signed:
		p.line(to, " = slip.ReadInt[", source(t), "](r)")
	case unsigned:
		p.line(to, " = slip.ReadUint[", source(t), "](r)")
	case float:
		p.line(to, " = ", cast(t, "float64", "r.Float()"))
	case octets:
		p.line(to, " = r.Copy()")
	case methods:
		if err := p.follow(t); err != nil {
			return err
		}
		p.line("if err := ", to, ".UnmarshalMsgpack(r); err != nil {\nreturn err\n}")
	case pointer:
		p.line("if r.Nil() {\n", to, " = nil\n} else {")
		p.line("p", suffix, " := new(", source(elem), ")")
		if err := p.read(elem, "(*p"+suffix+")", depth+1); err != nil {
			return err
		}
		p.line(to, " = p", suffix, "\n}")
	case list:
		p.line(to, " = nil")
		p.line("for n := r.Array(); n > 0 && r.OK(); n-- {")
		p.line("var e", suffix, " ", source(elem))
		if err := p.read(elem, "e"+suffix, depth+1); err != nil {
			return err
		}
		p.line(to, " = append(", to, ", e", suffix, ")\n}")
	case dictionary:
		p.clones = true
		p.line(to, " = ", source(t), "{}")
		p.line("for key := range r.Fields() {")
		p.line("var e", suffix, " ", source(elem))
		p.line("k", suffix, " := strings.Clone(key)")
		if err := p.read(elem, "e"+suffix, depth+1); err != nil {
			return err
		}
		p.line(to, "[k", suffix, "] = e", suffix, "\n}")
	default:
		return p.refuse(t)
	}
	return nil
}

// write writes code that writes from, which is addressable.
func (p *pkg) write(t ast.Expr, from string, depth int) error {
	k, elem := p.classify(t)
	suffix := strconv.Itoa(depth)
	switch k {
	case text:
		p.line("w.Str(", natural(t, "string", from), ")")
	case truth:
		p.line("w.Bool(", natural(t, "bool", from), ")")
	case signed:
		p.line("w.Int(", natural(t, "int64", from), ")")
	case unsigned:
		p.line("w.Uint(", natural(t, "uint64", from), ")")
	case float:
		p.line("w.Float(", natural(t, "float64", from), ")")
	case octets:
		p.line("w.Bytes(", from, ")")
	case methods:
		p.line("if err := ", from, ".MarshalMsgpack(w); err != nil {\nreturn err\n}")
	case pointer:
		p.line("if ", from, " == nil {\nw.Nil()\n} else {")
		if err := p.write(elem, "(*"+from+")", depth+1); err != nil {
			return err
		}
		p.line("}")
	case list:
		p.line("w.Array(len(", from, "))")
		p.line("for i", suffix, " := range ", from, " {")
		if err := p.write(elem, from+"[i"+suffix+"]", depth+1); err != nil {
			return err
		}
		p.line("}")
	case dictionary:
		p.sorts = true
		p.line("w.Map(len(", from, "))")
		p.line("for _, k", suffix, " := range slices.Sorted(maps.Keys(", from, ")) {")
		// A map's element is not addressable, which methods need it to be.
		p.line("w.Str(k", suffix, ")\ne", suffix, " := ", from, "[k", suffix, "]")
		if err := p.write(elem, "e"+suffix, depth+1); err != nil {
			return err
		}
		p.line("}")
	default:
		return p.refuse(t)
	}
	return nil
}

// there returns the condition under which an optional field is written.
func (p *pkg) there(t ast.Expr, from string) (string, error) {
	switch k, _ := p.classify(t); k {
	case text:
		return from + " != \"\"", nil
	case truth:
		return natural(t, "bool", from), nil
	case signed, unsigned, float:
		return from + " != 0", nil
	case octets, list, dictionary:
		return "len(" + from + ") > 0", nil
	case pointer:
		return from + " != nil", nil
	case methods:
		return "", p.fail(t, "an optional struct cannot be told from an empty one: make it a pointer")
	}
	return "", p.refuse(t)
}
