package codec

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/twmb/avro"
)

func mustAvro(t testing.TB, text string, deps ...string) *AvroSchema {
	t.Helper()
	s, err := ParseAvro(text, deps...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func avroCodec(t testing.TB, schema string) *Avro {
	t.Helper()
	s := mustAvro(t, schema)
	c, err := NewAvro("avro", s, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shown is what msgpack looks like as JSON, byte strings as hex.
func fromJSON(t testing.TB, doc string) []byte {
	t.Helper()
	msg, err := JSON{}.Decode(nil, []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func toJSON(t testing.TB, msg []byte) string {
	t.Helper()
	doc, err := JSON{}.Encode(nil, msg)
	if err != nil {
		t.Fatalf("%x: %v", msg, err)
	}
	return string(doc)
}

const orderSchema = `{"type":"record","name":"Order","namespace":"com.acme","fields":[
 {"name":"id","type":"string"},
 {"name":"customer","type":["null","string"],"default":null},
 {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
 {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
   {"name":"sku","type":"string"},{"name":"n","type":"int","default":1},{"name":"price","type":"double"}]}}},
 {"name":"status","type":{"type":"enum","name":"Status","symbols":["NEW","PAID","SENT"],"default":"NEW"},"default":"NEW"},
 {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
 {"name":"tags","type":{"type":"map","values":"string"},"default":{}},
 {"name":"ok","type":"boolean","default":true}
]}`

const orderDoc = `{"id":"o-1","customer":"c-7","amount":"-12.30","lines":[{"sku":"A","n":2,"price":1.5},{"sku":"B","n":-3,"price":0.25}],"status":"PAID","at":1700000000000,"tags":{"x":"y","z":""},"ok":true}`

func TestAvroRoundTripsARecord(t *testing.T) {
	c := avroCodec(t, orderSchema)
	wire, err := c.Encode(nil, fromJSON(t, orderDoc))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := c.Decode([]byte("x"), wire)
	if err != nil {
		t.Fatal(err)
	}
	if got := toJSON(t, msg[1:]); got != orderDoc {
		t.Errorf("got  %s\nwant %s", got, orderDoc)
	}
	var value any
	if _, err := avro.MustParse(orderSchema).Decode(wire, &value); err != nil {
		t.Errorf("another library cannot read it: %v", err)
	}
}

func TestAvroEncodesFieldsInAnyOrderAndFillsInWhatIsLeftOut(t *testing.T) {
	c := avroCodec(t, orderSchema)
	wire, err := c.Encode(nil, fromJSON(t, `{"at":5,"lines":[{"price":2.0,"sku":"Q"}],"amount":7,"id":"o"}`))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := c.Decode(nil, wire)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"o","customer":null,"amount":"7.00","lines":[{"sku":"Q","n":1,"price":2.0}],"status":"NEW","at":5,"tags":{},"ok":true}`
	if got := toJSON(t, msg); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAvroTypes(t *testing.T) {
	for _, tc := range []struct{ schema, msg, wire, back string }{
		{`"null"`, "c0", "", ""},
		{`"boolean"`, "c3", "01", ""},
		{`"int"`, "d1ff00", "ff03", ""},
		{`"int"`, "ce7fffffff", "feffffff0f", ""},
		{`"long"`, "d38000000000000000", "ffffffffffffffffff01", ""},
		{`"float"`, "ca3fc00000", "0000c03f", ""},
		{`"float"`, "03", "00004040", "ca40400000"},
		{`"double"`, "cb3ff8000000000000", "000000000000f83f", ""},
		{`"double"`, "ca3fc00000", "000000000000f83f", "cb3ff8000000000000"},
		{`"bytes"`, "c40200ff", "0400ff", ""},
		{`"bytes"`, "a161", "0261", "c40161"},
		{`"string"`, "a3e282ac", "06e282ac", ""},
		{`{"type":"fixed","name":"F","size":2}`, "c4020102", "0102", ""},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, "a142", "02", ""},
		{`{"type":"array","items":"int"}`, "920102", "04020400", ""},
		{`{"type":"array","items":"int"}`, "90", "00", ""},
		{`{"type":"map","values":"int"}`, "81a16101", "0202610200", ""},
		{`["null","string"]`, "a161", "020261", ""},
		{`["null","string"]`, "c0", "00", ""},
		{`["string","null"]`, "c0", "02", ""},
		{`["int","long"]`, "01", "0202", ""},
		{`["float","double"]`, "ca3fc00000", "000000c03f", ""},
		{`["float","double"]`, "cb3ff8000000000000", "02000000000000f83f", ""},
		{`["null","double"]`, "05", "020000000000001440", "cb4014000000000000"},
		{`[{"type":"record","name":"A","fields":[]},{"type":"record","name":"n.B","fields":[{"name":"x","type":"int"}]}]`, "81a36e2e4281a17807", "020e", ""},
		{`["null",{"type":"enum","name":"E","symbols":["A"]},"string"]`, "81a6737472696e67a141", "040241", ""},
		{`["null",{"type":"enum","name":"E","symbols":["A"]},"string"]`, "81a145a141", "0200", ""},
		{`{"type":"bytes","logicalType":"decimal","precision":40,"scale":3}`, "a5302e303031", "0201", ""},
		{`{"type":"bytes","logicalType":"decimal","precision":40,"scale":3}`, "a62d302e303031", "02ff", ""},
		{`{"type":"bytes","logicalType":"decimal","precision":40,"scale":0}`, "a3313238", "040080", ""},
		{`{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":2}`, "a52d312e3530", "ffffff6a", ""},
		{`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, "d92430303131323233332d343435352d363637372d383839392d616162626363646465656666", "00112233445566778899aabbccddeeff", ""},
		{`{"type":"fixed","name":"U","size":12,"logicalType":"duration"}`, "930102cd03e8", "0100000002000000e8030000", ""},
		{`{"type":"int","logicalType":"date"}`, "cd4d58", "b0b502", ""},
	} {
		c := avroCodec(t, tc.schema)
		msg, _ := hex.DecodeString(tc.msg)
		wire, err := c.Encode(nil, msg)
		if err != nil || hex.EncodeToString(wire) != tc.wire {
			t.Errorf("%s: encode %s: %x, %v; want %s", tc.schema, tc.msg, wire, err, tc.wire)
			continue
		}
		back := tc.back
		if back == "" {
			back = tc.msg
		}
		if got, err := c.Decode(nil, wire); err != nil || hex.EncodeToString(got) != back {
			t.Errorf("%s: decode %s: %x, %v; want %s", tc.schema, tc.wire, got, err, back)
		}
	}
}

func TestAvroDecimalsOfAnySize(t *testing.T) {
	c := avroCodec(t, `{"type":"bytes","logicalType":"decimal","precision":150,"scale":5}`)
	for _, text := range []string{
		"0.00000", "0.00001", "-0.00001", "1.28000", "-1.28000", "92233720368547.75807", "-92233720368547.75808", "92233720368547.75808",
		"184467440737095516.16000", "-" + strings.Repeat("9", 120) + ".99999", strings.Repeat("7", 120) + ".00001",
	} {
		msg := append([]byte{0xd9, byte(len(text))}, text...)
		if len(text) < 32 {
			msg = append([]byte{0xa0 | byte(len(text))}, text...)
		}
		wire, err := c.Encode(nil, msg)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := c.Decode(nil, wire); err != nil || string(got) != string(msg) {
			t.Errorf("%s comes back as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".", "-", "1e3", "1.000001", "1..2", "--1", "0x1", strings.Repeat("9", 151)} {
		if wire, err := c.Encode(nil, append([]byte{0xd9, byte(len(text))}, text...)); err == nil {
			t.Errorf("%q is taken for a decimal: %x", text, wire)
		}
	}
}

func TestAvroResolvesSchemas(t *testing.T) {
	rec := func(fields string) string {
		return `{"type":"record","name":"R","fields":[` + fields + `]}`
	}
	for _, tc := range []struct{ name, writer, reader, in, want string }{
		{
			"promotions", rec(`{"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"long"},{"name":"d","type":"float"},{"name":"e","type":"string"}`),
			rec(`{"name":"a","type":"long"},{"name":"b","type":"double"},{"name":"c","type":"float"},{"name":"d","type":"double"},{"name":"e","type":"string"}`),
			`{"a":1,"b":2,"c":3,"d":1.5,"e":"x"}`, `{"a":1,"b":2.0,"c":3.0,"d":1.5,"e":"x"}`,
		},
		{"a field that is gone", rec(`{"name":"a","type":{"type":"array","items":"string"}},{"name":"b","type":"int"}`), rec(`{"name":"b","type":"int"}`), `{"a":["x","y"],"b":2}`, `{"b":2}`},
		{"a new field", rec(`{"name":"b","type":"int"}`), rec(`{"name":"a","type":["null","string"],"default":null},{"name":"b","type":"int"},{"name":"c","type":{"type":"map","values":"int"},"default":{"k":3}}`), `{"b":2}`, `{"b":2,"a":null,"c":{"k":3}}`},
		{"another order", rec(`{"name":"a","type":"int"},{"name":"b","type":"int"}`), rec(`{"name":"b","type":"int"},{"name":"a","type":"int"}`), `{"a":1,"b":2}`, `{"a":1,"b":2}`},
		{"an alias", rec(`{"name":"old","type":"int"}`), `{"type":"record","name":"New","aliases":["R"],"fields":[{"name":"new","aliases":["old"],"type":"int"}]}`, `{"old":1}`, `{"new":1}`},
		{"into a union", rec(`{"name":"a","type":"int"}`), rec(`{"name":"a","type":["null","string","long"]}`), `{"a":1}`, `{"a":1}`},
		{"out of a union", rec(`{"name":"a","type":["null","int"]}`), rec(`{"name":"a","type":"int"}`), `{"a":1}`, `{"a":1}`},
		{"a symbol that is gone", `{"type":"enum","name":"E","symbols":["A","B"]}`, `{"type":"enum","name":"E","symbols":["A","OTHER"],"default":"OTHER"}`, `"B"`, `"OTHER"`},
		{
			"recursive", `{"type":"record","name":"N","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","N"]}]}`,
			`{"type":"record","name":"N","fields":[{"name":"v","type":"long"},{"name":"next","type":["null","N"]},{"name":"x","type":"int","default":0}]}`,
			`{"v":1,"next":{"v":2,"next":null}}`, `{"v":1,"next":{"v":2,"next":null,"x":0},"x":0}`,
		},
	} {
		w, r := mustAvro(t, tc.writer), mustAvro(t, tc.reader)
		wc := avroCodec(t, tc.writer)
		c, err := NewAvro("avro", w, r)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		wire, err := wc.Encode(nil, fromJSON(t, tc.in))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		msg, err := c.Decode(nil, wire)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := toJSON(t, msg); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestAvroSaysWhySchemasDoNotGoTogether(t *testing.T) {
	for _, tc := range []struct{ writer, reader, want string }{
		{`"string"`, `"int"`, "the value: a string is not a int"},
		{`{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}`, "a: the writer's record has no such field, and the reader's has no default"},
		{`{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"S","fields":[]}`, "the writer's record R is not the reader's record S"},
		{`{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"x","type":"long"}]}}`, `{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}}`, "[].x: a long is not a int"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, `{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}`, "decimals of the same scale"},
	} {
		_, err := NewAvro("a", mustAvro(t, tc.writer), mustAvro(t, tc.reader))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s read as %s: %v, want %q", tc.writer, tc.reader, err, tc.want)
		}
	}
	// A branch that does not fit is an error of the records that have it.
	c, err := NewAvro("a", mustAvro(t, `["null","int"]`), mustAvro(t, `"int"`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Decode(nil, []byte{0}); err == nil || !strings.Contains(err.Error(), "no place") {
		t.Errorf("null where the reader wants an int: %v", err)
	}
}

func TestAvroRefusesBrokenSchemas(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"{\"type\":\n \"int\",}", "line 2, column 8: not JSON"},
		{`{"type":"record","name":"R","fields":[{"name":"a","type":"Nope"}]}`, "Nope"},
		{`{"type":"record","name":"R"}`, "fields"},
		{`{"type":"enum","name":"E","symbols":["A","A"]}`, "A"},
		{`{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}`, "default"},
		{"", "not JSON"},
	} {
		_, err := ParseAvro(tc.text)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.text, err, tc.want)
		}
	}
}

func TestAvroRefusesBadRecords(t *testing.T) {
	nested := `{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}`
	for _, tc := range []struct{ schema, wire, want string }{
		{`"int"`, "8080808010", "fit into 32 bits"},
		{`"long"`, "ffffffffffffffffffff01", "64 bits"},
		{`"long"`, "80", "ends in the middle"},
		{`"boolean"`, "02", "neither 0 nor 1"},
		{`"string"`, "01", "negative length"},
		{`"string"`, "08616263", "ends in the middle"},
		{`"string"`, "02ff", "UTF-8"},
		{`"int"`, "0202", "left over"},
		{`["null"]`, "02", "branch"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, "02", "no symbol"},
		{`{"type":"array","items":"null"}`, "feffffffffffffffff01", "65536 elements"},
		{`{"type":"array","items":"int"}`, "feffffffffffffffff01", "ends in the middle"},
		{`{"type":"array","items":"int"}`, "ffffffffffffffffff01", "impossible"},
		{`{"type":"array","items":"int"}`, "01" + "02" + "06" + "00", ""},
		{nested, strings.Repeat("02", 80) + "00", "64 deep"},
	} {
		c := avroCodec(t, tc.schema)
		wire, _ := hex.DecodeString(tc.wire)
		_, err := c.Decode(nil, wire)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %s: %v, want %q", tc.schema, tc.wire, err, tc.want)
		}
	}
}

func TestAvroRefusesBadValues(t *testing.T) {
	for _, tc := range []struct{ schema, doc, want string }{
		{`"int"`, `2147483648`, "an int (32 bits)"},
		{`"int"`, `1.5`, "a float where an integer"},
		{`"long"`, `9223372036854775808`, "a long (64 bits)"},
		{`"float"`, `1e300`, "too large for a float"},
		{`"double"`, `9007199254740993`, "exactly"},
		{`"string"`, `1`, "an integer where a string"},
		{`"null"`, `1`, "where nil"},
		{`["null","int"]`, `"x"`, "no branch"},
		{`{"type":"record","name":"n.R","fields":[{"name":"a","type":"int"}]}`, `{}`, "field n.R.a is missing"},
		{`{"type":"record","name":"n.R","fields":[{"name":"a","type":"int"}]}`, `{"a":1,"b":2}`, "a field that record n.R does not have"},
		{`{"type":"record","name":"n.R","fields":[{"name":"a","type":"int"}]}`, `[]`, "a map for record n.R"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, `"B"`, "not a symbol of enum E"},
		{`{"type":"fixed","name":"F","size":2}`, `"abc"`, "another length"},
		{`["string",{"type":"enum","name":"E","symbols":["A"]}]`, `"A"`, "look alike"},
		{`["string",{"type":"enum","name":"E","symbols":["A"]}]`, `{"X":"A"}`, "not the name of a branch"},
		{`{"type":"fixed","name":"D","size":1,"logicalType":"decimal","precision":2,"scale":0}`, `300`, "does not fit into fixed D"},
	} {
		c := avroCodec(t, tc.schema)
		_, err := c.Encode(nil, fromJSON(t, tc.doc))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %s: %v, want %q", tc.schema, tc.doc, err, tc.want)
		}
	}
	c := avroCodec(t, `{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}`)
	if _, err := c.Encode(nil, []byte("\x83\xa1b\x01\xa1a\x01\xa1b\x02")); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a field that comes twice: %v", err)
	}
}
