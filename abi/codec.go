package abi

// CodecHeader is the head of a Codec message: [7|8, topic, part, count, value, ...].
type CodecHeader struct {
	// Kind is KindEncode or KindDecode.
	Kind Kind
	// Topic is the topic's name, aliasing the message when read.
	Topic []byte
	Part  Part
	// Count is the number of values that follow.
	Count int32
	// more is the number of unknown values behind them.
	more int
}

// AppendCodecHeader appends the head; Count values in the form of AppendBin,
// none nil, must follow.
func AppendCodecHeader(b []byte, h *CodecHeader) []byte {
	b = AppendArrayHeader(b, 4+int(h.Count))
	b = append(b, byte(h.Kind))
	b = append(AppendStrHeader(b, len(h.Topic)), h.Topic...)
	b = AppendUint(b, uint64(h.Part))
	return AppendInt(b, int64(h.Count))
}

// ReadCodecHeader reads the head and leaves r in front of the first value;
// the caller reads h.Count values with Bin and then calls EndCodec.
func ReadCodecHeader(r *Reader, h *CodecHeader) {
	const want = "kind encode or decode"
	start := r.off
	values := r.ArrayMin(4, "a codec message of at least 4 fields")
	at := r.off
	*h = CodecHeader{Kind: Kind(r.UintMax(255, want))}
	if h.Kind != KindEncode && h.Kind != KindDecode {
		r.failAt(at, want)
	}
	h.Topic = r.Str()
	h.Part = Part(r.UintMax(uint64(PartValue), "part key or value"))
	h.Count = r.Int32()
	h.more = r.entries(start, values, 1, h.Count)
	if r.err != nil {
		h.Count = 0
	}
}

// EndCodec passes over what a newer minor version put behind the values and
// refuses bytes behind the message.
func EndCodec(r *Reader, h *CodecHeader) {
	r.SkipN(h.more)
	r.End()
}
