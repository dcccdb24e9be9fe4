package memory

import (
	"slices"
	"sort"
	"strings"

	"github.com/sliphost/sliphost/abi"
)

// CacheGet is import cache_get.
func (s *Store) CacheGet(cache int32, key, buf []byte) int64 {
	c, t := s.find(cache)
	if c == nil {
		return abi.ResultUnbound
	}
	if len(key) > abi.MaxCacheKey {
		return int64(s.limit())
	}
	stored, ok := c.Key.encode(key)
	if !ok {
		return abi.ResultInvalid
	}
	v, ok := t.values[stored]
	if !ok {
		return abi.ResultAbsent
	}
	return answer(buf, v)
}

// answer puts b into buf if it fits, and returns its length.
func answer(buf, b []byte) int64 {
	if len(b) <= len(buf) {
		copy(buf, b)
	}
	return int64(len(b))
}

// CachePut is import cache_put.
func (s *Store) CachePut(cache int32, key, value []byte) int32 {
	return s.change(cache, key, len(value), func(t *table, stored string) {
		t.put(stored, append([]byte{}, value...))
	})
}

// CacheDelete is import cache_delete.
func (s *Store) CacheDelete(cache int32, key []byte) int32 {
	return s.change(cache, key, 0, (*table).remove)
}

func (s *Store) change(cache int32, key []byte, size int, do func(t *table, stored string)) int32 {
	c, t := s.find(cache)
	if c == nil {
		return abi.ResultUnbound
	}
	if c.Global {
		return abi.ResultInvalid
	}
	if len(key) > abi.MaxCacheKey {
		return s.limit()
	}
	stored, ok := c.Key.encode(key)
	if !ok {
		return abi.ResultInvalid
	}
	if !s.note(t, stored, len(key)+size) {
		return s.limit()
	}
	do(t, stored)
	return 0
}

// CacheDeleteRange is import cache_delete_range.
func (s *Store) CacheDeleteRange(cache int32, from, to []byte) int32 {
	c, t := s.find(cache)
	if c == nil {
		return abi.ResultUnbound
	}
	if c.Global || c.Key == Bool {
		return abi.ResultInvalid
	}
	if len(from) == 0 {
		from = nil
	}
	if len(to) == 0 {
		to = nil
	}
	lo, hi, ok := t.bounds(c.Key, from, to)
	if !ok {
		return abi.ResultInvalid
	}
	before := mark{len(s.journal), s.staged}
	for _, key := range slices.Clone(t.keys[lo:hi]) {
		if !s.note(t, key, len(key)) {
			s.undo(before)
			return s.limit()
		}
		t.remove(key)
	}
	return 0
}

// bounds returns the positions of the keys in [from, to), nil being open;
// false if one is not of the type.
func (t *table) bounds(k Key, from, to []byte) (lo, hi int, ok bool) {
	hi = len(t.keys)
	if from != nil {
		stored, ok := k.encode(from)
		if !ok {
			return 0, 0, false
		}
		lo, _ = slices.BinarySearch(t.keys, stored)
	}
	if to != nil {
		stored, ok := k.encode(to)
		if !ok {
			return 0, 0, false
		}
		hi, _ = slices.BinarySearch(t.keys, stored)
	}
	return lo, max(lo, hi), true
}

// CacheScan is import cache_scan. A cursor is the stored form of the last key.
func (s *Store) CacheScan(cache int32, request, buf []byte) int64 {
	c, t := s.find(cache)
	if c == nil {
		return abi.ResultUnbound
	}
	r, err := abi.ReadScanRequest(request)
	if err != nil || r.Prefix != nil && c.Key != Bytes && c.Key != String {
		return abi.ResultInvalid
	}
	lo, hi, ok := t.bounds(c.Key, r.From, r.To)
	if !ok {
		return abi.ResultInvalid
	}
	if prefix := string(r.Prefix); prefix != "" {
		first, _ := slices.BinarySearch(t.keys, prefix)
		lo = max(lo, first)
		behind := sort.Search(len(t.keys)-first, func(i int) bool { return !strings.HasPrefix(t.keys[first+i], prefix) })
		hi = max(lo, min(hi, first+behind))
	}
	if r.Cursor != nil {
		at, found := slices.BinarySearch(t.keys, string(r.Cursor))
		switch {
		case r.Reverse:
			hi = min(hi, at)
		case found:
			lo = max(lo, at+1)
		default:
			lo = max(lo, at)
		}
	}
	return answer(buf, t.page(c.Key, lo, hi, &r))
}

// page returns the message for the keys from lo to hi.
func (t *table) page(k Key, lo, hi int, r *abi.ScanRequest) []byte {
	var entries []byte
	count, bytes, last := int32(0), 0, ""
	for ; lo < hi && count < r.Limit; count++ {
		key := t.keys[lo]
		if r.Reverse {
			key = t.keys[hi-1]
		}
		bytes += len(key) + len(t.values[key])
		if count > 0 && bytes > abi.MaxScanBytes {
			break
		}
		entries = abi.AppendEntry(entries, k.decode(key), t.values[key])
		last = key
		if r.Reverse {
			hi--
		} else {
			lo++
		}
	}
	page := abi.ScanPage{Count: count}
	if lo < hi {
		page.Next = []byte(last)
	}
	return append(abi.AppendScanPage(nil, &page), entries...)
}

// CacheGetMany is import cache_get_many.
func (s *Store) CacheGetMany(cache int32, request, buf []byte) int64 {
	c, t := s.find(cache)
	if c == nil {
		return abi.ResultUnbound
	}
	r := abi.NewReader(request)
	var list abi.List
	abi.ReadList(&r, &list)
	reply := abi.AppendList(nil, int(list.Count))
	for range list.Count {
		key := r.Bin()
		stored, ok := c.Key.encode(key)
		if r.Err() != nil || !ok {
			return abi.ResultInvalid
		}
		if v, ok := t.values[stored]; ok {
			reply = abi.AppendBin(reply, v)
		} else {
			reply = abi.AppendNil(reply)
		}
	}
	if abi.EndList(&r, &list); r.Err() != nil {
		return abi.ResultInvalid
	}
	return answer(buf, reply)
}
