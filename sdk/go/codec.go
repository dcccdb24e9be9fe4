package slip

import "github.com/sliphost/sliphost/abi"

// Codec translates between the bytes of a topic and the values that handlers
// see. Both methods must be functions of their arguments alone: how often they
// are called, in which order and in which instance is the host's choice. They
// have no caches and no sinks, and cannot emit.
//
// An error is that of the record, whose handler's on_error policy acts; for
// Encode it is the handler that emitted the value. A panic is the same, after
// one more try in a fresh instance.
type Codec interface {
	// Decode writes the value that wire stands for: exactly one, with w's
	// methods. wire is never nil, may be empty, and is valid until Decode
	// returns.
	Decode(c *Call, of Coded, wire []byte, w *Writer) error
	// Encode appends the bytes that v stands for to dst and returns the
	// extended slice. v is valid until Encode returns. A failure that v noted,
	// such as a field that is not there, fails the record by itself.
	Encode(c *Call, of Coded, v Value, dst []byte) ([]byte, error)
}

// Coded says what a codec is called for.
type Coded struct {
	// Topic is the topic's name at its broker.
	Topic string
	// Key says that it is a record's key, not its value.
	Key bool
}

// HandleCodec registers a codec, which a manifest refers to by `function` in a
// [codec.ID] with kind = "module". It is called from an init function. Names
// are shared with handlers; HandleCodec panics as Handle does.
func HandleCodec(name string, codec Codec) {
	if codec == nil {
		panic("slip.HandleCodec: codec " + name + " is nil")
	}
	Handle(name, func(*Call, Record) error {
		return &recordError{code: abi.CodeUnbound, text: "\"" + name + "\" is a codec and takes no records"}
	}, codecBinding{codec})
}

type codecBinding struct{ codec Codec }

func (b codecBinding) bind(h *handler) {
	// The memory of both directions is one instance's: nothing else runs while a
	// message is handled.
	m := &codecMemory{codec: b.codec}
	h.takes(abi.FlagCodec, abi.KindDecode).run = m.run
	h.takes(abi.FlagCodec, abi.KindEncode).run = m.run
}

type codecMemory struct {
	codec Codec
	topic string
	w     Writer
	dst   []byte
}

// run answers each value of a message.
func (m *codecMemory) run(_ *taker, in *instance, b *binding, msg []byte) {
	r := &in.replies
	in.reader.Reset(msg)
	var head abi.CodecHeader
	abi.ReadCodecHeader(&in.reader, &head)
	if string(head.Topic) != m.topic {
		m.topic = string(head.Topic)
	}
	of := Coded{Topic: m.topic, Key: head.Part == abi.PartKey}
	for i := int32(0); i < head.Count || i == 0; i++ {
		r.begin(i)
		in.progress[progressCurrent] = uint32(i)
		if in.metered {
			hostFuelMark(in)
		}
		src := in.reader.Bin()
		if i == head.Count-1 {
			abi.EndCodec(&in.reader, &head)
		}
		if err := in.reader.Err(); err != nil || head.Count == 0 {
			if err == nil {
				err = &recordError{code: abi.CodeMessage, text: "a codec message without values"}
			}
			r.fail(unreadable(err))
			in.finish(i)
			return
		}
		m.one(in, b, &head, of, src)
		in.finish(i)
		if in.progress[progressStop] != 0 {
			return
		}
	}
}

// one answers one value.
func (m *codecMemory) one(in *instance, b *binding, head *abi.CodecHeader, of Coded, src []byte) {
	r := &in.replies
	if in.callAt == len(in.calls) {
		in.renewCalls()
	}
	c := &in.calls[in.callAt]
	in.callAt++
	c.b, c.source, c.headers, c.live = b, -1, nil, true
	in.arena.reset()
	in.mapsUsed, in.scans, in.touched = 0, 0, false
	var out []byte
	var err error
	if head.Kind == abi.KindDecode {
		m.w.buf = m.w.buf[:0]
		err = m.codec.Decode(c, of, src, &m.w)
		out = m.w.buf
	} else {
		out, err = m.codec.Encode(c, of, c.Doc(src), m.dst[:0])
		m.dst = out[:0]
	}
	if err == nil && r.n > r.mark {
		err = &recordError{code: abi.CodeFailed, text: "slip: a codec cannot emit"}
	}
	if err == nil && out == nil {
		out = []byte{}
	}
	if need := outputRoom + len(out); err == nil && len(r.mem)-r.n < need {
		r.room(c, need)
	}
	c.live = false
	if c.err != nil {
		err, c.err = c.err, nil
	}
	if err != nil {
		r.fail(err)
		return
	}
	r.set(abi.AppendBin(abi.AppendAnswer(r.bytes(), r.index), out))
}
