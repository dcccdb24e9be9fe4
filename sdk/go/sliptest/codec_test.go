package sliptest

import (
	"bytes"
	"testing"

	"github.com/sliphost/sliphost/host/codec"
)

// TestJSONIsWhatTheHostReads keeps the harness honest: a handler must get the
// same bytes here as from the host.
func TestJSONIsWhatTheHostReads(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `0`, `-0`, `-1`, `127`, `128`, `-32`, `-33`, `65536`,
		`9223372036854775807`, `18446744073709551615`, `18446744073709551616`, `-9223372036854775808`, `-9223372036854775809`,
		`1.0`, `1.5`, `1e3`, `1E400`, `-2.5e-7`, `1e21`, `123456789.125`,
		`"text"`, `"\u00e4\n\"\\/"`, `"<&>"`, `"\ud83c\udfc6"`,
		`{"a":1,"b":[1,2,{"c":null}],"d":{"e":"f"}}`, `{"a":1,"a":2}`,
		`{"a":1} x`, `{"a"`, ``, ` 1 `, `[1,]`, `01`, `nul`,
	} {
		want, wantErr := codec.JSON{}.Decode(nil, []byte(text))
		got, err := fromJSON([]byte(text))
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%s: harness %x, %v; host %x, %v", text, got, err, want, wantErr)
			continue
		}
		if err != nil {
			continue
		}
		wantText, wantErr := codec.JSON{}.Encode(nil, want)
		gotText, err := fromGuest("json", want)
		if wantErr != nil || err != nil || !bytes.Equal(gotText, wantText) {
			t.Errorf("%s: harness writes %s, %v; host %s, %v", text, gotText, err, wantText, wantErr)
		}
	}
}

func TestJSONRefusesWhatTheHostRefuses(t *testing.T) {
	for _, b := range []string{
		"\xc4\x01a",                            // bytes
		"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", // infinity
		"\x81\x01\x02",                         // a number as name
		"\xd4\x01\x02",                         // extension
		"\xa1\xff",                             // not UTF-8
		"\x92\x01",                             // cut off
		"\x01\x02",                             // two values
	} {
		_, hostErr := codec.JSON{}.Encode(nil, []byte(b))
		if _, err := fromGuest("json", []byte(b)); err == nil || hostErr == nil {
			t.Errorf("%x: harness %v, host %v", b, err, hostErr)
		}
	}
}
