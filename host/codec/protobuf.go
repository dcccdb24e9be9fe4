package codec

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/sliphost/sliphost/abi"
)

// Protobuf translates messages of one protobuf type to and from msgpack, in
// one pass over a description made once. It carries no schema id; with one in
// front a message is RegistryProtobuf's.
//
// A handler sees a message as a map by the names of the fields as the .proto
// has them, in their order there:
//
//	int32 ... fixed64   an integer
//	float, double       a float of 32 or 64 bits
//	bool                a boolean
//	string, bytes       a string (which is UTF-8), a byte string
//	enum                the name of the value, the number if it has none
//	message, group      a map
//	repeated            an array
//	map                 a map whose names are strings, numbers and booleans as
//	                    protobuf's own JSON writes them
//
// A field that knows whether it was set (message, oneof, optional, proto2) is
// there when it was. Any other is always there: with its zero, or as an empty
// array or map. Well-known types such as Timestamp are messages like any
// other. Fields that the description does not have, extensions included, are
// left out.
//
// Encode takes the same forms; a field can also go by its JSON name. nil and a
// field that is left out are the same: not set. Zeros of fields that cannot
// tell are not written. A field that the message does not have is an error,
// as are two fields of one oneof and a missing required field. Fields are
// written in the order they come.
type Protobuf struct {
	name string
	root *protoMessage
}

// protoMessage describes one message type.
type protoMessage struct {
	name   string
	fields []protoField
	// byNumber finds fields with small numbers, byOther the rest; -1 and absent
	// are unknown ones.
	byNumber []int16
	byOther  map[protoreflect.FieldNumber]int
	byName   map[string]int
	// oneofs lists the fields of each oneof.
	oneofs [][]int
	// required counts required fields.
	required int
	// entry is set for a map's entries: fields 0 and 1 are key and value.
	entry bool
}

// protoField describes one field.
type protoField struct {
	name   string
	number protoreflect.FieldNumber
	kind   protoreflect.Kind
	// key is the name as msgpack, tag what stands in front of the value.
	key, tag []byte
	wire     uint8
	message  *protoMessage
	enum     *protoEnum
	repeated bool
	packed   bool
	isMap    bool
	required bool
	// presence: the field tells whether it was set.
	presence bool
	// oneof is the position of the field's oneof, -1 for none.
	oneof int
	// zero is what a field without presence is when it is not there.
	zero []byte
}

type protoEnum struct {
	name   string
	names  map[int32][]byte // as msgpack
	byName map[string]int32
}

// Kinds on the wire.
const (
	wireVarint = iota
	wireFixed64
	wireBytes
	wireStart
	wireEnd
	wireFixed32
)

// NewProtobuf makes the codec of a message type. name is what messages call
// it.
func NewProtobuf(name string, md protoreflect.MessageDescriptor) (*Protobuf, error) {
	b := protoBuilder{messages: map[protoreflect.FullName]*protoMessage{}}
	root := b.message(md)
	if b.err != nil {
		return nil, b.err
	}
	return &Protobuf{name: name, root: root}, nil
}

type protoBuilder struct {
	messages map[protoreflect.FullName]*protoMessage
	err      error
}

func (b *protoBuilder) message(md protoreflect.MessageDescriptor) *protoMessage {
	if m := b.messages[md.FullName()]; m != nil {
		return m
	}
	m := &protoMessage{name: string(md.FullName()), byName: map[string]int{}, oneofs: make([][]int, md.Oneofs().Len()), entry: md.IsMapEntry()}
	b.messages[md.FullName()] = m
	if md.IsPlaceholder() {
		b.err = fmt.Errorf("message %s is used and not described", md.FullName())
		return m
	}
	fields := md.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		f := protoField{
			name: string(fd.Name()), number: fd.Number(), kind: fd.Kind(), key: abi.AppendStr(nil, string(fd.Name())),
			wire: wireOf(fd.Kind()), repeated: fd.IsList(), packed: fd.IsPacked(), isMap: fd.IsMap(), oneof: -1,
			required: fd.Cardinality() == protoreflect.Required, presence: fd.HasPresence(),
		}
		if o := fd.ContainingOneof(); o != nil {
			f.oneof = o.Index()
			m.oneofs[f.oneof] = append(m.oneofs[f.oneof], i)
		}
		if f.required {
			m.required++
		}
		if fd.Kind() == protoreflect.EnumKind {
			f.enum = newProtoEnum(fd.Enum())
		}
		if fd.Message() != nil {
			f.message = b.message(fd.Message())
		}
		wire := f.wire
		if f.packed {
			wire = wireBytes
		}
		f.tag = appendVarint(nil, uint64(f.number)<<3|uint64(wire))
		f.zero = f.zeroValue()
		m.byName[f.name] = i
		if n := int(f.number); n < 256 {
			for len(m.byNumber) <= n {
				m.byNumber = append(m.byNumber, -1)
			}
			m.byNumber[n] = int16(i)
		} else {
			if m.byOther == nil {
				m.byOther = map[protoreflect.FieldNumber]int{}
			}
			m.byOther[f.number] = i
		}
		m.fields = append(m.fields, f)
	}
	for i := range fields.Len() {
		if name := fields.Get(i).JSONName(); name != "" {
			if _, taken := m.byName[name]; !taken {
				m.byName[name] = i
			}
		}
	}
	if len(m.fields) > 1<<14 {
		b.err = fmt.Errorf("message %s has more than %d fields", m.name, 1<<14)
	}
	return m
}

func newProtoEnum(ed protoreflect.EnumDescriptor) *protoEnum {
	e := &protoEnum{name: string(ed.FullName()), names: map[int32][]byte{}, byName: map[string]int32{}}
	values := ed.Values()
	for i := range values.Len() {
		v := values.Get(i)
		n := int32(v.Number())
		e.byName[string(v.Name())] = n
		if e.names[n] == nil { // an alias does not replace the first name
			e.names[n] = abi.AppendStr(nil, string(v.Name()))
		}
	}
	return e
}

func wireOf(k protoreflect.Kind) uint8 {
	switch k {
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return wireFixed32
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return wireFixed64
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return wireBytes
	case protoreflect.GroupKind:
		return wireStart
	}
	return wireVarint
}

// zeroValue is what a handler sees of a field that is not there; nil if it is
// then not shown.
func (f *protoField) zeroValue() []byte {
	switch {
	case f.isMap:
		return []byte{0x80}
	case f.repeated:
		return []byte{0x90}
	case f.presence:
		return nil
	}
	return f.zeroScalar()
}

func (f *protoField) zeroScalar() []byte {
	switch f.kind {
	case protoreflect.BoolKind:
		return []byte{0xc2}
	case protoreflect.StringKind:
		return []byte{0xa0}
	case protoreflect.BytesKind:
		return []byte{0xc4, 0}
	case protoreflect.FloatKind:
		return appendFloat32(nil, 0)
	case protoreflect.DoubleKind:
		return abi.AppendFloat(nil, 0)
	case protoreflect.EnumKind:
		if name := f.enum.names[0]; name != nil {
			return name
		}
	}
	return []byte{0}
}

// field finds a field by number, -1 for unknown ones.
func (m *protoMessage) field(n uint64) int {
	if n < uint64(len(m.byNumber)) {
		return int(m.byNumber[n])
	}
	if m.byOther != nil && n < 1<<29 {
		if i, ok := m.byOther[protoreflect.FieldNumber(n)]; ok {
			return i
		}
	}
	return -1
}

func appendVarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// FindMessage returns the message of a full name in files. An empty name
// stands for the only top-level message of the only file given last.
func FindMessage(files *protoregistry.Files, main []protoreflect.FileDescriptor, name string) (protoreflect.MessageDescriptor, error) {
	if name != "" {
		d, err := files.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(name, ".")))
		if md, ok := d.(protoreflect.MessageDescriptor); err == nil && ok {
			return md, nil
		}
		return nil, fmt.Errorf("no message %s; there are: %s", quoted(name), strings.Join(messageNames(main), ", "))
	}
	var only protoreflect.MessageDescriptor
	n := 0
	for _, f := range main {
		n += f.Messages().Len()
		if f.Messages().Len() > 0 {
			only = f.Messages().Get(0)
		}
	}
	switch n {
	case 0:
		return nil, fmt.Errorf("there is no message in it")
	case 1:
		return only, nil
	}
	return nil, fmt.Errorf("which message is not said; there are: %s", strings.Join(messageNames(main), ", "))
}

// messageNames lists the top-level messages, at most 20.
func messageNames(files []protoreflect.FileDescriptor) []string {
	var out []string
	for _, f := range files {
		for i := range f.Messages().Len() {
			if len(out) == 20 {
				return append(out, "...")
			}
			out = append(out, string(f.Messages().Get(i).FullName()))
		}
	}
	return out
}

// Name implements Codec.
func (p *Protobuf) Name() string { return p.name }

// Repr implements Codec.
func (*Protobuf) Repr() Repr { return Msgpack }

// Decode implements Codec.
func (p *Protobuf) Decode(dst, src []byte) ([]byte, error) { return p.decode(dst, src, 0) }

func (p *Protobuf) decode(dst, src []byte, from int) ([]byte, error) {
	d := protoDecoders.Get().(*protoDecoder)
	out, err := d.decode(dst, src, from, p.root)
	d.release()
	if err != nil {
		err.Codec = p.name
		return dst, err
	}
	return out, nil
}

// Encode implements Codec.
func (p *Protobuf) Encode(dst, src []byte) ([]byte, error) {
	e := protoEncoder{in: input{src: src}, dst: dst}
	e.message(p.root, 0)
	if e.in.err == nil && e.in.i < len(src) {
		e.in.fail(e.in.i, "bytes left over after the value")
	}
	if err := e.in.err; err != nil {
		err.Codec = p.name
		return dst, err
	}
	return e.dst, nil
}
