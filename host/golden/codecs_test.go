package golden

import (
	"testing"

	"github.com/sliphost/sliphost/host/codec"
)

// TestMarksInInputsAndOutputs: what JSON has no word for is written in a test
// as the command tap shows it.
func TestMarksInInputsAndOutputs(t *testing.T) {
	for _, c := range []struct{ key, value, wireKey, wireValue string }{
		{`{"$base64":"AP8="}`, `{"a":{"$float":"NaN"}}`, "\xc4\x02\x00\xff", "\x81\xa1a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x01"},
		{`LHR`, `{"$$base64":"AP8="}`, "\xa3LHR", "\x81\xa7$base64\xa4AP8="},
	} {
		r := record{key: []byte(c.key), value: []byte(c.value), json: true}
		if err := r.encode(codec.MessagePack{}, codec.MessagePack{}); err != nil {
			t.Fatal(err)
		}
		if string(r.key) != c.wireKey || string(r.value) != c.wireValue {
			t.Errorf("%s %s: encoded as %q %q", c.key, c.value, r.key, r.value)
		}
		r.decode(codec.MessagePack{}, codec.MessagePack{})
		if string(r.key) != c.key || string(r.value) != c.value {
			t.Errorf("decoded as %s %s, want %s %s", r.key, r.value, c.key, c.value)
		}
	}
	for _, r := range []record{{key: []byte(`{"$base64":5}`)}, {value: []byte(`{"$ext":5}`), json: true}} {
		if err := r.encode(codec.MessagePack{}, codec.MessagePack{}); err == nil {
			t.Errorf("%s %s is taken: %q %q", r.key, r.value, r.key, r.value)
		}
	}
}
