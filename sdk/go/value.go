package slip

import (
	"iter"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// Kind is the kind of a [Value].
type Kind uint8

// Kinds of values.
const (
	// KindMissing is a field or element that is not there, which is not the
	// same as one that is null.
	KindMissing Kind = iota
	KindNull
	KindBool
	KindInt
	KindFloat
	KindString
	KindBytes
	KindArray
	KindMap
	KindExtension
)

var kindNames = [...]string{"nothing", "null", "bool", "integer", "float", "string", "bytes", "array", "map", "extension"}

// String returns the kind in a word, as error texts have it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// kindOf returns the kind of the first value in raw.
func kindOf(raw []byte) Kind {
	if len(raw) == 0 {
		return KindMissing
	}
	switch c := raw[0]; {
	case c < 0x80 || c >= 0xe0 || c >= 0xcc && c <= 0xd3:
		return KindInt
	case c <= 0x8f || c == 0xde || c == 0xdf:
		return KindMap
	case c <= 0x9f || c == 0xdc || c == 0xdd:
		return KindArray
	case c <= 0xbf || c >= 0xd9 && c <= 0xdb:
		return KindString
	case c == 0xc0:
		return KindNull
	case c == 0xc2 || c == 0xc3:
		return KindBool
	case c >= 0xc4 && c <= 0xc6:
		return KindBytes
	case c == 0xca || c == 0xcb:
		return KindFloat
	}
	return KindExtension
}

// Value is one value of a document, read in place: nothing is decoded before
// it is asked for, and nothing is copied but what Str returns.
//
// Int, Float, Bool, Str and Bytes ask for what must be there. When it is
// missing, null or of another type they return zero and fail the record: the
// host gets the field's name, what was wanted and what was there, all outputs
// of the record are undone, whatever the handler returns afterwards. So a
// handler needs no check after each read, and no wrong zero leaves it
// ([Call.Err] tells early). Where a field may be missing or null ask with
// IntOr, FloatOr, BoolOr, StrOr; where anything may come, look at Kind first.
//
// A Value is valid until the handler returns.
type Value struct {
	raw []byte
	c   *Call
	// name is the field by which the value was reached, for error texts.
	name string
	// text says that raw is the text itself and not msgpack.
	text bool
}

var rawNull = []byte{0xc0}

// Kind returns what the value is.
func (v Value) Kind() Kind {
	if v.text {
		return KindString
	}
	return kindOf(v.raw)
}

// Exists says whether the value is there; a null is.
func (v Value) Exists() bool { return v.Kind() != KindMissing }

// IsNull says whether the value is there and null.
func (v Value) IsNull() bool { return v.Kind() == KindNull }

// empty says whether the value is missing or null.
func (v Value) empty() bool { return v.Kind() <= KindNull }

// Raw returns the value as msgpack, aliasing the document; nil if missing.
func (v Value) Raw() []byte {
	if v.text {
		return abi.AppendStr(nil, string(v.raw))
	}
	return v.raw
}

// Get returns a map's field, or a missing value. Of several fields with the
// same name it returns the first. A missing or null value has no fields; any
// other kind fails the record.
func (v Value) Get(name string) Value {
	sub := Value{c: v.c, name: name}
	if v.empty() {
		return sub
	}
	r, n := v.open(KindMap)
	for ; n > 0; n-- {
		hit := isField(&r, name)
		raw := r.Skip()
		if r.Err() != nil {
			break
		}
		if hit {
			sub.raw = raw
			return sub
		}
	}
	v.broken(&r)
	return sub
}

// isField reads a map's key and says whether it is name.
func isField(r *abi.Reader, name string) bool {
	if k := kindOf(r.Rest()); k == KindString || k == KindBytes {
		return string(r.Str()) == name
	}
	r.Skip()
	return false
}

// At returns an array's element, or a missing value. A missing or null value
// has no elements; any other kind fails the record.
func (v Value) At(i int) Value {
	sub := Value{c: v.c, name: v.name}
	if v.empty() || i < 0 {
		return sub
	}
	r, n := v.open(KindArray)
	if i >= n {
		return sub
	}
	r.SkipN(i)
	sub.raw = r.Skip()
	v.broken(&r)
	return sub
}

// Len returns the number of an array's elements or a map's fields, 0 for a
// missing or null value; any other kind fails the record.
func (v Value) Len() int {
	if v.empty() {
		return 0
	}
	want := KindArray
	if v.Kind() == KindMap {
		want = KindMap
	}
	_, n := v.open(want)
	return n
}

// All iterates over an array's elements; a missing or null value has none, any
// other kind fails the record.
func (v Value) All() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.empty() {
			return
		}
		r, n := v.open(KindArray)
		for i := range n {
			raw := r.Skip()
			if r.Err() != nil {
				break
			}
			if !yield(i, Value{raw: raw, c: v.c, name: v.name}) {
				return
			}
		}
		v.broken(&r)
	}
}

// Fields iterates over a map's fields in order; names are copied. A missing or
// null value has none, any other kind fails the record, and so does a name
// that is not a string.
func (v Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.empty() {
			return
		}
		r, n := v.open(KindMap)
		for ; n > 0; n-- {
			name := string(r.Str())
			raw := r.Skip()
			if r.Err() != nil {
				break
			}
			if !yield(name, Value{raw: raw, c: v.c, name: name}) {
				return
			}
		}
		v.broken(&r)
	}
}

// open returns a reader behind the header of a map or array and the number of
// entries; 0 entries after failing the record.
func (v Value) open(want Kind) (abi.Reader, int) {
	if v.Kind() != want {
		v.mismatch(want)
		return abi.Reader{}, 0
	}
	r := abi.NewReader(v.raw)
	if want == KindMap {
		return r, r.Map()
	}
	return r, r.Array()
}

// Int returns a whole number.
func (v Value) Int() int64 {
	if v.Kind() != KindInt {
		v.mismatch(KindInt)
		return 0
	}
	r := abi.NewReader(v.raw)
	n := r.Int()
	v.broken(&r)
	return n
}

// IntOr is Int with def for a missing or null value.
func (v Value) IntOr(def int64) int64 {
	if v.empty() {
		return def
	}
	return v.Int()
}

// Float returns a number, also a whole one.
func (v Value) Float() float64 {
	if k := v.Kind(); k != KindFloat && k != KindInt {
		v.mismatch(KindFloat)
		return 0
	}
	r := abi.NewReader(v.raw)
	f := r.Float()
	v.broken(&r)
	return f
}

// FloatOr is Float with def for a missing or null value.
func (v Value) FloatOr(def float64) float64 {
	if v.empty() {
		return def
	}
	return v.Float()
}

// Bool returns a truth value.
func (v Value) Bool() bool {
	if v.Kind() != KindBool {
		v.mismatch(KindBool)
		return false
	}
	return v.raw[0] == 0xc3
}

// BoolOr is Bool with def for a missing or null value.
func (v Value) BoolOr(def bool) bool {
	if v.empty() {
		return def
	}
	return v.Bool()
}

// Str returns a string, copied.
func (v Value) Str() string {
	if v.Kind() != KindString {
		v.mismatch(KindString)
		return ""
	}
	return string(v.Bytes())
}

// StrOr is Str with def for a missing or null value.
func (v Value) StrOr(def string) string {
	if v.empty() {
		return def
	}
	return v.Str()
}

// Bytes returns the bytes of a byte string or a string, aliasing the document.
func (v Value) Bytes() []byte {
	if v.text {
		return v.raw
	}
	if k := v.Kind(); k != KindBytes && k != KindString {
		v.mismatch(KindBytes)
		return nil
	}
	r := abi.NewReader(v.raw)
	b := r.Bytes()
	v.broken(&r)
	return b
}

// Decode reads the value into what [Record.Decode] takes.
func (v Value) Decode(into any) error {
	if !v.Exists() {
		return &recordError{code: abi.CodeDecode, text: v.where() + "nothing to decode"}
	}
	return Unmarshal(v.Raw(), into)
}

// MarshalMsgpack implements [Marshaler]; a missing value becomes a null.
func (v Value) MarshalMsgpack(w *Writer) error {
	switch {
	case v.text:
		w.buf = append(abi.AppendStrHeader(w.buf, len(v.raw)), v.raw...)
	case v.raw == nil:
		w.Nil()
	default:
		w.Raw(v.raw)
	}
	return nil
}

func (v Value) where() string {
	if v.name == "" {
		return ""
	}
	return "field \"" + v.name + "\": "
}

// mismatch fails the record because the value is not what was asked for.
func (v Value) mismatch(want Kind) {
	if v.c != nil && v.c.err == nil {
		v.c.fail(abi.CodeDecode, v.where()+"want "+want.String()+", got "+v.Kind().String())
	}
}

// broken fails the record if r met bytes that are not msgpack.
func (v Value) broken(r *abi.Reader) {
	if err := r.Err(); err != nil && v.c != nil {
		v.c.fail(abi.CodeDecode, v.where()+err.Error())
	}
}
