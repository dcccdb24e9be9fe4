package codec

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMarksAreReadAsTheyAreShown: a value on the wire, how it is shown, and the
// same value again.
func TestMarksAreReadAsTheyAreShown(t *testing.T) {
	for wire, shown := range map[string]string{
		"\xc4\x02\x00\xff":                                         `{"$base64":"AP8="}`,
		"\xc4\x00":                                                 `{"$base64":""}`,
		"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00":                     `{"$float":"+Inf"}`,
		"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00":                     `{"$float":"-Inf"}`,
		"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01":                     `{"$float":"NaN"}`,
		"\xd6\xff\x00\x00\x00\x01":                                 `{"$ext":[-1,"AAAAAQ=="]}`,
		"\xd4\x05a":                                                `{"$ext":[5,"YQ=="]}`,
		"\xd8\x05" + strings.Repeat("a", 16):                       `{"$ext":[5,"YWFhYWFhYWFhYWFhYWFhYQ=="]}`,
		"\xc7\x00\x7f":                                             `{"$ext":[127,""]}`,
		"\xc7\x03\x80abc":                                          `{"$ext":[-128,"YWJj"]}`,
		"\x82\xa1a\xc4\x01a\xa1b\x92\xc4\x01b\x01":                 `{"a":{"$base64":"YQ=="},"b":[{"$base64":"Yg=="},1]}`,
		"\x81\xa7$base64\xa4AP8=":                                  `{"$$base64":"AP8="}`,
		"\x81\xa8$$base64\xc4\x01a":                                `{"$$$base64":{"$base64":"YQ=="}}`,
		"\x81\xa6$float\x81\xa4$ext\xc0":                           `{"$$float":{"$$ext":null}}`,
		"\x81\xa5$text\xa1x":                                       `{"$$text":"x"}`,
		"\x91\x81\xa4$raw\x01":                                     `[{"$$raw":1}]`,
		"\x82\xa7$base64\xa4AP8=\xa1b\x01":                         `{"$base64":"AP8=","b":1}`,
		"\x81\xa4$ref\xa1x":                                        `{"$ref":"x"}`,
		"\x81\xa6base64\xa1$":                                      `{"base64":"$"}`,
		"\x81\xa1$\xa7$base64":                                     `{"$":"$base64"}`,
		"\x81\xa1$\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00":            `{"$":1.0}`,
		"\x91\xcb\x44\x4b\x1a\xe4\xd6\xe2\xef\x50":                 `[1e+21]`,
		"\x92\xa1$\xcb\x44\x4b\x1a\xe4\xd6\xe2\xef\x50":            `["$",1e+21]`,
		"\xc5\x01\x00" + strings.Repeat("\x00", 256):               `{"$base64":"` + strings.Repeat("A", 342) + `=="}`,
		"\xc8\x01\x00\x05" + strings.Repeat("\x00", 256):           `{"$ext":[5,"` + strings.Repeat("A", 342) + `=="]}`,
		"\xc9\x00\x01\x00\x00\x05" + strings.Repeat("\x00", 1<<16): `{"$ext":[5,"` + strings.Repeat("A", 87382) + `=="]}`,
	} {
		if got := string(RenderJSON([]byte("x"), MessagePack{}, []byte(wire))); got != "x"+shown {
			t.Errorf("%.40q: shown as %.80s, want %.80s", wire, got[1:], shown)
		}
		for _, spare := range []int{0, 1 << 20} {
			dst := append(make([]byte, 0, 4+spare), "head"...)
			got, err := ReadJSON(dst, []byte(shown))
			if err != nil || string(got) != "head"+wire {
				t.Errorf("%.80s: read as %.40q, %v, want %.40q", shown, got, err, wire)
			}
		}
	}
}

func TestMarksThatHoldSomethingElse(t *testing.T) {
	for doc, want := range map[string]string{
		`{"$base64":1}`:                          `write "$$base64"`,
		`{"$base64":"AP8"}`:                      "with its padding",
		`{"$base64":"AP9="}`:                     "with its padding",
		`{"$base64":"-_8="}`:                     "with its padding",
		`[{"a":{"$base64":{}}}]`:                 `write "$$base64"`,
		`{"$float":1.5}`:                         `"+Inf"`,
		`{"$float":"1.5"}`:                       `"+Inf"`,
		`{"$ext":"AA=="}`:                        "a type from -128 to 127",
		`{"$ext":[]}`:                            "a type from -128 to 127",
		`{"$ext":[128,"AA=="]}`:                  "a type from -128 to 127",
		`{"$ext":[18446744073709551615,"AA=="]}`: "a type from -128 to 127",
		`{"$ext":[5,"AA==",1]}`:                  "a type from -128 to 127",
		`{"$ext":[5,5]}`:                         "a type from -128 to 127",
		`{"$text":"x"}`:                          "send them with --raw",
		`[{"$raw":"wQ=="}]`:                      "send them with --raw",
		`{"$base64":"AA==","$base64":1}`:         "twice",
		`{"$base64":`:                            "json: byte",
	} {
		got, err := ReadJSON([]byte("head"), []byte(doc))
		if err == nil || !strings.Contains(err.Error(), want) || string(got) != "head" {
			t.Errorf("%s: %q, %v, want an error with %q", doc, got, err, want)
		}
	}
}

// TestMarksOfCodecsWithASchema: bytes and floats that JSON has no word for go
// into their fields, and come out as they are shown.
func TestMarksOfCodecsWithASchema(t *testing.T) {
	for _, c := range []Codec{
		avroCodec(t, `{"type":"record","name":"R","fields":[{"name":"blob","type":"bytes"},{"name":"price","type":"double"},
			{"name":"more","type":["null",{"type":"fixed","name":"F","size":2}]},{"name":"m","type":{"type":"map","values":"string"}}]}`),
		protoCodec(t, `syntax = "proto3"; message R { bytes blob = 1; double price = 2; optional bytes more = 3; map<string, string> m = 4; }`, ""),
	} {
		const doc = `{"blob":{"$base64":"AP8="},"price":{"$float":"-Inf"},"more":{"$base64":"/wA="},"m":{"$$base64":"AP8="}}`
		msg, err := ReadJSON(nil, []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		wire, err := c.Encode(nil, msg)
		if err != nil {
			t.Fatalf("%s: %v", c.Name(), err)
		}
		if !bytes.Contains(wire, []byte{2, 0, 0xff}) && !bytes.Contains(wire, []byte{4, 0, 0xff}) {
			t.Errorf("%s: the bytes 00 ff are not in %x", c.Name(), wire)
		}
		if diff := cmp.Diff(doc, string(RenderJSON(nil, c, wire))); diff != "" {
			t.Errorf("%s (-sent +shown):\n%s", c.Name(), diff)
		}
	}
}

func TestReadingWithoutMarksAllocatesNothing(t *testing.T) {
	doc, dst := []byte(`{"a":[1,2.5,"text"],"b":{"c":null}}`), make([]byte, 0, 4096)
	var err error
	if n := testing.AllocsPerRun(100, func() { _, err = ReadJSON(dst, doc) }); n != 0 && !raceEnabled || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}

// outline writes the classes of all values and the names of maps, after the
// losses that ReadJSON documents.
func (in *input) outline(dst []byte) []byte {
	switch c := in.class(); c {
	case classArray, classMap:
		per := 1
		if c == classMap {
			per = 2
		}
		n := in.count(per)
		dst = append(dst, byte('a'+c))
		for i := 0; i < n && in.err == nil; i++ {
			if c == classMap {
				at := in.i
				in.skip()
				name := input{src: in.src[:in.i], i: at}
				text := name.render(nil)
				if len(text) == 0 || text[0] != '"' {
					text = appendBytes(nil, bytes.Clone(text))
				}
				dst = append(dst, text...)
			}
			dst = in.outline(dst)
		}
		return append(dst, ';')
	case classStr:
		if b := in.bytes(); appendBytes(nil, b)[0] == '{' {
			return append(dst, byte('a'+classBin))
		}
		return append(dst, byte('a'+classStr))
	default:
		in.skip()
		return append(dst, byte('a'+c))
	}
}

// FuzzMarks: what is shown of a msgpack value can be read, is shown alike
// again, and has the same kinds of values in the same places.
func FuzzMarks(f *testing.F) {
	for _, s := range []string{
		"\x81\xa7$base64\xa4AP8=", "\x92\xc4\x01a\xd4\x05a", "\x81\xa8$$base64\xca\x7f\x80\x00\x00", "\x81\x01\xa1$", "\xa1\xff", "\xca\x60\xad\x78\xec",
		"\x81\xc4\x07$base64\xa0", "\x82\xa1a\x01\xa1a\x02",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if CheckValue(wire) != nil {
			return
		}
		shown := RenderJSON(nil, MessagePack{}, wire)
		back, err := ReadJSON(nil, shown)
		if err != nil {
			// Equal names, and a mark in the deepest place, are documented.
			if s := err.Error(); !strings.Contains(s, "twice") && !strings.Contains(s, "64") {
				t.Fatalf("%x: %s: %v", wire, shown, err)
			}
			return
		}
		if CheckValue(back) != nil {
			t.Fatalf("%s: read as %x", shown, back)
		}
		if again := RenderJSON(nil, MessagePack{}, back); !bytes.Equal(again, shown) {
			t.Fatalf("%s, then %s", shown, again)
		}
		was, is := input{src: wire}, input{src: back}
		if w, g := was.outline(nil), is.outline(nil); !bytes.Equal(w, g) {
			t.Fatalf("%s: %q became %q", shown, w, g)
		}
	})
}

// FuzzReadJSON: whatever is written, what is read is one msgpack value.
func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"$ext":[5,"AA=="]}`))
	f.Add([]byte(`[{"$$float":{"$float":"NaN"}},{"$base64":""}]`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		msg, err := ReadJSON(nil, doc)
		if err != nil {
			return
		}
		if cerr := CheckValue(msg); cerr != nil {
			t.Fatalf("%s: %x: %v", doc, msg, cerr)
		}
		plain, err := (JSON{}).Decode(nil, doc)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if !bytes.Contains(plain, []byte("$")) && !bytes.Equal(plain, msg) {
			t.Fatalf("%s: %x, want %x", doc, msg, plain)
		}
	})
}
