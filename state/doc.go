// Package state keeps the caches of handlers: what a record stages, what is
// committed, and what of it is on disk.
//
// A Store is the process's one. Each worker has an Overlay of it, with the
// writes staged since its last commit and a record cache of the Partitions it
// owns. Below is an Engine, ordered bytes on disk; it follows the commits and
// is only ever a prefix of what was committed. The package knows nothing of
// Kafka: who uses it writes changelogs and hands them back to restore.
package state
