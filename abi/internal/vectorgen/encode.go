package main

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Values of a case: nil, bool, int, uint64, float64, string (str) and these.
type (
	// bin is a byte string; bin("") is empty.
	bin string
	// arr is an array.
	arr []any
	// arr32 is an array written in its 5-byte form, as Batch is.
	arr32 []any
	// pairs is a map, keys and values by turns.
	pairs []any
	// rec is a record: its length in the 5-byte form, then an array.
	rec []any
	// stream is values one after the other, without an array around them.
	stream []any
	// raw is a value that a reader keeps whole.
	raw struct{ v any }
	// hexed is bytes as they are, in hex.
	hexed string
)

// encode is the canonical form of v, made by another library than the codec
// under test.
func encode(v any) []byte {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	if err := write(&b, e, v); err != nil {
		panic(fmt.Sprintf("case with %v: %v", v, err))
	}
	return b.Bytes()
}

func write(b *bytes.Buffer, e *msgpack.Encoder, v any) error {
	switch v := v.(type) {
	case nil:
		return e.EncodeNil()
	case bool:
		return e.EncodeBool(v)
	case int:
		return e.EncodeInt(int64(v))
	case uint64:
		return e.EncodeUint(v)
	case float64:
		return e.EncodeFloat64(v)
	case string:
		return e.EncodeString(v)
	case bin:
		if err := e.EncodeBytesLen(len(v)); err != nil {
			return err
		}
		b.WriteString(string(v))
		return nil
	case arr:
		if err := e.EncodeArrayLen(len(v)); err != nil {
			return err
		}
		return writeAll(b, e, v)
	case arr32:
		b.WriteByte(0xdd)
		writeUint32(b, len(v)+records(v))
		return writeAll(b, e, v)
	case pairs:
		if err := e.EncodeMapLen(len(v) / 2); err != nil {
			return err
		}
		return writeAll(b, e, v)
	case rec:
		data := encode(arr(v))
		b.WriteByte(0xce)
		writeUint32(b, len(data))
		b.Write(data)
		return nil
	case stream:
		return writeAll(b, e, v)
	case raw:
		return write(b, e, v.v)
	case hexed:
		b.Write(unhex(string(v)))
		return nil
	}
	return fmt.Errorf("no encoding of %T", v)
}

func writeAll(b *bytes.Buffer, e *msgpack.Encoder, list []any) error {
	for _, v := range list {
		if err := write(b, e, v); err != nil {
			return err
		}
	}
	return nil
}

// records counts the records in a batch: each is two elements, its length and
// itself.
func records(list []any) (n int) {
	for _, v := range list {
		if _, ok := v.(rec); ok {
			n++
		}
	}
	return n
}

func writeUint32(b *bytes.Buffer, n int) {
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
}
