package state

import (
	"encoding/binary"
	"fmt"
)

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

// fits says whether an entry of n bytes may be added: there is room below
// Limit, and below MaxBytes too unless it is the first. A bound of 0 is none.
func (p *Page) fits(n int) bool {
	if p.Len() == 0 {
		return true
	}
	return (p.Limit <= 0 || p.Len() < p.Limit) && (p.MaxBytes <= 0 || len(p.Buf)+n <= p.MaxBytes)
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

const batchHead = 16

// Put adds a write of value under prefix and key; both are copied.
func (b *Batch) Put(family int, prefix, key, value []byte) {
	b.add(family, OpPut, prefix, key, value)
}

// Delete adds the removal of the entry under prefix and key.
func (b *Batch) Delete(family int, prefix, key []byte) {
	b.add(family, OpDelete, prefix, key, nil)
}

// DeleteRange adds the removal of the keys in [from, to).
func (b *Batch) DeleteRange(family int, from, to []byte) {
	b.add(family, OpDeleteRange, nil, from, to)
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.Buf, b.Count = b.Buf[:0], 0 }

func (b *Batch) add(family int, op uint32, prefix, key, value []byte) {
	var head [batchHead]byte
	binary.NativeEndian.PutUint32(head[0:], uint32(family))
	binary.NativeEndian.PutUint32(head[4:], op)
	binary.NativeEndian.PutUint32(head[8:], uint32(len(prefix)+len(key)))
	binary.NativeEndian.PutUint32(head[12:], uint32(len(value)))
	b.Buf = append(b.Buf, head[:]...)
	b.Buf = append(b.Buf, prefix...)
	b.Buf = append(b.Buf, key...)
	b.Buf = append(b.Buf, value...)
	for len(b.Buf)%4 != 0 {
		b.Buf = append(b.Buf, 0)
	}
	b.Count++
}

// Each calls f for every write in order; the slices belong to the batch. It
// returns f's error, or one that says where the batch is malformed, found
// before the write there is handed out.
func (b *Batch) Each(f func(family int, op uint32, key, value []byte) error) error {
	buf, at := b.Buf, 0
	for n := range b.Count {
		if len(buf)-at < batchHead {
			return fmt.Errorf("batch of %d writes ends inside the head of write %d", b.Count, n)
		}
		family := binary.NativeEndian.Uint32(buf[at:])
		op := binary.NativeEndian.Uint32(buf[at+4:])
		klen := int(binary.NativeEndian.Uint32(buf[at+8:]))
		vlen := int(binary.NativeEndian.Uint32(buf[at+12:]))
		at += batchHead
		if op > OpDeleteRange {
			return fmt.Errorf("batch write %d has the unknown operation %d", n, op)
		}
		if klen > len(buf)-at || vlen > len(buf)-at-klen {
			return fmt.Errorf("batch of %d writes ends inside write %d", b.Count, n)
		}
		key, value := buf[at:at+klen:at+klen], buf[at+klen:at+klen+vlen:at+klen+vlen]
		at = min((at+klen+vlen+3)&^3, len(buf))
		if err := f(int(family), op, key, value); err != nil {
			return err
		}
	}
	if at != len(buf) {
		return fmt.Errorf("batch of %d writes has %d bytes too many", b.Count, len(buf)-at)
	}
	return nil
}
