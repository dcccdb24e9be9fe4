package codec

// Raw copies bytes in both directions. It is the default of keys and values.
type Raw struct{}

// Name implements Codec.
func (Raw) Name() string { return "raw" }

// Repr implements Codec.
func (Raw) Repr() Repr { return Bytes }

// Decode implements Codec. It never fails.
func (Raw) Decode(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

// Encode implements Codec. It never fails.
func (Raw) Encode(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }
