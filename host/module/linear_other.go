//go:build !unix

package module

// reserve returns zeroed memory; pages come when they are touched.
func reserve(n uint64) []byte { return make([]byte, n) }

func commit([]byte, uint64, uint64) bool { return true }

func release([]byte) {}
