package codec

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// Line is a record as the command tap shows it.
type Line struct {
	Topic     string
	Partition int32
	Offset    int64
	// Timestamp is in milliseconds since 1970, negative if there is none.
	Timestamp int64
	// Key and Value are wire bytes, nil is null. A nil codec is raw.
	Key, Value           []byte
	KeyCodec, ValueCodec Codec
	// Headers is a msgpack array of [name, bytes or nil], nil for none.
	Headers []byte
}

// AppendLine appends l as one JSON object, without a newline:
//
//	{"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
//	 "key":"k","value":{"a":1},"headers":[["name","value"]]}
//
// All members are always there, in this order. timestamp is null if there is
// none; key and value are as RenderJSON writes them; headers keep their order
// and duplicates, their values are text, null or marked as RenderJSON marks
// bytes. An error says that Headers is malformed; dst is then unchanged.
func AppendLine(dst []byte, l *Line) ([]byte, error) {
	start := len(dst)
	dst = append(dst, `{"topic":`...)
	dst = appendBytes(dst, []byte(l.Topic))
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(l.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, l.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	if l.Timestamp < 0 {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendInt(dst, l.Timestamp, 10)
	}
	dst = append(dst, `,"key":`...)
	dst = RenderJSON(dst, l.KeyCodec, l.Key)
	dst = append(dst, `,"value":`...)
	dst = RenderJSON(dst, l.ValueCodec, l.Value)
	dst = append(dst, `,"headers":[`...)
	h := abi.ReadHeaders(l.Headers)
	for first := true; ; first = false {
		name, value, ok := h.Next()
		if !ok {
			break
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = appendBytes(dst, name)
		dst = append(dst, ',')
		dst = RenderJSON(dst, nil, value)
		dst = append(dst, ']')
	}
	if err := h.Err(); err != nil {
		return dst[:start], err
	}
	return append(dst, "]}"...), nil
}

// RenderJSON appends the JSON by which a reader is shown the wire bytes of a
// topic with codec c; a nil c is raw. It loses nothing:
//
//   - nil is null.
//   - What a codec decodes to msgpack is that value as JSON. A JSON document
//     keeps its numbers and escapes as they are written and loses its white
//     space.
//     What JSON has no word for is marked inside: {"$base64":"..."} for bytes,
//     {"$ext":[type,"..."]} for extensions, {"$float":"NaN"}; names that are
//     no strings are their JSON as text. A map, but none of a JSON document,
//     whose one name is that of a mark, with any number of "$", has one "$" more
//     in front of it: {"$$base64":"..."}. ReadJSON is the reverse.
//   - Of the other codecs, UTF-8 is a string, anything else an object
//     {"$base64":"..."}.
//   - What c refuses to decode is {"$text":"..."} if it is UTF-8, otherwise
//     {"$raw":"..."} in base64, so that it is not taken for a value.
func RenderJSON(dst []byte, c Codec, wire []byte) []byte {
	if wire == nil {
		return append(dst, "null"...)
	}
	if c == nil || c.Repr() != Msgpack {
		return appendBytes(dst, wire)
	}
	n := len(dst)
	msg, err := c.Decode(dst, wire)
	if err == nil {
		if c.Name() == nameJSON {
			return appendCompact(msg[:n], wire)
		}
		// Behind msg, because source and destination must not overlap.
		if bytes.IndexByte(msg[n:], '$') < 0 {
			if out, eerr := (JSON{}).Encode(msg, msg[n:]); eerr == nil {
				return out[:n+copy(out[n:], out[len(msg):])]
			}
		}
		// Something in it has no JSON form, or may look like a mark.
		in := input{src: msg, i: n}
		if out := in.render(msg); in.err == nil {
			return out[:n+copy(out[n:], out[len(msg):])]
		}
	}
	if utf8.Valid(wire) {
		dst = append(dst, `{"$text":`...)
		return append(appendBytes(dst, wire), '}')
	}
	return appendMarked(dst, `{"$raw":"`, wire)
}

// appendBytes appends b as a JSON string, or marked as base64 if it is not
// text.
func appendBytes(dst, b []byte) []byte {
	if !utf8.Valid(b) {
		return appendBase64(dst, b)
	}
	dst, _, _ = appendQuoted(dst, b, 0, len(b)) // fails for nothing else
	return dst
}

func appendBase64(dst, b []byte) []byte {
	return appendMarked(dst, `{"$base64":"`, b)
}

func appendMarked(dst []byte, mark string, b []byte) []byte {
	dst = append(dst, mark...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, `"}`...)
}

// appendCompact appends the valid document doc without the white space
// between its tokens.
func appendCompact(dst, doc []byte) []byte {
	for i := 0; i < len(doc); {
		switch doc[i] {
		case ' ', '\n', '\r', '\t':
			i++
		case '"':
			end := skipString(doc, i)
			dst = append(dst, doc[i:end]...)
			i = end
		default:
			dst = append(dst, doc[i])
			i++
		}
	}
	return dst
}

// AppendString appends b, which has to be UTF-8, as a JSON string.
func AppendString(dst, b []byte) ([]byte, bool) {
	if !utf8.Valid(b) {
		return dst, false
	}
	return appendBytes(dst, b), true
}

// StringText returns what the JSON string doc stands for; false if doc is no
// string.
func StringText(doc []byte) ([]byte, bool) {
	if len(doc) < 2 || doc[0] != '"' {
		return nil, false
	}
	return AppendText([]byte{}, doc), true
}
