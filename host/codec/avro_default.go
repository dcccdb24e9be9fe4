package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/sliphost/sliphost/abi"
)

// appendDefault appends a field's default, as the schema's parser gives it, in
// the form that a handler sees.
func appendDefault(dst []byte, t *avroType, v any, depth int) ([]byte, error) {
	if depth > abi.MaxDepth {
		return dst, fmt.Errorf("it is nested too deep")
	}
	misfit := fmt.Errorf("%T is no %s", v, t.kind)
	switch t.kind {
	case avroUnion:
		for _, b := range t.branches {
			out, err := dst, error(nil)
			if t.tagged && b.kind != avroNull {
				out = abi.AppendStr(append(out, 0x81), b.tag())
			}
			if out, err = appendDefault(out, b, v, depth+1); err == nil {
				return out, nil
			}
		}
		return dst, fmt.Errorf("%T is no branch of the union", v)
	case avroNull:
		if v == nil {
			return abi.AppendNil(dst), nil
		}
	case avroBoolean:
		if b, ok := v.(bool); ok {
			return abi.AppendBool(dst, b), nil
		}
	case avroInt, avroLong:
		switch n := v.(type) {
		case int32:
			return abi.AppendInt(dst, int64(n)), nil
		case int64:
			if t.kind == avroLong || n == int64(int32(n)) {
				return abi.AppendInt(dst, n), nil
			}
		}
	case avroFloat, avroDouble:
		f, ok := toFloat(v)
		if !ok {
			return dst, misfit
		}
		if t.kind == avroFloat {
			return appendFloat32(dst, float32(f)), nil
		}
		return abi.AppendFloat(dst, f), nil
	case avroString, avroEnum:
		if s, ok := v.(string); ok {
			if _, known := t.bySymbol[s]; t.kind == avroEnum && !known {
				return dst, fmt.Errorf("%s is no symbol", quoted(s))
			}
			return abi.AppendStr(dst, s), nil
		}
	case avroBytes, avroFixed:
		b, ok := v.([]byte)
		if !ok || t.kind == avroFixed && len(b) != t.size {
			return dst, misfit
		}
		return appendDefaultBytes(dst, t, b)
	case avroArray:
		list, ok := v.([]any)
		if !ok {
			return dst, misfit
		}
		dst = abi.AppendArrayHeader(dst, len(list))
		var err error
		for _, el := range list {
			if dst, err = appendDefault(dst, t.item, el, depth+1); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case avroMap:
		m, ok := v.(map[string]any)
		if !ok {
			return dst, misfit
		}
		dst = abi.AppendMapHeader(dst, len(m))
		var err error
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if dst, err = appendDefault(abi.AppendStr(dst, k), t.item, m[k], depth+1); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case avroRecord:
		m, ok := v.(map[string]any)
		if !ok {
			return dst, misfit
		}
		dst = abi.AppendMapHeader(dst, len(t.fields))
		for i := range t.fields {
			f := &t.fields[i]
			el, ok := m[f.name]
			if !ok {
				if el = f.def; el == noDefault {
					return dst, fmt.Errorf("field %s is missing in it", quoted(f.name))
				}
			}
			var err error
			if dst, err = appendDefault(append(dst, f.key...), f.typ, el, depth+1); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	return dst, misfit
}

func appendDefaultBytes(dst []byte, t *avroType, b []byte) ([]byte, error) {
	d := avroDecoder{src: b, dst: dst}
	switch t.logical {
	case logicalDecimal:
		if len(b) > maxDecimal {
			return dst, fmt.Errorf("a decimal of more than %d bytes", maxDecimal)
		}
		return appendScaled(dst, b, t.scale), nil
	case logicalUUID:
		d.logical(&avroPlan{op: opUUID})
		return d.dst, nil
	case logicalDuration:
		d.logical(&avroPlan{op: opDuration})
		return d.dst, nil
	}
	return append(abi.AppendBinHeader(dst, len(b)), b...), nil
}

func toFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float32:
		return float64(n), true
	case float64:
		return n, true
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case string:
		switch n {
		case "NaN":
			return math.NaN(), true
		case "Infinity", "INF":
			return math.Inf(1), true
		case "-Infinity", "-INF":
			return math.Inf(-1), true
		}
	}
	return 0, false
}
