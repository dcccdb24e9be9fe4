package codec

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sliphost/sliphost/abi"
)

// msgpackWire is a codec like those to come: msgpack on both sides.
type msgpackWire struct{ Raw }

func (msgpackWire) Name() string { return "msgpack" }
func (msgpackWire) Repr() Repr   { return Msgpack }

func TestRenderJSON(t *testing.T) {
	for _, c := range []struct {
		codec Codec
		wire  string
		want  string
	}{
		{nil, "", `""`},
		{nil, "text\n", `"text\n"`},
		{Raw{}, "\x00\xff", `{"$base64":"AP8="}`},
		{String{}, "\u00e9\x01", "\"\u00e9\\u0001\""},
		{String{}, "\xff", `{"$base64":"/w=="}`},
		{JSON{}, " { \"a b\" : [ 1.50 , \"x \\u0041\\\" y\" ] }\n", `{"a b":[1.50,"x \u0041\" y"]}`},
		{JSON{}, "null", `null`},
		{JSON{}, `{"a":`, `{"$text":"{\"a\":"}`},
		{JSON{}, "", `{"$text":""}`},
		{JSON{}, "123456789012345678901", `{"$text":"123456789012345678901"}`},
		{JSON{}, "\"\xff\"", `{"$raw":"Iv8i"}`},
		{JSON{}, `{"$base64": "AA=="}`, `{"$base64":"AA=="}`},
		{msgpackWire{}, "\x82\xa1a\x01\xa1b\x90", `{"a":1,"b":[]}`},
		{msgpackWire{}, "\xc4\x01a", `{"$base64":"YQ=="}`},
		{MessagePack{}, "\xc1", `{"$raw":"wQ=="}`},
		{MessagePack{}, "a b", `{"$text":"a b"}`},
		{msgpackWire{}, "\xc1", `{"$raw":"wQ=="}`}, // broken, and accepted
	} {
		for _, spare := range []int{0, 1000} {
			dst := append(make([]byte, 0, 4+spare), "head"...)
			if got := string(RenderJSON(dst, c.codec, []byte(c.wire))); got != "head"+c.want {
				t.Errorf("%T %q: got %s, want %s", c.codec, c.wire, got, c.want)
			}
		}
	}
	if got := string(RenderJSON(nil, JSON{}, nil)); got != "null" {
		t.Errorf("nil: %s", got)
	}
}

func TestAppendLine(t *testing.T) {
	headers := abi.AppendArrayHeader(nil, 4)
	headers = abi.AppendHeader(headers, "trace", []byte("abc"))
	headers = abi.AppendHeader(headers, "trace", nil)
	headers = abi.AppendHeader(headers, "", []byte{})
	headers = abi.AppendHeader(headers, "bytes", []byte{0xff})
	l := Line{
		Topic: "late", Partition: 3, Offset: 7, Timestamp: 1700000000000,
		Key: []byte("LAX"), KeyCodec: String{}, Value: []byte(`{"delay": 10.0}`), ValueCodec: JSON{}, Headers: headers,
	}
	got, err := AppendLine([]byte("head"), &l)
	want := `head{"topic":"late","partition":3,"offset":7,"timestamp":1700000000000,"key":"LAX","value":{"delay":10.0},` +
		`"headers":[["trace","abc"],["trace",null],["",""],["bytes",{"$base64":"/w=="}]]}`
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	got, err = AppendLine(nil, &Line{Topic: "t", Timestamp: -1})
	want = `{"topic":"t","partition":0,"offset":0,"timestamp":null,"key":null,"value":null,"headers":[]}`
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	l.Headers = headers[:len(headers)-1]
	if got, err = AppendLine([]byte("head"), &l); err == nil || string(got) != "head" {
		t.Errorf("headers cut short: %q, %v", got, err)
	}
	l.Headers = headers
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { _, err = AppendLine(dst, &l) }); n != 0 && !raceEnabled || err != nil {
		t.Errorf("%v allocations, %v", n, err)
	}
}

// FuzzRender: whatever is on the wire, a line is JSON, one line, and says the
// same as the wire.
func FuzzRender(f *testing.F) {
	f.Add([]byte(`{"a": [1, "b\n", {}], "c" : 1.50}`))
	f.Add([]byte("plain"))
	f.Add([]byte{0x81, 0xa1, 'a', 0xff})
	f.Add([]byte{0xff, 0x00})
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, c := range []Codec{nil, Raw{}, String{}, JSON{}, msgpackWire{}} {
			out := RenderJSON(nil, c, wire)
			if !json.Valid(out) || bytes.ContainsAny(out, "\n\r") {
				t.Fatalf("%T: %s", c, out)
			}
			if c == nil || c.Repr() != Msgpack {
				var text *string
				var marked struct {
					Base64 []byte `json:"$base64"`
				}
				if json.Unmarshal(out, &text) == nil {
					if *text != string(wire) {
						t.Fatalf("%T: %s", c, out)
					}
				} else if err := json.Unmarshal(out, &marked); err != nil || !bytes.Equal(marked.Base64, wire) {
					t.Fatalf("%T: %s, %v", c, out, err)
				}
			}
		}
		if want, err := (JSON{}).Decode(nil, wire); err == nil {
			out := RenderJSON(nil, JSON{}, wire)
			var compact bytes.Buffer
			if err := json.Compact(&compact, wire); err != nil || compact.String() != string(out) {
				t.Fatalf("got %s, want %s, %v", out, &compact, err)
			}
			if got, err := (JSON{}).Decode(nil, out); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %x, %v, want %x", out, got, err, want)
			}
		} else if out := RenderJSON(nil, JSON{}, wire); !strings.HasPrefix(string(out), `{"$`) {
			t.Fatalf("refused, but shown as %s", out)
		}
	})
}
