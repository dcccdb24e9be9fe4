// Package codec turns the bytes of a record's key or value on the wire into
// what a handler sees, and back.
//
// A topic's codec is named in the manifest (codec, key_codec). A source's
// codec decodes each record once before the guest gets it; a sink's codec
// encodes each output once. raw copies, string checks that text is UTF-8,
// json translates to and from msgpack, which is what the SDKs decode typed
// values from.
//
// The package also holds what the commands send and tap need to show and to
// address such bytes: AppendLine, Pointer, TimePointer.
package codec

import "strconv"

// Repr is the form in which a codec hands a value to the guest.
type Repr uint8

const (
	// Bytes are the wire bytes as they are.
	Bytes Repr = iota
	// Text is valid UTF-8, handed over as bytes.
	Text
	// Msgpack is exactly one msgpack value.
	Msgpack
)

// String returns the word used for the representation in messages.
func (r Repr) String() string {
	switch r {
	case Bytes:
		return "bytes"
	case Text:
		return "text"
	case Msgpack:
		return "msgpack"
	}
	return "Repr(" + strconv.Itoa(int(r)) + ")"
}

// Codec translates single keys or values. Implementations hold no state
// between calls and are safe for concurrent use.
//
// A null key or value (a tombstone) never reaches a codec: whoever calls it
// passes nil through. An empty, non-nil src is an empty value.
type Codec interface {
	// Decode appends the guest's form of the wire bytes src to dst and returns
	// the extended slice. src is only read and not kept; dst belongs to the
	// caller and must not overlap src. On error the returned slice has the
	// length dst had; what lies beyond it in dst's array is undefined. The
	// error is an *Error.
	Decode(dst, src []byte) ([]byte, error)
	// Encode is the reverse: it appends the wire form of the guest's bytes src
	// under the same rules. src comes from a guest and is not trusted.
	Encode(dst, src []byte) ([]byte, error)
	// Repr is the form Decode produces and Encode expects.
	Repr() Repr
	// Name is the name by which a manifest asks for the codec.
	Name() string
}

// Error says that a codec cannot translate a value. Trying again does not
// help: it is the record that is wrong, and the handler's on_error decides
// about it.
type Error struct {
	// Codec is the codec's name.
	Codec string
	// Offset is the byte of the input, counted from 0, at which it is wrong.
	Offset int
	// Reason says what is wrong there. It quotes at most one character of the
	// input, so it may be logged.
	Reason string
}

// Error implements error.
func (e *Error) Error() string {
	return e.Codec + ": byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// builtin lists the codecs that need no configuration, in the order in which
// messages name them. A codec with settings of its own (avro, protobuf, a
// codec module) is built from its [codec.NAME] table, not found here.
var builtin = [...]Codec{Raw{}, String{}, JSON{}, MessagePack{}, CSV{}}

// ByName returns the codec a manifest calls name: raw, string, json or msgpack. Names
// are matched exactly.
func ByName(name string) (Codec, bool) {
	for _, c := range builtin {
		if c.Name() == name {
			return c, true
		}
	}
	return nil, false
}

// Names returns the names that ByName knows, for messages and completion.
func Names() []string {
	names := make([]string, 0, len(builtin))
	for _, c := range builtin {
		names = append(names, c.Name())
	}
	return names
}
