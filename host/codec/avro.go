package codec

import "sync"

// Avro translates Avro's binary encoding to and from msgpack by a schema, in
// one pass and without allocation. It carries no schema id: what is on the
// wire is the value alone. Registered, with one in front, is RegistryAvro.
//
// A handler sees
//
//	null, boolean         nil, a boolean
//	int, long             an integer
//	float, double         a float of 32 or 64 bits
//	bytes, fixed          a byte string
//	string, enum          a string (enum: the symbol)
//	array                 an array
//	map                   a map
//	record                a map by field names, in the order of the writer's
//	                      fields, behind them those only the reader has
//	union                 the value of the branch, bare
//	decimal               a string of digits with the schema's scale, "12.30"
//	uuid                  a string
//	duration              an array of months, days and milliseconds
//	date, time-*,         the integer that is stored, in the schema's unit
//	timestamp-*
//
// A union with two branches that would look the same (two records, a record
// and a map, bytes and fixed, a string and an enum) is tagged instead, nulls
// apart: {"branch": value}, the branch by its full name or its type's word.
// Two sizes of integers or floats count as one.
//
// Encode takes the same forms, a record's fields in any order. A field that is
// left out is null where its type is a union with null, else its default, else
// an error; a field that the record does not have is an error, as is one that
// comes twice. Integers must fit; they pass for floats where these hold them
// exactly. A float of 64 bits is rounded for the type float. A string passes
// for bytes, not the reverse; an integer or a string with fewer decimals passes
// for a decimal.
type Avro struct {
	name   string
	plan   *avroPlan
	writer *avroType
}

// NewAvro makes a codec that reads what was written by writer as reader says,
// and writes by reader. name is what messages call it. The error says why the
// two do not go together.
func NewAvro(name string, writer, reader *AvroSchema) (*Avro, error) {
	plan, err := planAvro(writer, reader)
	if err != nil {
		return nil, err
	}
	return &Avro{name: name, plan: plan, writer: reader.root}, nil
}

// Name implements Codec.
func (a *Avro) Name() string { return a.name }

// Repr implements Codec.
func (*Avro) Repr() Repr { return Msgpack }

// Decode implements Codec.
func (a *Avro) Decode(dst, src []byte) ([]byte, error) { return a.decode(dst, src, 0) }

func (a *Avro) decode(dst, src []byte, from int) ([]byte, error) {
	out, err := decodeAvro(dst, src, from, a.plan)
	if err != nil {
		err.Codec = a.name
		return dst, err
	}
	return out, nil
}

// Encode implements Codec.
func (a *Avro) Encode(dst, src []byte) ([]byte, error) {
	e := avroEncoders.Get().(*avroEncoder)
	out, err := e.encode(dst, src, a.writer)
	if cap(e.places) > keptNames {
		e.places = nil
	}
	avroEncoders.Put(e)
	if err != nil {
		err.Codec = a.name
		return dst, err
	}
	return out, nil
}

var avroEncoders = sync.Pool{New: func() any { return new(avroEncoder) }}
