package sliptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sliphost/sliphost/abi"
)

// intoGuest converts what a topic holds to what a handler gets.
func intoGuest(codec string, b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	switch codec {
	case "string":
		if !utf8.Valid(b) {
			return nil, errors.New("not UTF-8")
		}
	case "json":
		return fromJSON(b)
	case "msgpack":
		return b, oneValue(b)
	}
	return b, nil
}

// fromGuest converts what a handler emits to what a topic holds.
func fromGuest(codec string, b []byte) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	switch codec {
	case "string":
		if !utf8.Valid(b) {
			return nil, errors.New("not UTF-8")
		}
	case "json":
		if err := oneValue(b); err != nil {
			return nil, err
		}
		return toJSON(b)
	case "msgpack":
		return b, oneValue(b)
	}
	return b, nil
}

// oneValue says whether b is exactly one msgpack value.
func oneValue(b []byte) error {
	r := abi.NewReader(b)
	r.Skip()
	if r.Err() == nil && r.Len() > 0 {
		r.Fail("the end of the value")
	}
	if err := r.Err(); err != nil {
		return fmt.Errorf("not one msgpack value: %w", err)
	}
	return nil
}

// fromJSON converts JSON text to msgpack: fields keep their order, numbers
// without fraction and exponent are integers, which must fit in 64 bits, all
// others floats. These are the rules of the host's codec; a test compares them.
func fromJSON(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	b, err := appendJSON(nil, d)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not JSON: something follows the value")
	}
	return b, oneValue(b)
}

func appendJSON(b []byte, d *json.Decoder) ([]byte, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return abi.AppendNil(b), nil
	case bool:
		return abi.AppendBool(b, t), nil
	case string:
		return abi.AppendStr(b, t), nil
	case json.Number:
		return appendNumber(b, string(t))
	case json.Delim:
		n, items, names := 0, []byte(nil), map[string]bool{}
		for d.More() {
			at := len(items)
			if items, err = appendJSON(items, d); err != nil {
				return nil, err
			}
			if t == '{' && n%2 == 0 {
				if name := string(items[at:]); names[name] {
					return nil, errors.New("a field occurs twice in one object")
				} else {
					names[name] = true
				}
			}
			n++
		}
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		if t == '{' {
			return append(abi.AppendMapHeader(b, n/2), items...), nil
		}
		return append(abi.AppendArrayHeader(b, n), items...), nil
	}
	return nil, fmt.Errorf("unexpected %v", t)
}

func appendNumber(b []byte, s string) ([]byte, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return abi.AppendInt(b, n), nil
		}
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("integer %s does not fit in 64 bits", s)
		}
		return abi.AppendUint(b, n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, err
	}
	return abi.AppendFloat(b, f), nil
}

// toJSON converts one msgpack value, known to be whole, to JSON text.
func toJSON(b []byte) ([]byte, error) {
	r := abi.NewReader(b)
	var out bytes.Buffer
	if err := writeJSON(&out, &r); err != nil {
		return nil, err
	}
	return out.Bytes(), r.Err()
}

func writeJSON(w *bytes.Buffer, r *abi.Reader) error {
	switch c := r.Rest()[0]; {
	case c == 0xc0:
		r.Nil()
		w.WriteString("null")
	case c == 0xc2 || c == 0xc3:
		fmt.Fprint(w, r.Bool())
	case c < 0x80 || c >= 0xcc && c <= 0xcf:
		fmt.Fprint(w, r.Uint())
	case c >= 0xe0 || c >= 0xd0 && c <= 0xd3:
		fmt.Fprint(w, r.Int())
	case c == 0xca:
		return writeFloat(w, float32(r.Float()))
	case c == 0xcb:
		return writeFloat(w, r.Float())
	case c >= 0xa0 && c <= 0xbf || c >= 0xd9 && c <= 0xdb:
		return writeString(w, r.Str())
	case c >= 0xc4 && c <= 0xc6:
		return errors.New("JSON has no byte strings: emit a string")
	case c >= 0x90 && c <= 0x9f || c == 0xdc || c == 0xdd:
		w.WriteByte('[')
		for i, n := 0, r.Array(); i < n; i++ {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := writeJSON(w, r); err != nil {
				return err
			}
		}
		w.WriteByte(']')
	case c >= 0x80 && c <= 0x8f || c == 0xde || c == 0xdf:
		w.WriteByte('{')
		for i, n := 0, r.Map(); i < n; i++ {
			if i > 0 {
				w.WriteByte(',')
			}
			if c := r.Rest()[0]; c < 0xa0 || c > 0xbf && c < 0xd9 || c > 0xdb {
				return errors.New("JSON has only strings as field names")
			}
			if err := writeString(w, r.Str()); err != nil {
				return err
			}
			w.WriteByte(':')
			if err := writeJSON(w, r); err != nil {
				return err
			}
		}
		w.WriteByte('}')
	default:
		return errors.New("JSON has no extension types")
	}
	return nil
}

// writeFloat writes a float so that it is one again when it is read: with a
// fraction or an exponent.
func writeFloat[F float32 | float64](w *bytes.Buffer, f F) error {
	text, err := json.Marshal(f)
	if err != nil {
		return errors.New("JSON has no NaN and no infinity")
	}
	w.Write(text)
	if !bytes.ContainsAny(text, ".e") {
		w.WriteString(".0")
	}
	return nil
}

func writeString(w *bytes.Buffer, s []byte) error {
	if !utf8.Valid(s) {
		return errors.New("a string is not UTF-8")
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(s)); err != nil {
		return err
	}
	w.Truncate(w.Len() - 1) // the encoder ends with a newline
	return nil
}
