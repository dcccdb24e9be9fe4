package state

import (
	"encoding/binary"
	"fmt"
)

// Partitions lists the partitions of a cache of which the engine has something,
// in ascending order. What waits in the store to be written is not looked at.
// For a global cache they are the topic's.
func (s *Store) Partitions(cache int) ([]int32, error) {
	prefix := s.caches[cache].metaPrefix()
	from, to := prefix, successor(append([]byte{}, prefix...))
	var list []int32
	for {
		page := Page{Limit: pageLimit}
		more, err := s.engine.Page(metaFamily, from, to, false, &page)
		if err != nil {
			return nil, fmt.Errorf("list the partitions of cache %s: %w", s.caches[cache].Name, err)
		}
		for i := range page.Len() {
			key, _ := page.Entry(i)
			if len(key) != len(prefix)+4 {
				return nil, fmt.Errorf("list the partitions of cache %s: %w: a name of %d bytes", s.caches[cache].Name, ErrCorrupt, len(key))
			}
			list = append(list, int32(binary.BigEndian.Uint32(key[len(prefix):])))
			from = append(append([]byte{}, key...), 0)
		}
		if !more {
			return list, nil
		}
	}
}
