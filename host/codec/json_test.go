package codec

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// decodeCases pin the msgpack bytes, so that a change of the chosen forms is
// seen and not only a change of values.
var decodeCases = []struct{ json, hex string }{
	{`null`, "c0"},
	{` true `, "c3"},
	{"\t\r\nfalse\n", "c2"},
	{`0`, "00"},
	{`-0`, "00"},
	{`127`, "7f"},
	{`128`, "cc80"},
	{`-1`, "ff"},
	{`-32`, "e0"},
	{`-33`, "d0df"},
	{`65536`, "ce00010000"},
	{`9007199254740993`, "cf0020000000000001"},
	{`9223372036854775807`, "cf7fffffffffffffff"},
	{`9999999999999999999`, "cf8ac7230489e7ffff"},
	{`18446744073709551615`, "cfffffffffffffffff"},
	{`-9223372036854775808`, "d38000000000000000"},
	{`-0.0`, "cb8000000000000000"},
	{`10.0`, "cb4024000000000000"},
	{`1e1`, "cb4024000000000000"},
	{`1E+1`, "cb4024000000000000"},
	{`0.1`, "cb3fb999999999999a"},
	{`1e-400`, "cb0000000000000000"},
	{`1.7976931348623157e308`, "cb7fefffffffffffff"},
	{`5e-324`, "cb0000000000000001"},
	{`0.30000000000000004441`, "cb3fd3333333333334"},
	{`123456789012345678901234567890.0`, "cb45f8ee90ff6c373e"},
	{`""`, "a0"},
	{`"abc"`, "a3616263"},
	{`"\u0000\b\f\n\r\t\"\\\/"`, "a90008" + "0c0a0d09225c2f"},
	{`"\u00e9\u20AC"`, "a5c3a9e282ac"},
	{`"\ud83d\ude00"`, "a4f09f9880"},
	{"\"\u00e9\U0001f600\"", "a6c3a9f09f9880"},
	{`"0123456789abcdef0123456789abcdef"`, "d92030313233343536373839616263646566" + "30313233343536373839616263646566"},
	{`[]`, "90"},
	{`[ ]`, "90"},
	{`{}`, "80"},
	{`{ }`, "80"},
	{`[1,[2,[3]]]`, "9201920291" + "03"},
	{`{"a":{"b":[]},"c":null}`, "82a16181a16290a163c0"},
	{`[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]`, "dc0010000102030405060708090a0b0c0d0e0f"},
	{`{"":1}`, "81a001"},
}

func TestDecodeJSON(t *testing.T) {
	for _, c := range decodeCases {
		got, err := JSON{}.Decode([]byte("head"), []byte(c.json))
		if err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if h := hex.EncodeToString(got[4:]); h != c.hex || string(got[:4]) != "head" {
			t.Errorf("%s: got %s, want %s", c.json, h, c.hex)
		}
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	deep := strings.Repeat("[", 64) + strings.Repeat("]", 64)
	if _, err := (JSON{}).Decode(nil, []byte(deep)); err != nil {
		t.Errorf("64 levels: %v", err)
	}
	for _, c := range []struct{ json, want string }{
		{``, "json: byte 0: empty document; a JSON value is expected (a deletion is a null value, not an empty one)"},
		{` `, "json: byte 1: empty document"},
		{"\xef\xbb\xbf{}", "json: byte 0: starts with a byte order mark"},
		{`{"a":}`, "json: byte 5: unexpected '}' after ':'"},
		{`{"a"}`, "json: byte 4: unexpected '}' after a member name, want ':'"},
		{`{"a":1`, "json: byte 6: unexpected end after a member, want ',' or '}'"},
		{`{"a":1]`, "json: byte 6: unexpected ']' after a member, want ',' or '}'"},
		{`{`, "json: byte 1: unexpected end after '{', want a member name or '}'"},
		{`{1:2}`, "json: byte 1: unexpected '1' after '{', want a member name or '}'"},
		{`{,}`, "json: byte 1: unexpected ',' after '{', want a member name or '}'"},
		{`{"a":1,}`, "json: byte 7: unexpected '}' after ',', want a member name in double quotes"},
		{`{"a":1,'b':2}`, "json: byte 7: unexpected ''' after ',', want a member name"},
		{`[1,]`, "json: byte 3: unexpected ']' after ','"},
		{`[,1]`, "json: byte 1: unexpected ',' in an array"},
		{`[1 2]`, "json: byte 3: unexpected '2' after an array element, want ',' or ']'"},
		{`[`, "json: byte 1: unexpected end after '[', want a value or ']'"},
		{`[1}`, "json: byte 2: unexpected '}' after an array element"},
		{`1 2`, "json: byte 2: unexpected '2' after the document"},
		{`{}{}`, "json: byte 2: unexpected '{' after the document"},
		{"\xff", "json: byte 0: unexpected byte 0xff at the start"},
		{`NaN`, "json: byte 0: unexpected 'N' at the start"},
		{`nul`, "json: byte 0: misspelt null"},
		{`not json`, "json: byte 0: unexpected 'n', want a JSON value; text must be in quotes"},
		{`[truE]`, "json: byte 1: misspelt true"},
		{`falsefalse`, "json: byte 5: unexpected 'f' after the document"},
		{`-`, "json: byte 1: unexpected end after '-', want a digit"},
		{`-a`, "json: byte 1: unexpected 'a' after '-', want a digit"},
		{`+1`, "json: byte 0: unexpected '+' at the start"},
		{`01`, "json: byte 0: number begins with a superfluous 0"},
		{`-00`, "json: byte 0: number begins with a superfluous 0"},
		{`1.`, "json: byte 2: unexpected end after '.', want a digit"},
		{`.5`, "json: byte 0: unexpected '.' at the start"},
		{`1.e5`, "json: byte 2: unexpected 'e' after '.', want a digit"},
		{`1e`, "json: byte 2: unexpected end in an exponent, want a digit"},
		{`1e+`, "json: byte 3: unexpected end in an exponent, want a digit"},
		{`0x10`, "json: byte 1: unexpected 'x' after the document"},
		{`18446744073709551616`, "json: byte 0: integer does not fit into 64 bits"},
		{`99999999999999999999`, "json: byte 0: integer does not fit into 64 bits"},
		{`100000000000000000000`, "json: byte 0: integer does not fit into 64 bits"},
		{`-9223372036854775809`, "json: byte 0: integer does not fit into 64 bits"},
		{`[1e309]`, "json: byte 1: number is too large for a 64-bit float"},
		{`1e99999999999999999999`, "json: byte 0: number is too large"},
		{`"`, "json: byte 1: unexpected end in a string"},
		{`"abc`, "json: byte 4: unexpected end in a string"},
		{`"\`, "json: byte 2: unexpected end in a string"},
		{`"\"`, "json: byte 3: unexpected end in a string"},
		{`"\x"`, `json: byte 1: unknown escape '\' followed by 'x'`},
		{`"\u12"`, `json: byte 5: '\u' wants four hexadecimal digits, not '"'`},
		{`"\u12`, "json: byte 5: unexpected end in a string"},
		{`"\ud83d"`, "json: byte 1: unpaired surrogate"},
		{`"\ud83d\u0041"`, "json: byte 1: unpaired surrogate"},
		{`"\ude00"`, "json: byte 1: unpaired surrogate"},
		{`"\ud83dabcdef"`, "json: byte 1: unpaired surrogate"},
		{"\"a\nb\"", "json: byte 2: control character (byte 0x0a) in a string"},
		{"\"ab\xff\"", "json: byte 3: string is not UTF-8"},
		{"\"a\\n\xc0\x80\"", "json: byte 4: string is not UTF-8"},
		{"\"\xed\xa0\x80\"", "json: byte 1: string is not UTF-8"},
		{`{"a":1,"b":2,"a":3}`, "json: byte 13: member name occurs twice"},
		{`{"a":1,"\u0061":3}`, "json: byte 7: member name occurs twice"},
		{`{"x":{"a":1,"a":2}}`, "json: byte 12: member name occurs twice"},
		{strings.Repeat("[", 65), "json: byte 64: more than 64 arrays and objects inside each other"},
		{strings.Repeat(`{"a":`, 65), "json: byte 320: more than 64"},
		{strings.Repeat("[", 2_000_000), "json: byte 64: more than 64"},
	} {
		got, err := JSON{}.Decode([]byte("head"), []byte(c.json))
		name := c.json[:min(len(c.json), 40)]
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %x, error %v, want an *Error", name, got, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %s\nwant %s", name, err, c.want)
		}
		if string(got) != "head" {
			t.Errorf("%s: dst came back as %q", name, got)
		}
	}
}

// TestDecodeJSONMovesLongContainers crosses the borders at which a header
// grows, with a container around it and one inside.
func TestDecodeJSONMovesLongContainers(t *testing.T) {
	for _, n := range []int{15, 16, 17, 65535, 65536} {
		var b strings.Builder
		b.WriteString(`{"before":1,"list":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"i":%d}`, i)
		}
		b.WriteString(`],"map":{`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"name %d":[%d]`, i, i)
		}
		b.WriteString(`},"after":"x"}`)
		doc := b.String()
		m, err := JSON{}.Decode(nil, []byte(doc))
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		back, err := JSON{}.Encode(nil, m)
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if string(back) != doc {
			t.Errorf("%d elements do not survive", n)
		}
	}
}

// TestJSONFindsRepeatedNames repeats each position's name at each later one,
// around the size at which the method changes.
func TestJSONFindsRepeatedNames(t *testing.T) {
	for _, n := range []int{2, small - 1, small, small + 1, small + 2, 60} {
		for first := range n {
			for again := first + 1; again < n; again++ {
				var doc []byte
				msg := []byte{0xde, 0, byte(n)}
				at, msgAt := 0, 0
				for i := range n {
					id := i
					if i == again {
						id = first
						at, msgAt = len(doc)+1, len(msg)
					}
					doc = fmt.Appendf(doc, `,"n%d":{"n%d":0}`, id, i)
					name := fmt.Sprintf("n%d", id)
					msg = append(append(append(msg, 0xd9, byte(len(name))), name...), 0x90)
				}
				doc[0] = '{'
				doc = append(doc, '}')
				var e *Error
				if _, err := (JSON{}).Decode(nil, doc); !errors.As(err, &e) || e.Reason != duplicate || e.Offset != at {
					t.Fatalf("%s: got %v, want a repeated name at %d", doc, err, at)
				}
				if _, err := (JSON{}).Encode(nil, msg); !errors.As(err, &e) || e.Reason != duplicate || e.Offset != msgAt {
					t.Fatalf("%x: got %v, want a repeated name at %d", msg, err, msgAt)
				}
			}
		}
	}
}

func TestEncodeJSON(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ hex, json string }{
		{"c0", `null`},
		{"c2", `false`},
		{"c3", `true`},
		{"00", `0`},
		{"7f", `127`},
		{"e0", `-32`},
		{"ff", `-1`},
		{"cc05", `5`},
		{"ccff", `255`},
		{"cd0001", `1`},
		{"ceffffffff", `4294967295`},
		{"cfffffffffffffffff", `18446744073709551615`},
		{"d0ff", `-1`},
		{"d1ff7f", `-129`},
		{"d280000000", `-2147483648`},
		{"d38000000000000000", `-9223372036854775808`},
		{"ca3dcccccd", `0.1`},
		{"ca41200000", `10.0`},
		{"ca7f7fffff", `3.4028235e+38`},
		{"cb3fb999999999999a", `0.1`},
		{"cb4024000000000000", `10.0`},
		{"cb8000000000000000", `-0.0`},
		{"cb0000000000000000", `0.0`},
		{"cb3eb0c6f7a0b5ed8d", `0.000001`},
		{"cb3e7ad7f29abcaf48", `1e-7`},
		{"cb444b1ae4d6e2ef50", `1e+21`},
		{"cb0000000000000001", `5e-324`},
		{"cb7fefffffffffffff", `1.7976931348623157e+308`},
		{"cbc341c37937e08000", `-10000000000000000.0`},
		{"a0", `""`},
		{"d900", `""`},
		{"da000161", `"a"`},
		{"db0000000161", `"a"`},
		{"da012c" + hex.EncodeToString([]byte(long)), `"` + long + `"`},
		{"ac" + hex.EncodeToString([]byte("\"\\\b\f\n\r\t/\x00\x1f\x7f<")), `"\"\\\b\f\n\r\t/\u0000\u001f` + "\x7f<\""},
		{"a6" + hex.EncodeToString([]byte("\u2028\u2029")), "\"\u2028\u2029\""},
		{"a6c3a9f09f9880", "\"\u00e9\U0001f600\""},
		{"90", `[]`},
		{"80", `{}`},
		{"dc0000", `[]`},
		{"df00000000", `{}`},
		{"dd0000000101", `[1]`},
		{"9201920291c0", `[1,[2,[null]]]`},
		{"82a16190a16281a16301", `{"a":[],"b":{"c":1}}`},
	} {
		src, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := JSON{}.Encode([]byte("head"), src)
		if err != nil || string(got) != "head"+c.json {
			t.Errorf("%s: got %s, %v, want %s", c.hex, got, err, c.json)
		}
	}
}

func TestEncodeJSONRefuses(t *testing.T) {
	for _, c := range []struct{ hex, want string }{
		{"", "json: byte 0: message ends inside a value"},
		{"cd01", "json: byte 0: message ends inside a value"},
		{"cb00000000000000", "json: byte 0: message ends"},
		{"d9", "json: byte 0: message ends"},
		{"a3", "json: byte 1: message ends"},
		{"a36162", "json: byte 1: message ends"},
		{"dbffffffff", "json: byte 5: message ends"},
		{"ddffffffff", "json: byte 0: message ends"},
		{"dfffffffff", "json: byte 0: message ends"},
		{"dfffffffffa16101", "json: byte 0: message ends"},
		{"de00", "json: byte 0: message ends"},
		{"91", "json: byte 0: message ends"},
		{"81a161", "json: byte 3: message ends"},
		{"9201", "json: byte 0: message ends"},
		{"0101", "json: byte 1: bytes left over after the value"},
		{"c1", "json: byte 0: the reserved byte 0xc1 is not JSON"},
		{"91c401ff", "json: byte 1: a binary string is not JSON; emit text as a string, other bytes as a string of base64"},
		{"d6ff00000000", "json: byte 0: an extension type is not JSON; emit a time as a number or a string"},
		{"c70005", "json: byte 0: an extension type is not JSON"},
		{"cb7ff8000000000000", "json: byte 0: NaN and infinities are not JSON"},
		{"ca7f800000", "json: byte 0: NaN and infinities are not JSON"},
		{"cbfff0000000000000", "json: byte 0: NaN and infinities are not JSON"},
		{"810101", "json: byte 1: map key is an integer; the names in a JSON object are strings"},
		{"81c001", "json: byte 1: map key is nil"},
		{"81c4016101", "json: byte 1: map key is a binary string"},
		{"819001", "json: byte 1: map key is an array"},
		{"81ca0000000001", "json: byte 1: map key is a float"},
		{"82a16101a16102", "json: byte 4: member name occurs twice"},
		{"82a16101d9016102", "json: byte 4: member name occurs twice"},
		{"a2c328", "json: byte 1: string is not UTF-8"},
		{"a4220ac328", "json: byte 3: string is not UTF-8"},
		{strings.Repeat("91", 65) + "c0", "json: byte 64: more than 64"},
		{strings.Repeat("91", 2_000_000), "json: byte 64: more than 64"},
	} {
		src, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := JSON{}.Encode([]byte("head"), src)
		name := c.hex[:min(len(c.hex), 40)]
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
		if string(got) != "head" {
			t.Errorf("%s: dst came back as %q", name, got)
		}
	}
}

// TestRoundTripKeepsText passes real documents through and compares bytes: a
// handler that forwards its input must not change it, 10.0 included.
func TestRoundTripKeepsText(t *testing.T) {
	for _, line := range sampleLines {
		m, err := JSON{}.Decode(nil, []byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		back, err := JSON{}.Encode(nil, m)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(line, string(back)); diff != "" {
			t.Error(diff)
		}
	}
}

// sampleLines are documents as they occur: four of the real data sets, and
// one of 340 bytes with nesting and escapes.
var sampleLines = []string{
	`{"date":"2001/01/01 00:47","delay":66,"distance":1750,"origin":"DTW","destination":"LAS"}`,
	`{"id":"uw61345682","time":1517363399650,"updated":1517942380200,"mag":0.31,"magType":"ml","place":"37km NNE of Amboy, Washington","type":"earthquake","net":"uw","status":"reviewed","tsunami":0,"felt":null,"longitude":-122.197,"latitude":46.2035,"depth":3.28}`,
	`{"location":"New York","date":"2012-01-01","precipitation":1.8,"temp_max":10.0,"temp_min":3.3,"wind":5.1,"weather":"rain"}`,
	`{"iata":"ABE","name":"Lehigh Valley International","city":"Allentown","state":"PA","country":"USA","latitude":40.65236278,"longitude":-75.44040167}`,
	order340,
}

const order340 = `{"id":"ord-2026-000482","customer":{"id":918273,"name":"J. Example","email":"j.example@mail.example"},"items":[{"sku":"A-100","qty":2,"price":19.99},{"sku":"B-7","qty":1,"price":250.0},{"sku":"C-31","qty":12,"price":0.45}],"total":295.38,"currency":"EUR","paid":true,"coupon":null,"note":"leave at the door\nring twice","ts":1767225600123}`

func TestJSONErrorsDoNotPrintPayloads(t *testing.T) {
	secret := strings.Repeat("hunter2", 100)
	for _, doc := range []string{`{"password":"` + secret + `"`, `"` + secret + "\x01\"", secret} {
		_, err := JSON{}.Decode(nil, []byte(doc))
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("error %v", err)
		}
	}
}

func TestJSONDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1<<20)
	big := []byte(`{"x":[`)
	for i := range 200 {
		big = fmt.Appendf(big, `{"name%d":%d.5},`, i, i)
	}
	big = append(big, `0],"y":{`...)
	for i := range 200 {
		big = fmt.Appendf(big, `"member %d":"\u00e9",`, i)
	}
	big = append(big, `"z":123456789012345678901234567890.25}}`...)
	if !json.Valid(big) {
		t.Fatal("test document is wrong")
	}
	docs := [][]byte{big}
	for _, l := range sampleLines {
		docs = append(docs, []byte(l))
	}
	for _, doc := range docs {
		msg, err := JSON{}.Decode(nil, doc)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(200, func() { _, err = JSON{}.Decode(dst, doc) }); n != 0 && !raceEnabled || err != nil {
			t.Errorf("decoding %.40s: %v allocations, error %v", doc, n, err)
		}
		if n := testing.AllocsPerRun(200, func() { _, err = JSON{}.Encode(dst, msg) }); n != 0 && !raceEnabled || err != nil {
			t.Errorf("encoding %.40s: %v allocations, error %v", doc, n, err)
		}
	}
}

// TestJSONIsSafeForConcurrentUse translates different documents at once; the
// race detector, and the results, would show memory that is shared.
func TestJSONIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 300 {
				doc := fmt.Sprintf(`{"worker":%d,"list":[%d,{"a":%q}],"x%d":{"y":1.5}}`, i, j, strings.Repeat("z", j), j)
				msg, err := JSON{}.Decode(nil, []byte(doc))
				if err != nil {
					t.Error(err)
					return
				}
				if back, err := (JSON{}).Encode(nil, msg); err != nil || string(back) != doc {
					t.Errorf("got %s, %v, want %s", back, err, doc)
					return
				}
			}
		})
	}
	wg.Wait()
}
