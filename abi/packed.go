package abi

// Packed is a batch of records as it leaves a source: records in the ABI's
// form, back to back, in runs of equal topic and partition. A run's bytes can
// be copied into a guest's arena as they are.
//
// Whoever fills it owns Buf until the next fill; readers must not keep parts
// of it. It is not safe for concurrent use.
type Packed struct {
	// Buf holds, for each record, its length in the fixed 5-byte form and then
	// the record [offset_delta, timestamp_delta, key, value, headers].
	Buf []byte
	// Runs lists the stretches of Buf in the order of arrival.
	Runs []Run
	// Ends lists partitions whose end was reached, with the offset of the end;
	// all records before it were delivered, in this batch or earlier.
	Ends []TopicOffset
}

// Run is a stretch of records of one topic and partition, in offset order.
type Run struct {
	// Topic is the topic's position in the list that was subscribed to.
	Topic int32
	// Partition is the Kafka partition.
	Partition int32
	// BaseOffset and BaseTimestamp (milliseconds since 1970, -1 if the record
	// has none) are the first record's; the deltas in the records refer to them.
	BaseOffset, BaseTimestamp int64
	// LastOffset is the offset of the run's last record; offsets may have gaps.
	LastOffset int64
	// Count is the number of records.
	Count int32
	// Start and End bound the run in Buf.
	Start, End int
}

// Reset empties the batch and keeps its memory.
func (p *Packed) Reset() {
	p.Buf = p.Buf[:0]
	p.Runs = p.Runs[:0]
	p.Ends = p.Ends[:0]
}

// TopicPartition names a partition by its topic's position in the list that
// was subscribed to.
type TopicPartition struct {
	Topic, Partition int32
}

// TopicOffset is a position in a partition: the offset of the next record to
// read. Metadata travels with a committed offset.
type TopicOffset struct {
	TopicPartition
	Offset   int64
	Metadata string
}

// Special offsets for seeking and for groups without a committed offset.
const (
	OffsetBeginning int64 = -2
	OffsetEnd       int64 = -1
	OffsetNone      int64 = -1001
)

// Bounds are the ends of a partition's log: the first offset that can be
// read, the last stable offset (where read_committed readers stop) and the
// high watermark (the end of the log).
type Bounds struct {
	Low, LastStable, High int64
}
