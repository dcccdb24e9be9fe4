package slip

import (
	"iter"

	"github.com/sliphost/sliphost/abi"
)

// Headers is an ordered list of record headers; names may repeat. The zero
// value is empty. It is immutable: what a record came with can be given to
// [Out] as it is, without being decoded.
//
// The headers of a record alias the input and are valid during the call; those
// that [Headers.Add] returns are the caller's.
type Headers struct {
	raw []byte
}

// Len returns the number of headers.
func (h Headers) Len() int {
	if h.raw == nil {
		return 0
	}
	it := abi.ReadHeaders(h.raw)
	return it.Len()
}

// All iterates over names and values in order. A nil value is a header
// without one, which is not an empty one. Names are copied, values alias.
func (h Headers) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		it := abi.ReadHeaders(h.raw)
		for {
			name, value, ok := it.Next()
			if !ok || !yield(string(name), value) {
				return
			}
		}
	}
}

// Get returns the value of the last header of that name, as Kafka's clients
// do, and whether there is one.
func (h Headers) Get(name string) (value []byte, ok bool) {
	it := abi.ReadHeaders(h.raw)
	for {
		n, v, more := it.Next()
		if !more {
			return value, ok
		}
		if string(n) == name {
			value, ok = v, true
		}
	}
}

// Add returns h with one more header at the end, in new memory.
func (h Headers) Add(name string, value []byte) Headers {
	n := h.Len()
	it := abi.NewReader(h.raw)
	if h.raw != nil {
		it.Array()
	}
	raw := make([]byte, 0, len(h.raw)+len(name)+len(value)+16)
	raw = abi.AppendArrayHeader(raw, n+1)
	raw = append(raw, it.Rest()...)
	return Headers{raw: abi.AppendHeader(raw, name, value)}
}
