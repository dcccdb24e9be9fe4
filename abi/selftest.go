package abi

// AppendSelftest appends a Selftest message: [5].
func AppendSelftest(b []byte) []byte { return append(b, 0x91, byte(KindSelftest)) }

// ReadSelftest reads a whole Selftest message.
func ReadSelftest(b []byte) error {
	r := NewReader(b)
	more := r.ArrayMin(1, "a selftest of 1 field")
	r.kind(KindSelftest, "kind selftest")
	r.SkipN(more)
	r.End()
	return r.Err()
}
