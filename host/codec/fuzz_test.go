package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vmihailenco/msgpack/v5"
)

// FuzzDecodeJSON compares with three others: jsontext for what is acceptable
// (it follows RFC 7493 as JSON does), encoding/json for the values in a
// document, vmihailenco's decoder for the values in its translation.
func FuzzDecodeJSON(f *testing.F) {
	for _, c := range decodeCases {
		f.Add([]byte(c.json))
	}
	for _, l := range sampleLines {
		f.Add([]byte(l))
	}
	for _, s := range []string{
		`{"a":1,"\u0061":2}`, `"\ud800"`, "\"\xff\"", `18446744073709551616`, `-1e999`, `[[[]],{},"",[{"a":[]}]]`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat(`{"k":`, 64) + "1" + strings.Repeat("}", 64),
		"[" + strings.Repeat("0,", 70000) + "0]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		msg, err := JSON{}.Decode(nil, doc)
		if ok, why := acceptable(doc); ok != (err == nil) {
			t.Fatalf("Decode: %v; the others: acceptable is %v (%s)", err, ok, why)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(doc) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		var want, got any
		dec := json.NewDecoder(bytes.NewReader(doc))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got, err = decodeMsgpack(msg); err != nil {
			t.Fatalf("%x: %v", msg, err)
		}
		// Not cmp.Diff: its time is exponential in the depth of nested slices.
		if w, g := normal(want), normal(got); !reflect.DeepEqual(w, g) {
			t.Fatalf("got %v, want %v", g, w)
		}
		// What was decoded can be encoded, and means the same to us.
		text, err := JSON{}.Encode(nil, msg)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		again, err := JSON{}.Decode(nil, text)
		if err != nil || !bytes.Equal(again, msg) {
			t.Fatalf("%s: %x, %v, want %x", text, again, err, msg)
		}
	})
}

// acceptable is the documented grammar, put together from other parsers.
func acceptable(doc []byte) (bool, string) {
	if !json.Valid(doc) {
		return false, "not JSON"
	}
	if !jsontext.Value(doc).IsValid() {
		return false, "not I-JSON"
	}
	dec := jsontext.NewDecoder(bytes.NewReader(doc))
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return true, ""
		}
		if dec.StackDepth() > 64 {
			return false, "too deep"
		}
		if tok.Kind() != '0' {
			continue
		}
		n := tok.String()
		if strings.ContainsAny(n, ".eE") {
			if f, _ := strconv.ParseFloat(n, 64); math.IsInf(f, 0) {
				return false, "float too large"
			}
			continue
		}
		_, ierr := strconv.ParseInt(n, 10, 64)
		_, uerr := strconv.ParseUint(n, 10, 64)
		if ierr != nil && uerr != nil {
			return false, "integer too wide"
		}
	}
}

func decodeMsgpack(msg []byte) (any, error) {
	r := bytes.NewReader(msg)
	v, err := msgpack.NewDecoder(r).DecodeInterface()
	if err == nil && r.Len() > 0 {
		err = errors.New("bytes left over")
	}
	return v, err
}

// normal gives numbers one form: "i" and the digits, or "f" and the bits.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = normal(e)
		}
	case []any:
		for i, e := range v {
			v[i] = normal(e)
		}
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, _ := v.Float64()
			return normal(f)
		}
		if v == "-0" {
			return "i0"
		}
		return "i" + v.String()
	case float64:
		return "f" + strconv.FormatUint(math.Float64bits(v), 16)
	case float32:
		f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		return normal(f)
	case uint8, uint16, uint32, uint64, int8, int16, int32, int64:
		b, _ := json.Marshal(v)
		return "i" + string(b)
	}
	return v
}

// FuzzEncodeJSON feeds what no guest of ours would send.
func FuzzEncodeJSON(f *testing.F) {
	for _, c := range decodeCases {
		b, _ := hex.DecodeString(c.hex)
		f.Add(b)
	}
	for _, s := range []string{
		"ca3dcccccd", "ca358637bd", "ca6258d727", "cb3eb0c6f7a0b5ed8d", "cb444b1ae4d6e2ef50", "dd0000000101", "df00000001a16101",
		"da000161", "c40161", "d6ff00000000", "810101", "82a16101a16102", "c1", "dfffffffff", "d38000000000000000", "cbbf9eb851eb851eb8",
	} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		text, err := JSON{}.Encode(nil, msg)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(msg) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if ok, why := acceptable(text); !ok {
			t.Fatalf("%s: %s", text, why)
		}
		// The other decoder may be trusted with it: it nests 64 deep at most.
		want, err := decodeMsgpack(msg)
		if err != nil {
			t.Fatalf("%s: the other decoder says %v", text, err)
		}
		back, err := JSON{}.Decode(nil, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := decodeMsgpack(back)
		if err != nil {
			t.Fatal(err)
		}
		// Not cmp.Diff: its time is exponential in the depth of nested slices.
		if w, g := normal(want), normal(got); !reflect.DeepEqual(w, g) {
			t.Fatalf("got %v, want %v", g, w)
		}
		if again, err := (JSON{}).Encode(nil, back); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%s, %v, want %s", again, err, text)
		}
	})
}

// FuzzFloat compares the digits with strconv's.
func FuzzFloat(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 0.1, 19.99, 295.38, 1e15, 999999999999999, 1e21, 1e-6, 1e-7, 0.000001, 123456789.123456, 0.30000000000000004, math.MaxFloat64, 5e-324, 1 << 53} {
		f.Add(math.Float64bits(v), int64(v))
	}
	f.Fuzz(func(t *testing.T, raw uint64, cents int64) {
		for _, v := range []float64{math.Float64frombits(raw), float64(cents) / 100, float64(cents) / 1e6, float64(cents)} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			got := string(appendFloat(nil, v, 64))
			want, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSuffix(got, ".0") != string(want) || !strings.ContainsAny(got, ".e") {
				t.Errorf("%x: got %s, want %s", raw, got, want)
			}
		}
	})
}
