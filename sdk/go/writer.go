package slip

import "github.com/sliphost/sliphost/abi"

// Marshaler is implemented by types that write themselves as msgpack, usually
// by methods that slipgen writes. The method writes exactly one value.
type Marshaler interface {
	MarshalMsgpack(w *Writer) error
}

// Writer writes msgpack values one after the other. Map and Array write a
// header only: the caller writes as many values behind it as it announced.
//
// Methods that append more than a byte are not inlined: generated code calls
// them for every field, and guests should stay small.
type Writer struct {
	buf []byte
}

// Written returns what was written; it aliases the writer's memory.
func (w *Writer) Written() []byte { return w.buf }

// Nil writes a null.
func (w *Writer) Nil() { w.buf = abi.AppendNil(w.buf) }

// Bool writes a truth value.
func (w *Writer) Bool(v bool) { w.buf = abi.AppendBool(w.buf, v) }

// Int writes an integer in its shortest form.
func (w *Writer) Int(v int64) { w.buf = abi.AppendInt(w.buf, v) }

// Uint writes a non-negative integer in its shortest form.
//
//go:noinline
func (w *Writer) Uint(v uint64) { w.buf = abi.AppendUint(w.buf, v) }

// Float writes a number as 64-bit float.
func (w *Writer) Float(v float64) { w.buf = abi.AppendFloat(w.buf, v) }

// Str writes a string.
//
//go:noinline
func (w *Writer) Str(v string) { w.buf = abi.AppendStr(w.buf, v) }

// Bytes writes a byte string; nil becomes a null.
//
//go:noinline
func (w *Writer) Bytes(v []byte) { w.buf = abi.AppendBin(w.buf, v) }

// Array writes the header of an array: n values must follow.
//
//go:noinline
func (w *Writer) Array(n int) { w.buf = abi.AppendArrayHeader(w.buf, n) }

// Map writes the header of a map: n pairs of a name and a value must follow.
//
//go:noinline
func (w *Writer) Map(n int) { w.buf = abi.AppendMapHeader(w.buf, n) }

// Raw writes a value that is already encoded.
func (w *Writer) Raw(v []byte) { w.buf = append(w.buf, v...) }

// Value writes v, which is a [Marshaler] (a [Value], a *[Map] and a *[List]
// are), nil, a string, []byte, bool, int, int32, int64, uint32, uint64 or
// float64.
func (w *Writer) Value(v any) error {
	switch v := v.(type) {
	case nil:
		w.Nil()
	case Marshaler:
		return v.MarshalMsgpack(w)
	case string:
		w.Str(v)
	case []byte:
		w.Bytes(v)
	case bool:
		w.Bool(v)
	case int:
		w.Int(int64(v))
	case int32:
		w.Int(int64(v))
	case int64:
		w.Int(v)
	case uint32:
		w.Uint(uint64(v))
	case uint64:
		w.Uint(v)
	case float64:
		w.Float(v)
	default:
		return &recordError{code: abi.CodeFailed, text: "cannot encode a value of this type: " +
			"use a struct with methods from slipgen, a slip.Map, or a plain string, number or bool"}
	}
	return nil
}

// Marshal returns v, which is what [Writer.Value] takes, in new memory.
func Marshal(v any) ([]byte, error) {
	var w Writer
	if err := w.Value(v); err != nil {
		return nil, err
	}
	return w.buf, nil
}
