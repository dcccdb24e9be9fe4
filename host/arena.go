package host

// arena hands out byte slices that stay valid until reset. A run of a batch
// copies guest replies and encoded outputs into it, so that nothing is
// allocated per record once the chunks are there.
type arena struct {
	chunks [][]byte
	cur    int
}

const (
	arenaChunk = 1 << 20
	// arenaKept bounds the memory that is kept for the next batch.
	arenaKept = 16 << 20
)

// reset makes all memory free again; slices handed out become invalid.
func (a *arena) reset() {
	kept := 0
	for i, c := range a.chunks {
		if kept += cap(c); kept > arenaKept && i > 0 {
			clear(a.chunks[i:])
			a.chunks = a.chunks[:i]
			break
		}
	}
	for i := range a.chunks {
		a.chunks[i] = a.chunks[i][:0]
	}
	a.cur = 0
}

// room returns a chunk with at least n free bytes. A chunk that is empty and
// too small is replaced, so that growing replies do not leave a trail of
// chunks behind.
func (a *arena) room(n int) *[]byte {
	for ; a.cur < len(a.chunks); a.cur++ {
		c := &a.chunks[a.cur]
		if cap(*c)-len(*c) >= n {
			return c
		}
		if len(*c) == 0 {
			*c = newChunk(n)
			return c
		}
	}
	a.chunks = append(a.chunks, newChunk(n))
	return &a.chunks[a.cur]
}

// newChunk has room for n bytes, rounded up to a power of two.
func newChunk(n int) []byte {
	size := arenaChunk
	for size < n {
		size *= 2
	}
	return make([]byte, 0, size)
}

// copy returns a copy of b.
func (a *arena) copy(b []byte) []byte {
	c := a.room(len(b))
	at := len(*c)
	*c = append(*c, b...)
	return (*c)[at:len(*c):len(*c)]
}

// tail returns an empty slice at the end of a chunk with room for n bytes; it
// must be handed to keep before anything else is asked of the arena.
func (a *arena) tail(n int) []byte {
	c := a.room(n)
	return (*c)[len(*c):len(*c):cap(*c)]
}

// keep claims what was appended to a tail.
func (a *arena) keep(out []byte) []byte {
	c := &a.chunks[a.cur]
	free := (*c)[len(*c):cap(*c)]
	if len(out) > 0 && len(free) > 0 && len(out) <= len(free) && &out[0] == &free[0] {
		*c = (*c)[:len(*c)+len(out)]
	}
	return out[:len(out):len(out)]
}
