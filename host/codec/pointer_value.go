package codec

import (
	"fmt"
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// FindValue is Find for a msgpack value, as a codec decodes it: it returns the
// raw value that p points to, a part of v. Keys of maps are compared as text.
// It allocates only for an error, which wraps ErrAbsent.
func (p Pointer) FindValue(v []byte) ([]byte, error) {
	for depth, name := range p.names {
		next, container := child(v, name)
		if next == nil {
			return nil, p.absent(depth, container)
		}
		v = next
	}
	r := abi.NewReader(v)
	raw := r.Skip()
	if r.Err() != nil || len(raw) == 0 {
		return nil, fmt.Errorf("JSON pointer %s: %w", p, ErrAbsent)
	}
	return raw, nil
}

// child returns what begins at the member or element of that name, nil if there
// is none; container is '{', '[' or 0.
func child(v []byte, name string) (next []byte, container byte) {
	if len(v) == 0 {
		return nil, 0
	}
	r := abi.NewReader(v)
	switch c := v[0]; {
	case c&0xf0 == 0x80 || c == 0xde || c == 0xdf:
		for n := r.Map(); n > 0 && r.Err() == nil; n-- {
			key := r.Skip()
			if r.Err() == nil && keyIs(key, name) {
				return r.Rest(), '{'
			}
			r.Skip()
		}
		return nil, '{'
	case c&0xf0 == 0x90 || c == 0xdc || c == 0xdd:
		n := r.Array()
		if len(name) > 1 && name[0] == '0' {
			return nil, '['
		}
		at, err := strconv.Atoi(name)
		if err != nil || at < 0 || at >= n {
			return nil, '['
		}
		for ; at > 0; at-- {
			r.Skip()
		}
		if r.Err() != nil {
			return nil, '['
		}
		return r.Rest(), '['
	}
	return nil, 0
}

func keyIs(raw []byte, name string) bool {
	r := abi.NewReader(raw)
	key := r.Str()
	return r.Err() == nil && string(key) == name
}
