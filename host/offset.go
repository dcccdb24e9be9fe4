package host

import "github.com/sliphost/sliphost/state"

// Offset is what the metadata of a committed offset says, for those who look at
// a group from outside.
type Offset struct{ meta offsetMeta }

// DecodeOffset reads the metadata of a committed offset; ok is false for one
// that this program did not commit.
func DecodeOffset(metadata string) (o Offset, ok bool) {
	m, err := decodeMeta(metadata)
	return Offset{m}, err == nil
}

// Identity is that of the topic as it was, as in Source.Identity; 0 if not
// known.
func (o *Offset) Identity() uint32 { return o.meta.identity }

// StreamTime is the task's, in milliseconds since 1970, -1 for none.
func (o *Offset) StreamTime() int64 { return o.meta.streamTime }

// Position is how far the changelog of a cache, by its id, belongs to the
// offset; ok is false if the offset says nothing about it.
func (o *Offset) Position(cache string) (pos state.Position, ok bool) { return o.meta.position(cache) }
