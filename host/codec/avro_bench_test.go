package codec

import (
	"testing"

	"github.com/twmb/avro"
)

func BenchmarkAvroDecode(b *testing.B) {
	c := avroCodec(b, orderSchema)
	wire, err := c.Encode(nil, fromJSON(b, orderDoc))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		if dst, err = c.Decode(dst[:0], wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAvroEncode(b *testing.B) {
	c := avroCodec(b, orderSchema)
	msg := fromJSON(b, orderDoc)
	dst, err := c.Encode(nil, msg)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = c.Encode(dst[:0], msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAvroLibrary is what the transcoder stands instead of.
func BenchmarkAvroLibrary(b *testing.B) {
	c := avroCodec(b, orderSchema)
	wire, err := c.Encode(nil, fromJSON(b, orderDoc))
	if err != nil {
		b.Fatal(err)
	}
	s := avro.MustParse(orderSchema)
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		var v any
		if _, err := s.Decode(wire, &v); err != nil {
			b.Fatal(err)
		}
	}
}
