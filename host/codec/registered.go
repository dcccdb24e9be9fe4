package codec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Strategy says how the subject is named that a topic's schemas are under.
type Strategy uint8

// Strategies: TOPIC-key or TOPIC-value; the record's full name; both.
const (
	SubjectTopic Strategy = iota
	SubjectRecord
	SubjectTopicRecord
)

// RegisteredConfig is what a codec with a registry is made from.
type RegisteredConfig struct {
	// Name is what messages call the codec.
	Name     string
	Registry *Registry
	// Topic and Key say what the codec is for.
	Topic string
	Key   bool
	// Subject replaces the one that Strategy makes.
	Subject  string
	Strategy Strategy
	// Register creates the schema in the registry when it is missing there.
	Register bool
	// Avro or Proto is the schema: records are read as it says and written by
	// it. Without one, each record is read by its own schema, and written by the
	// latest of the subject.
	Avro  *AvroSchema
	Proto *ProtoSchema
	// Protobuf says that messages are protobuf; Message is the type's full name,
	// empty for the only one.
	Protobuf bool
	Message  string
}

// Registered translates records with a schema id in front: a zero byte, the id
// in 4 bytes, for protobuf the place of the message in its file, and the value
// as Avro and Protobuf have it. It asks the registry for each id once.
//
// A record whose id the registry does not know, or that does not fit its
// schema, is an *Error. What the registry cannot answer now is an *Unavailable.
type Registered struct {
	c       RegisteredConfig
	subject string
	own     *ownSchema

	mu    sync.Mutex
	byID  atomic.Pointer[map[uint32]*reading]
	write atomic.Pointer[writing]
}

// ownSchema is the manifest's schema, ready to write with.
type ownSchema struct {
	schema sr.Schema
	avro   *Avro
	proto  *Protobuf
	desc   protoreflect.MessageDescriptor
	name   string
}

// reading is what an id stands for; err is what is wrong with every record
// that has it.
type reading struct {
	avro  *Avro
	proto *ProtoSchema
	// messages are the codecs of protobuf messages by their place.
	messages sync.Map
	err      *Error
}

// writing is what stands in front of every record, and the codec.
type writing struct {
	head  []byte
	codec Codec
}

// NewRegistered makes the codec. It does not ask the registry yet; the errors
// are about the configuration.
func NewRegistered(c RegisteredConfig) (*Registered, error) {
	r := &Registered{c: c, own: &ownSchema{}}
	if c.Avro != nil {
		a, err := NewAvro(c.Name, c.Avro, c.Avro)
		if err != nil {
			return nil, err
		}
		r.own = &ownSchema{schema: sr.Schema{Schema: c.Avro.Text, Type: sr.TypeAvro}, avro: a, name: c.Avro.Name}
	}
	if c.Proto != nil {
		md, err := c.Proto.Message(c.Message)
		if err != nil {
			return nil, err
		}
		p, err := NewProtobuf(c.Name, md)
		if err != nil {
			return nil, err
		}
		r.own = &ownSchema{schema: sr.Schema{Schema: c.Proto.Text, Type: sr.TypeProtobuf}, proto: p, desc: md, name: string(md.FullName())}
	}
	part := "-value"
	if c.Key {
		part = "-key"
	}
	record := r.own.name
	if record == "" {
		record = c.Message
	}
	switch {
	case c.Subject != "":
		r.subject = c.Subject
	case c.Strategy == SubjectTopic:
		r.subject = c.Topic + part
	case record == "":
		return nil, errors.New("a subject named by the record needs a schema, or subject")
	case c.Strategy == SubjectRecord:
		r.subject = record
	default:
		r.subject = c.Topic + "-" + record
	}
	r.byID.Store(&map[uint32]*reading{})
	return r, nil
}

// Name implements Codec.
func (r *Registered) Name() string { return r.c.Name }

// Repr implements Codec.
func (*Registered) Repr() Repr { return Msgpack }

// Subject is the subject that the codec writes under.
func (r *Registered) Subject() string { return r.subject }

// Decode implements Codec.
func (r *Registered) Decode(dst, src []byte) ([]byte, error) {
	if len(src) < 5 || src[0] != 0 {
		return dst, &Error{Codec: r.c.Name, Reason: "no schema id in front: a zero byte and 4 bytes are expected (a topic without a registry wants a codec without registry)"}
	}
	id := binary.BigEndian.Uint32(src[1:])
	rd := (*r.byID.Load())[id]
	if rd == nil {
		var err error
		if rd, err = r.find(id); err != nil {
			return dst, err
		}
	}
	if rd.err != nil {
		err := *rd.err
		return dst, &err
	}
	if rd.avro != nil {
		return rd.avro.decode(dst, src, 5)
	}
	return r.message(dst, src, rd)
}

// find asks what an id stands for.
func (r *Registered) find(id uint32) (*reading, error) {
	s, err := r.c.Registry.byID(int(id))
	if err != nil {
		if errors.Is(err, errUnknown) {
			return nil, &Error{Codec: r.c.Name, Offset: 1, Reason: fmt.Sprintf("schema id %d is unknown: %v", id, err)}
		}
		return nil, &Unavailable{r.c.Name, err.Error()}
	}
	rd, err := r.read(id, s)
	if err != nil {
		return nil, &Unavailable{r.c.Name, err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := *r.byID.Load()
	next := make(map[uint32]*reading, len(old)+1)
	for k, v := range old {
		next[k] = v
	}
	next[id] = rd
	r.byID.Store(&next)
	return rd, nil
}

// read makes an id's codec. The error is one of the registry.
func (r *Registered) read(id uint32, s sr.Schema) (*reading, error) {
	bad := func(why string) *reading {
		return &reading{err: &Error{Codec: r.c.Name, Offset: 1, Reason: fmt.Sprintf("schema id %d %s", id, why)}}
	}
	want := sr.TypeAvro
	if r.c.Protobuf {
		want = sr.TypeProtobuf
	}
	if s.Type != want {
		return bad(fmt.Sprintf("is of type %s, and the codec reads %s", s.Type, want)), nil
	}
	if r.c.Protobuf {
		schema, err := r.proto(s)
		if err != nil {
			if errors.As(err, new(*SchemaError)) {
				return bad("cannot be read: " + err.Error()), nil
			}
			return nil, err
		}
		return &reading{proto: schema}, nil
	}
	writer, err := r.avro(s)
	if err != nil {
		if errors.As(err, new(*SchemaError)) {
			return bad("cannot be read: " + err.Error()), nil
		}
		return nil, err
	}
	reader := r.c.Avro
	if reader == nil {
		reader = writer
	}
	a, err := NewAvro(r.c.Name, writer, reader)
	if err != nil {
		return bad("does not go with the schema of the manifest: " + err.Error()), nil
	}
	return &reading{avro: a}, nil
}

// avro parses a registry's schema with what it refers to.
func (r *Registered) avro(s sr.Schema) (*AvroSchema, error) {
	var deps []string
	err := r.references(s, map[string]bool{}, func(_ string, text string) { deps = append(deps, text) })
	if err != nil {
		return nil, err
	}
	return ParseAvro(s.Schema, deps...)
}

func (r *Registered) proto(s sr.Schema) (*ProtoSchema, error) {
	imports := map[string]string{}
	if err := r.references(s, map[string]bool{}, func(name, text string) { imports[name] = text }); err != nil {
		return nil, err
	}
	return ParseProto("schema.proto", s.Schema, func(name string) (string, error) {
		if text, ok := imports[name]; ok {
			return text, nil
		}
		return "", fs.ErrNotExist
	})
}

// maxReferences bounds how many schemas one schema may lead to.
const maxReferences = 256

// references fetches what a schema refers to, each after what it refers to
// itself.
func (r *Registered) references(s sr.Schema, seen map[string]bool, add func(name, text string)) error {
	for _, ref := range s.References {
		if seen[ref.Name] {
			continue
		}
		if seen[ref.Name] = true; len(seen) > maxReferences {
			return &SchemaError{Reason: fmt.Sprintf("it refers to more than %d schemas", maxReferences)}
		}
		found, err := r.c.Registry.byVersion(ref.Subject, ref.Version)
		if err != nil {
			return err
		}
		if err := r.references(found.Schema, seen, add); err != nil {
			return err
		}
		add(ref.Name, found.Schema.Schema)
	}
	return nil
}

// message decodes a protobuf record: behind the id stands the message's place
// in its file.
func (r *Registered) message(dst, src []byte, rd *reading) ([]byte, error) {
	path, at := messagePath(src)
	if at < 0 {
		return dst, &Error{Codec: r.c.Name, Offset: 5, Reason: "the place of the message in its schema is cut short or malformed"}
	}
	c, ok := rd.messages.Load(path)
	if !ok {
		md := findByPath(rd.proto.main[0], path)
		if md == nil {
			return dst, &Error{Codec: r.c.Name, Offset: 5, Reason: "the schema has no message at the place the record names"}
		}
		switch {
		case r.own.proto != nil && md.FullName() == r.own.desc.FullName():
			c = r.own.proto
		case r.own.proto != nil || r.c.Message != "" && string(md.FullName()) != r.c.Message:
			want := r.c.Message
			if want == "" {
				want = r.own.name
			}
			return dst, &Error{Codec: r.c.Name, Offset: 5, Reason: fmt.Sprintf("the record is a %s, and the codec reads %s", md.FullName(), want)}
		default:
			p, err := NewProtobuf(r.c.Name, md)
			if err != nil {
				return dst, &Error{Codec: r.c.Name, Offset: 5, Reason: err.Error()}
			}
			c = p
		}
		rd.messages.Store(path, c)
	}
	return c.(*Protobuf).decode(dst, src, at)
}

// place is the path of a message in a file: its position among the top-level
// ones, then among those nested in that, n of them.
type place struct {
	n  int8
	at [8]int16
}

// messagePath reads the place behind a record's id and returns what stands
// behind it, -1 if it cannot be read.
func messagePath(src []byte) (p place, at int) {
	at = 5
	next := func() int64 {
		v, n := binary.Varint(src[min(at, len(src)):])
		if n <= 0 {
			at = len(src) + 1
			return -1
		}
		at += n
		return v
	}
	n := next()
	if n == 0 {
		return place{n: 1}, at
	}
	if n < 0 || n > int64(len(p.at)) {
		return p, -1
	}
	p.n = int8(n)
	for i := range n {
		v := next()
		if v < 0 || v > 1<<14 {
			return p, -1
		}
		p.at[i] = int16(v)
	}
	return p, at
}

func findByPath(f protoreflect.FileDescriptor, p place) protoreflect.MessageDescriptor {
	list := f.Messages()
	var md protoreflect.MessageDescriptor
	for _, i := range p.at[:p.n] {
		if int(i) >= list.Len() {
			return nil
		}
		md = list.Get(int(i))
		list = md.Messages()
	}
	return md
}

// appendPath writes a message's place.
func appendPath(dst []byte, md protoreflect.MessageDescriptor) []byte {
	var path []int
	for d := protoreflect.Descriptor(md); ; d = d.Parent() {
		m, ok := d.(protoreflect.MessageDescriptor)
		if !ok {
			break
		}
		path = append([]int{m.Index()}, path...)
	}
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for _, i := range path {
		dst = binary.AppendVarint(dst, int64(i))
	}
	return dst
}

// Encode implements Codec.
func (r *Registered) Encode(dst, src []byte) ([]byte, error) {
	w := r.write.Load()
	if w == nil {
		var err error
		if w, err = r.prepare(); err != nil {
			return dst, &Unavailable{r.c.Name, err.Error()}
		}
	}
	n := len(dst)
	out, err := w.codec.Encode(append(dst, w.head...), src)
	if err != nil {
		return dst[:n], err
	}
	return out, nil
}

// Prepare finds the schema to write with; Encode does so by itself at its
// first record. ctx is for the check alone, of whether the registry would take
// the schema. The error is a sentence.
func (r *Registered) Prepare(ctx context.Context) error {
	if r.c.Register && r.own.schema.Schema != "" {
		return r.c.Registry.Compatible(ctx, r.subject, r.own.schema)
	}
	_, err := r.prepare()
	return err
}

func (r *Registered) prepare() (*writing, error) {
	var s sr.SubjectSchema
	var err error
	switch {
	case r.own.schema.Schema != "" && r.c.Register:
		s, err = r.c.Registry.register(r.subject, r.own.schema)
	case r.own.schema.Schema != "":
		s, err = r.c.Registry.lookup(r.subject, r.own.schema)
	default:
		s, err = r.c.Registry.byVersion(r.subject, -1)
	}
	if errors.Is(err, errUnknown) {
		hint := "register it, or set register = true"
		if r.own.schema.Schema == "" {
			hint = "register a schema for it, or name one in the manifest"
		}
		return nil, fmt.Errorf("subject %q does not have the schema to write with (%w): %s", r.subject, err, hint)
	}
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(s.ID))
	w := &writing{head: head}
	if w.codec, w.head, err = r.writer(s.Schema, head); err != nil {
		return nil, fmt.Errorf("subject %q: schema id %d: %w", r.subject, s.ID, err)
	}
	r.write.Store(w)
	return w, nil
}

// writer makes the codec that writes by a registered schema.
func (r *Registered) writer(s sr.Schema, head []byte) (Codec, []byte, error) {
	if r.own.avro != nil {
		return r.own.avro, head, nil
	}
	if !r.c.Protobuf {
		if s.Type != sr.TypeAvro {
			return nil, nil, fmt.Errorf("it is of type %s, and the codec writes AVRO", s.Type)
		}
		schema, err := r.avro(s)
		if err != nil {
			return nil, nil, err
		}
		a, err := NewAvro(r.c.Name, schema, schema)
		return a, head, err
	}
	if r.own.proto != nil && r.own.schema.Schema != "" {
		return r.own.proto, appendPath(head, r.own.desc), nil
	}
	if s.Type != sr.TypeProtobuf {
		return nil, nil, fmt.Errorf("it is of type %s, and the codec writes PROTOBUF", s.Type)
	}
	schema, err := r.proto(s)
	if err != nil {
		return nil, nil, err
	}
	md, err := schema.Message(r.c.Message)
	if err != nil {
		return nil, nil, err
	}
	p, err := NewProtobuf(r.c.Name, md)
	return p, appendPath(head, md), err
}
