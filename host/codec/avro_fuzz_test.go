package codec

import (
	"bytes"
	"testing"

	"github.com/twmb/avro"
)

// fuzzSchema has every sort of type.
const fuzzSchema = `{"type":"record","name":"R","fields":[
 {"name":"i","type":"int"},{"name":"l","type":["null","long"]},{"name":"f","type":"float"},{"name":"d","type":"double"},
 {"name":"b","type":"bytes"},{"name":"s","type":"string"},{"name":"x","type":{"type":"fixed","name":"F","size":3}},
 {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"a","type":{"type":"array","items":["null","R"]}},
 {"name":"m","type":{"type":"map","values":"boolean"}},{"name":"u","type":["string","F","E","bytes","null"]},
 {"name":"n","type":{"type":"array","items":"null"}}
]}`

// FuzzAvro feeds arbitrary bytes: no crash, and what is read can be written
// and is then read alike, also by the library.
func FuzzAvro(f *testing.F) {
	c := avroCodec(f, fuzzSchema)
	lib := avro.MustParse(fuzzSchema)
	f.Add([]byte("\x02\x00\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f\x02a\x02b123\x02\x00\x02\x02k\x01\x00\x00\x02s\x04\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		msg, err := c.Decode(nil, wire)
		if err != nil {
			return
		}
		if e := CheckValue(msg); e != nil {
			t.Fatalf("%x: not msgpack: %v", msg, e)
		}
		back, err := c.Encode(nil, msg)
		if err != nil {
			t.Fatalf("%x: cannot be encoded: %v", msg, err)
		}
		again, err := c.Decode(nil, back)
		// Of a map's equal names both stay; nothing is lost either way.
		if err != nil || !bytes.Equal(again, msg) {
			t.Fatalf("%x comes back as %x, %v", msg, again, err)
		}
		var v any
		if _, err := lib.Decode(back, &v); err != nil {
			t.Fatalf("%x: the library says %v", back, err)
		}
	})
}

// FuzzAvroEncode feeds arbitrary msgpack.
func FuzzAvroEncode(f *testing.F) {
	c := avroCodec(f, fuzzSchema)
	f.Add([]byte("\x8c\xa1i\x01\xa1l\xc0\xa1f\x01\xa1d\x01\xa1b\xc4\x00\xa1s\xa0\xa1x\xa3abc\xa1e\xa1A\xa1a\x90\xa1m\x80\xa1u\xc0\xa1n\x90"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		wire, err := c.Encode(nil, msg)
		if err != nil {
			return
		}
		if _, err := c.Decode(nil, wire); err != nil {
			t.Fatalf("%x: %x cannot be read: %v", msg, wire, err)
		}
	})
}

// FuzzAvroSchema parses arbitrary schemas and reads arbitrary records by them.
func FuzzAvroSchema(f *testing.F) {
	f.Add(fuzzSchema, orderSchema, []byte("\x00\x02"))
	f.Add(`["null",{"type":"record","name":"A","fields":[{"name":"a","type":["null","A"]}]}]`, `"null"`, []byte{2, 2, 0})
	f.Add(`{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}`, `"null"`, []byte{})
	f.Fuzz(func(t *testing.T, writer, reader string, wire []byte) {
		w, err := ParseAvro(writer)
		if err != nil {
			return
		}
		r, err := ParseAvro(reader)
		if err != nil {
			r = w
		}
		c, err := NewAvro("avro", w, r)
		if err != nil {
			return
		}
		if msg, err := c.Decode(nil, wire); err == nil {
			if e := CheckValue(msg); e != nil {
				t.Fatalf("%s as %s: %x: %v", writer, reader, msg, e)
			}
		}
	})
}

func TestSchemaCodecsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, tc := range []struct {
		c   Codec
		doc string
	}{
		{avroCodec(t, orderSchema), orderDoc},
		{avroCodec(t, orderSchema), `{"at":5,"lines":[{"price":2.0,"sku":"Q"}],"amount":7,"id":"o"}`},
		{protoCodec(t, orderProto, "acme.Order"), orderJSON},
		{MessagePack{}, orderDoc},
	} {
		msg := fromJSON(t, tc.doc)
		wire, err := tc.c.Encode(nil, msg)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(200, func() {
			_, _ = tc.c.Encode(dst, msg)
			_, _ = tc.c.Decode(dst, wire)
		}); n != 0 {
			t.Errorf("%s: %v allocations a record", tc.c.Name(), n)
		}
	}
}
