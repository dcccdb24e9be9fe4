package codec

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestByName(t *testing.T) {
	for name, repr := range map[string]Repr{"raw": Bytes, "string": Text, "json": Msgpack, "msgpack": Msgpack} {
		c, ok := ByName(name)
		if !ok || c.Name() != name || c.Repr() != repr {
			t.Errorf("%s: got %v, %v", name, c, ok)
		}
	}
	for _, name := range []string{"", "JSON", "avro", "raw "} {
		if c, ok := ByName(name); ok {
			t.Errorf("%q: got %v", name, c)
		}
	}
	if diff := cmp.Diff([]string{"raw", "string", "json", "msgpack", "csv"}, Names()); diff != "" {
		t.Error(diff)
	}
}

func TestRawAndString(t *testing.T) {
	for _, c := range []Codec{Raw{}, String{}} {
		for _, s := range []string{"", "abc", "a\x00b", "\u00e9\U0001f600\ufeff"} {
			for _, f := range []func(dst, src []byte) ([]byte, error){c.Decode, c.Encode} {
				if got, err := f([]byte("head"), []byte(s)); err != nil || string(got) != "head"+s {
					t.Errorf("%s %q: got %q, %v", c.Name(), s, got, err)
				}
			}
		}
	}
	for s, at := range map[string]int{"\xff": 0, "ab\xc3": 2, "\u00e9\xed\xa0\x80": 2, "abc\xf0\x9f\x98": 3} {
		for _, f := range []func(dst, src []byte) ([]byte, error){String{}.Decode, String{}.Encode} {
			got, err := f([]byte("head"), []byte(s))
			var e *Error
			if !errors.As(err, &e) || e.Offset != at || string(got) != "head" {
				t.Errorf("%q: got %q, %v, want an error at %d", s, got, err, at)
			}
		}
		if got, err := (Raw{}).Decode(nil, []byte(s)); err != nil || string(got) != s {
			t.Errorf("raw %q: got %q, %v", s, got, err)
		}
	}
}
