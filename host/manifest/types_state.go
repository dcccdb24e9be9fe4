package manifest

import "time"

// Repartition is an internal topic that groups records by another key: a sink
// of some handlers and a source of others. It carries keys and values as they
// were emitted.
type Repartition struct {
	ID string
	// Name is the topic's name at the broker.
	Name string
	// Kafka names the cluster, Cluster is its index in Clusters.
	Kafka   string
	Cluster int
	// Partitions is 0 when the manifest does not say: topology.Counts has the
	// rule.
	Partitions int
	// Replication is the replication factor to create with; 0 leaves it to the
	// broker.
	Replication int
	// Config holds topic-level properties, used when the topic is created.
	Config []Property
}

// CacheKind says where a cache's entries live.
type CacheKind string

// Kinds of caches.
const (
	// CacheKV is partitioned as its sub-topology's inputs are and survives in a
	// changelog.
	CacheKV CacheKind = "kv"
	// CacheGlobal is a topic as a whole, read only.
	CacheGlobal CacheKind = "global"
	// CacheLocal is partitioned and lost with its partition.
	CacheLocal CacheKind = "local"
)

// Partitioned reports whether each partition of the input has entries of its
// own.
func (k CacheKind) Partitioned() bool { return k != CacheGlobal }

// KeyType is the type of a cache's keys.
type KeyType string

// Types of keys. A global cache has bytes or strings.
const (
	KeyBytes  KeyType = "bytes"
	KeyString KeyType = "string"
	KeyInt    KeyType = "int"
	KeyFloat  KeyType = "float"
	KeyBool   KeyType = "bool"
)

// Cache is a store of keys and values.
type Cache struct {
	ID   string
	Key  KeyType
	Kind CacheKind
	// Topic names the topic of a global cache, TopicIndex is its place in
	// Topics, -1 for other kinds.
	Topic      string
	TopicIndex int
	// Changelog is the name at the broker of a kv cache's topic, "" for other
	// kinds. The topic is on the cluster of its sub-topology.
	Changelog string
	// TTL is how long an entry lives by stream time, 0 for ever.
	TTL time.Duration
	// MaxBytes is the size of a partition above which the oldest insertions
	// leave, 0 for no limit.
	MaxBytes int64
	// Replication is the changelog's replication factor, 0 leaves it to the
	// broker.
	Replication int
	// Config holds topic-level properties of the changelog, used when it is
	// created.
	Config []Property
}

// CacheBinding is a cache under the name the module knows it by.
type CacheBinding struct {
	// Name is the module's name of the cache, Cache the cache's id.
	Name, Cache string
	// CacheIndex is the place in Caches.
	CacheIndex int
	// Pos is where the manifest names the cache.
	Pos Position
}

// OnChange says what to do when offsets, topics or changelogs were changed
// from outside.
type OnChange struct {
	// RecordsGone: a committed offset is before the first record that is left.
	// ChangeFail, ChangeEarliest or ChangeLatest.
	RecordsGone ChangePolicy
	// TopicRecreated: an input topic was deleted and made anew, or is shorter
	// than the committed offset. ChangeFail or ChangeRestart.
	TopicRecreated ChangePolicy
	// OffsetsReset: a committed offset was not written by the host. ChangeFail,
	// ChangeKeep or ChangeClear.
	OffsetsReset ChangePolicy
	// ChangelogGone: a changelog was deleted, or lacks what was committed.
	// ChangeFail, ChangeLocal or ChangeEmpty.
	ChangelogGone ChangePolicy
}

// ChangePolicy is one of OnChange's choices.
type ChangePolicy string

// Change policies.
const (
	// ChangeFail ends the run and says what happened.
	ChangeFail ChangePolicy = "fail"
	// ChangeEarliest and ChangeLatest go on with the oldest or the next record.
	ChangeEarliest ChangePolicy = "earliest"
	ChangeLatest   ChangePolicy = "latest"
	// ChangeRestart begins as a group without an offset does.
	ChangeRestart ChangePolicy = "restart"
	// ChangeKeep and ChangeClear go on at the offset, with the caches as they
	// are or empty.
	ChangeKeep  ChangePolicy = "keep"
	ChangeClear ChangePolicy = "clear"
	// ChangeLocal writes the changelog anew from the store on this machine.
	ChangeLocal ChangePolicy = "local"
	// ChangeEmpty goes on with empty caches.
	ChangeEmpty ChangePolicy = "empty"
)
