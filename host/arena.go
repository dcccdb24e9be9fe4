package host

// arena hands out byte slices that stay valid until reset. A run of a batch
// copies guest replies and encoded outputs into it, so that nothing is
// allocated per record once the chunks are there.
type arena struct {
	chunks [][]byte
	cur    int
}

const arenaChunk = 1 << 20

// reset makes all memory free again; slices handed out become invalid.
func (a *arena) reset() {
	for i := range a.chunks {
		a.chunks[i] = a.chunks[i][:0]
	}
	a.cur = 0
}

// room returns a chunk with at least n free bytes.
func (a *arena) room(n int) *[]byte {
	for ; a.cur < len(a.chunks); a.cur++ {
		if c := &a.chunks[a.cur]; cap(*c)-len(*c) >= n {
			return c
		}
	}
	a.chunks = append(a.chunks, make([]byte, 0, max(n, arenaChunk)))
	return &a.chunks[a.cur]
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
