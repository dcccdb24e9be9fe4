package golden

import (
	"github.com/sliphost/sliphost/host/codec"
)

// In a test, what a topic's records hold is written as JSON, whatever their
// bytes are: with a codec that gives handlers typed values, other than json
// itself, inputs are encoded and outputs decoded by it; both have the marks of
// codec.RenderJSON for what JSON has no word for.

// codecs returns those of a topic; nil where bytes are written as they are.
func (s *scene) codecs(topic string) (key, value codec.Codec) {
	for i := range s.b.Manifest.Topics {
		if t := &s.b.Manifest.Topics[i]; t.Name == topic {
			return typed(s.b.Codecs().Of(t, true)), typed(s.b.Codecs().Of(t, false))
		}
	}
	return nil, nil
}

func typed(c codec.Codec) codec.Codec {
	if c == nil || c.Repr() != codec.Msgpack || c.Name() == (codec.JSON{}).Name() {
		return nil
	}
	return c
}

// encode turns a record of a test into wire form. A value that is written as
// text or base64 is taken as the bytes it is; a key that is no JSON document is
// a string.
func (r *record) encode(key, value codec.Codec) error {
	if key != nil && r.key != nil {
		doc := r.key
		if _, err := (codec.JSON{}).Decode(nil, doc); err != nil {
			doc, _ = codec.AppendString(nil, r.key)
		}
		msg, err := codec.ReadJSON(nil, doc)
		if err != nil {
			return err
		}
		if r.key, err = key.Encode([]byte{}, msg); err != nil {
			return err
		}
	}
	if value == nil || r.value == nil || !r.json {
		return nil
	}
	msg, err := codec.ReadJSON(nil, r.value)
	if err != nil {
		return err
	}
	r.value, err = value.Encode([]byte{}, msg)
	return err
}

// decode turns a record that came out into what a test says about it.
func (r *record) decode(key, value codec.Codec) {
	if key != nil && r.key != nil {
		r.key = codec.RenderJSON(nil, key, r.key)
		if text, ok := codec.StringText(r.key); ok {
			r.key = text
		}
	}
	if value != nil && r.value != nil {
		r.value = codec.RenderJSON(nil, value, r.value)
	}
}
