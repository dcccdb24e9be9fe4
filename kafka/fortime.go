package kafka

import (
	"context"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// OffsetsForTime returns, for each partition, the offset of the first record
// that is not older than ms milliseconds since 1970, or the end. It asks again
// until ctx ends.
func (c *Consumer) OffsetsForTime(ctx context.Context, parts []abi.TopicPartition, ms int64) ([]int64, error) {
	offsets := make([]int64, len(parts))
	for i, p := range parts {
		at, err := offsetForTime(ctx, c.ck, c.topicName(p.Topic), p.Partition, time.UnixMilli(ms))
		if err != nil {
			return nil, err
		}
		offsets[i] = at
	}
	return offsets, nil
}
