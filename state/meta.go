package state

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The meta family holds
//
//	"store"                      format (4 bytes), the application's name
//	"c/" cache                   kind, key type, header flags (a byte each)
//	"p/" cache 0 partition       meta: see appendMeta
//
// where numbers are big endian and partition has 4 bytes.
const (
	metaFamily = 0
	format     = 1
)

var storeKey = []byte("store")

// meta is what is stored of a partition beside its entries.
type meta struct {
	position   Position
	positioned bool
	// size and seq are the bytes and the next number of a bounded cache.
	size int64
	seq  uint64
	// written is when this was written, in ms since 1970.
	written int64
}

const metaLen = 37

func appendMeta(dst []byte, m *meta) []byte {
	dst = append(dst, 0)
	if m.positioned {
		dst[len(dst)-1] = 1
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.position.Next))
	dst = binary.BigEndian.AppendUint32(dst, m.position.Log)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.size))
	dst = binary.BigEndian.AppendUint64(dst, m.seq)
	return binary.BigEndian.AppendUint64(dst, uint64(m.written))
}

func parseMeta(b []byte) (meta, error) {
	if len(b) != metaLen || b[0] > 1 {
		return meta{}, fmt.Errorf("%w: a position of %d bytes", ErrCorrupt, len(b))
	}
	return meta{
		positioned: b[0] == 1,
		position:   Position{Next: int64(binary.BigEndian.Uint64(b[1:])), Log: binary.BigEndian.Uint32(b[9:])},
		size:       int64(binary.BigEndian.Uint64(b[13:])),
		seq:        binary.BigEndian.Uint64(b[21:]),
		written:    int64(binary.BigEndian.Uint64(b[29:])),
	}, nil
}

func (c *cacheState) metaKey(partition int32) []byte {
	return binary.BigEndian.AppendUint32(c.metaPrefix(), uint32(partition))
}

func (c *cacheState) metaPrefix() []byte {
	return append(append([]byte("p/"), c.Name...), 0)
}

func (p *Partition) packMeta(b *Batch) {
	b.Put(metaFamily, nil, p.cache.metaKey(p.id), appendMeta(nil, &p.committed))
}

// readMeta returns what is stored of a partition, the zero meta if nothing.
func (s *Store) readMeta(cache int, partition int32) (meta, error) {
	c := &s.caches[cache]
	b, ok, err := s.engine.Get(metaFamily, c.metaKey(partition), nil)
	if err == nil && ok {
		var m meta
		if m, err = parseMeta(b); err == nil {
			return m, nil
		}
	}
	if err != nil {
		return meta{}, fmt.Errorf("read the position of cache %s, partition %d: %w", c.Name, partition, err)
	}
	return meta{}, nil
}

// begin reads whose store this is and brings it in line with the
// configuration: what can be restored and does not fit is dropped.
func (s *Store) begin() error {
	b, ok, err := s.engine.Get(metaFamily, storeKey, nil)
	if err != nil {
		return fmt.Errorf("read whose state is on disk: %w", err)
	}
	if ok {
		if len(b) < 4 {
			return fmt.Errorf("read whose state is on disk: %w: %d bytes", ErrCorrupt, len(b))
		}
		if f, app := binary.BigEndian.Uint32(b), string(b[4:]); f > format || app != s.config.App {
			return &ForeignError{App: app, WantApp: s.config.App, Format: f, Newest: format}
		}
	}
	var batch Batch
	batch.Put(metaFamily, nil, storeKey, append(binary.BigEndian.AppendUint32(nil, format), s.config.App...))
	for i := range s.caches {
		c := &s.caches[i]
		drop, err := s.fits(c)
		if err != nil {
			return err
		}
		if drop || c.Kind == Local || s.fresh(c) {
			c.packWipe(&batch)
		}
		batch.Put(metaFamily, nil, []byte("c/"+c.Name), c.layout())
	}
	if err := s.engine.Write(&batch); err != nil {
		return fmt.Errorf("write whose state is on disk: %w", err)
	}
	return nil
}

// fresh says whether a family of c came up empty.
func (s *Store) fresh(c *cacheState) bool {
	return slices.Contains(s.config.Fresh, dataFamily+c.Name) || slices.Contains(s.config.Fresh, indexFamily+c.Name)
}

func (c *cacheState) layout() []byte { return []byte{byte(c.Kind), byte(c.Key), c.flags} }

// fits compares a cache with how it was when it was written. drop says that
// its entries have to be restored.
func (s *Store) fits(c *cacheState) (drop bool, err error) {
	b, ok, err := s.engine.Get(metaFamily, []byte("c/"+c.Name), nil)
	if err != nil {
		return false, fmt.Errorf("read the layout of cache %s: %w", c.Name, err)
	}
	want := c.layout()
	if !ok || string(b) == string(want) {
		return false, nil
	}
	if len(b) != len(want) {
		return false, fmt.Errorf("read the layout of cache %s: %w: %d bytes", c.Name, ErrCorrupt, len(b))
	}
	if Kind(b[0]) != KV || c.Kind != KV || b[1] == want[1] && (b[2] == 0) == (want[2] == 0) {
		return true, nil
	}
	page := Page{Limit: 1}
	if _, err := s.engine.Page(metaFamily, c.metaPrefix(), successor(c.metaPrefix()), false, &page); err != nil {
		return false, fmt.Errorf("read the positions of cache %s: %w", c.Name, err)
	}
	if page.Len() == 0 {
		return true, nil
	}
	return false, &LayoutError{Cache: c.Name, Stored: describe(KeyType(b[1]), b[2]), Wants: describe(c.Key, c.flags)}
}

func describe(k KeyType, flags byte) string {
	parts := []string{"keys of type " + k.String()}
	if flags&hasExpiry != 0 {
		parts = append(parts, "ttl")
	}
	if flags&hasInsertion != 0 {
		parts = append(parts, "max_bytes")
	}
	if flags == 0 {
		parts = append(parts, "neither ttl nor max_bytes")
	}
	return strings.Join(parts, ", ")
}

// packWipe removes all partitions of a cache.
func (c *cacheState) packWipe(b *Batch) {
	from, to := []byte{0, 0, 0, 0}, []byte{0x80, 0, 0, 0}
	b.DeleteRange(c.family, from, to)
	if c.flags != 0 {
		b.DeleteRange(c.indexFamily, from, to)
	}
	b.DeleteRange(metaFamily, c.metaPrefix(), successor(c.metaPrefix()))
}

// packWipePartition removes one partition of a cache.
func (c *cacheState) packWipePartition(b *Batch, partition int32) {
	from := binary.BigEndian.AppendUint32(nil, uint32(partition))
	to := successor(binary.BigEndian.AppendUint32(nil, uint32(partition)))
	b.DeleteRange(c.family, from, to)
	if c.flags != 0 {
		b.DeleteRange(c.indexFamily, from, to)
	}
	b.Delete(metaFamily, nil, c.metaKey(partition))
}
