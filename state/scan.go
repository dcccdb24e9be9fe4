package state

import (
	"bytes"
	"fmt"

	"github.com/tidwall/btree"
)

// Page appends to page the entries with keys in [from, to), with what is
// staged, from the first upwards or, with reverse, from the last downwards,
// until there are page.Limit entries or, with one at least, the next would
// make them more than page.MaxBytes bytes; a bound of 0 is none. A nil to has
// no end. Expired entries are left out. more says that entries are left: they
// are behind the last one of the page. What a page holds does not change with
// later writes; the page after it shows those whose keys are still ahead.
func (p *Partition) Page(from, to []byte, reverse bool, page *Page) (more bool, err error) {
	if o := p.overlay; o == nil || p.epoch != o.store.epoch.Load() {
		return false, p.refuse("scan")
	}
	if p.reader != nil {
		more, err = p.reader.Page(from, to, reverse, page)
		if err == nil && p.epoch != p.overlay.store.epoch.Load() {
			return false, p.refuse("scan")
		}
		return more, err
	}
	return p.overlay.scan(p, from, to, reverse, p.cache.head != 0, page)
}

// Stored is Page, forwards, with values in stored form: as in the changelog,
// with the header of caches that have a ttl or a bound, and with expired
// entries that are not swept yet. It is for caches that are not global.
func (p *Partition) Stored(from, to []byte, page *Page) (more bool, err error) {
	if p.reader != nil {
		return false, p.wrap("read the stored entries", ErrReadOnly)
	}
	if o := p.overlay; o == nil || p.epoch != o.store.epoch.Load() {
		return false, p.refuse("read the stored entries")
	}
	return p.overlay.scan(p, from, to, false, false, page)
}

// scan is Page; with live it takes the headers off and leaves out what has
// expired.
func (o *Overlay) scan(p *Partition, from, to []byte, reverse, live bool, out *Page) (more bool, err error) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return false, nil
	}
	sp := p.spaces[dataSpace]
	c := cursor{o: o, sp: sp, from: from, to: to, reverse: reverse, more: true}
	c.staged = sp.ordered().Iter()
	defer c.staged.Release()
	c.seek()
	o.page.Limit, o.page.MaxBytes = pageLimit, pageBytes
	if out.Limit > 0 && out.Limit < pageLimit {
		o.page.Limit = out.Limit + 1
	}
	if out.MaxBytes > 0 && out.MaxBytes < pageBytes {
		o.page.MaxBytes = out.MaxBytes + pageBytes/16
	}
	o.page.Reset()
	o.fromBuf = append(append(o.fromBuf[:0], sp.prefix...), from...)
	o.toBuf = append(o.toBuf[:0], sp.prefix...)
	if to != nil {
		o.toBuf = append(o.toBuf, to...)
	} else {
		o.toBuf = successor(o.toBuf)
	}
	for {
		key, value, ok, err := c.next()
		if err != nil {
			return false, err
		}
		if !ok {
			return false, nil
		}
		if live {
			if value, ok, err = p.live(value); err != nil {
				return false, err
			} else if !ok {
				continue
			}
		}
		if !out.fits(len(key) + len(value)) {
			return true, nil
		}
		out.Add(key, value)
	}
}

// What is asked of the engine at a time.
const (
	pageLimit = 512
	pageBytes = 1 << 18
)

// cursor walks through the pinned entries and the engine's at once.
type cursor struct {
	o        *Overlay
	sp       *space
	from, to []byte
	reverse  bool
	// staged is at the next pinned entry if ok is set.
	staged btree.IterG[*entry]
	ok     bool
	// at is the next entry of the overlay's page, more says that the engine may
	// have others behind it.
	at   int
	more bool
}

// seek goes to the first pinned entry.
func (c *cursor) seek() {
	switch {
	case !c.reverse:
		c.o.pivot.key = c.from
		c.ok = c.staged.Seek(&c.o.pivot)
	case c.to == nil:
		c.ok = c.staged.Last()
	default:
		c.o.pivot.key = c.to
		if c.staged.Seek(&c.o.pivot) {
			c.ok = c.staged.Prev()
		} else {
			c.ok = c.staged.Last()
		}
	}
	c.bound()
}

func (c *cursor) step() {
	if c.reverse {
		c.ok = c.staged.Prev()
	} else {
		c.ok = c.staged.Next()
	}
	c.bound()
}

// bound ends the walk at the range's end.
func (c *cursor) bound() {
	if !c.ok {
		return
	}
	k := c.staged.Item().key
	if c.reverse {
		c.ok = bytes.Compare(k, c.from) >= 0
	} else {
		c.ok = c.to == nil || bytes.Compare(k, c.to) < 0
	}
}

// next returns the next entry that is there. Where both have a key, the
// overlay's word counts.
func (c *cursor) next() (key, value []byte, ok bool, err error) {
	for {
		if c.at == c.o.page.Len() && c.more {
			if err := c.read(); err != nil {
				return nil, nil, false, err
			}
		}
		stored := c.at < c.o.page.Len()
		if !c.ok && !stored {
			return nil, nil, false, nil
		}
		first := -1 // the overlay's entry comes first
		if stored {
			key, value = c.o.page.Entry(c.at)
			key = key[len(c.sp.prefix):]
			first = 1
			if c.ok {
				first = bytes.Compare(c.staged.Item().key, key)
				if c.reverse {
					first = -first
				}
			}
		}
		if first >= 0 {
			c.at++
		}
		if first > 0 {
			return key, value, true, nil
		}
		e := c.staged.Item()
		c.step()
		if v, ok := e.view(); ok {
			return e.key, v, true, nil
		}
	}
}

// read gets the engine's next page.
func (c *cursor) read() error {
	o := c.o
	if n := o.page.Len(); n > 0 {
		last, _ := o.page.Entry(n - 1)
		if c.reverse {
			o.toBuf = append(o.toBuf[:0], last...)
		} else {
			o.fromBuf = append(append(o.fromBuf[:0], last...), 0)
		}
		o.page.Limit, o.page.MaxBytes = pageLimit, pageBytes
	}
	o.page.Reset()
	c.at = 0
	more, err := o.store.engine.Page(c.sp.family, o.fromBuf, o.toBuf, c.reverse, &o.page)
	if err == nil && o.store.epoch.Load() != o.epoch {
		err = ErrStale
	}
	if err != nil {
		return c.sp.part.wrap("scan", err)
	}
	c.more = more && o.page.Len() > 0
	return nil
}

// DeleteRange stages the removal of every key in [from, to), a nil to having
// no end. Expired entries are left to Sweep. If that takes more than maxBytes
// bytes of keys the error is ErrTooLarge, with some of the removals staged;
// a negative maxBytes is no bound. Other errors are as of Put.
func (p *Partition) DeleteRange(from, to []byte, maxBytes int64) error {
	if err := p.writable("delete range"); err != nil {
		return err
	}
	o := p.overlay
	o.doomed.Limit, o.doomed.MaxBytes = pageLimit, pageBytes
	left := maxBytes
	for more := true; more; {
		o.doomed.Reset()
		var err error
		if more, err = o.scan(p, from, to, false, p.cache.head != 0, &o.doomed); err != nil {
			return err
		}
		for i := range o.doomed.Len() {
			key, _ := o.doomed.Entry(i)
			if left -= int64(len(key)); maxBytes >= 0 && left < 0 {
				return fmt.Errorf("delete a range of cache %s with more than %d bytes of keys: %w", p.cache.Name, maxBytes, ErrTooLarge)
			}
			if err := p.remove(key); err != nil {
				return err
			}
		}
		if n := o.doomed.Len(); n > 0 {
			last, _ := o.doomed.Entry(n - 1)
			from = append(bytes.Clone(last), 0)
		}
	}
	return nil
}

// successor turns a prefix into the first key behind all keys that have it.
// No prefix here consists of 0xFF only.
func successor(prefix []byte) []byte {
	i := len(prefix) - 1
	for prefix[i] == 0xFF {
		i--
	}
	prefix[i]++
	return prefix[:i+1]
}
