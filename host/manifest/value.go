package manifest

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
)

// redacted stands for a secret wherever one would be shown.
const redacted = "[redacted]"

// Value is text from a manifest that may be a secret. Every way of formatting
// it shows a secret as "[redacted]"; only Reveal gives the text.
type Value struct {
	text string
	// hidden holds the text of a secret: fmt does not call the methods of a
	// value in an unexported field, but it does not follow pointers there
	// either.
	hidden *string
}

// NewValue returns text as a Value, secret or not.
func NewValue(text string, secret bool) Value {
	if secret {
		return Value{hidden: &text}
	}
	return Value{text: text}
}

// Reveal returns the text itself. What it returns must not be shown.
func (v Value) Reveal() string {
	if v.hidden != nil {
		return *v.hidden
	}
	return v.text
}

// Secret reports whether the text must not be shown.
func (v Value) Secret() bool { return v.hidden != nil }

// Equal reports whether two values have the same text and are equally secret.
func (v Value) Equal(w Value) bool {
	return v.Reveal() == w.Reveal() && v.Secret() == w.Secret()
}

// String returns the text, or "[redacted]" for a secret.
func (v Value) String() string {
	if v.Secret() {
		return redacted
	}
	return v.text
}

// GoString hides a secret from %#v.
func (v Value) GoString() string { return strconv.Quote(v.String()) }

// Format hides a secret from every verb.
func (v Value) Format(f fmt.State, verb rune) {
	if verb == 'q' || (verb == 'v' && f.Flag('#')) {
		_, _ = f.Write([]byte(v.GoString()))
		return
	}
	_, _ = f.Write([]byte(v.String()))
}

// MarshalText hides a secret from encoders.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// LogValue hides a secret from logs.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// Param is one typed parameter of a handler. Its value is formatted as
// "[redacted]" when it came out of a secret file.
type Param struct {
	Name string
	Type ParamType
	// Pos is where the manifest has the value.
	Pos Position

	text   Value
	number uint64
	// loose is set when the value was text with a reference in it, so that it
	// may stand for any type.
	loose bool
}

// String returns the name of the type as manifests and modules write it.
func (t ParamType) String() string {
	switch t {
	case ParamString:
		return "string"
	case ParamInt:
		return "int"
	case ParamFloat:
		return "float"
	case ParamBool:
		return "bool"
	default:
		return fmt.Sprintf("ParamType(%d)", uint8(t))
	}
}

// StringParam, IntParam, FloatParam and BoolParam make parameters for tests
// and for defaults that a module declares.
func StringParam(name string, v Value) Param {
	return Param{Name: name, Type: ParamString, text: v}
}

// IntParam is StringParam for an integer.
func IntParam(name string, v int64) Param {
	return Param{Name: name, Type: ParamInt, number: uint64(v)}
}

// FloatParam is StringParam for a floating-point number.
func FloatParam(name string, v float64) Param {
	return Param{Name: name, Type: ParamFloat, number: math.Float64bits(v)}
}

// BoolParam is StringParam for a truth value.
func BoolParam(name string, v bool) Param {
	p := Param{Name: name, Type: ParamBool}
	if v {
		p.number = 1
	}
	return p
}

// Text returns the value of a ParamString, the empty Value of other types.
func (p Param) Text() Value { return p.text }

// Int returns the value of a ParamInt, 0 of other types.
func (p Param) Int() int64 {
	if p.Type != ParamInt {
		return 0
	}
	return int64(p.number)
}

// Float returns the value of a ParamFloat, 0 of other types.
func (p Param) Float() float64 {
	if p.Type != ParamFloat {
		return 0
	}
	return math.Float64frombits(p.number)
}

// Bool returns the value of a ParamBool, false of other types.
func (p Param) Bool() bool { return p.Type == ParamBool && p.number == 1 }

// Secret reports whether the value must not be shown.
func (p Param) Secret() bool { return p.text.Secret() }

// As returns the parameter as the type a module declares: unchanged when it
// has that type, an int as a float when that loses nothing, and text that
// held a ${reference} parsed as the type. ok is false when it cannot be.
func (p Param) As(t ParamType) (q Param, ok bool) {
	if p.Type == t {
		return p, true
	}
	q = p
	q.Type = t
	switch {
	case p.Type == ParamInt && t == ParamFloat:
		f := float64(p.Int())
		q.number = math.Float64bits(f)
		// Every integer up to 2^53 has a float of its own; 2^63 as a float
		// would not convert back.
		return q, p.Int() >= -(1<<53) && p.Int() <= 1<<53
	case p.Type == ParamString && p.loose:
		return q, q.parse(p.text.Reveal())
	default:
		return Param{}, false
	}
}

// parse sets the number from text for the types that have one.
func (p *Param) parse(text string) bool {
	switch p.Type {
	case ParamInt:
		n, err := parseInt(text)
		p.number = uint64(n)
		return err == nil
	case ParamFloat:
		f, err := parseFloat(text)
		p.number = math.Float64bits(f)
		return err == nil
	case ParamBool:
		p.number = 0
		if text == "true" {
			p.number = 1
		}
		return text == "true" || text == "false"
	default:
		return true
	}
}

// String formats the value as a manifest would have it.
func (p Param) String() string {
	switch {
	case p.Secret():
		return strconv.Quote(redacted)
	case p.Type == ParamInt:
		return strconv.FormatInt(p.Int(), 10)
	case p.Type == ParamFloat:
		return formatFloat(p.Float())
	case p.Type == ParamBool:
		return strconv.FormatBool(p.Bool())
	default:
		return quote(p.text.text)
	}
}

// GoString and Format hide a secret from every verb.
func (p Param) GoString() string { return p.Name + " = " + p.String() }

// Format hides a secret from every verb.
func (p Param) Format(f fmt.State, verb rune) {
	if verb == 'v' && (f.Flag('#') || f.Flag('+')) {
		_, _ = f.Write([]byte(p.GoString()))
		return
	}
	_, _ = f.Write([]byte(p.String()))
}

// LogValue hides a secret from logs.
func (p Param) LogValue() slog.Value { return slog.StringValue(p.String()) }

// formatFloat writes a float so that TOML reads a float again.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	for _, c := range s {
		if c == '.' || c == 'e' {
			return s
		}
	}
	return s + ".0"
}
