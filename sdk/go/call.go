package slip

import "github.com/sliphost/sliphost/abi"

// Call is one call of a handler: the way to emit, log, count and reach state.
// It belongs to the goroutine of the handler and ends when the handler
// returns; a method called after that panics, which names the place.
type Call struct {
	in *instance
	b  *binding
	// live is false as soon as the handler has returned.
	live   bool
	source int32
	// headers are those of the record.
	headers []byte
	// err is the first failure that no method returned; it decides the record.
	err error
}

// Out is a record to emit with more than key and value; see
// [Call.EmitRecord].
type Out struct {
	// Key and Value as the sink's codecs take them; nil is absent: a nil value
	// is a tombstone.
	Key, Value []byte
	// Headers of the output; to pass on those of the input, rec.Headers().
	Headers Headers

	at where
}

// where is what an output may say of where it goes in time and space.
type where struct {
	timestamp    int64
	partition    int32
	hasTimestamp bool
	hasPartition bool
}

// At returns o with a timestamp in milliseconds since 1970. Without one, and
// with the -1 of a record that has none, an output has its input's.
func (o Out) At(timestamp int64) Out {
	o.at.timestamp, o.at.hasTimestamp = timestamp, timestamp != -1
	return o
}

// To returns o with the partition to write to. Without one the sink's
// partitioner chooses by the key.
func (o Out) To(partition int32) Out {
	o.at.partition, o.at.hasPartition = partition, true
	return o
}

// Emit emits one record to every sink of the handler, in the order of the
// manifest. key and value are bytes as the sinks' codecs take them and are
// copied at once; nil is absent. The output has the timestamp of the input and
// no headers.
//
// Any number of records may be emitted, in memory that does not grow. They
// count only if the handler returns nil.
func (c *Call) Emit(key, value []byte) {
	c.emit(abi.EverySink, key, value, nil, where{})
}

// EmitRecord emits one record with headers, timestamp or partition to every
// sink of the handler:
//
//	c.EmitRecord(slip.Out{Key: rec.Key, Value: v, Headers: rec.Headers()}.At(ts).To(0))
func (c *Call) EmitRecord(out Out) {
	// Inlined, this spares the caller writing an Out to memory and copying it.
	c.emit(abi.EverySink, out.Key, out.Value, out.Headers.raw, out.at)
}

// EmitValue encodes v in the sinks' representation and emits it to every sink
// of the handler. v is what [Writer.Value] takes; sinks of text take a string.
// Sinks of bytes take no values, and all sinks must have one representation:
// otherwise the record fails with a hint at the codec. key is not converted.
func (c *Call) EmitValue(key []byte, v any) {
	c.check()
	to := c.b.every
	if to == nil {
		c.fail(abi.CodeUnbound, c.b.everyError())
		return
	}
	if b, ok := c.encode(to, v); ok {
		c.emit(abi.EverySink, key, b, nil, where{})
	}
}

// Function returns the name the handler was registered by, Handler its id in
// the manifest, which may bind one function several times.
func (c *Call) Function() string { return c.b.h.desc.Name }

// Handler returns the handler's id in the manifest.
func (c *Call) Handler() string { return c.b.name }

// Err returns the failure that already decided the record although the handler
// has not returned yet: a document field that was not there, an output for a
// sink that is not bound. A handler may use it to stop early.
func (c *Call) Err() error { return c.err }

// Doc returns msgpack bytes, for instance from a cache, for reading field by
// field like [Record.Doc]. They must not change while the value is in use.
func (c *Call) Doc(b []byte) Value {
	c.check()
	if b == nil {
		b = rawNull
	}
	return Value{raw: b, c: c}
}

// Encode returns v as msgpack, for instance for a cache. v is what
// [Writer.Value] takes. The bytes are valid until the handler returns.
func (c *Call) Encode(v any) ([]byte, error) {
	if b, ok := c.keep(v); ok {
		return b, nil
	}
	return nil, c.err
}

// StreamTime returns the largest timestamp that the handler's task has seen,
// the current record's included, in milliseconds since 1970; -1 before any
// record with a timestamp. Unlike a wall clock it is the same in every replay.
func (c *Call) StreamTime() int64 {
	c.check()
	return hostStreamTime(c.in)
}

// check panics if the handler that the call belongs to has returned.
func (c *Call) check() {
	if !c.live {
		panic("slip: a Call was used after its handler returned: a handler must wait for its goroutines")
	}
}

// fail decides the record unless something did already.
func (c *Call) fail(code abi.ErrorCode, text string) {
	if c.err == nil {
		c.err = &recordError{code: code, text: text}
	}
}

func (c *Call) failWith(err error) {
	if c.err == nil {
		c.err = err
	}
}

// encode returns v in a sink's representation, in memory that is valid until
// the next encode; false after failing the record.
func (c *Call) encode(to *abi.Endpoint, v any) ([]byte, bool) {
	switch to.Value {
	case abi.ReprMsgpack:
		w := &c.in.writer
		w.buf = w.buf[:0]
		if err := w.Value(v); err != nil {
			c.failWith(err)
			return nil, false
		}
		return w.buf, true
	case abi.ReprText:
		switch v := v.(type) {
		case string:
			c.in.writer.buf = append(c.in.writer.buf[:0], v...)
			return c.in.writer.buf, true
		case Value:
			if v.Kind() == KindString {
				return v.Bytes(), true
			}
		}
		c.fail(abi.CodeFailed, "sink \""+to.Name+"\" takes text: give EmitValue a string, "+
			"or set codec = \"json\" on its topic")
	default:
		c.fail(abi.CodeFailed, "sink \""+to.Name+"\" takes bytes: use Emit, "+
			"or set codec = \"json\" on its topic")
	}
	return nil, false
}

// open returns raw as a document.
func (c *Call) open(raw []byte, repr abi.Repr, source, setting string) Value {
	switch {
	case raw == nil:
		return Value{raw: rawNull, c: c}
	case repr == abi.ReprMsgpack:
		return Value{raw: raw, c: c}
	case repr == abi.ReprText:
		return Value{raw: raw, c: c, text: true}
	}
	c.fail(abi.CodeDecode, bytesHint(source, setting))
	return Value{c: c}
}

// decode reads raw, which has the given representation, into v.
func (c *Call) decode(raw []byte, repr abi.Repr, source, setting string, v any) error {
	if repr == abi.ReprMsgpack {
		if raw == nil {
			raw = rawNull
		}
		return Unmarshal(raw, v)
	}
	if repr == abi.ReprText {
		switch v := v.(type) {
		case *string:
			*v = string(raw)
			return nil
		case *[]byte:
			*v = append((*v)[:0], raw...)
			return nil
		}
		return &recordError{code: abi.CodeDecode, text: "source \"" + source + "\" gives text: " +
			"decode into a string, or set " + setting + " = \"json\" on its topic"}
	}
	return &recordError{code: abi.CodeDecode, text: bytesHint(source, setting)}
}

func bytesHint(source, setting string) string {
	return "source \"" + source + "\" gives bytes: set " + setting + " = \"json\" on its topic"
}
