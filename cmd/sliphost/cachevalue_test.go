package main

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/sliphost/sliphost/abi"
)

func TestValuesOfCachesAreShown(t *testing.T) {
	number := func(bits uint64) string { return string(binary.LittleEndian.AppendUint64(nil, bits)) }
	minus := int64(-7)
	packed := string(abi.AppendInt(abi.AppendArrayHeader(nil, 1), 5))
	for _, tc := range []struct {
		name        string
		value       string
		plain, json string
	}{
		{"text", "a b", "a b", `"a b"`},
		{"text", "a\tb", `"a\tb"`, `"a\tb"`},
		{"text", "", "", `""`},
		{"text", "\xff", `{"$base64":"/w=="}`, `{"$base64":"/w=="}`},
		{"int", number(uint64(minus)), "-7", "-7"},
		{"int", "7", `{"$base64":"Nw=="}`, `{"$base64":"Nw=="}`},
		{"float", number(math.Float64bits(0.1)), "0.1", "0.1"},
		{"float", number(math.Float64bits(math.Inf(1))), `{"$base64":"AAAAAAAA8H8="}`, `{"$base64":"AAAAAAAA8H8="}`},
		{"msgpack", packed, "[5]", "[5]"},
		{"msgpack", "\xc1", `{"$base64":"wQ=="}`, `{"$base64":"wQ=="}`},
		{"hex", "\x00\xff", "00ff", `"00ff"`},
	} {
		for _, asJSON := range []bool{false, true} {
			render, err := valueRenderer(tc.name, asJSON)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.plain
			if asJSON {
				want = tc.json
			}
			// What lies before is kept.
			if got := string(render([]byte("x"), []byte(tc.value))); got != "x"+want {
				t.Errorf("%s %q, json %v: %s, want x%s", tc.name, tc.value, asJSON, got, want)
			}
		}
	}
	if _, err := valueRenderer("json", false); err == nil {
		t.Error("a renderer that does not exist")
	}
}

func TestAfterPrefix(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a\xff": "b", "a\xfe": "a\xff"} {
		if got := string(afterPrefix([]byte(prefix))); got != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
	if got := afterPrefix([]byte("\xff\xff")); got != nil {
		t.Errorf("%q has an end", got)
	}
}
