// Package gen writes the methods by which a struct is read from and written as
// msgpack: slip.Unmarshaler and slip.Marshaler, without reflection. It is what
// `go run github.com/sliphost/sliphost/sdk/go/slipgen` runs.
//
// A struct gets the methods if one of its fields has a slip tag, or if such a
// struct refers to it:
//
//	type Flight struct {
//		Date   string   `slip:"date"`
//		Delay  int      `slip:"delay"`
//		Gate   *string  `slip:"gate"`            // may be null
//		Remark string   `slip:"remark,optional"` // may be missing or null; left out when empty
//		Legs   []Leg    `slip:"legs"`
//		note   string                            // not exported, no tag: left alone
//	}
//
// Field types are strings, bools, numbers, []byte, structs, pointers, slices,
// maps with string keys, types of the package that have one of these as their
// underlying type, and types of the package with the two methods. An exported field without a
// tag has its Go name; `slip:"-"` leaves one out.
//
// Reading refuses a document in which a field is missing, null or of another
// type, and numbers that do not fit; unknown fields are passed over. Writing
// sorts maps by key, so equal values give equal bytes.
package gen

import (
	"bytes"
	"errors"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// File is the name of the generated file in a package's folder.
const File = "slip_gen.go"

// Dir generates File for the package in dir. It removes the file when no
// struct asks for methods, and reports whether one did. An error names file,
// line and field.
func Dir(dir string) (found bool, err error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return false, err
	}
	files := map[string][]byte{}
	for _, path := range sources {
		if name := filepath.Base(path); name == File || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if files[path], err = os.ReadFile(path); err != nil {
			return false, err
		}
	}
	out, err := Source(files)
	if err != nil {
		return false, err
	}
	to := filepath.Join(dir, File)
	if out == nil {
		if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		return false, nil
	}
	return true, os.WriteFile(to, out, 0o644)
}

// Source returns the generated file for a package given by its sources, keyed
// by file name; nil if no struct asks for methods.
func Source(files map[string][]byte) ([]byte, error) {
	p := pkg{set: token.NewFileSet(), types: map[string]*ast.TypeSpec{}, methods: map[string]bool{}}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := parser.ParseFile(p.set, name, files[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.name = f.Name.Name
		p.collect(f)
	}
	for _, name := range p.order {
		if s, ok := p.types[name].Type.(*ast.StructType); ok && tagged(s) {
			p.want(name)
		}
	}
	if len(p.queue) == 0 {
		return nil, nil
	}
	// The queue grows while structs refer to others.
	for i := 0; i < len(p.queue); i++ {
		if err := p.methodsOf(p.queue[i]); err != nil {
			return nil, err
		}
	}
	return p.file()
}

// pkg is a package while its file is written.
type pkg struct {
	set   *token.FileSet
	name  string
	types map[string]*ast.TypeSpec
	// order lists the types as they are declared.
	order []string
	// methods has "Type.Method" for what is written by hand.
	methods map[string]bool
	queue   []string
	body    bytes.Buffer
	// sorts and clones say which packages the body needs.
	sorts, clones bool
}

func (p *pkg) collect(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil && len(d.Recv.List) == 1 {
				t := d.Recv.List[0].Type
				if star, ok := t.(*ast.StarExpr); ok {
					t = star.X
				}
				if id, ok := t.(*ast.Ident); ok {
					p.methods[id.Name+"."+d.Name.Name] = true
				}
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					p.types[t.Name.Name] = t
					p.order = append(p.order, t.Name.Name)
				}
			}
		}
	}
}

// tagged says whether a field has a slip tag.
func tagged(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool {
		_, ok := tag(f)
		return ok
	})
}

func tag(f *ast.Field) (string, bool) {
	if f.Tag == nil {
		return "", false
	}
	text, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return "", false
	}
	for part := range strings.FieldsSeq(text) {
		if value, ok := strings.CutPrefix(part, "slip:"); ok {
			if value, err := strconv.Unquote(value); err == nil {
				return value, true
			}
		}
	}
	return "", false
}

// want queues a struct for methods unless it has them by hand.
func (p *pkg) want(name string) {
	if !p.byHand(name) && !slices.Contains(p.queue, name) {
		p.queue = append(p.queue, name)
	}
}

func (p *pkg) byHand(name string) bool {
	return p.methods[name+".MarshalMsgpack"] && p.methods[name+".UnmarshalMsgpack"]
}

func (p *pkg) fail(at ast.Node, text string) error {
	return errors.New(p.set.Position(at.Pos()).String() + ": " + text)
}

// line writes a line of the file; gofmt indents it.
func (p *pkg) line(parts ...string) {
	for _, s := range parts {
		p.body.WriteString(s)
	}
	p.body.WriteByte('\n')
}

func (p *pkg) file() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("// Code generated by slipgen. DO NOT EDIT.\n\npackage " + p.name + "\n\nimport (\n")
	if p.sorts {
		out.WriteString("\"maps\"\n\"slices\"\n")
	}
	if p.clones {
		out.WriteString("\"strings\"\n")
	}
	out.WriteString("\nslip \"github.com/sliphost/sliphost/sdk/go\"\n)\n")
	out.Write(p.body.Bytes())
	return format.Source(out.Bytes())
}
