// Package kafka is the engine's Kafka client: a consumer that fills packed
// batches with one call into C each, an idempotent producer that takes staged
// records the same way, a reader without a group, and administration.
//
// It stands on librdkafka through confluent-kafka-go and is the only package
// that imports it. The group, rebalances, pauses, seeks and administration go
// through confluent-kafka-go's own objects; draining records and producing go
// around it, because it makes several calls into C and eight allocations a
// record. DESIGN.md says which threads and queues there are and who owns what.
//
// Offsets are never committed by themselves, neither in the background nor on
// Close: a record is committed when Commit says so.
package kafka
