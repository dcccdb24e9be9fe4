package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// appendJSON writes a TOML value as JSON, members in the order of the file.
func appendJSON(dst []byte, n *node) ([]byte, error) {
	switch n.kind {
	case unstable.String:
		return appendString(dst, n.text), nil
	case unstable.Bool:
		return append(dst, n.text...), nil
	case unstable.Integer:
		v, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
		if err != nil {
			return dst, fmt.Errorf("%s is no integer of 64 bits", n.text)
		}
		return strconv.AppendInt(dst, v, 10), nil
	case unstable.Float:
		f, err := strconv.ParseFloat(strings.ReplaceAll(n.text, "_", ""), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return dst, fmt.Errorf("JSON has no number %s", n.text)
		}
		return appendFloat(dst, f), nil
	case unstable.Array:
		dst = append(dst, '[')
		for i, c := range n.children {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendJSON(dst, c); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case unstable.Table:
		dst = append(dst, '{')
		for i, c := range n.children {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, c.name), ':')
			var err error
			if dst, err = appendJSON(dst, c); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return dst, errors.New("JSON has no times; write it as a string")
}

func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// A string always has a JSON form.
	_ = e.Encode(s)
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// appendFloat writes a float so that it stays one: 10.0, not 10.
func appendFloat(dst []byte, f float64) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	if !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// parseJSON reads a whole JSON document, numbers kept as written.
func parseJSON(b []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return v, true
}

// sameBytes compares two keys or values: as JSON where both are JSON, else
// byte by byte. Null equals null alone.
func sameBytes(a, b []byte) bool {
	if (a == nil) != (b == nil) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := parseJSON(a)
	y, okY := parseJSON(b)
	return okX && okY && sameJSON(x, y)
}

// sameJSON compares documents: members in any order, numbers by their value.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			w, has := b[name]
			if !has || !sameJSON(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameJSON)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a.String(), b.String())
	}
	return a == b
}

// sameNumber compares two numbers exactly; a float is what a float64 makes of
// it, so 0.1 equals 0.10000000000000000555.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	x, y := exact(a), exact(b)
	return x != nil && y != nil && x.Cmp(y) == 0
}

func exact(s string) *big.Rat {
	if !strings.ContainsAny(s, ".eE") {
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			return nil
		}
		return r
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return new(big.Rat).SetFloat64(f)
}
