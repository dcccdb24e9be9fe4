package codec

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ProtoSchema is a set of described messages. It is immutable.
type ProtoSchema struct {
	// Text is the .proto text of the main file, empty for a descriptor set.
	Text string
	// main are the files that were asked for, files all with what they import.
	main  []protoreflect.FileDescriptor
	files *protoregistry.Files
}

// Message finds a message by its full name; an empty name stands for the only
// top-level message. Its error names those there are.
func (s *ProtoSchema) Message(name string) (protoreflect.MessageDescriptor, error) {
	return FindMessage(s.files, s.main, name)
}

// ReadProto reads a schema from a file: .proto text, with imports from its
// directory and protobuf's own, or a descriptor set as protoc writes it with
// --descriptor_set_out and --include_imports. The error is a *SchemaError or
// one of the file system.
func ReadProto(path string) (*ProtoSchema, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(path, ".proto") {
		return ParseDescriptorSet(text)
	}
	dir := filepath.Dir(path)
	return ParseProto(filepath.Base(path), string(text), func(name string) (string, error) {
		if !filepath.IsLocal(name) {
			return "", fmt.Errorf("an import leads out of the directory %s", dir)
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		return string(b), err
	})
}

// ParseProto compiles .proto text, or a file's descriptor in base64. open answers imports by their names, apart
// from protobuf's own; an error that is fs.ErrNotExist says there is none.
func ParseProto(name, text string, open func(name string) (string, error)) (*ProtoSchema, error) {
	var first error
	c := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			src := text
			if path != name {
				var err error
				if src, err = open(path); err != nil {
					return protocompile.SearchResult{}, err
				}
			}
			if described := serialized(path, src); described != nil {
				return protocompile.SearchResult{Proto: described}, nil
			}
			return protocompile.SearchResult{Source: strings.NewReader(src)}, nil
		})),
		MaxParallelism: 1,
		Reporter: reporter.NewReporter(func(e reporter.ErrorWithPos) error {
			if first == nil {
				at := e.GetPosition()
				reason := e.Unwrap().Error()
				if at.Filename != name {
					reason = at.Filename + ": " + reason
				}
				first = &SchemaError{Line: at.Line, Column: at.Col, Reason: reason}
			}
			return nil
		}, nil),
	}
	found, err := c.Compile(context.Background(), name)
	if first != nil {
		return nil, first
	}
	if err != nil {
		return nil, &SchemaError{Reason: err.Error()}
	}
	s := &ProtoSchema{Text: text, files: new(protoregistry.Files)}
	for _, f := range found {
		s.main = append(s.main, f)
		if err := s.register(f); err != nil {
			return nil, &SchemaError{Reason: err.Error()}
		}
	}
	return s, nil
}

// serialized reads the form in which some clients register a file with a
// schema registry: its descriptor in base64. It is nil for text.
func serialized(path, src string) *descriptorpb.FileDescriptorProto {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(src))
	if err != nil || len(raw) == 0 {
		return nil
	}
	var f descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(raw, &f); err != nil {
		return nil
	}
	f.Name = &path // what it is asked for by
	return &f
}

// register adds a file and what it imports.
func (s *ProtoSchema) register(f protoreflect.FileDescriptor) error {
	if _, err := s.files.FindFileByPath(f.Path()); err == nil {
		return nil
	}
	imports := f.Imports()
	for i := range imports.Len() {
		if err := s.register(imports.Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return s.files.RegisterFile(f)
}

// ParseDescriptorSet reads a descriptor set. Every file that no other one
// imports counts as asked for.
func ParseDescriptorSet(b []byte) (*ProtoSchema, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil {
		return nil, &SchemaError{Reason: "not a descriptor set (protoc --descriptor_set_out --include_imports): " + err.Error()}
	}
	if len(set.GetFile()) == 0 {
		return nil, &SchemaError{Reason: "a descriptor set without files"}
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, &SchemaError{Reason: err.Error() + " (write the set with --include_imports)"}
	}
	imported := map[string]bool{}
	for _, f := range set.GetFile() {
		for _, name := range f.GetDependency() {
			imported[name] = true
		}
	}
	s := &ProtoSchema{files: files}
	for _, f := range set.GetFile() {
		if imported[f.GetName()] {
			continue
		}
		fd, err := files.FindFileByPath(f.GetName())
		if err != nil {
			return nil, &SchemaError{Reason: err.Error()}
		}
		s.main = append(s.main, fd)
	}
	return s, nil
}
