package codec

import (
	"bytes"
	"cmp"
	"slices"
)

// keyRef is one member name of an object that is being translated.
type keyRef struct {
	hash       uint64
	start, end int // the name's bytes, in the buffer given to the keyset
	at         int // where to report it
}

// keyset finds out whether a name occurs twice in an object. Objects nest, so
// it is a stack: an object's names are those above the mark it was opened at.
//
// A small object is checked name by name, which beats anything smarter. A
// larger one is checked once, at its end, by sorting its names: an object of
// n names costs n log n whatever the names are, so nobody can slow a host
// down by choosing names whose hashes collide.
type keyset struct {
	refs []keyRef
}

// small is the number of names up to which they are compared one by one.
const small = 24

// add notes the name buf[start:end] of the object opened at mark. It reports
// false if it has been there before.
func (k *keyset) add(mark int, buf []byte, start, end, at int) bool {
	name := buf[start:end]
	h := hashName(name)
	if seen := k.refs[mark:]; len(seen) < small {
		for i := range seen {
			if seen[i].hash == h && bytes.Equal(buf[seen[i].start:seen[i].end], name) {
				return false
			}
		}
	}
	k.refs = append(k.refs, keyRef{h, start, end, at})
	return true
}

// close drops the names of the object opened at mark. It returns the place of
// the first name that repeats an earlier one, or -1.
func (k *keyset) close(mark int, buf []byte) int {
	refs := k.refs[mark:]
	k.refs = k.refs[:mark]
	if len(refs) <= small {
		return -1 // add has compared them all
	}
	slices.SortFunc(refs, func(a, b keyRef) int {
		if c := cmp.Compare(a.hash, b.hash); c != 0 {
			return c
		}
		if c := bytes.Compare(buf[a.start:a.end], buf[b.start:b.end]); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	first := -1
	for i := 1; i < len(refs); i++ {
		a, b := &refs[i-1], &refs[i]
		if a.hash == b.hash && bytes.Equal(buf[a.start:a.end], buf[b.start:b.end]) && (first < 0 || b.at < first) {
			first = b.at
		}
	}
	return first
}

// hashName mixes the length, the first and the last 8 bytes of a name. It
// need not be strong: equal hashes are always followed by a comparison.
func hashName(b []byte) uint64 {
	const mul = 0x9e3779b97f4a7c15
	h := uint64(len(b)) * mul
	if len(b) >= 8 {
		h ^= load64(b)
		h *= mul
		h ^= h >> 29
		h ^= load64(b[len(b)-8:])
	} else {
		for _, c := range b {
			h = h<<8 | h>>56 ^ uint64(c)
		}
	}
	return h * mul
}
