package state

// Engine is the durable part of a Store: ordered bytes in numbered families,
// written in atomic batches. It is safe for concurrent use. What it has
// written survives a kill of the process; after a crash of the machine it may
// be an older state, but always one that some batch left behind.
//
// Errors about damaged data satisfy errors.Is(err, ErrCorrupt).
type Engine interface {
	// Get appends the value of key to dst and says whether there is one.
	Get(family int, key, dst []byte) (value []byte, ok bool, err error)
	// Page appends to p entries with keys in [from, to), from the first upwards
	// or, with reverse, from the last downwards, until there are p.Limit entries
	// or, with one at least, p.MaxBytes bytes. A nil to has no end. more says
	// that entries are left.
	Page(family int, from, to []byte, reverse bool, p *Page) (more bool, err error)
	// Write applies a batch: all of it or nothing.
	Write(b *Batch) error
	// Reopen closes and opens what is on disk again, after a Write failed.
	Reopen() error
	// Recreate drops everything on disk and starts empty.
	Recreate() error
	Close() error
}

// Page is a buffer of entries, kept by its owner between calls. Entry i is
// Buf[Ends[2i-1]:Ends[2i]] (key) and Buf[Ends[2i]:Ends[2i+1]] (value), with
// Ends[-1] = 0.
type Page struct {
	Limit, MaxBytes int
	Buf             []byte
	Ends            []int
}

// Reset empties the page and keeps its memory.
func (p *Page) Reset() { p.Buf, p.Ends = p.Buf[:0], p.Ends[:0] }

// Len is the number of entries.
func (p *Page) Len() int { return len(p.Ends) / 2 }

// Entry returns entry i; the slices belong to the page.
func (p *Page) Entry(i int) (key, value []byte) {
	start := 0
	if i > 0 {
		start = p.Ends[2*i-1]
	}
	return p.Buf[start:p.Ends[2*i]:p.Ends[2*i]], p.Buf[p.Ends[2*i]:p.Ends[2*i+1]:p.Ends[2*i+1]]
}

// Add appends an entry.
func (p *Page) Add(key, value []byte) {
	p.Buf = append(p.Buf, key...)
	p.Ends = append(p.Ends, len(p.Buf))
	p.Buf = append(p.Buf, value...)
	p.Ends = append(p.Ends, len(p.Buf))
}

// Batch is a list of writes in packed form: for each one a head of 16 bytes
// (family, op, key length, value length, each uint32 in the machine's order),
// then the key and the value, then zero bytes up to a multiple of 4.
type Batch struct {
	Buf   []byte
	Count int
}

// Operations of a Batch.
const (
	OpPut uint32 = iota
	OpDelete
	// OpDeleteRange removes every key from the key up to, but not including,
	// the value.
	OpDeleteRange
)
