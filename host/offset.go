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

// Replaced says whether a topic, by its name and present identity (as in
// Source.Identity), is not the one that the offset's task read; known is false
// if it read none of this name.
func (o *Offset) Replaced(topic string, identity uint32) (replaced, known bool) {
	was, known := o.meta.input(topic)
	return known && isAnother(was, identity), known
}

// Replayed is where the records end that come again at the offset, because a
// checkpoint has gone back: those below were all processed before. It is 0 if
// none comes again.
func (o *Offset) Replayed() int64 { return o.meta.until }

// Position is how far the changelog of a cache, by its id, belongs to the
// offset; ok is false if the offset says nothing about it.
func (o *Offset) Position(cache string) (pos state.Position, ok bool) { return o.meta.position(cache) }
