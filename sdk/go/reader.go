package slip

import (
	"iter"
	"unsafe"

	"github.com/sliphost/sliphost/abi"
)

// Unmarshaler is implemented by types that read themselves from msgpack,
// usually by methods that slipgen writes. The method reads exactly one
// value; it may return early, since the reader keeps the first error.
type Unmarshaler interface {
	UnmarshalMsgpack(r *Reader) error
}

// Reader reads msgpack values one after the other: Nil, Bool, Int, Uint,
// Float, Str, Bytes, Array, Map and Skip, with the limits of the ABI. The first
// error sticks and later reads return zero values, so that Err is asked once.
type Reader struct {
	abi.Reader
	src   []byte
	field string
}

// NewReader returns a reader at the start of b.
func NewReader(b []byte) *Reader { return &Reader{Reader: abi.NewReader(b), src: b} }

// Fields reads a map and iterates over its field names. The body reads the
// value of each, with Skip for those it does not know:
//
//	for name := range r.Fields() {
//		switch name {
//		case "delay":
//			f.Delay = r.Int()
//		default:
//			r.Skip()
//		}
//	}
//
// A name aliases the input: it is valid as long as the input is.
func (r *Reader) Fields() iter.Seq[string] {
	return func(yield func(string) bool) {
		outer := r.field
		for n := r.Map(); n > 0; n-- {
			name := r.Str()
			if r.Reader.Err() != nil {
				return
			}
			r.field = unsafe.String(unsafe.SliceData(name), len(name))
			if !yield(r.field) || r.Reader.Err() != nil {
				return
			}
		}
		if r.Reader.Err() == nil {
			r.field = outer
		}
	}
}

// Str reads a string (or a byte string) that is not null. The result aliases
// the input. UTF-8 is not checked.
func (r *Reader) Str() []byte {
	if r.OK() {
		if k := kindOf(r.Rest()); k != KindString && k != KindBytes {
			r.Fail("string")
			return nil
		}
	}
	return r.Reader.Str()
}

// String reads a string and copies it.
func (r *Reader) String() string { return string(r.Str()) }

// Copy reads a byte string and copies it; null gives nil.
func (r *Reader) Copy() []byte {
	b := r.Bytes()
	if b == nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

// OK says whether nothing has gone wrong so far.
func (r *Reader) OK() bool { return r.Reader.Err() == nil }

// Require returns Err or else, if a field that must be there was not, an error
// that names it. Bit i of got says whether names[i] was there.
func (r *Reader) Require(got uint64, names ...string) error {
	if err := r.Err(); err != nil {
		return err
	}
	for i, name := range names {
		if got&(1<<i) == 0 {
			return &recordError{code: abi.CodeDecode, text: "field \"" + name + "\": nothing there"}
		}
	}
	return nil
}

// ReadInt reads an integer that fits in T; another is an error.
func ReadInt[T ~int | ~int8 | ~int16 | ~int32 | ~int64](r *Reader) T {
	n := r.Int()
	if int64(T(n)) != n {
		r.Fail("an integer that fits in the field")
		return 0
	}
	return T(n)
}

// ReadUint reads a non-negative integer that fits in T; another is an error.
func ReadUint[T ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64](r *Reader) T {
	n := r.Uint()
	if uint64(T(n)) != n {
		r.Fail("an integer that fits in the field")
		return 0
	}
	return T(n)
}

// Err returns the first error with the field it happened in, or nil.
func (r *Reader) Err() error {
	err := r.Reader.Err()
	if err == nil {
		return nil
	}
	text := err.Error()
	if s, ok := err.(*abi.SyntaxError); ok {
		text = "want " + s.Want
		if typeWanted(s.Want) && s.Offset < len(r.src) {
			text += ", got " + kindOf(r.src[s.Offset:]).String()
		}
	}
	if r.field != "" {
		text = "field \"" + r.field + "\": " + text
	}
	return &recordError{code: abi.CodeDecode, text: text}
}

// typeWanted says whether an error of the codec's means that another type
// stands where one was wanted, and not that the bytes are broken.
func typeWanted(want string) bool {
	switch want {
	case "bool", "integer", "non-negative integer", "number", "string", "array", "map", "byte string or nil":
		return true
	}
	return false
}

// Unmarshal reads one msgpack value from b into v, which is what
// [Record.Decode] takes. Bytes after the value are an error.
func Unmarshal(b []byte, v any) error {
	r := Reader{Reader: abi.NewReader(b), src: b}
	if err := r.value(v); err != nil {
		return err
	}
	if r.Reader.Err() == nil && r.Len() > 0 {
		r.Fail("the end of the value")
	}
	return r.Err()
}

// value reads the next value into v.
func (r *Reader) value(v any) error {
	switch v := v.(type) {
	case Unmarshaler:
		if err := v.UnmarshalMsgpack(r); err != nil {
			return err
		}
	case *string:
		*v = r.String()
	case *[]byte:
		*v = r.Copy()
	case *int:
		*v = int(r.Int())
	case *int64:
		*v = r.Int()
	case *uint64:
		*v = r.Uint()
	case *float64:
		*v = r.Float()
	case *bool:
		*v = r.Bool()
	default:
		return &recordError{code: abi.CodeDecode, text: "cannot decode into this type: " +
			"give a pointer to a struct with methods from slipgen, or read the value with Doc"}
	}
	return r.Err()
}
