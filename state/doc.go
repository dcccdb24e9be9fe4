// Package state keeps the caches of handlers: what a record stages, what is
// committed, and what of it is on disk.
//
// A Store is the process's one. Each worker has an Overlay of it, with the
// writes staged since its last commit and a record cache of the Partitions it
// owns. Below is an Engine, ordered bytes on disk; it follows the commits and
// is only ever a prefix of what was committed. The package knows nothing of
// Kafka: who uses it writes changelogs and hands them back to restore.
//
// The way of a write:
//
//	Put        staged: seen by reads, undone by Undo and Rollback
//	Changes    told to the changelog
//	Commit     committed: pinned in memory, since it is nowhere else
//	Maintain   handed to the engine in one batch with the position
//	           on disk: the entry stays cached while there is room
//
// The way back: Position tells how far the store is, a Load brings it to where
// the changelog is, Attach takes the partition over.
//
// Caches with a ttl or a bound have a header before each value and indexes by
// expiry and by insertion (limits.go). An index is a space like that of the
// entries (entry.go): its entries are staged, undone, committed and written by
// the same code.
//
// Files: store.go, meta.go and slots.go are the Store, load.go and global.go
// what goes past overlays; overlay.go, journal.go, stage.go, commit.go and
// maintain.go are the Overlay, partition.go, limits.go and scan.go the
// Partition; memory.go is an Engine for tests.
package state
