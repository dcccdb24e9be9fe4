package slip

import "github.com/sliphost/sliphost/abi"

// Record is one input record. Its byte slices alias the host's message: they
// are valid until the handler returns and must not be written to.
type Record struct {
	// Key and Value are what the source's codecs made of the record: bytes
	// (raw), UTF-8 text (string), or one msgpack value (json and the other
	// decoded codecs; see [Record.Doc] and [Record.Decode]). nil is absent,
	// which is not the same as empty: a nil value is a tombstone.
	Key, Value []byte
	// Timestamp is in milliseconds since 1970, -1 if the record has none.
	Timestamp int64
	// Offset and Partition are the position in the source. A record that came
	// through a proxy has those of the record it was made from.
	Offset    int64
	Partition int32

	call *Call
}

// Topic returns the name of the source the record came from, as the manifest
// has it: the id of a topic, or of what else the handler reads.
func (r *Record) Topic() string {
	r.call.check()
	return r.endpoint().Name
}

// Replayed says whether the record was delivered to this handler before and
// comes again because a checkpoint's handler sought back to it.
func (r *Record) Replayed() bool {
	r.call.check()
	return r.call.in.head.Kind == abi.KindReplayed
}

// Headers returns the record's headers.
func (r *Record) Headers() Headers {
	r.call.check()
	return Headers{raw: r.call.headers}
}

// Header returns the value of the last header of that name and whether there
// is one.
func (r *Record) Header(name string) (value []byte, ok bool) {
	return r.Headers().Get(name)
}

// Doc returns the value for reading field by field, in place:
//
//	doc := rec.Doc()
//	if doc.Get("delay").Int() > 15 { ... }
//
// See [Value] for what happens when a field is missing or of another type. A
// value of text is a string; bytes cannot be read so, which fails the record
// with a hint at the topic's codec. An absent value gives a null.
func (r *Record) Doc() Value {
	r.call.check()
	return r.call.open(r.Value, r.endpoint().Value, r.endpoint().Name, "codec")
}

// KeyDoc is [Record.Doc] for the key.
func (r *Record) KeyDoc() Value {
	r.call.check()
	return r.call.open(r.Key, r.endpoint().Key, r.endpoint().Name, "key_codec")
}

// Decode decodes the value into v: an [Unmarshaler], such as a struct with
// methods written by slipgen, or a pointer to a string, []byte, int, int64,
// uint64, float64 or bool. Text decodes into a string or []byte. Strings and
// bytes are copied.
func (r *Record) Decode(v any) error {
	r.call.check()
	return r.call.decode(r.Value, r.endpoint().Value, r.endpoint().Name, "codec", v)
}

// DecodeKey is [Record.Decode] for the key.
func (r *Record) DecodeKey(v any) error {
	r.call.check()
	return r.call.decode(r.Key, r.endpoint().Key, r.endpoint().Name, "key_codec", v)
}

// unknown stands for a source whose number the Init message did not name.
var unknown abi.Endpoint

func (r *Record) endpoint() *abi.Endpoint {
	s, i := r.call.b.sources, r.call.source
	if i < 0 || int(i) >= len(s) {
		return &unknown
	}
	return &s[i]
}
