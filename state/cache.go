package state

import "time"

// Kind says where the entries of a cache live.
type Kind uint8

// Kinds of caches.
const (
	// KV is partitioned and has a changelog.
	KV Kind = iota
	// Global is the whole of a topic, read only.
	Global
	// Local is partitioned and lost with the partition.
	Local
)

// Cache is the configuration of one cache. Its position in Config.Caches is
// its id.
type Cache struct {
	Name string
	Kind Kind
	Key  KeyType
	// TTL is how long an entry lives by stream time, 0 for ever.
	TTL time.Duration
	// MaxBytes bounds keys and values of a partition: above it the oldest
	// insertions leave. 0 is no bound.
	MaxBytes int64
	// MaxEntry is the most bytes that key and value together may take in the
	// changelog, 0 if there is no limit.
	MaxEntry int
}

// Position says how far a changelog's partition is part of what is stored:
// Next is the offset of the first record that is not. Log is a hash of the
// topic's identity, so that a topic made anew is not taken for the old one.
type Position struct {
	Next int64
	Log  uint32
}
