package metrics

import "time"

// Host is the engine's part of a scrape.
type Host struct {
	App   string
	State string
	// Ready says that all workers are open and none drains.
	Ready bool
	// Generation counts the manifests this process has applied, from 1.
	Generation uint64
	// Records are those whose effects are handed over.
	Records, Commits, Rewinds uint64
	// Aborts counts rewinds by reason.
	Aborts      map[string]uint64
	Handlers    []Handler
	Workers     []Worker
	Checkpoints []Checkpoint
}

// Handler sums one handler over all workers.
type Handler struct {
	ID, Module, SHA256                                                                          string
	Records, Outputs, Failed, Traps, CodecErrors, Fuel, LastFuel, Dropped, Skipped, DeadLetters uint64
	// Letters counts dead letters by code.
	Letters map[string]uint64
}

// Worker is one worker and what it owns, as of its last commit.
type Worker struct {
	ID         int
	Cluster    string
	Partitions []Partition
	// Batches and Commits are the times these take.
	Batches, Commits Durations
	Store            Store
}

// Partition is one partition that a worker owns.
type Partition struct {
	Source    string
	Partition int32
	// Next and Committed are offsets, negative if there is none.
	Next, Committed int64
	// Waiting counts the records behind one that waits for its retry.
	Waiting int64
	// Stopped says that the partition stands still.
	Stopped bool
}

// Durations is a histogram. Buckets are in the order of their bounds and do
// not include each other; the last one has no bound in truth.
type Durations struct {
	Buckets []Bucket
	Sum     time.Duration
}

// Bucket counts what is shorter than Below and not in the bucket before.
type Bucket struct {
	Below time.Duration
	Count uint64
}

// Client is one Kafka client's newest statistics.
type Client struct {
	Cluster string
	// Kind is consumer or producer.
	Kind   string
	Worker string
	// At is when the statistics were taken.
	At time.Time
	// QueuedRecords and QueuedBytes are a producer's records that no broker has
	// acknowledged, MaxRecords and MaxBytes their bounds.
	QueuedRecords, QueuedBytes, MaxRecords, MaxBytes int64
	// Operations waits to be served by the worker.
	Operations                                             int64
	SentBytes, ReceivedBytes, SentRecords, ReceivedRecords int64
	// Rebalances counts the assignments of a group's member.
	Rebalances int64
	Brokers    []Broker
	Partitions []ClientPartition
}

// Broker is a client's connection.
type Broker struct {
	Name string
	Up   bool
	// RTTAvg, RTTP99 and RTTMax are round trips since the last statistics.
	RTTAvg, RTTP99, RTTMax time.Duration
	// Waiting is the number of requests sent and not answered, Queued of those
	// not sent.
	Waiting, Queued int64
	Errors          int64
}

// ClientPartition is a partition as a client sees it.
type ClientPartition struct {
	Topic     string
	Partition int32
	// Lag is the number of records between the group's committed offset and the
	// end, negative if it is not known.
	Lag int64
	// Fetched is the number of records fetched ahead, FetchedBytes their size.
	Fetched, FetchedBytes int64
}
