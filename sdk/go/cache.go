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
//
// Keys are bytes in the form that the cache's key type in the manifest has:
// for bytes and string as they are, for the other types what [Call.IntKey],
// [Call.FloatKey] and [Call.BoolKey] make. A nil key is an error and not the
// empty key: keyless records would otherwise meet in one entry. A key has at
// most 65535 bytes.
//
// Errors tell why the host did not do it: a key that is not of the cache's
// type, a write to a global cache, a limit of the record. A limit fails the
// record whatever its handler returns.
type CacheRef struct{ ref }

// cacheRefs counts the declared caches: a CacheRef's index is its number.
var cacheRefs int

// Cache declares a cache. name is the module's own name for it; the manifest
// says which cache stands behind it and of what type its keys are.
func Cache(name string) *CacheRef {
	mustName("slip.Cache", name)
	cacheRefs++
	return &CacheRef{ref{name: name, index: cacheRefs - 1}}
}

// Name returns the name given to [Cache].
func (k *CacheRef) Name() string { return k.name }

func (k *CacheRef) bind(h *handler) {
	h.clash("caches", k.name, h.desc.Caches)
	h.desc.Caches = append(h.desc.Caches, k.name)
	h.caches = append(h.caches, k.ref)
}

// minRoom is how many bytes of the arena the host is offered for a value
// without knowing its size.
const minRoom = 256

// Get returns the value of key and whether there is one: a value may be
// present and empty. The value is valid until the handler returns; it must not
// be changed in place.
func (k *CacheRef) Get(c *Call, key []byte) (value []byte, ok bool, err error) {
	id, err := k.at(c, key)
	if err != nil {
		return nil, false, err
	}
	return k.get(c, id, key)
}

// get writes the value where it is to stay: the host is offered all that is
// free of the arena's chunk, so one call is enough and nothing is copied.
func (k *CacheRef) get(c *Call, id int32, key []byte) (value []byte, ok bool, err error) {
	a := &c.in.arena
	buf := a.room(minRoom)
	n := hostCacheGet(c.in, id, key, buf)
	if n > int64(len(buf)) {
		buf = a.room(int(n))
		n = hostCacheGet(c.in, id, key, buf)
	}
	if n == abi.ResultAbsent {
		return nil, false, nil
	}
	if n < 0 || n > int64(len(buf)) {
		return nil, false, k.refused("get", n)
	}
	return a.take(int(n)), true, nil
}

// GetOr returns the value of key, or def if there is none. The value is valid
// as that of [CacheRef.Get] is.
func (k *CacheRef) GetOr(c *Call, key, def []byte) ([]byte, error) {
	value, ok, err := k.Get(c, key)
	if err != nil || ok {
		return value, err
	}
	return def, nil
}

// GetMany returns the values of keys in their order, in one call of the host
// for each 4096 of them. A key that is not there has a nil value; a value that
// is there is never nil. The values are valid as that of [CacheRef.Get] is.
func (k *CacheRef) GetMany(c *Call, keys ...[]byte) ([][]byte, error) {
	id, err := k.id(c)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, 0, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), abi.MaxKeys)
		if values, err = k.getMany(c, id, keys[:n], values); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return values, nil
}

func (k *CacheRef) getMany(c *Call, id int32, keys, values [][]byte) ([][]byte, error) {
	req := abi.AppendList(c.in.request[:0], len(keys))
	for _, key := range keys {
		if key == nil {
			return nil, k.keyless()
		}
		req = abi.AppendBin(req, key)
	}
	c.in.request = req
	a := &c.in.arena
	buf := a.room(minRoom)
	n := hostCacheGetMany(c.in, id, req, buf)
	if n > int64(len(buf)) {
		buf = a.room(int(n))
		n = hostCacheGetMany(c.in, id, req, buf)
	}
	if n < 0 || n > int64(len(buf)) {
		return nil, k.refused("get many", n)
	}
	r := abi.NewReader(a.take(int(n)))
	var list abi.List
	abi.ReadList(&r, &list)
	for range list.Count {
		values = append(values, r.Bytes())
	}
	if abi.EndList(&r, &list); r.Err() != nil || int(list.Count) != len(keys) {
		return nil, k.unreadable("get many")
	}
	return values, nil
}

// Contains says whether key is there.
func (k *CacheRef) Contains(c *Call, key []byte) (bool, error) {
	id, err := k.at(c, key)
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
	id, err := k.at(c, key)
	if err != nil {
		return err
	}
	return k.put(c, id, key, value)
}

func (k *CacheRef) put(c *Call, id int32, key, value []byte) error {
	if n := hostCachePut(c.in, id, key, value); n < 0 {
		return k.refused("put", int64(n))
	}
	return nil
}

// Delete removes key; it is no error if it is not there.
func (k *CacheRef) Delete(c *Call, key []byte) error {
	id, err := k.at(c, key)
	if err != nil {
		return err
	}
	if n := hostCacheDelete(c.in, id, key); n < 0 {
		return k.refused("delete", int64(n))
	}
	return nil
}

// DeleteRange removes every key from from up to, but not including, to. An
// empty from is the first key, an empty to is behind the last; a range that
// ends before it starts is empty. Every key that is removed counts against
// the bytes that a record may write. Caches with bool keys refuse it.
func (k *CacheRef) DeleteRange(c *Call, from, to []byte) error {
	id, err := k.id(c)
	if err != nil {
		return err
	}
	if n := hostCacheDeleteRange(c.in, id, from, to); n < 0 {
		return k.refused("delete range", int64(n))
	}
	return nil
}

// Transaction calls f and keeps its cache writes, to this and to other caches,
// only if it returns nil; its error is returned. Transactions nest, 64 deep:
// an outer one that fails undoes what inner ones kept. Outputs are not undone:
// emit after it.
//
// key says what is worked on, for those who read the code: no one else can
// touch a task's caches while a record is handled, so nothing is locked.
func (k *CacheRef) Transaction(c *Call, key []byte, f func() error) error {
	if _, err := k.id(c); err != nil {
		return err
	}
	if n := hostSavepoint(c.in, abi.SavepointBegin); n < 0 {
		return k.refused("transaction", int64(n))
	}
	op := int32(abi.SavepointRelease)
	err := f()
	if err != nil {
		op = abi.SavepointRollback
		// What was swept may be back.
		c.in.swept = c.in.swept[:0]
	}
	if n := hostSavepoint(c.in, op); n < 0 {
		// Half of the writes must not stay, whatever the handler makes of it.
		c.failWith(k.refused("end of transaction", int64(n)))
		if err == nil {
			err = c.err
		}
	}
	return err
}

// at returns the host's number of the cache, if key can be one of its keys.
func (k *CacheRef) at(c *Call, key []byte) (int32, error) {
	id, err := k.id(c)
	if err == nil && key == nil {
		err = k.keyless()
	}
	return id, err
}

// id returns the host's number of the cache.
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

func (k *CacheRef) fault(code abi.ErrorCode, why string) error {
	return &recordError{code: code, text: "cache \"" + k.name + "\": " + why}
}

func (k *CacheRef) keyless() error { return k.fault(abi.CodeFailed, "the key is absent") }

func (k *CacheRef) unreadable(what string) error {
	return k.fault(abi.CodeMessage, what+": the host's answer could not be read")
}

// refused turns a negative answer of the host into an error.
func (k *CacheRef) refused(what string, n int64) error {
	switch n {
	case abi.ResultUnbound:
		return k.fault(abi.CodeUnbound, what+": not bound in the manifest or not allowed here")
	case abi.ResultInvalid:
		return k.fault(abi.CodeFailed, "the host refused the request: the manifest declares another type of keys than the handler uses (key = of its cache), or handlers may not write to it (kind = global)")
	case abi.ResultLimit:
		return k.fault(abi.CodeLimit, what+": a limit of this record was reached")
	}
	return k.fault(abi.CodeFailed, what+": the host answered "+strconv.FormatInt(n, 10))
}
