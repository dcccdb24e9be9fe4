package codec

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

const orderProto = `syntax = "proto3";
package acme;
import "google/protobuf/timestamp.proto";
message Order {
  string id = 1;
  optional string customer = 2;
  repeated Line lines = 3;
  Status status = 4;
  google.protobuf.Timestamp at = 5;
  map<string, int32> counts = 6;
  map<int64, Line> by_number = 7;
  oneof pay { string card = 8; int64 cash = 9; }
  repeated sint32 deltas = 10;
  bytes blob = 11;
  double price = 12;
  float rate = 13;
  bool ok = 14;
  fixed64 big = 15;
  sfixed32 small = 16;
  repeated string tags = 300;
  uint64 wide = 17;
  map<bool, string> flags = 18;
}
message Line { string sku = 1; int32 n = 2; Line next = 3; }
enum Status { NEW = 0; PAID = 1; BACK = -1; }
`

func noImports(string) (string, error) { return "", fs.ErrNotExist }

func protoCodec(t testing.TB, text, message string) *Protobuf {
	t.Helper()
	s, err := ParseProto("test.proto", text, noImports)
	if err != nil {
		t.Fatal(err)
	}
	md, err := s.Message(message)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewProtobuf("proto", md)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dynamicOrder(t testing.TB) *dynamicpb.Message {
	t.Helper()
	s, err := ParseProto("test.proto", orderProto, noImports)
	if err != nil {
		t.Fatal(err)
	}
	md, err := s.Message("acme.Order")
	if err != nil {
		t.Fatal(err)
	}
	return dynamicpb.NewMessage(md)
}

const orderJSON = `{"id":"o-1","customer":"","lines":[{"sku":"A","n":2},{"sku":"B","n":-3,"next":{"sku":"C","n":0}}],"status":"PAID","at":{"seconds":1700000000,"nanos":5},"counts":{"x":1},"by_number":{"-7":{"sku":"Q","n":1}},"cash":5,"deltas":[1,-1,300],"price":1.5,"rate":0.5,"ok":true,"big":18446744073709551615,"small":-2,"tags":["a",""],"wide":9223372036854775808,"flags":{"true":"y"}}`

func TestProtobufRoundTripsAMessage(t *testing.T) {
	c := protoCodec(t, orderProto, "acme.Order")
	wire, err := c.Encode(nil, fromJSON(t, orderJSON))
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicOrder(t)
	if err := proto.Unmarshal(wire, m); err != nil {
		t.Fatalf("another library cannot read it: %v", err)
	}
	if back, err := (proto.MarshalOptions{Deterministic: true}).Marshal(m); err != nil || len(back) != len(wire) {
		t.Errorf("another library writes %d bytes, %v; this one %d", len(back), err, len(wire))
	}
	msg, err := c.Decode(nil, wire)
	if err != nil {
		t.Fatal(err)
	}
	back, err := c.Encode(nil, msg)
	if err != nil || len(back) != len(wire) || CheckValue(msg) != nil {
		t.Errorf("%x comes back as %x, %v", wire, back, err)
	}
}

func TestProtobufShapes(t *testing.T) {
	const all = `syntax = "proto3"; message M { string s = 1; optional int32 o = 2; repeated int32 r = 3; map<int32,string> m = 4; M sub = 5; E e = 6; oneof x { int32 a = 7; int32 b = 8; } } enum E { ZERO = 0; }`
	c := protoCodec(t, all, "")
	empty := `{"s":"","r":[],"m":{},"e":"ZERO"}`
	for _, tc := range []struct{ wire, want string }{
		{"", empty},
		{"1000", `{"s":"","o":0,"r":[],"m":{},"e":"ZERO"}`},
		{"0a01610a0162", `{"s":"b","r":[],"m":{},"e":"ZERO"}`},
		{"18011a02020318041801", `{"s":"","r":[1,2,3,4,1],"m":{},"e":"ZERO"}`},
		{"2207080112016122070801120162", `{"s":"","r":[],"m":{"1":"b"},"e":"ZERO"}`},
		{"2200", `{"s":"","r":[],"m":{"0":""},"e":"ZERO"}`},
		{"2a030a01612a021005", `{"s":"","r":[],"m":{},"sub":{"s":"a","o":5,"r":[],"m":{},"e":"ZERO"},"e":"ZERO"}`},
		{"3007", `{"s":"","r":[],"m":{},"e":7}`},
		{"38014002", `{"s":"","r":[],"m":{},"e":"ZERO","b":2}`},
		{"40023801", `{"s":"","r":[],"m":{},"e":"ZERO","a":1}`},
		{"fa3f0161f03f05f33f0801f43f", empty},
		{"0801", empty},
	} {
		wire, _ := hex.DecodeString(tc.wire)
		if tc.wire == "2207080112016122070801120162" {
			wire = []byte("\x22\x05\x08\x01\x12\x01a\x22\x05\x08\x01\x12\x01b")
		}
		msg, err := c.Decode([]byte("x"), wire)
		if err != nil {
			t.Errorf("%s: %v", tc.wire, err)
			continue
		}
		if got := toJSON(t, msg[1:]); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.wire, got, tc.want)
		}
	}
	for _, tc := range []struct{ wire, want string }{
		{"0a", "ends in the middle"},
		{"0a05", "ends in the middle"},
		{"08", "ends in the middle"},
		{"00", "not the beginning of a field"},
		{"0c", "not the beginning of a field"},
		{"0a01ff", "UTF-8"},
		{"f33f", "ends in the middle"},
		{"f33ffc3f", "not open"},
		{"1a0180", "ends in the middle"},
		{"08ffffffffffffffffffff01", "64 bits"},
	} {
		wire, _ := hex.DecodeString(tc.wire)
		if _, err := c.Decode(nil, wire); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.wire, err, tc.want)
		}
	}
	for _, tc := range []struct{ doc, want string }{
		{`[]`, "a map for message M"},
		{`{"zz":1}`, "a field that message M does not have"},
		{`{"s":1}`, "a string for field s"},
		{`{"o":2147483648}`, "does not fit into field o (int32)"},
		{`{"a":1,"b":2}`, "one oneof"},
		{`{"e":"NOPE"}`, "not a value of enum E"},
		{`{"m":{"x":"y"}}`, "not an integer"},
		{`{"r":5}`, "an array for field r"},
	} {
		if _, err := c.Encode(nil, fromJSON(t, tc.doc)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.doc, err, tc.want)
		}
	}
	if wire, err := c.Encode(nil, fromJSON(t, `{"a":1,"b":null,"o":0,"s":"","e":"ZERO"}`)); err != nil || hex.EncodeToString(wire) != "38011000" {
		t.Errorf("zeros: %x, %v", wire, err)
	}
}

func TestProtobufLongLengths(t *testing.T) {
	for _, n := range []int{0, 100, 126, 127, 128, 200, 16383, 16384, 70000} {
		l := protoCodec(t, orderProto, "acme.Line")
		doc := `{"sku":"` + strings.Repeat("x", n) + `","n":1,"next":{"sku":"` + strings.Repeat("y", n) + `","n":0}}`
		wire, err := l.Encode(nil, fromJSON(t, doc))
		if err != nil {
			t.Fatal(err)
		}
		msg, err := l.Decode(nil, wire)
		if err != nil || toJSON(t, msg) != doc {
			t.Fatalf("%d: %v", n, err)
		}
	}
}

func TestProtobufSchemaErrors(t *testing.T) {
	for _, tc := range []struct{ text, message, want string }{
		{"syntax = \"proto3\";\nmessage M { strin s = 1 }", "", "line 2"},
		{"syntax = \"proto3\";\nmessage M { Nope s = 1; }", "", "line 2, column 13"},
		{"syntax = \"proto3\";\nimport \"x.proto\";\nmessage M {}", "", "x.proto"},
		{"syntax = \"proto3\"; message A {} message B {}", "", "there are: A, B"},
		{"syntax = \"proto3\"; message A {} message B {}", "C", `no message "C"; there are: A, B`},
		{"syntax = \"proto3\"; enum E { Z = 0; }", "", "no message in it"},
	} {
		s, err := ParseProto("t.proto", tc.text, noImports)
		if err == nil {
			_, err = s.Message(tc.message)
		} else if !errors.As(err, new(*SchemaError)) {
			t.Errorf("%q: %T", tc.text, err)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.text, err, tc.want)
		}
	}
}

// FuzzProtobuf compares with the library: what one reads the other reads, to
// the same message.
func FuzzProtobuf(f *testing.F) {
	c := protoCodec(f, orderProto, "acme.Order")
	wire, err := c.Encode(nil, fromJSON(f, orderJSON))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add([]byte("\x3a\x02\x08\x01\x3a\x02\x08\x01"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		msg, err := c.Decode(nil, wire)
		m := dynamicOrder(t)
		lerr, crashed := unmarshal(wire, m)
		if crashed {
			return
		}
		if err != nil {
			return // stricter, about depth for one
		}
		if e := CheckValue(msg); e != nil {
			t.Fatalf("%x: not msgpack: %v", msg, e)
		}
		if lerr != nil {
			if strings.Contains(lerr.Error(), "UTF-8") {
				return // of a value that a later one of the field or oneof replaces
			}
			t.Fatalf("%x: this one reads it, the library says %v", wire, lerr)
		}
		back, err := c.Encode(nil, msg)
		if err != nil {
			t.Fatalf("%x: %x cannot be encoded: %v", wire, msg, err)
		}
		again := dynamicOrder(t)
		if err := proto.Unmarshal(back, again); err != nil {
			t.Fatal(err)
		}
		m.ProtoReflect().SetUnknown(nil)
		want, _ := protojson.Marshal(m)
		got, _ := protojson.Marshal(again)
		if len(got) != len(want) {
			t.Fatalf("%x: %s, want %s", wire, got, want)
		}
	})
}

// unmarshal is the library's, which panics where a map's entry has a key of
// another type.
func unmarshal(wire []byte, m proto.Message) (err error, crashed bool) {
	defer func() { crashed = recover() != nil }()
	return proto.Unmarshal(wire, m), false
}

// FuzzProtobufEncode feeds arbitrary msgpack: no crash, and what is taken can
// be read.
func FuzzProtobufEncode(f *testing.F) {
	c := protoCodec(f, orderProto, "acme.Order")
	f.Add(fromJSON(f, orderJSON))
	f.Fuzz(func(t *testing.T, msg []byte) {
		wire, err := c.Encode(nil, msg)
		if err != nil {
			return
		}
		if err := proto.Unmarshal(wire, dynamicOrder(t)); err != nil {
			t.Fatalf("%x: %x: %v", msg, wire, err)
		}
	})
}

func BenchmarkProtobufDecode(b *testing.B) {
	benchCodec(b, protoCodec(b, orderProto, "acme.Order"), orderJSON, true)
}

func BenchmarkProtobufEncode(b *testing.B) {
	benchCodec(b, protoCodec(b, orderProto, "acme.Order"), orderJSON, false)
}

func benchCodec(b *testing.B, c Codec, doc string, decode bool) {
	msg := fromJSON(b, doc)
	wire, err := c.Encode(nil, msg)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		if decode {
			dst, err = c.Decode(dst[:0], wire)
		} else {
			dst, err = c.Encode(dst[:0], msg)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
