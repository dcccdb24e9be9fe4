package slip

import (
	"strconv"

	"github.com/sliphost/sliphost/abi"
)

// CacheRef is a cache that handlers keep state in. It is declared once, as a
// package variable, and bound to handlers by [Handle].
//
// A handler sees its own writes and those of the records before it. The
// writes of a record become lasting together with its outputs, and are undone
// with them when the record fails.
type CacheRef struct {
	name  string
	index int
}

// cacheRefs counts the declared caches: a CacheRef's index is its number.
var cacheRefs int

// Cache declares a cache. name is the module's own name for it; the manifest
// says which cache stands behind it and of what type its keys are.
func Cache(name string) *CacheRef {
	mustName("slip.Cache", name)
	cacheRefs++
	return &CacheRef{name: name, index: cacheRefs - 1}
}

// Name returns the name given to [Cache].
func (k *CacheRef) Name() string { return k.name }

func (k *CacheRef) bind(h *handler) {
	h.clash("caches", k.name, h.desc.Caches)
	h.desc.Caches = append(h.desc.Caches, k.name)
	h.caches = append(h.caches, k)
}

// Get returns the value of key and whether there is one: a value may be
// present and empty. The value is valid until the handler returns.
func (k *CacheRef) Get(c *Call, key []byte) (value []byte, ok bool, err error) {
	id, err := k.id(c)
	if err != nil {
		return nil, false, err
	}
	buf := c.in.cacheBuf[:cap(c.in.cacheBuf)]
	n := hostCacheGet(c.in, id, key, buf)
	if n > int64(len(buf)) {
		buf = make([]byte, n)
		c.in.cacheBuf = buf
		n = hostCacheGet(c.in, id, key, buf)
	}
	if n == abi.ResultAbsent {
		return nil, false, nil
	}
	if n < 0 || n > int64(len(buf)) {
		return nil, false, k.refused("get", n)
	}
	return append(c.in.arena.take(int(n))[:0], buf[:n]...), true, nil
}

// Contains says whether key is there.
func (k *CacheRef) Contains(c *Call, key []byte) (bool, error) {
	id, err := k.id(c)
	if err != nil {
		return false, err
	}
	n := hostCacheGet(c.in, id, key, nil)
	if n < abi.ResultAbsent {
		return false, k.refused("contains", n)
	}
	return n >= 0, nil
}

// Put sets the value of key. Both are copied; a nil value is an empty one.
func (k *CacheRef) Put(c *Call, key, value []byte) error {
	id, err := k.id(c)
	if err != nil {
		return err
	}
	if n := hostCachePut(c.in, id, key, value); n < 0 {
		return k.refused("put", int64(n))
	}
	return nil
}

// Delete removes key; it is no error if it is not there.
func (k *CacheRef) Delete(c *Call, key []byte) error {
	id, err := k.id(c)
	if err != nil {
		return err
	}
	if n := hostCacheDelete(c.in, id, key); n < 0 {
		return k.refused("delete", int64(n))
	}
	return nil
}

func (k *CacheRef) id(c *Call) (int32, error) {
	c.check()
	if k.index < len(c.b.cacheIDs) {
		if id := c.b.cacheIDs[k.index]; id >= 0 {
			c.in.touched = true
			return id, nil
		}
	}
	return 0, &recordError{code: abi.CodeUnbound, text: "cache \"" + k.name +
		"\" is not bound: add it to slip.Handle of handler \"" + c.b.h.desc.Name + "\""}
}

// refused turns a negative answer of the host into an error.
func (k *CacheRef) refused(what string, n int64) error {
	code, why := abi.CodeFailed, "the host answered "+strconv.FormatInt(n, 10)
	switch n {
	case abi.ResultUnbound:
		code, why = abi.CodeUnbound, "the host does not allow it here"
	case abi.ResultInvalid:
		code, why = abi.CodeMessage, "the host could not read the request"
	case abi.ResultLimit:
		code, why = abi.CodeLimit, "a limit of this record is reached"
	}
	return &recordError{code: code, text: "cache \"" + k.name + "\": " + what + ": " + why}
}
