package host

import (
	"bytes"
	"errors"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// CacheScan implements module.State. The cursor of a page is its last key.
func (g *guestCalls) CacheScan(at module.At, cache int32, request, buf []byte) int64 {
	req, err := abi.ReadScanRequest(request)
	if err != nil {
		return abi.ResultInvalid
	}
	p, lo, hi, result := g.bounds(at, cache, req.From, req.To)
	if p == nil {
		return result
	}
	c := &g.w.plan.Caches[p.Cache()]
	if req.Prefix != nil {
		if c.Key != state.KeyBytes && c.Key != state.KeyString {
			return g.wrongKey(p.Cache(), errors.New("they have no prefixes"))
		}
		lo, hi = withPrefix(lo, hi, req.Prefix)
	}
	if req.Cursor != nil {
		cursor, err := c.Key.Encode(nil, req.Cursor)
		if err != nil {
			return g.wrongKey(p.Cache(), err)
		}
		if req.Reverse {
			hi = lesser(hi, cursor)
		} else if after := append(cursor, 0); bytes.Compare(after, lo) > 0 {
			lo = after
		}
	}
	g.page.Reset()
	g.page.Limit, g.page.MaxBytes = int(req.Limit), abi.MaxScanBytes
	more := false
	if hi == nil || bytes.Compare(lo, hi) < 0 {
		if more, err = p.Page(lo, hi, req.Reverse, &g.page); err != nil {
			return g.failed(err, p.Cache())
		}
	}
	return g.answerPage(c.Key, more, buf)
}

// answerPage writes the page in the ABI's form to buf if it fits and returns
// its length.
func (g *guestCalls) answerPage(kt state.KeyType, more bool, buf []byte) int64 {
	n := g.page.Len()
	head := abi.ScanPage{Count: int32(n)}
	if more && n > 0 {
		last, _ := g.page.Entry(n - 1)
		next, err := kt.Decode(g.key[:0], last)
		if err != nil {
			return g.failed(err, 0)
		}
		g.key, head.Next = next, next
	}
	out := abi.AppendScanPage(g.value[:0], &head)
	for i := range n {
		stored, value := g.page.Entry(i)
		key, err := kt.Decode(g.key2[:0], stored)
		if err != nil {
			return g.failed(err, 0)
		}
		g.key2 = key
		out = abi.AppendBin(out, key)
		out = abi.AppendBin(out, value)
	}
	return g.answer(out, buf)
}

// answer copies out to buf if it fits.
func (g *guestCalls) answer(out, buf []byte) int64 {
	g.value = out
	if len(out) <= len(buf) {
		copy(buf, out)
	}
	if cap(g.value) > 4<<20 {
		g.value = nil
	}
	return int64(len(out))
}

// CacheGetMany implements module.State.
func (g *guestCalls) CacheGetMany(at module.At, cache int32, request, buf []byte) int64 {
	r := abi.NewReader(request)
	var list abi.List
	abi.ReadList(&r, &list)
	if r.Err() != nil {
		return abi.ResultInvalid
	}
	out := abi.AppendList(g.value[:0], int(list.Count))
	for range list.Count {
		key := r.Bin()
		if r.Err() != nil {
			return abi.ResultInvalid
		}
		p, stored, result := g.cache(at, cache, key, g.key)
		if p == nil {
			return result
		}
		g.key = stored
		value, ok, err := p.Get(stored, g.key2[:0])
		if err != nil {
			return g.failed(err, p.Cache())
		}
		if !ok {
			out = abi.AppendNil(out)
			continue
		}
		g.key2 = value
		if value == nil {
			value = []byte{}
		}
		out = abi.AppendBin(out, value)
	}
	abi.EndList(&r, &list)
	if r.Err() != nil {
		return abi.ResultInvalid
	}
	if list.Count == 0 {
		// No key named the cache, so nothing has checked it yet.
		if p, _, _, result := g.bounds(at, cache, nil, nil); p == nil {
			return result
		}
	}
	return g.answer(out, buf)
}

// withPrefix narrows [lo, hi) to keys that begin with prefix.
func withPrefix(lo, hi, prefix []byte) (from, to []byte) {
	if bytes.Compare(prefix, lo) > 0 {
		lo = prefix
	}
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return lo, lesser(hi, end[:i+1])
		}
	}
	return lo, hi // nothing but 0xff: no end of its own
}

// lesser is the lower of two ends; nil is no end.
func lesser(a, b []byte) []byte {
	if a == nil || b != nil && bytes.Compare(b, a) < 0 {
		return b
	}
	return a
}
